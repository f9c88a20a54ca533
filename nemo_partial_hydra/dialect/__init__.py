"""The YAML dialect: written, read, edited."""
