"""Modules of the user's own that a command names: imported from the current directory, as ``python -m`` does.

May import: the standard library only.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import RefusedError, UsageError
from nemo_partial_hydra.jobs.ownership import Trust, note, way_out
from nemo_partial_hydra.jobs.search_path import only_in
from nemo_partial_hydra.messages import installs, nearest, say


def use_here(modules: Sequence[str], trust_code: Sequence[str] = ()) -> None:
    """Have modules be found in the current directory, if nobody else may have put something there.

    Raises
    ------
    RefusedError
        If one of them is found nowhere else and the directory is not trusted.
    """
    here = os.getcwd()
    if here in sys.path:
        return
    why = Trust.of(trust_code).finding(here)
    if why is None:
        sys.path.insert(0, here)
    elif missing := only_in(here, modules):
        raise RefusedError(way_out(here, why, missing))
    else:
        say(note(here, why), file=sys.stderr)


def named_object(text: str, given: Sequence[str] = (), trust_code: Sequence[str] = ()) -> Any:
    """Return what ``MODULE:NAME`` names; a function is called with the arguments, a buildable is built.

    Parameters
    ----------
    text : the module's dotted name, and the name of what is in it.
    given : arguments as ``name=value``, values in YAML.
    trust_code : directories whose code is trusted.

    Raises
    ------
    UsageError
        If there is no such thing, or it cannot be made.
    """
    module, colon, name = text.partition(":")
    if not colon or not module or not name:
        raise UsageError(f"{text}: expected MODULE:NAME, like launch:cluster")
    use_here([module], trust_code)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"there is no module '{error.name}' here{installs(error.name)}") from None
    except Exception as error:  # a foreign module may raise anything while it is imported
        raise UsageError(f"importing '{module}' fails: {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = [each for each in dir(found) if not each.startswith("_")]
            raise UsageError(f"{text}: there is no '{part}' in {module}{nearest(part, known)}")
        found = getattr(found, part)
    return _made(text, found, given)


def _made(text: str, found: Any, given: Sequence[str]) -> Any:
    arguments = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--with {each}: expected name=value")
        arguments[key] = load(value)
    fiddle = sys.modules.get("fiddle")
    try:
        if callable(found) and not (fiddle is not None and isinstance(found, fiddle.Buildable)):
            found = found(**arguments)
        elif arguments:
            raise UsageError(f"{text}: is no function, so it takes no arguments (--with)")
        return fiddle.build(found) if fiddle is not None and isinstance(found, fiddle.Buildable) else found
    except UsageError:
        raise
    except Exception as error:  # as above
        raise UsageError(f"{text}: making it fails: {type(error).__name__}: {error}") from error
