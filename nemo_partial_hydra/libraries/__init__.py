"""The recipe libraries in use."""
