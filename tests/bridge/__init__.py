"""Megatron-Bridge itself, on a CPU: its recipes exported, compared, listed, overridden, frozen and run."""
