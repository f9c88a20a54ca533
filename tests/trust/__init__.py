"""Tests of what is trusted: each attack beside the nearest honest case."""
