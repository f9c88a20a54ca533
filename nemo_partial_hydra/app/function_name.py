"""What an app's function is called, so that another process can call it: its module or file, and its name there.

May import: the standard library.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.policy.rules import STACK

_SENT = "or send the recipe alone: hydra.launcher.payload=recipe"


@dataclass(frozen=True)
class FunctionName:
    """The name of an app's function.

    Attributes
    ----------
    module : its module, as it is imported; of a script, what it is called there.
    name : its name in the module.
    file : the name of the script's file, None for a module that is imported.
    folder : the directory of the script, None for a module.
    """

    module: str
    name: str
    file: str | None = None
    folder: str | None = None

    @property
    def dotted(self) -> str:
        """Both in one: ``train.main``."""
        return f"{self.module}.{self.name}"

    def of(self, found: type) -> str:
        """Return the dotted name of a class, of the script too."""
        module = self.module if found.__module__ == "__main__" else found.__module__
        return f"{module}.{found.__qualname__}"


def name_of(function: Callable[..., Any]) -> FunctionName:
    """Return the name of an app's function.

    Raises
    ------
    UsageError
        If another process cannot find it by a name.
    """
    plain = inspect.unwrap(function)
    name, space = getattr(function, "__qualname__", None), _space_of(function, plain)
    if not isinstance(name, str) or space is None:
        raise UsageError(
            f"the app's function is an object ({type(function).__name__}), which the job cannot find by a name: "
            f"make it a function of its module, {_SENT}"
        )
    found = _found(space, name, plain)
    if found is None and "<" in name:
        raise UsageError(
            f"the app's function {name} is defined inside of another one, and the job cannot find it by a name: "
            f"move it to the top level of its module, {_SENT}"
        )
    if found is None:
        raise UsageError(
            f"the app's function {name} has no name in its module by which the job could find it: give it one, {_SENT}"
        )
    name = found
    module, spec = str(function.__module__), space.get("__spec__")
    if module != "__main__":
        return FunctionName(module, name)
    if spec is not None and "." in spec.name:  # python -m package.app
        return FunctionName(spec.name, name)
    file = space.get("__file__")
    if not isinstance(file, str) or not os.path.isfile(file):
        raise UsageError(f"the app's function {name} stands in no file, from which the job could load it, {_SENT}")
    folder, base = os.path.split(os.path.abspath(file))
    return FunctionName(module_name(base), name, base, folder)


def module_name(file: str) -> str:
    """Return what the module of a script is called in a job: by its file, where no other module has that name."""
    stem = re.sub(r"\W", "_", os.path.splitext(file)[0])
    taken = stem in sys.stdlib_module_names or stem in STACK or stem in ("nemo_partial_hydra", "hydra", "omegaconf")
    return f"app_{stem}" if taken or not stem[:1].isalpha() else stem


def _space_of(function: Any, plain: Any) -> dict[str, Any] | None:
    """Return the names of the module that a function is in: of the main one it may not be what ``sys.modules`` has."""
    module = getattr(function, "__module__", None)
    if module == "__main__" or module not in sys.modules:
        return getattr(plain, "__globals__", None)
    return vars(sys.modules[module])


def _found(space: dict[str, Any], name: str, plain: Any) -> str | None:
    """Return the name by which a module has a function, its own first; None if it has none."""
    names = [] if "<" in name else [name]
    names += [known for known, value in space.items() if callable(value) and not known.startswith("__")]
    return next((each for each in names if _is(space, each, plain)), None)


def _is(space: dict[str, Any], name: str, plain: Any) -> bool:
    first, *rest = name.split(".")
    found: Any = space.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found is not None and inspect.unwrap(found) is plain
