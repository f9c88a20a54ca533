"""Live objects of a config that is pickled: those that cannot be are missed in another process only by who reads them.

May import: the standard library. Launchers pickle a sweep's whole config, of which a job reads the settings only: the
job composes its own, and may make there what could not be sent.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.tree import Opaque, Path


@dataclass(frozen=True)
class _Unsent:
    """What stands in the place of an object that could not be pickled, and why not."""

    why: str


class _ByValue:
    """A function or class on its way, where the pickle itself might know those of modules only."""

    def __init__(self, made: bytes) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_value, (self.made,)


def _by_value(made: bytes) -> Opaque:
    return Opaque(pickle.loads(made))


class _Nowhere:
    """A file that keeps nothing: an object may be large."""

    def write(self, data: Any) -> int:
        return len(data)


def to_send(tree: Opaque) -> Any:
    """Return what is pickled for a live object: itself, what cloudpickle makes of it, or a note that nothing can be."""
    try:
        pickle.Pickler(_Nowhere(), pickle.HIGHEST_PROTOCOL).dump(tree.value)
    except Exception as error:  # whatever an object raises
        cloudpickle = sys.modules.get("cloudpickle")
        if cloudpickle is None:
            return _unsent(error)
        try:
            return _ByValue(cloudpickle.dumps(tree.value))
        except Exception as last:
            return _unsent(last)
    return tree


def _unsent(error: Exception) -> Opaque:
    return Opaque(_Unsent(f"{type(error).__name__}: {error}".partition("\n")[0]))


def refuse_unsent(tree: Any, shown: Any, path: Path) -> None:
    """Refuse what stands for an object that was not sent to this process.

    Raises
    ------
    ValidationError
        With the path, and what the config shows there.
    """
    if isinstance(tree, Opaque) and isinstance(tree.value, _Unsent):
        what = f"{shown} stayed in the process that composed the config ({tree.value.why})"
        raise ValidationError(placed(path, f"{what}; make it a run.Config, or name a function that makes it"))
