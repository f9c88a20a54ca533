"""What a recipe may name: default-deny, owned by the runner."""
