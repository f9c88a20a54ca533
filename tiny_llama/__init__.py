"""Two tiny Llama checkpoints, converted from Hugging Face to NeMo on CPU and compared.

``checkpoints`` makes the Hugging Face folders, ``model`` teaches NeMo to import them without
Transformer Engine, ``compare`` reads the result back, ``demo`` runs all of it. This package
imports nothing, so that a recipe can name ``tiny_llama.model`` on a machine that has
no NeMo.
"""
