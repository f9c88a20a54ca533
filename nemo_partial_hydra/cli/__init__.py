"""``nemo-hydra``."""
