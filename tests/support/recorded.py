"""What the jobs of ``tests/golden/v0.1`` call: the files recorded there name it, so it never changes."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


class Mode(enum.Enum):
    """How fast."""

    SLOW = 1
    FAST = 2


def double(value: float) -> float:
    """Return twice a value."""
    return 2 * value


@dataclass
class Optimizer:
    """An optimizer.

    Attributes
    ----------
    lr : the learning rate.
    betas : of its two means.
    warmup : until the learning rate is reached.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: datetime.timedelta = datetime.timedelta(0)


@dataclass
class Model:
    """A model.

    Attributes
    ----------
    layers : how many.
    activation : what is called between them.
    """

    layers: int = 2
    activation: Callable[[float], float] = double


def train(
    model: Model,
    optimizers: list[Optimizer],
    steps: int = 10,
    mode: Mode = Mode.SLOW,
    precision: Literal["bf16", "fp32"] = "fp32",
    out: pathlib.Path = pathlib.Path("out"),
    token: str | None = None,
    extra: Any = None,
    other: Model | None = None,
) -> dict[str, Any]:
    """Return what was given, as JSON can hold it.

    Parameters
    ----------
    model : what is trained.
    steps : how long.
    """
    if steps < 1:
        raise ValueError(f"{steps} steps are too few")
    return {
        "model": [model.layers, model.activation(-1.5)],
        "optimizers": [[each.lr, list(each.betas), each.warmup.total_seconds()] for each in optimizers],
        "steps": steps,
        "mode": mode.name,
        "precision": precision,
        "out": [type(out).__name__, str(out)],
        "token": token,
        "extra": spelled(extra),
        "same": other is model,
    }


def spelled(value: Any) -> Any:
    """Spell a value with its type, dicts and lists by their parts."""
    if isinstance(value, dict):
        return [[spelled(key), spelled(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(spelled, value)]
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, *sorted(map(str, value))]
    return f"{type(value).__name__} {value}"


def defaults(
    delay: datetime.timedelta = datetime.timedelta(days=1, seconds=2),
    price: decimal.Decimal = decimal.Decimal("1.50"),
    choices: tuple[int | str, ...] = (1, "a"),
    names: frozenset[str] = frozenset({"x"}),
    data: bytes = b"\0\xff",
    table: dict[str, float] = {"a": float("inf")},  # noqa: B006  # a default to record, never changed
    folder: pathlib.PurePath = pathlib.PurePosixPath("/a"),  # noqa: B008  # it cannot change
    mode: Mode = Mode.FAST,
    model: Model = Model(3),  # noqa: B008  # a default that is an object
    function: Callable[..., Any] = spelled,
    *rest: int,
    number: complex = 1 + 2j,
    **more: str,
) -> None:
    """Have a default of every kind that a snapshot holds."""
