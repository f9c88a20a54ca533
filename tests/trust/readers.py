"""Every way in which this package reads a text that somebody else wrote, and a limited process to try one in."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.policy.rules import STACK
from nemo_partial_hydra.runtime import session

CPU_S = 5
MEMORY = 500 << 20

GOOD = ("read", "refused: ")

Reader = Callable[[Path, bytes], object]


def _at(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


JOB = b"format: 1\ndialect: 1\nnum: 0\nname: job\nsubdir: '0'\nhash: sha256:0\nrecipe: {_target_: builtins.dict}\n"


def _yaml(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.composition.decode import config_to_tree
    from nemo_partial_hydra.runtime.workspace import WORKSPACE

    return WORKSPACE.read_yaml(_text(content), ("tests.support",), resolved=lambda data: config_to_tree(data, ()))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _config(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.composition.yaml_files import ServedFiles

    path = _at(directory, "model.yaml", content)
    return session.workspace().of(ServedFiles).read(str(path), "model.yaml", primary=True)


def _composed(directory: Path, content: bytes) -> object:
    """Compose a primary config and make its recipe, as ``nph.main`` and ``nemo-hydra diff`` do."""
    from nemo_partial_hydra.listing.recipe_file import listing_of

    path = _at(directory, "conf/config.yaml", content)
    return listing_of(str(path), (None, None))


def _listed(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.composition.yaml_files import _read
    from nemo_partial_hydra.listing.paths import paths

    data, _ = _read(str(_at(directory, "r.yaml", content)), "r.yaml")
    return paths(data) if isinstance(data, dict) else None


def _job(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.jobs.layout import find_jobs
    from nemo_partial_hydra.jobs.runner import Options, checked

    _at(directory, "0/job.yaml", content)
    return [checked(job, Options(), {}) for job in find_jobs(directory)]


def _status(name: str) -> Reader:
    def read(directory: Path, content: bytes) -> object:
        from nemo_partial_hydra.launchers.status.entries import records
        from nemo_partial_hydra.launchers.status.look import overview
        from nemo_partial_hydra.launchers.status.table import lines

        _at(directory, "0/job.yaml", JOB)
        _at(directory, "0/attempts/1/out.log", b"")
        if name != "submissions/1/submission.json":
            _at(directory, "0/status.json", b'{"state": "running", "attempt": 1, "pid": 1}')
        _at(directory, name, content)
        found = overview(str(directory))
        list(lines(found))
        return records(found)

    return read


def _settings(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.jobs.layout import sweep_paths
    from nemo_partial_hydra.launchers.records import read_settings

    _at(directory, "submissions/1/settings.json", content)
    return read_settings(sweep_paths(directory).submission(1))


def _snapshot(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.signatures import snapshot

    found = snapshot.load(_at(directory, "signatures.json", content))
    for target in found.targets:
        found.get(target), found.doc(target), found.package(target), found.difference(target)
    return None


def _manifest(directory: Path, content: bytes) -> object:
    from nemo_partial_hydra.libraries.manifest import read

    return read(str(_at(directory, "library.json", content).parent))


READERS: dict[str, Reader] = {
    "recipe": _yaml,
    "config file": _config,
    "composed": _composed,
    "listing": _listed,
    "job.yaml": _job,
    "status.json": _status("0/status.json"),
    "claim": _status("0/attempts/1/claim"),
    "notice": _status("0/attempts/1/notice"),
    "result.json": _status("0/result.json"),
    "submission.json": _status("submissions/1/submission.json"),
    "settings.json": _settings,
    "signatures.json": _snapshot,
    "library.json": _manifest,
}


class Answer(str):
    """What a limited process said: ``read``, ``refused: ...``, or what it must not be."""


def attempt(
    reader: Reader, directory: Path, contents: Sequence[bytes], cpu: int = CPU_S, memory: int = MEMORY
) -> Answer:
    """Read texts in a child of this process that may take so much CPU for each, and so much more memory.

    Returns what came of the last one: it stops at the first text that is neither read nor refused.
    """
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        answer = "ended without a word"
        try:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            sys.modules.update(dict.fromkeys(STACK))  # type: ignore[arg-type]  # as on a login node, without NeMo
            for number, content in enumerate(contents):
                used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
                resource.setrlimit(resource.RLIMIT_CPU, (int(used) + cpu + 1, resource.RLIM_INFINITY))
                place = directory / str(number)
                place.mkdir()
                answer = _answer(reader, place, content)
                if not answer.startswith(GOOD):
                    answer += f", text {number}"
                    break
        finally:
            with contextlib.suppress(BaseException):
                os.write(into, answer.encode("utf-8", "backslashreplace")[:4000])
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read().decode()
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        done = sum(1 for _ in directory.iterdir())
        name = signal.Signals(os.WTERMSIG(status)).name
        return Answer(f"killed with {name} after {usage.ru_utime:.1f} s at text {done - 1}")
    return Answer(said)


def _answer(reader: Reader, directory: Path, content: bytes) -> str:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            with session.running(session.Session(("tests.support",))):
                reader(directory, content)
            return "read"
        except RecipeError as error:
            text = str(error)
            if len(text) > 25_000:
                return f"a message of {len(text)} characters: {text[:200]}"
            return f"refused: {text}"
        except BaseException as error:
            import traceback

            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
            return f"raised {type(error).__name__}: {str(error)[:200]} at {where}"
