"""What an app prints when it ends with an error: one readable message, and the exit code.

May import: Hydra's and OmegaConf's error classes, when there is an error to report.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from nemo_partial_hydra.errors import ExitCode, RecipeError
from nemo_partial_hydra.messages import allowed_by_app, allowed_by_command, dots, say
from nemo_partial_hydra.recipes.keys import RESERVED

from .missing_config import missing_config, no_choice, plain_key

_TASK = "__raised_by_task__"
_UNDELETABLE = "does not support deletion"
E = TypeVar("E", bound=BaseException)


def mark(error: BaseException) -> None:
    """Remember that an exception came out of the decorated function, and from where: another process may report it."""
    try:
        setattr(error, _TASK, _frames(error))
    except AttributeError:
        return  # an exception class with __slots__: it is reported with Hydra's frames, which is only longer


def marked(error: BaseException) -> bool:
    """Whether an exception came out of the decorated function."""
    return bool(getattr(error, _TASK, False))


def report(error: BaseException, *, command: bool = False) -> ExitCode:
    """Print an error for the user and return the exit code.

    Parameters
    ----------
    error : what went wrong.
    command : whether it is told by ``nemo-hydra``, which has other options than an app.
    """
    own, text = find(error, RecipeError), worded(error, command=command)
    if text is None:
        say(getattr(error, _TASK, None) or _frames(error), file=sys.stderr)
        say("Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.", file=sys.stderr)
        return ExitCode.FAILED
    say(f"Error: {text}", file=sys.stderr)
    if own is None:
        say("Set HYDRA_FULL_ERROR=1 for a complete stack trace.", file=sys.stderr)
    return ExitCode.USAGE if own is None else own.exit_code


def worded(error: BaseException, *, command: bool = False) -> str | None:
    """Return the message of an error as ``report`` prints it; None where only a stack trace tells."""
    own = find(error, RecipeError)
    if own is None:
        return None if marked(error) else explain(error)
    text = getattr(own, "report", "") or str(own)
    return allowed_by_command(text) if command else allowed_by_app(text)


def end_of_pipe() -> None:
    """Let the process end quietly whose reader has closed the pipe: Python flushes stdout once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find(error: BaseException | None, kind: type[E]) -> E | None:
    """Return the first exception of a kind in a chain of causes."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__
    return None


def _frames(error: BaseException) -> str:
    """Return the traceback of an exception that the user's function raised, as Hydra shows it.

    Our own frames are left out, and OmegaConf's at the end.
    """
    import inspect

    from omegaconf import OmegaConf

    frames = traceback.TracebackException.from_exception(error, capture_locals=False)
    theirs = os.path.dirname(inspect.getfile(OmegaConf)) + os.sep
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    kept = [frame for frame in frames.stack if not frame.filename.startswith(ours)]
    while kept and kept[-1].filename.startswith(theirs):
        kept.pop()
    if kept:
        frames.stack = traceback.StackSummary.from_list(kept)
    return "".join(frames.format())


def explain(error: BaseException) -> str | None:
    """Word an error of Hydra or OmegaConf; None for other errors."""
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None if _of_plugin(error) else _foreign(error)
    if isinstance(error, MissingConfigException):
        return missing_config(error)
    inner: Any = error
    while not isinstance(inner, OmegaConfBaseException) and (inner.__cause__ or inner.__context__) is not None:
        inner = inner.__cause__ or inner.__context__  # Hydra 1.3 raises some of its errors without a cause
    if not isinstance(inner, OmegaConfBaseException):
        lines = str(error).strip().splitlines()
        primary = re.match(r"primary config '(.*)' must be a DictConfig, got ListConfig", lines[0] if lines else "")
        if primary:
            return f"{primary.group(1).removesuffix('.yaml')}.yaml: a config file is a mapping, got a list"
        if len(lines) > 1 and lines[0].startswith("Error when parsing index"):
            # It lists the whole command line, what nph.main added to it too.
            lines = lines[1:]
        given = getattr(error, "override", None)  # of an error of the grammar
        if isinstance(given, str) and lines and given not in lines[0]:
            lines[0] = f"{given}: {lines[0]}"
        if lines and lines[0].startswith("Unsupported config file extension"):
            names = [frame.f_locals.get("filename") for frame, _ in traceback.walk_tb(error.__traceback__)]
            lines[0] = f"{next(filter(None, reversed(names)), '')}: {lines[0]}".removeprefix(": ")
        return "\n".join(lines)
    if inner.full_key == "_dummy_":  # Hydra's own place for an entry of a defaults list that it resolves
        return str(error).strip()
    through = _through_reference(error, inner)
    if through is not None:
        return through
    given = re.search(r"To append to your config use (\+[^=]*)=(.*)", str(error))
    text = _place(inner, given.group(2) if given else None)
    if given and "; to add it: +" in text:  # with the value, of which what lies below may be a part
        added = f"{plain_key(given.group(1))}={given.group(2)}"
        text = f"{text.partition('; to add it: +')[0]}; to add it: {_word(added)}"
    head = str(error).strip().splitlines()[0] if error is not inner and str(error).strip() else ""
    if head.startswith("In '"):
        return f"{head.partition(':')[0]}: {text}"
    if head.startswith(("Error merging", "Could not override", "Could not append", "Could not delete")):
        if "{_target_" in str(error) and "'" in head:
            key = head.split("'")[1]
            text += f"; an override merges into what stands there: to replace it, use '+_replace_.{key}={{...}}'"
        override = head.removeprefix("Error merging override ")
        return f"{text} (override {override})" if override != head and override.partition("=")[0] not in text else text
    return text


def _word(text: str) -> str:
    """Quote an override for a shell, in the way that reads best."""
    return f'"{text}"' if "'" in text and not re.search(r'["$`\\!]', text) else shlex.quote(text)


def _through_reference(error: BaseException, inner: Any) -> str | None:
    """Word an override that failed at another path than its own: a reference led there."""
    match = re.search(r"(?:override |')[+~]*([A-Za-z_][\w.@-]*)", str(error).partition("\n")[0])
    path = dots(inner.full_key or "")
    if match is None or not path or "." not in match.group(1):
        return None
    given, real = match.group(1).split("."), path.split(".")
    if given == real or given[-1] != real[-1] or given[: len(real)] == real or real[: len(given)] == given:
        return None
    while len(given) > 1 and len(real) > 1 and given[-1] == real[-1]:
        given.pop()
        real.pop()
    place, target = ".".join(given), ".".join(real)
    below = match.group(1)[len(place) + 1 :]
    return f"{match.group(1)}: '{place}' is a reference to '{target}'; override {target}.{below}= instead"


def _of_plugin(error: BaseException) -> bool:
    """Whether an exception came through a launcher or sweeper of others: then it says nothing of the command line."""
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any("/hydra_plugins/" in name and "/hydra_plugins/nemo_partial_hydra/" not in name for name in names)


def _foreign(error: BaseException) -> str:
    """Word an exception that Hydra let through while it read the command line."""
    if merged_into_reference(error) and (over := _over_reference()) is not None:
        return over
    for pattern, word in _FOREIGN:
        match = re.search(pattern, str(error), re.DOTALL)
        if match and (text := word(match)) is not None:
            return text
    if isinstance(error, AssertionError) and re.match("assert |$", str(error)):  # pytest writes the check itself
        return _own_check(error)
    name = "" if isinstance(error, (ValueError, TypeError, RuntimeError)) else f"{type(error).__name__}: "
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_create_defaults_list" and isinstance(frame.f_locals.get("config_path"), str):
            said = re.sub(r"^In \S*: | in defaults (?=:)", "", str(error))
            return f"{frame.f_locals['config_path'].removesuffix('.yaml')}.yaml: defaults: {said}"
    from .compat import CHECK

    given = shlex.join(argument for argument in sys.argv[1:] if argument != CHECK)
    return f"{name}{error}" + (f" (command line: {given})" if given else "")


def _in_list(match: re.Match[str]) -> str | None:
    """Word a name where a list has numbers."""
    key = match.group(1) or match.group(2)
    for argument in sys.argv[1:]:
        head = argument.partition("=")[0].lstrip("+~")
        before, found, _ = f"{head}.".partition(f".{key}.")
        if found:
            return f"{before}.{key}: '{before}' is a list: its elements are 0, 1, ..."
    return None


def _deleted_element(match: re.Match[str]) -> str | None:
    """Word the deletion of an element of a list, which Hydra has from 1.4 on."""
    for argument in sys.argv[1:]:
        path = argument[1:].partition("=")[0]
        if argument.startswith("~") and path.rpartition(".")[2].isdigit():
            return f"{path}: an element of a list is deleted with '+_delete_=[{path}]'"
    return None


def _dict_over_null(match: re.Match[str]) -> str | None:
    """Word a dict over the null of a dataclass, which Hydra takes from 1.4 on."""
    words = [word.lstrip("+").partition("=")[0] for word in sys.argv[1:] if "=" in word]
    path = match.group(1) or next((word.rpartition(".")[0] for word in words if "." in word), "")
    text = "it is null in a dataclass of the config, where this Hydra puts no dict; make it {} or set it in a file"
    return f"{path}: {text}" if path else None


def merged_into_reference(error: BaseException) -> bool:
    """Whether OmegaConf could not put a dict or a list over a reference: before 2.4 an assertion of its own fails."""
    found = find(error, AssertionError)
    frames = traceback.extract_tb(found.__traceback__) if found is not None else []
    return bool(frames) and frames[-1].name == "update" and "omegaconf" in frames[-1].filename


def undeletable(error: BaseException) -> bool:
    """Whether OmegaConf could not delete a key of a typed node."""
    found = find(error, TypeError)
    return found is not None and _UNDELETABLE in str(found)


def _own_check(error: AssertionError) -> str:
    """Word a check inside of Hydra or OmegaConf, which says nothing: of which config it was, as far as can be seen."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    locals_: list[Any] = [frame.f_locals.get("parent") for frame in frames]
    parents = [found for found in locals_ if hasattr(found, "get_config_path")]
    where = f"in {parents[-1].get_config_path()}: " if parents else ""
    for frame in reversed(frames):
        early, late = (frame.f_locals.get(name) for name in ("last_override_seen", "d"))
        if frame.f_code.co_name == "_update_overrides" and early is not None and late is not None:
            what = f"'override {early.get_override_key()}' stands before '{late.get_override_key()}'"
            return f"{where}{what} in the defaults list; overrides must be at its end"
    last = frames[-1].f_code
    what = f"a check inside of {os.path.basename(last.co_filename)} ({last.co_name}) failed"
    return f"{where}{what}, which says no more; what it reads is often a defaults list that is not in order"


def _over_reference() -> str | None:
    """Word a sweep of dicts or lists over a reference."""
    for key, _, value in (argument.lstrip("+").partition("=") for argument in sys.argv[1:]):
        if value.lstrip()[:1] in ("{", "["):
            return f"{key}: a file has a reference here, which no sweep of dicts or lists replaces; sweep a group"
    return None


_UNASSERTED = (
    "Hydra reads a dict on the command line only where Python's assertions are on: without -O and PYTHONOPTIMIZE; or "
    "set its keys one by one"
)
# What Hydra lets through as Python's own exceptions: how the message begins, and what is said instead.
_FOREIGN: tuple[tuple[str, Callable[[re.Match[str]], str | None]], ...] = (
    (r"^Index '(.*)' \(str\) is not an int|^invalid literal for int\(\) with base 10: '(.*)'", _in_list),
    (r"^list indices must be integers", _deleted_element),
    (r"^Config group override must be.*$", no_choice),
    (r"^'NoneType' object has no attribute 'get'\n +full_key: (\S+)|^Unexpected type for root: None", _dict_over_null),
    (r"^'TerminalNodeImpl' object has no attribute", lambda match: _UNASSERTED),
    (r"^Expecting one subcommand", lambda match: "--shell-completion takes install=, uninstall= or query= and a shell"),
    (r"^Error parsing line ''|^COMP_LINE$|^'COMP_LINE'$", lambda match: "query= is for shells: COMP_LINE is not set"),
    (r"^Only one of --run.*$", lambda match: match.group().replace("shell_completion", "shell-completion")),
    (r"^File (.*) does not exist!$", lambda match: f"--experimental-rerun: there is no file '{match.group(1)}'"),
)


def _place(error: Any, value: str | None = None) -> str:
    """Word an OmegaConf error with its full path, the nearest right name and the way out."""
    first = str(error.msg or error).strip().splitlines()[0]
    path = dots(error.full_key or "")
    for word in _PLACED:
        text = word(error, first, path, value)
        if text is not None:
            return text
    return f"{path}: {first}" if path else first


def _of_dict(error: Any, first: str, path: str, value: str | None) -> str | None:
    """Word a name that a dict or a recipe node does not have."""
    from omegaconf import DictConfig
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    parent = error.parent_node
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)) and isinstance(parent, DictConfig):
        from .unknown_names import unknown_key

        return unknown_key(parent, str(error.key), path, value)
    return None


def _of_list(error: Any, first: str, path: str, value: str | None) -> str | None:
    """Word an index that a list does not have."""
    from omegaconf import ListConfig

    from .flags import kind_of

    parent = error.parent_node
    if not isinstance(parent, ListConfig) or not ("out of range" in first or "index" in first.lower()):
        return None
    text = f"{path}: index {error.key} is out of range: the list has {len(parent)} elements"
    owner = path.rpartition(".")[0]
    appends = kind_of(parent)[0] == "list" and str(error.key) == str(len(parent)) and not owner.startswith("hydra.")
    return f"{text}; to append one: '+_append_.{owner}=[...]'" if appends else text


def _undeletable(error: Any, first: str, path: str, value: str | None) -> str | None:
    """Word the deletion of a parameter."""
    if _UNDELETABLE not in first or not path:
        return None
    from .unset import keys_set

    owner, _, name = path.rpartition(".")
    if name in RESERVED:
        return f"{path}: it says what the recipe is, and cannot be deleted"
    if name not in keys_set(error.parent_node):
        return f"{path}: nothing sets it, so there is nothing to delete"
    return f"{path}: a parameter is unset with '+{owner + '.' if owner else ''}_delete_=[{name}]'"


def _unlike(error: Any, first: str, path: str, value: str | None) -> str | None:
    """Word a dict over a list, or a list over a dict."""
    if re.match(r"Cannot merge ((Dict|List)Config with|incompatible container)", first) is None:
        return None
    each = error, error.__cause__, error.__context__  # OmegaConf 2.4 has the frames in the exception before
    frames = [[frame for frame, _ in traceback.walk_tb(one.__traceback__)] for one in each if one is not None]
    merged = [[frame.f_locals.get("key") for frame in some if frame.f_code.co_name == "_map_merge"] for some in frames]
    keys: list[Any] = next(filter(None, merged), [])
    place = path or ".".join(str(key) for key in keys)
    way = f"to replace what stands there: '~{path}' '+{path}=...'" if path else "write it as it stands there before"
    return f"{place}{': ' if place else ''}a dict and a list are not merged; {way}"


# What OmegaConf says of a place in a config; the first that has a text says it.
_PLACED: tuple[Callable[[Any, str, str, str | None], str | None], ...] = (_of_dict, _of_list, _undeletable, _unlike)
