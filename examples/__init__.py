"""Examples that run on one machine without a GPU and without a network."""
