"""Shell completion of values: after ``key=``, the members of an enum, Literal values, true and false.

May import: Hydra's public parts and OmegaConf. Hydra completes keys and config groups; where the last word is the value
of a path, the line is composed here and the listing's record tells the choices. Nothing is imported for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.runtime import session

QUERY = "query="
Open = Callable[[list[str]], Any]


def words_of(line: str) -> list[str]:
    """Return the words of a command line after the app's own name; the last one is being completed."""
    words = line.split(" ")
    skip = 1
    if os.path.basename(words[0]).startswith("python"):
        skip = 3 if words[1:2] == ["-m"] else 2
    return words[skip:]


def typed_words(read: Callable[[list[str]], list[str]]) -> list[str]:
    """Return what has been typed as Hydra is to see it, and let Hydra see it so.

    Parameters
    ----------
    read : takes the options of ``nph.main`` out of a command line.
    """
    line = os.environ.get("COMP_LINE", "")
    words = words_of(line)
    with contextlib.suppress(RecipeError):  # an unfinished line: no news to who is typing it
        left = read(words)
        head = line.split(" ")[: len(line.split(" ")) - len(words)]
        os.environ["COMP_LINE"] = " ".join([*head, *left])
        return left
    return words


def question(args: list[str], words: list[str]) -> tuple[str, list[str], str] | None:
    """Return shell, other words and last word of a query that asks for a value; None for all else."""
    shell = next((arg.partition(QUERY)[2] for arg in args if arg.startswith(QUERY)), "")
    if not shell or not words or "=" not in words[-1] or words[-1].startswith("-"):
        return None
    others = [word for word in words[:-1] if word not in ("", "-m", "--multirun")]
    return shell, others, words[-1]


def _below(folders: Iterable[str], group: str) -> Iterator[str]:
    return (os.path.join(folder, group) for folder in folders)


def answer(args: list[str], words: list[str], compose: Open, folders: Iterable[str] = ()) -> bool:
    """Print the values that complete the last word; return False where Hydra has to answer.

    Parameters
    ----------
    args : the app's arguments, of a completion query.
    words : what has been typed after the app's name, ``nph.main``'s own options taken out.
    compose : opens the composed config of a command line.
    folders : the app's config directories.
    """
    asked = question(args, words)
    if asked is None:
        return False
    shell, others, word = asked
    key = word.partition("=")[0]
    group = key.lstrip("+")
    libraries = session.workspace().catalog
    if libraries.is_group(group) or REGISTRY.is_group(group) or any(map(os.path.isdir, _below(folders, group))):
        return False  # Hydra knows the options, and nothing has to be composed for them
    found: list[str] = []
    with _silence(), compose(others) as config:
        found += values(config, key.lstrip("+"))
    if found:
        matches = [f"{key}={value}" for value in found if f"{key}={value}".startswith(word)]
        print(("\n" if shell == "fish" else " ").join(matches))
    return bool(found)


def values(config: Any, key: str) -> list[str]:
    """Return the values that a path's type names one by one."""
    from .override_text import value_text
    from .walk import describe

    for info in describe(config, docs=False):
        if info.path == key:
            kind = info.type.removeprefix("Optional[").removesuffix("]")
            found = [*info.choices, *((True, False) if kind == "bool" else ())]
            if found and info.type.startswith("Optional["):
                found.append(None)
            return [str(value_text(value)) for value in found]
    return []


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide what is wrong with an unfinished line: no news to who is typing it."""
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.suppress(Exception, SystemExit))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        stack.enter_context(contextlib.redirect_stdout(nothing))
        yield
