"""Hydra's plugins of nemo_partial_hydra: thin, import-light, without logic of their own."""
