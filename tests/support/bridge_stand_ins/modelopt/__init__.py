"""Stands for NVIDIA Model Optimizer: called where a checkpoint of a quantized or distilled model is read."""

from anything import stands_for

stands_for(__name__)
