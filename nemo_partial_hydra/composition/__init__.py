"""Recipes as Hydra configs, by Hydra's and OmegaConf's public API."""
