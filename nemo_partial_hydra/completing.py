"""Shell completion of values: after ``key=``, the members of an enum, Literal values, true and false.

May import: Hydra's public parts and OmegaConf. Hydra completes keys and config groups; where the last word is the value
of a path, the line is composed once more and the listing's record tells the choices. Nothing is imported for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from . import session
from .spelling import value_text

QUERY = "query="


def words_of(line: str) -> list[str]:
    """Return the words of a command line after the app's own name; the last one is being completed."""
    words = line.split(" ")
    skip = 1
    if os.path.basename(words[0]).startswith("python"):
        skip = 3 if words[1:2] == ["-m"] else 2
    return words[skip:]


def question(args: list[str]) -> tuple[str, list[str], str] | None:
    """Return shell, other words and last word of a query that asks for a value; None for all else."""
    shell = next((arg.partition(QUERY)[2] for arg in args if arg.startswith(QUERY)), "")
    words = words_of(os.environ.get("COMP_LINE", ""))
    if not shell or not words or "=" not in words[-1] or words[-1].startswith("-"):
        return None
    others = [word for word in words[:-1] if word not in ("", "-m", "--multirun")]
    return shell, others, words[-1]


def answer(args: list[str], run: Callable[[list[str]], Any]) -> bool:
    """Print the values that complete the last word; return False where Hydra has to answer.

    Parameters
    ----------
    args : the app's arguments, of a completion query.
    run : runs the app with other arguments.
    """
    asked = question(args)
    if asked is None:
        return False
    shell, others, word = asked
    found: list[str] = []
    key = word.partition("=")[0]
    callback = {"_target_": "nemo_partial_hydra.completing_callback.CompleteValue", "key": key.lstrip("+")}
    with _asking(found), _silence():
        run([*others, f"+hydra.callbacks.nemo_partial_hydra={value_text(callback)}"])
    matches = [f"{key}={value}" for value in found if f"{key}={value}".startswith(word)]
    if not found:
        return False
    print(("\n" if shell == "fish" else " ").join(matches))
    return True


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide what is wrong with an unfinished line: no news to who is typing it."""
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.suppress(Exception, SystemExit))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        stack.enter_context(contextlib.redirect_stdout(nothing))
        yield


_answers: list[list[str]] = []


@contextlib.contextmanager
def _asking(found: list[str]) -> Iterator[None]:
    from hydra.core.global_hydra import GlobalHydra

    _answers.append(found)
    argv = sys.argv
    app = session.current()
    try:
        if app is not None:
            app.completes = True
        yield
    finally:
        _answers.remove(found)
        sys.argv = argv
        GlobalHydra.instance().clear()


def tell(values: list[str]) -> None:
    """Note the values that may stand after the key that is asked for."""
    if _answers:
        _answers[-1].extend(values)
