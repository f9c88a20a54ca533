"""Stands for NVIDIA Resiliency Extension: watches the processes of a training that runs."""

from anything import stands_for

stands_for(__name__)
