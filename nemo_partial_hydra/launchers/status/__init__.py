"""How the jobs of a sweep go."""
