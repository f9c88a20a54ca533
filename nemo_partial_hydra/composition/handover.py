"""What the process of a job gets of the app: who it is, what it allows, the recipes that its code registered.

May import: Hydra's public parts. Launchers that run jobs in other processes (joblib, submitit, ray) send the state of
Hydra's singletons to them, before a job is composed there. So what belongs to an app is one of these singletons.
"""

from __future__ import annotations

from typing import Any

from hydra.core.singleton import Singleton

from nemo_partial_hydra.runtime import session

from .registry import REGISTRY, PackedEntry


class Handover(metaclass=Singleton):
    """The app of this process as a launcher sends it, or in a job's process, the one that was sent."""

    def __init__(self) -> None:
        self.app: session.Session | None = None
        self.plain = False
        self.recipes: list[PackedEntry] = []
        self.received = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Handover:
        """Return what is to be sent: launchers copy the singletons before they send them, maybe from another thread."""
        app = session.current()
        return _made(app, app is None, REGISTRY.packed())

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.app if self.app is not None else session.of_process(), self.plain, self.recipes)


def _made(app: session.Session | None, plain: bool, recipes: list[PackedEntry]) -> Handover:
    made: Handover = object.__new__(Handover)  # calling the class gives the one that this process has
    made.app, made.plain, made.recipes, made.received = app, plain, recipes, False
    return made


def receive() -> None:
    """Where this process runs a job of another one, belong to its app from now on."""
    found: Handover = Handover.instance()
    if found.app is not None and found.app.sent is not None and not found.received:
        found.received = True
        session.belong_to(found.app, plain=found.plain)
        REGISTRY.unpack(found.recipes)
