"""The exception that a job in another process has raised, made again of what its record says of it.

May import: the standard library. Who waits for jobs through Hydra gets the type, message, cause and the last frames
that the job's own process had, as with Hydra's other launchers; no pickle is read for that.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping, Sequence
from types import CodeType, TracebackType
from typing import Any

from nemo_partial_hydra.errors import JobFailed

_FRAME = re.compile(r"(?P<file>.+):(?P<line>\d{1,7}) in (?P<name>.+)", re.DOTALL)
_DEEPEST = 20  # causes


def failure(report: str, record: Mapping[str, Any] | None) -> JobFailed:
    """Return the error of a job that has failed.

    Parameters
    ----------
    report : what is said of it where it is reported: where the job is, and how it ended.
    record : the error in its status; None where it wrote none.
    """
    if record is None or str(record["type"]).startswith(f"{__name__.partition('.')[0]}."):
        return JobFailed(report)  # of ours the message says all
    made = _made(record, report)
    if hasattr(made, "add_note"):  # from Python 3.11 on
        made.add_note(report)
    _chained(made, record, report, 0)
    return made


def _made(record: Mapping[str, Any], report: str) -> JobFailed:
    found = getattr(builtins, str(record["type"]), None)
    bases: tuple[type, ...] = (JobFailed,)
    if isinstance(found, type) and issubclass(found, Exception):
        bases = (JobFailed, found)
    try:
        kind = type(str(record["type"]).rpartition(".")[2], bases, {"__str__": _message, "__module__": "builtins"})
        made: JobFailed = kind(str(record["message"]))
    except TypeError:  # an exception that is made of more than a message
        made = type("JobFailed", (JobFailed,), {"__str__": _message})(str(record["message"]))
    made.report = report
    return _raised(made, [str(frame) for frame in record.get("where") or ()])


def _message(error: JobFailed) -> str:
    return str(error.args[0])


def _chained(error: BaseException, record: Mapping[str, Any], report: str, depth: int) -> None:
    cause = record.get("cause")
    if isinstance(cause, Mapping) and {"type", "message"} <= cause.keys() and depth < _DEEPEST:
        error.__cause__ = _made(cause, report)
        _chained(error.__cause__, cause, report, depth + 1)


def _raised(error: JobFailed, frames: Sequence[str]) -> JobFailed:
    """Give an error a traceback of the frames that a record names."""
    known = [match for match in map(_FRAME.fullmatch, frames) if match is not None]
    made: TracebackType | None = None
    for match in reversed(known):
        line = int(match["line"])
        frame = _frame(match["file"], line, match["name"])
        if frame is not None:
            made = TracebackType(made, frame.tb_frame, frame.tb_lasti, line)
    return error.with_traceback(made)


def _frame(file: str, line: int, name: str) -> TracebackType | None:
    """Return the traceback of one frame that nobody has run: of a function of that name, at that line."""
    code: CodeType = compile("raise StopIteration", file, "exec").replace(co_name=name, co_firstlineno=line)
    try:
        exec(code, {})
    except StopIteration as error:
        return error.__traceback__.tb_next if error.__traceback__ is not None else None
    return None
