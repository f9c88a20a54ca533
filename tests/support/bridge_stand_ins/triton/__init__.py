"""Stands for Triton, a compiler for GPUs: kernels of megatron-core for inference are decorated with it."""

from anything import stands_for

__version__ = "3.6.0"  # torch compares it

stands_for(__name__)
