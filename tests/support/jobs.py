"""Frozen jobs for the tests, and an interpreter that has nothing but Python, PyYAML and the recipe's own module.

The interpreter is this one without its site-packages (``python -S``); a folder holds PyYAML and the targets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths, job_paths
from tests.support.apps import ROOT, Done, dedent

START = ROOT / "nemo_partial_hydra" / "jobs" / "start.py"
BLOCKED = ("hydra", "omegaconf", "rich", "docstring_parser", "nemo_run", "fiddle", "nemo", "torch", "submitit")

PAYLOAD = '''
"""What the tests' jobs run."""
import json
import os
import signal
import sys
import time
from pathlib import Path


def add(a: int, b: float = 1.5, note: str | None = None, out: Path = Path("out")):
    return {"sum": a + b, "note": note, "out": str(out), "cwd": os.getcwd()}


def fail(message: str = "no luck"):
    inner(message)


def inner(message):
    raise LookupError(message)


def leave(code: int = 4):
    sys.exit(code)


def odd():
    return {1, 2}


def loaded():
    return sorted(name for name in sys.modules if "." not in name)


def found():
    import json as first
    return [first.__file__, sys.path]


def wait(mark: str = "started"):
    Path(mark).write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)


def once(ready: str, go: str):
    """Count how often it runs; wait until the test says that all have tried."""
    with open(ready, "a") as file:
        file.write("x")
    while not os.path.exists(go):
        time.sleep(0.01)
    return "ran"


def note(path: str):
    import nemo_partial_hydra.errors
    Path(path).write_text(json.dumps([os.path.basename(sys.path[0]), sys.modules["__main__"].__name__]))


def spawns(path: str):
    import multiprocessing
    process = multiprocessing.get_context("spawn").Process(target=note, args=(path,))
    process.start()
    process.join()
    return process.exitcode


def handles(mark: str = "started"):
    told = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    Path(mark).write_text("x")
    while not told:
        time.sleep(0.01)
    time.sleep(0.2)
    return {"told": len(told)}
'''


def bare_folder(folder: Path) -> Path:
    """Make the folder that such an interpreter finds modules in: PyYAML, the targets, traps for what is not there."""
    folder.mkdir()
    (folder / "yaml").symlink_to(Path(yaml.__file__).parent)
    (folder / "payload.py").write_text(dedent(PAYLOAD))
    for name in BLOCKED:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} is imported by the runner')\n")
    return folder


def recipe(name: str, **arguments: Any) -> dict[str, Any]:
    """Return a recipe that calls a function of the payload."""
    return {"_target_": f"payload.{name}", "_partial_": True, **arguments}


def frozen(directory: Path, data: dict[str, Any], **more: Any) -> JobPaths:
    """Write a job as freezing writes it."""
    paths = job_paths(directory)
    write_job(paths, Job(recipe_hash(data), recipe=data, subdir=directory.name, **more))
    return paths


def command(paths: JobPaths, *arguments: str, allow: str | None = "payload") -> list[str]:
    """Return the command line that runs a job."""
    given = ["--allow", allow] if allow is not None else []
    return [sys.executable, "-S", str(START), str(paths.directory), *given, *arguments]


def environment(bare: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a job."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(bare), "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}


def run(
    bare: Path, paths: JobPaths, *arguments: str, allow: str | None = "payload", env: Mapping[str, str] | None = None
) -> Done:
    """Run a job to its end."""
    done = subprocess.run(
        command(paths, *arguments, allow=allow),
        env=environment(bare, env),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(bare: Path, paths: JobPaths, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a job and return its process."""
    return subprocess.Popen(
        command(paths, *arguments),
        env=environment(bare, env),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so; fail if the process ends before, or after a minute."""
    end = time.monotonic() + 60
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the process ended with {process.returncode}: {process.communicate()}")
        if time.monotonic() > end:
            raise AssertionError("it did not come true within a minute")
        time.sleep(0.01)
