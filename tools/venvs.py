"""Makes the virtual environments that ``make`` works in, once.

    python -m tools.venvs nemo      # .venv: the whole NeMo stack, for make run and make test
    python -m tools.venvs nemo3     # .venvs/nemo3: NeMo 3 with its speech models, for make nemo3
    python -m tools.venvs quick     # .venvs/quick: the tests that need no NeMo, for make quick
    python -m tools.venvs docs      # .venvs/docs: sphinx and what it takes pictures with, for make docs
    python -m tools.venvs lint      # .venvs/lint: ruff, mypy and what they read types from
    python -m tools.venvs bridge    # .venvs/bridge: Megatron-Bridge on a CPU, for make bridge

Needs only the standard library and pip; uv, where pip can bring it, makes it quick. An environment carries a stamp
of what it was made from; without a stamp it was interrupted and is made again from nothing, with another stamp it is
brought up to date.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import uv

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
STAMP = ".nemo_partial_hydra.json"
HEARTBEAT = 10.0  # seconds between two lines of progress

NEMO_PYTHONS = ("3.11", "3.12", "3.10")  # numpy 1.26.4 and torch 2.13.0 have wheels for these alone; best first
ANY_PYTHONS = ("3.11", "3.12", "3.13", "3.10")


class SetupError(Exception):
    """An environment cannot be made; the message is what the user is told."""


@dataclass(frozen=True)
class Venv:
    """An environment: where it stands and what is in it besides this project.

    Of what ``bare`` names, the dependencies are left out: they are pinned here as far as a CPU can have them.
    """

    path: Path
    extras: str
    pins: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def log(self) -> Path:
        return VENVS / f"{self.path.name.lstrip('.')}.log"


# A mirror may have soundfile 0.14.0 as the wheel for any platform alone, which needs the system's libsndfile.
NEMO_3 = ("nemo_toolkit[asr]==3.0.0", "torch==2.13.0", "soundfile==0.13.1")

# What Megatron-Bridge imports to make a configuration; tests/support/bridge_stand_ins stand for the rest.
BRIDGE = (
    "megatron-core==0.16.1",
    "torch==2.13.0",
    "transformers==4.57.1",  # Bridge 0.3 needs one below 5
    "hydra-core==1.3.2",  # the one that Bridge takes
    "numpy==2.4.6",
    "datasets==5.0.1",
    "pyarrow==21.0.0",
    "pandas==3.0.6",
    "einops==0.8.2",
    "six==1.17.0",
    "tensorboard==2.21.0",
)

NAMED = {
    "nemo": (
        Venv(ROOT / ".venv", "nemo,run,test,plugins,browse,pages"),
        NEMO_PYTHONS,
        "2.5 GB, up to 5 minutes; more with a CUDA torch",
    ),
    "nemo3": (Venv(VENVS / "nemo3", "run,test", NEMO_3), NEMO_PYTHONS, "2.5 GB, up to 5 minutes"),
    "quick": (Venv(VENVS / "quick", "run,test,browse"), ANY_PYTHONS, "small"),
    "bridge": (
        Venv(VENVS / "bridge", "test", BRIDGE, ("megatron-bridge==0.3.1",)),
        ("3.11",),
        "1.6 GB, up to 5 minutes; more with a CUDA torch",
    ),
    "docs": (Venv(VENVS / "docs", "run,docs,browse,pages"), ("3.11", "3.12", "3.13"), "small"),
    "lint": (Venv(VENVS / "lint", "test,lint,browse"), ANY_PYTHONS, "small"),
}


def version_of(python: str | Path) -> str | None:
    """Return ``3.11`` for an interpreter that runs, None for one that does not, such as a shim without a version."""
    try:
        done = subprocess.run(
            [str(python), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_python(version: str) -> str | None:
    """Return an interpreter of a version like ``3.12``: from the PATH, else from pyenv's own directory."""
    candidates: list[str | Path | None] = [shutil.which(f"python{version}"), sys.executable, shutil.which("python3")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in candidates:
        if candidate is not None and version_of(candidate) == version:
            return str(candidate)
    return None


def choose_python(versions: Sequence[str], given: str | None) -> str:
    """Return the interpreter that was given, or the first of the versions that this machine has."""
    if given:
        version = version_of(given)
        if version is None:
            raise SetupError(f"PYTHON={given} does not run, or lacks the venv module (Debian: python3-venv)")
        if version not in versions:
            raise SetupError(f"PYTHON={given} is Python {version}; wanted is one of {', '.join(versions)}")
        return given
    for version in versions:
        found = find_python(version)
        if found:
            return found
    raise SetupError(
        f"no Python {' or '.join(versions)} that runs (this is {sys.version.split()[0]}; tried the PATH and pyenv). "
        "NeMo's pins have wheels for 3.10, 3.11 and 3.12 alone: install one of them, or say PYTHON=/path/to/it"
    )


def ensure(venv: Venv, python: str, quiet: bool = False) -> bool:
    """Make an environment or bring it up to date; return False if there was nothing to do.

    Parameters
    ----------
    venv : Venv
        What to make.
    python : str
        The interpreter to make it with.
    quiet : bool
        Whether to leave out the lines of progress.

    Raises
    ------
    SetupError
        If the installer fails or what it installed does not fit together. The next call starts from nothing.
    """
    with _lock(venv.path.name):
        stamp = venv.path / STAMP
        wanted = _wanted(venv, python)
        found = _read(stamp)
        if found == wanted and version_of(venv.python) == wanted["python"]:
            return False
        same_place = found.get("root") == wanted["root"] and found.get("python") == wanted["python"]
        stamp.unlink(missing_ok=True)
        venv.log.write_text("")
        if venv.bare or not (same_place and version_of(venv.python)):  # pip check fails beside what lacks something
            _say(quiet, f"[1/3] {_shown(venv.path)} with Python {wanted['python']} ({python})")
            shutil.rmtree(venv.path, ignore_errors=True)
            _create(venv, python)
        _say(quiet, f"[2/3] installing {' '.join([f'-e .[{venv.extras}]', *venv.pins])}; log in {_shown(venv.log)}")
        # The project first and alone: two builds at once would write the same egg-info.
        with _lock("build"):
            _install(venv, python, ["--no-deps", "-e", "."], quiet)
        _install(venv, python, [f"nemo_partial_hydra[{venv.extras}]", *venv.pins], quiet)
        _say(quiet, "[3/3] pip check, and compiling what was installed")
        _run(venv, [*_pip(venv), "check"], quiet)  # before what lacks its dependencies
        if venv.bare:
            _install(venv, python, ["--no-deps", *venv.bare], quiet)
        _compile(venv, wanted["python"])
        partial = stamp.with_suffix(".new")
        partial.write_text(json.dumps(wanted, indent=2) + "\n")
        partial.replace(stamp)
        return True


def _wanted(venv: Venv, python: str) -> dict[str, str]:
    return {
        "python": version_of(python) or "",
        "root": str(ROOT),  # the scripts of an environment and the editable install hold absolute paths
        "extras": venv.extras,
        "pins": " ".join([*venv.pins, *venv.bare]),
        "pyproject": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
    }


def _read(stamp: Path) -> dict[str, str]:
    try:
        found = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _create(venv: Venv, python: str) -> None:
    """Make an empty environment with pip in it, also where a distribution splits ensurepip off its Python."""
    bare = subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False).returncode != 0
    _run(venv, [python, "-m", "venv", *(["--without-pip"] if bare else []), str(venv.path)])
    if bare:
        _run(venv, [python, "-m", "pip", "--python", str(venv.python), "install", "pip"])


def _install(venv: Venv, python: str, arguments: list[str], quiet: bool) -> None:
    """Install with uv where it can be had and follows pip's configuration, else with pip."""
    with _lock("uv"):
        found = uv.find_uv(VENVS / "uv", python)
    told = uv.settings(venv.python)
    if found and told:
        flags, environment = told
        try:
            _run(venv, [found, "pip", "install", "--python", str(venv.python), *flags, *arguments], quiet, environment)
            return
        except SetupError:
            _say(quiet, "      uv could not do it; pip tries")
    _run(venv, [*_pip(venv), "install", *arguments], quiet)


def _compile(venv: Venv, version: str) -> None:
    """Write the bytecode of what an environment imports: uv leaves that to the first import, and some never write it.

    Where ``PYTHONDONTWRITEBYTECODE`` is set every process compiles anew, which is half the time of a small Hydra app.
    """
    folders = [str(venv.path / "lib" / f"python{version}" / "site-packages")]
    folders += [str(ROOT / name) for name in ("nemo_partial_hydra", "hydra_plugins", "tests/support")]
    with venv.log.open("a") as log:  # templates among the packages do not compile, which is no failure
        command = [str(venv.python), "-m", "compileall", "-q", "-j", "0", *folders]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, check=False)


def _pip(venv: Venv) -> list[str]:
    return [str(venv.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _run(venv: Venv, command: list[str], quiet: bool = True, environment: dict[str, str] | None = None) -> None:
    """Run a command with its output in the log, and say now and then how far it is."""
    started = time.monotonic()
    with (
        venv.log.open("a") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment
        ) as process,
    ):
        while True:
            try:
                code = process.wait(HEARTBEAT)
                break
            except subprocess.TimeoutExpired:
                last = venv.log.read_text(errors="replace").strip().rpartition("\n")[2]
                _say(quiet, f"      {time.monotonic() - started:4.0f} s  {last.strip()[:80]}")
    if code:
        raise _failure(venv, command)


def _failure(venv: Venv, command: list[str]) -> SetupError:
    tail = "\n".join("    " + line for line in venv.log.read_text(errors="replace").splitlines()[-15:])
    return SetupError(f"{' '.join(command[1:])} failed; the end of {_shown(venv.log)}:\n{tail}")


@contextmanager
def _lock(name: str) -> Iterator[None]:
    VENVS.mkdir(exist_ok=True)
    with (VENVS / f"{name.lstrip('.')}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT)


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one of the named environments; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.venvs", description="Make an environment, once.")
    parser.add_argument("name", choices=sorted(NAMED))
    parser.add_argument("--python", default="", help="the interpreter to use")
    options = parser.parse_args(arguments)
    venv, versions, size = NAMED[options.name]
    started = time.monotonic()
    try:
        python = choose_python(versions, options.python)
        if not venv.path.exists():
            print(f"setting up {_shown(venv.path)} ({size})", flush=True)
        if ensure(venv, python):
            print(f"{_shown(venv.path)} is ready ({time.monotonic() - started:.0f} s)", flush=True)
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("set-up: interrupted; the next call starts this environment again", file=sys.stderr)
        sys.exit(130)
