"""What came of a job: its result as JSON or as text, an error with the recipe's own frames, and how both are kept.

May import: the standard library only. On a full disk nothing is lost silently: the status is written over the old one
in place, which needs no new block, and a result that cannot be kept is printed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from typing import Any

from nemo_partial_hydra.errors import JobError

from . import files
from .layout import JobPaths
from .status import MAX_BYTES, Status, encode, write_status

_FRAMES = 5
_CAUSES = 3
_MESSAGE = 2000
_BLOCK = 4096  # what a file has at least on disk, so that so many bytes can be written over it


def result_text(value: Any) -> str:
    """Return a result as the text of result.json: ``{"result": ...}``, or ``{"repr": "..."}`` for what JSON has not."""
    try:
        return json.dumps({"result": value}, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError):
        return json.dumps({"repr": _repr(value)}) + "\n"


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # a foreign __repr__ may raise anything, and the job is done all the same
        return f"<{type(value).__name__}, whose repr fails: {type(error).__name__}>"


def read_result(paths: JobPaths) -> Any:
    """Return what a job returned: its value, or its text where JSON could not hold it; None if there is none."""
    data = result_record(paths)
    return data.get("result", data.get("repr"))


def result_record(paths: JobPaths) -> dict[str, Any]:
    """Return what result.json says; nothing if it is not there or not whole."""
    try:
        data = json.loads(files.read_text(paths.root, paths.result))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def error_record(error: BaseException, causes: int = _CAUSES) -> dict[str, Any]:
    """Return an error as status.json holds it: type, message, the last frames of the recipe's own code, its cause."""
    import traceback  # only where there is an error

    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message = _message(error)
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    text = "\n".join([message, *notes])
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(own + os.sep)
    ]
    record: dict[str, Any] = {"type": name, "message": text[:_MESSAGE], "where": frames[-_FRAMES:]}
    if error.__cause__ is not None and causes:
        record["cause"] = error_record(error.__cause__, causes - 1)
    return record


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:  # a foreign __str__ may raise anything
        return f"<its text fails: {type(other).__name__}>"


def print_error(error: BaseException) -> None:
    """Print an error's traceback without the frames of this package."""
    import traceback  # only where there is an error

    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frames = traceback.TracebackException.from_exception(error)
    kept = [frame for frame in frames.stack if not frame.filename.startswith(own + os.sep)]
    if kept:
        frames.stack = traceback.StackSummary.from_list(kept)
    _printed("".join(frames.format()))


def keep_result(paths: JobPaths, value: Any) -> str | None:
    """Write result.json; return why it could not be written, after the result has been printed.

    Raises
    ------
    JobError
        If it could not be printed either: then it is lost.
    """
    text = result_text(value)
    try:
        files.write(paths.root, paths.result, text)
    except JobError as error:
        if not _printed(f"{error}\nThe job's result: {text}"):
            raise JobError(f"{error}; nor can the log, so the result is lost") from error
        return f"{error}; the result is in the job's standard error"
    return None


def keep_status(paths: JobPaths, status: Status) -> bool:
    """Write how a job ended; return whether that could be written at all."""
    try:
        write_status(paths, status)
        return True
    except JobError as error:
        text = str(error)
    reason = "; ".join(filter(None, [status.reason, text]))[:500]
    short = dataclasses.replace(status, error=_shortened(status.error), reason=reason)
    data = encode(short, paths).encode()
    with contextlib.suppress(OSError):
        size = files.size(paths.root, paths.status)
        if len(data) <= max(size, _BLOCK):
            files.overwrite(paths.root, paths.status, data.ljust(min(size, MAX_BYTES)))
            return True
    _printed(f"{text}\nThe job's status: {data.decode()}")
    return False


def _printed(text: str) -> bool:
    """Print on standard error; whether that worked: the log is often on the same full disk."""
    try:
        print(text, file=sys.stderr, end="", flush=True)
        return True
    except OSError:
        return False


def _shortened(error: Any) -> Any:
    if error is None:
        return None
    return {"type": error["type"], "message": error["message"][:500], "where": error["where"][-1:]}
