"""Small Hydra apps for the tests: files in a folder, run as a process, inside this process, or only composed.

``App.run`` costs a processor about 0.2 s, with an interpreter of its own 0.4 s, ``App.inline`` and ``App.compose`` some
50 ms, so only what needs a process of its own gets one.  The targets of all apps are ``shop`` (the text ``SHOP``), a
module beside the app's script.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

import nemo_partial_hydra as nph
from nemo_partial_hydra.runtime import session
from tests.support import forks

VERSION_BASE: dict[str, Any] = {"version_base": None} if hydra.__version__ < "1.4" else {}  # 1.4 deprecates it
ROOT = Path(__file__).resolve().parents[2]
OF_HYDRA = ("hydra", "_dummy_empty_config_.yaml")
"""What ``ConfigStore`` has in every process, at its top."""

SHOP = '''
"""The targets of the tests' apps."""
import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class SGD:
    lr: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False


@dataclass
class Adam:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    mode: Mode = Mode.FAST
    kind: Literal["a", "b"] = "a"
    act: Callable[..., Any] | None = None


@dataclass
class Net:
    layers: int = 2
    hidden: int = 8
    sizes: list[int] = field(default_factory=list)
    activation: type = SGD


class Model:
    def __init__(self, config: Net | None = None, opt: Any = None, **extra: int) -> None:
        self.config, self.opt, self.extra = config, opt, extra

    def __repr__(self) -> str:
        return f"Model({self.config!r}, {self.opt!r}, {self.extra!r})"


def relu(x: float) -> float:
    return max(x, 0.0)


def train(
    optimizers: list[SGD | Adam] | None = None,
    steps: int = 3,
    ratio: float = 0.5,
    name: str = "run",
    tags: dict[str, Any] | None = None,
    opt: Any = None,
    model: Model | None = None,
    deadline: timedelta = timedelta(hours=1),
    out: Path = Path("out"),
    limit: int | None = 7,
) -> dict[str, Any]:
    return dict(locals())


def widths(sizes: list[int] = (), pair: tuple[int, int] = (1, 2)) -> tuple[Any, Any]:
    return sizes, pair


def need(size: int, colour: str = "red") -> str:
    return f"{size} {colour}"


def fail(message: str = "the payload fails", times: int = 1) -> None:
    raise LookupError(message)
'''

SCRIPT = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config", payload="recipe")
def main(cfg):
    result = nph.run(cfg)
    print("RESULT", sorted(result.items()) if isinstance(result, dict) else result)

if __name__ == "__main__":
    main()
"""

CONF = {
    "config": """
        defaults:
          - _self_
          - opt: sgd
        _target_: shop.train
        _partial_: true
        optimizers:
          - _target_: shop.SGD
            lr: 0.5
          - _target_: shop.Adam
            lr: 1e-2
        model:
          _target_: shop.Model
          config:
            _target_: shop.Net
            hidden: 16
        """,
    "opt/sgd": "_target_: shop.SGD\nlr: 0.25\n",
    "opt/adam": "_target_: shop.Adam\nlr: 0.75\n",
    "experiment/fast": """
        # @package _global_
        defaults:
          - override /opt: adam
        steps: 9
        opt: {mode: SLOW}
        model: {config: {layers: 5}}
        """,
}
"""A training recipe: two optimizers in a list, one from a group, a nested model, an experiment overlay."""


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> str:
        """What the app printed after RESULT; empty if it printed none."""
        return self.out.rpartition("RESULT ")[2].strip() if "RESULT " in self.out else ""


def dedent(text: str) -> str:
    """Remove the indent of the first line that is not empty from all lines."""
    lines = text.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines) + "\n"


class App:
    """An app in a folder: ``app.py``, its targets beside it and ``conf/``."""

    def __init__(
        self,
        folder: Path,
        conf: Mapping[str, str] | None = None,
        *,
        script: str = SCRIPT,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.conf = folder / "conf"
        self.write("app.py", script)
        for name, text in {"shop": SHOP, **(modules or {})}.items():
            self.write(f"{name}.py", text)
        for name, text in (CONF if conf is None else conf).items():
            self.write(f"conf/{name}.yaml", text)
        self.conf.mkdir(exist_ok=True)
        self.made = self.files()

    def write(self, name: str, text: str) -> Path:
        """Write one of the app's files."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def files(self) -> set[str]:
        """List what is in the folder, caches of compiled modules left out."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        return {name for name in found if "__pycache__" not in name}

    def left(self) -> set[str]:
        """List what the runs have left in the folder."""
        return self.files() - self.made

    def clean(self) -> None:
        """Remove what the runs have left."""
        for name in sorted(self.left(), reverse=True):
            path = self.folder / name
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment in which only the repository is on the path."""
        return {**forks.environment(), **(more or {})}

    def run(
        self, *args: str, script: str = "app.py", env: Mapping[str, str] | None = None, interpreter: bool = False
    ) -> Done:
        """Run the app as a process of its own: a fork, or with an interpreter of its own where that may matter."""
        given = self.environment(env)
        if not interpreter and forks.APPS.can(self.folder / script, given):
            ran = forks.APPS.run([script, *args], self.folder, given)
            return Done(ran.returncode, ran.stdout, ran.stderr)
        command = [sys.executable, script, *args]
        if not script.endswith(".py"):
            command[1:2] = ["-m", script]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Stand in the app's folder, its modules importable, Hydra's and logging's state put back after.

        What other tests have imported is not of this app: NeMo's configs, for one, store a group ``trainer``.
        """
        before, path, folder = logging.getLogger().handlers[:], sys.path[:], os.getcwd()
        store = ConfigStore.instance()
        stored = store.repo
        store.repo = {name: node for name, node in stored.items() if name in OF_HYDRA}
        sys.path.insert(0, str(self.folder))
        os.chdir(self.folder)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            os.chdir(folder)
            sys.path[:] = path
            store.repo = {**stored, **store.repo}
            GlobalHydra.instance().clear()
            logging.getLogger().handlers[:] = before

    def inline(
        self,
        *args: str,
        config_name: str | None = "config",
        allow: tuple[str, ...] = ("shop",),
        recipe: str | None = None,
        call: Any = None,
    ) -> Done:
        """Run the app's command line in this process, with ``nph.main`` and all."""

        def task(cfg: DictConfig) -> None:
            result = nph.run(cfg) if call is None else call(cfg)
            print("RESULT", sorted(result.items()) if isinstance(result, dict) else result)

        entry = nph.main(
            config_path=str(self.conf), config_name=config_name, allow=allow, recipe=recipe, payload="recipe"
        )(task)
        absl = sys.modules.get("absl.logging")
        if absl is not None:  # fiddle's; when Hydra sets up logging its handler closes a stream it does not know
            absl.get_absl_handler().python_handler.stream = sys.__stderr__
        out, err, argv = StringIO(), StringIO(), sys.argv
        code: Any = 0
        with self.here(), redirect_stdout(out), redirect_stderr(err):
            sys.argv = ["app.py", *args]
            try:
                entry()
            except SystemExit as end:
                code = end.code or 0
            finally:
                sys.argv = argv
        return Done(int(code), out.getvalue(), err.getvalue())

    def compose(
        self, *overrides: str, name: str = "config", typed: bool = True, allow: tuple[str, ...] = ("shop",)
    ) -> DictConfig:
        """Compose a config with Hydra's Compose API: typed as under ``nph.main``, or as plain Hydra does."""
        with self.here():
            importlib.import_module("shop")
            if not typed:
                return self._compose(name, overrides)
            with session.running(session.Session(allow)):
                return self._compose(name, overrides)

    def _compose(self, name: str, overrides: tuple[str, ...]) -> DictConfig:
        with initialize_config_dir(str(self.conf), **VERSION_BASE):
            return compose(name, overrides=list(overrides))

    def called(self, *overrides: str, name: str = "config") -> Any:
        """Compose, then call the recipe."""
        return nph.run(self.compose(*overrides, name=name), allow=["shop"])

    def built(self, *overrides: str, name: str = "config", typed: bool = True) -> Any:
        """Compose, then build the recipe."""
        return nph.build(self.compose(*overrides, name=name, typed=typed), allow=["shop"])
