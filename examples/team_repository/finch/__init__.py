"""Finch: a team's small Llama over the bytes of a text, on NeMo.

This package imports nothing, so that a recipe can name what is in it where NeMo is not installed.
"""
