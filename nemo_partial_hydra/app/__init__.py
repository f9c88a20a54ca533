"""``nph.main``: an app around ``hydra.main``.

May import: ``listing``, ``explorer`` and what it may import; Hydra, inside functions.

| question | module |
|---|---|
| how does an app run | ``main`` |
| what does Hydra call | ``task`` |
| by which name does another process find that | ``function_name`` |
| how does a frozen job call it | ``in_job`` |
| where does that write, and what does Hydra make for it | ``job_settings`` |
| which flags are there, and what names them | ``known_flags`` |
| what is on its command line | ``command_line`` |
| what of it does Hydra get | ``hydra_arguments`` |
| what does Hydra get instead of what it refuses | ``spellings`` |
| how does the explorer compose its command line anew | ``browsing`` |
| what does its help say besides Hydra's | ``help`` |
| no garbage collection for an answer | ``collector`` |
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """This package, which is ``nph.app(...)`` too: of a package and a function one name can be an attribute."""

    def __call__(self, *arguments: Any, **more: Any) -> Callable[[], Any]:
        from .main import recipe_app

        return recipe_app(*arguments, **more)


sys.modules[__name__].__class__ = _Callable
