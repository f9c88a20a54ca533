"""``nph.main``: an app around ``hydra.main``."""
