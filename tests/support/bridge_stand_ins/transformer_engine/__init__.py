"""Stands for Transformer Engine: CUDA kernels, which layers of megatron-core derive from."""

from anything import stands_for

__version__ = "2.10.0"  # megatron-core asks for it to tell what there is

stands_for(__name__)
