"""A function whose defaults are buildables, which needs nemo_run to be defined at all."""

from __future__ import annotations

from typing import Any

import nemo_run as run

from tests.support.deep import Point


def fit(
    point: Any = run.Config(Point, y=3),  # noqa: B008  # as NeMo's users write it
    points: Any = [run.Config(Point), run.Partial(Point, x=4)],  # noqa: B006,B008  # as above
) -> Any:
    """Return what it got."""
    return point, points
