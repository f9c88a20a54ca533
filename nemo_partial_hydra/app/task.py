"""The function of an app as Hydra calls it: in this process, or in that of a launcher's job.

May import: the standard library; what belongs to a job's process, when it is called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from nemo_partial_hydra.composition import error_text
from nemo_partial_hydra.runtime import session


class Task:
    """A decorated function in the user's environment, its errors marked as its own.

    Launchers send it to other processes: it holds no more than the function.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, cfg: Any) -> Any:
        from nemo_partial_hydra.composition import handover
        from nemo_partial_hydra.composition.for_instantiate import for_instantiate

        handover.receive()
        with session.user_environment():
            try:
                return self.function(for_instantiate(cfg))
            except Exception as error:
                error_text.mark(error)
                raise
