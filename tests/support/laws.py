"""How often a law is tried with made examples: hypothesis's profiles ``full``, ``few`` and ``search``.

The first two make the same examples in every run, so that a change is judged by what it changes.
``--hypothesis-profile=search`` makes new ones, ten times as many: run it on what you have built.  What it finds becomes
an example of its own.

``--hypothesis-profile=few`` takes a tenth of the examples.  It is for runs that repeat a law which another run tries in
full: all cells of the matrix (``make test`` tries them in full) and ``make quick``.
"""

from __future__ import annotations

from hypothesis import settings

USUAL = 100  # examples of a law that asks for no number of its own

# A busy machine is not slow code, so no example has a deadline.
settings.register_profile("full", deadline=None, max_examples=USUAL, derandomize=True)
settings.register_profile("few", deadline=None, max_examples=USUAL // 10, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=USUAL * 10)


def tries(examples: int) -> int:
    """Return how many examples stand for that many under the profile in use; at least two."""
    return max(2, examples * settings().max_examples // USUAL)
