"""The function of an app as Hydra calls it: in this process, or in that of a launcher's job.

May import: the standard library; what belongs to a job's process, when it is called.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from nemo_partial_hydra.composition import error_text
from nemo_partial_hydra.jobs.app_call import APP
from nemo_partial_hydra.runtime import session


class Task:
    """A decorated function in the user's environment, its errors marked as its own.

    Launchers send it to other processes: it holds no more than the function, and what its jobs run.
    """

    def __init__(self, function: Callable[[Any], Any], recipe: str | None = None, payload: str = APP) -> None:
        functools.update_wrapper(self, function)
        self.function, self.recipe, self.payload = function, recipe, payload

    def __call__(self, cfg: Any) -> Any:
        from nemo_partial_hydra.composition import handover
        from nemo_partial_hydra.composition.factory_arguments import settled
        from nemo_partial_hydra.composition.for_instantiate import for_instantiate
        from nemo_partial_hydra.composition.late_imports import import_for

        handover.receive()
        import_for(cfg)
        settled(cfg)
        with session.user_environment():
            try:
                return self.function(for_instantiate(cfg))
            except Exception as error:
                error_text.mark(error)
                raise


def running_recipe() -> Callable[[Any], Any]:
    """Return a function that runs the recipe of a config, as if it stood in the module that calls the package.

    Hydra counts the directory of configs from where an app's function stands.
    """
    from nemo_partial_hydra.composition.building import run

    def main(cfg: Any) -> Any:
        return run(cfg, ())

    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0] and frame.f_back:
        frame = frame.f_back
    code = main.__code__.replace(co_filename=frame.f_code.co_filename)
    made = FunctionType(code, frame.f_globals, "main", None, main.__closure__)
    made.__module__, made.__qualname__ = str(frame.f_globals.get("__name__")), "main"
    return made
