"""Shell completion of values: after ``key=``, the members of an enum, Literal values, true and false.

May import: Hydra's public parts and OmegaConf. Hydra completes keys and config groups; where the last word is the value
of a path, the line is composed here and the listing's record tells the choices. Nothing is imported for it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.runtime import session

from .record import PathInfo

Compose = Callable[[], contextlib.AbstractContextManager[Any]]
QUERY = "query="  # what precedes the shell's name in Hydra's completion script
# bash and zsh expand each word of the answer (``compgen -W``), and put the chosen one into the line as it is: a key, a
# file's name or a value of somebody else must bring no command there.
_COMMAND = re.compile(r"[^\s]*[$`;&|<>()!][^\s]*")


def typed_words() -> tuple[list[str], list[str]]:
    """Return what has been typed: the app's own name, and the words after it, the last of which is completed."""
    words = os.environ.get("COMP_LINE", "").split(" ")
    skip = 1
    if os.path.basename(words[0]).startswith("python"):
        skip = 3 if words[1:2] == ["-m"] else 2
    return words[:skip], words[skip:]


def asks_for_any_word() -> bool:
    """Whether nothing of the word that is completed has been typed yet, but maybe what adds or deletes: ``+``."""
    words = typed_words()[1]
    return not words or not words[-1].lstrip("+~")


def retype(words: list[str]) -> None:
    """Have Hydra see other words than those that have been typed."""
    os.environ["COMP_LINE"] = " ".join(words)


def asking_shell(overrides: Iterable[str]) -> str:
    """Return the shell that a completion query comes from; empty where a script is to be installed."""
    return next((text.partition(QUERY)[2] for text in overrides if text.startswith(QUERY)), "")


def _below(folders: Iterable[str], group: str) -> Iterator[str]:
    return (os.path.join(folder, group) for folder in folders)


@contextlib.contextmanager
def typeable() -> Iterator[None]:
    """Print of what is printed in the block only words that a shell takes for nothing but words."""
    found = io.StringIO()
    try:
        with contextlib.redirect_stdout(found):
            yield
    finally:
        say(without_commands(found.getvalue()), end="")


def without_commands(text: str) -> str:
    """Leave out each word of an answer in which a shell would see more than a word."""
    return _COMMAND.sub("", "".join(char if char.isspace() or char.isprintable() else "$" for char in text))


def answer(word: str, shell: str, compose: Compose, folders: Iterable[str] = ()) -> bool:
    """Print the values that complete an override; return False where Hydra has to answer.

    Parameters
    ----------
    word : the override whose value is being typed.
    shell : the shell that asks.
    compose : composes what has been typed before it.
    folders : the app's config directories.
    """
    key = word.partition("=")[0]
    group = key.lstrip("+")
    libraries = session.workspace().catalog
    if libraries.is_group(group) or REGISTRY.is_group(group) or any(map(os.path.isdir, _below(folders, group))):
        return False  # Hydra knows the options, and nothing has to be composed for them
    found: list[str] = []
    with _silence(), compose() as config:
        found += values(config, key.lstrip("+"))
    if found:
        matches = [f"{key}={value}" for value in found if f"{key}={value}".startswith(word)]
        say(("\n" if shell == "fish" else " ").join(matches))
    return bool(found)


def values(config: Any, key: str) -> list[str]:
    """Return the values that a path's type names one by one."""
    from .walk import describe

    return next((named_values(info) for info in describe(config, docs=False) if info.path == key), [])


def named_values(info: PathInfo) -> list[str]:
    """Return the values that a record names one by one: choices, true and false, null where it may be."""
    from .override_text import value_text

    kind = info.type.removeprefix("Optional[").removesuffix("]")
    found = [*info.choices, *((True, False) if kind == "bool" else ())]
    if found and info.type.startswith("Optional["):
        found.append(None)
    return [str(value_text(value)) for value in found]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide what is wrong with an unfinished line: no news to who is typing it."""
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.suppress(Exception, SystemExit))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        stack.enter_context(contextlib.redirect_stdout(nothing))
        yield
