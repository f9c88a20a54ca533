"""Stands for Megatron-Energon: the loader of multimodal data sets, whose generic classes are base classes."""

from anything import stands_for

stands_for(__name__)
