"""Nothing in a directory of code, or of the job, runs before the gate or stands in for another module afterwards.

Each job is run by the command and the environment that the launcher makes for it, in a process of its own. An attack
leaves a mark if it runs; the honest case beside it is the job's own module, which must be found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.status import read_status
from nemo_partial_hydra.launchers.container import command, enter
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.worker.payload import command_of
from tests.support.apps import ROOT, Done, dedent
from tests.support.jobs import frozen

EVIL = "import os\nopen(os.environ['MARK'], 'a').write(__file__ + '\\n')\n"
"""A module that says that it ran; it goes on, as a careful attacker's does."""

OWN = '''
"""The recipe's own module."""
import importlib
import multiprocessing
import os
import subprocess
import sys


def own():
    return "own"


def imports(names: list):
    """Import modules as a recipe does in the middle of its work; return where they are from."""
    out = {}
    for name in names:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            out[name] = f"{type(error).__name__}: {error}"
        else:
            out[name] = getattr(module, "__file__", None) or "no file"
    return out


def work(path):
    import own_helper
    with open(path, "a") as file:
        file.write(own_helper.NAME)


def starts(method: str):
    process = multiprocessing.get_context(method).Process(target=work, args=("out",))
    process.start()
    process.join()
    return [process.exitcode, open("out").read()]


def runs(words: list):
    """Run Python as a recipe's library does."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


def again():
    """Start this very command once more as another task, as Lightning's launcher does."""
    if os.environ.get("SLURM_PROCID") == "1":
        import own_helper
        open("again", "w").write(own_helper.NAME)
        return None
    done = subprocess.run([sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]],
                          env={**os.environ, "SLURM_PROCID": "1"}, capture_output=True, text=True)
    return [done.returncode, open("again").read() if os.path.exists("again") else done.stderr]
'''


@dataclass(frozen=True)
class Place:
    """A job, its directory of code, and the file in which an attack leaves its mark."""

    folder: Path

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def job(self) -> Path:
        return self.folder / "sweep" / "0"

    @property
    def mark(self) -> str:
        file = self.folder / "mark"
        return file.read_text() if file.exists() else ""

    def put(self, where: Path, name: str, text: str = EVIL) -> None:
        """Put a file there, whose name may have directories."""
        file = where / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def freeze(self, target: str, **arguments: Any) -> JobPaths:
        return replace(
            frozen(self.job, {"_target_": target, "_partial_": True, **arguments}), sweep=self.folder / "sweep"
        )

    def run(
        self,
        paths: JobPaths,
        *,
        allow: Sequence[str] = ("own",),
        env: Mapping[str, str] | None = None,
        own: Mapping[str, str] | None = None,
        code: Sequence[Path] | None = None,
    ) -> Done:
        """Run a job as a launcher without an image does."""
        folders = tuple(map(str, [self.code] if code is None else code))
        settings = Settings(container=Container(env=own or {}), code=folders, allow=tuple(allow))
        host = {"PATH": os.environ["PATH"], "MARK": str(self.folder / "mark"), **(env or {})}
        done = subprocess.run(
            command_of(settings, paths, 1, self.folder / "sweep"),
            env=command.environment(settings.container, host), cwd=paths.directory, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.put(made.code, "own.py", dedent(OWN))
    made.put(made.code, "own_helper.py", "NAME = 'helper'\n")
    made.put(made.code, "own_tool.py", "import own_helper, json\nprint(own_helper.NAME, json.__name__)\n")
    return made


# ---------------------------------------------------------------- before the gate

BEFORE = {
    "sitecustomize": "sitecustomize.py",
    "usercustomize": "usercustomize.py",
    "a package of that name": "sitecustomize/__init__.py",
    "pth": "evil.pth",
    "a module that start-up imports": "encodings/__init__.py",
    "a module that our own code imports": "argparse.py",
    "a package that our own code imports": "yaml/__init__.py",
    "our own package": "nemo_partial_hydra/__init__.py",
}


@pytest.mark.parametrize("where", ["code", "job"])
@pytest.mark.parametrize("name", BEFORE)
def test_nothing_of_theirs_runs_at_the_start(place: Place, where: str, name: str) -> None:
    place.put(place.code if where == "code" else place.job, BEFORE[name])
    paths = place.freeze("own.own")
    done = place.run(paths)
    assert place.mark == ""
    assert (done.code, read_result(paths)) == (0, "own"), done.err


@pytest.mark.parametrize(
    ("path", "own"),
    [(":", True), ("{host}:", True), (":{host}", True), ("{host}::", True), (".", True), ("lib", True), (":", False)],
)
def test_no_entry_of_the_path_is_the_jobs_directory(place: Place, path: str, own: bool) -> None:
    """``PYTHONPATH=/x:$PYTHONPATH`` leaves an empty entry, which is the current directory: the job's."""
    host = place.folder / "host"
    place.put(host, "hosts.py", "")
    for name in ("sitecustomize.py", "lib/sitecustomize.py"):
        place.put(place.job, name)
    paths = place.freeze("own.imports", names=["hosts"])
    value = {"PYTHONPATH": path.format(host=host)}
    done = place.run(paths, env=None if own else value, own=value if own else None)
    assert place.mark == ""
    assert done.code == 0, done.err
    assert read_result(paths)["hosts"].endswith("hosts.py") == ("{host}" in path), "what is the runner's own stays"


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/opt/NeMo:", "/opt/NeMo"), (":/opt/NeMo", "/opt/NeMo"), ("/a::/b", "/a:/b"), ("", ""), ("lib:.:/a", "/a")],
)
def test_no_entry_of_an_images_path_is_the_jobs_directory(path: str, kept: str) -> None:
    assert enter.searched(path) == kept


def test_an_images_own_path_stays_and_the_code_is_no_entry_of_it() -> None:
    settings = Settings(container=Container(image="x.sif"), code=("/code",), trust_code=("/code",))
    made = command.environment(settings.container, {"PYTHONPATH": "/host"})
    inside = enter.decoded(made[f"APPTAINERENV_{enter.VARIABLE}"])
    assert "PYTHONPATH" not in {**made, **inside}
    line = command_of(settings, JobPaths(Path("/s/0")), 1, Path("/s"))
    assert line[line.index("x.sif") :][-2:] == ["--bound-code=/code", "--trust-code=/code"]


@pytest.mark.parametrize(
    ("allow", "data", "said"),
    [
        ((), {}, "allow"),
        (("own",), {"hash": True}, "its hash is"),
        (("own",), {"other": True}, "allow"),
    ],
    ids=["a name that is not allowed", "another hash", "a name deep inside"],
)
def test_code_is_not_looked_at_before_the_gate(
    place: Place, allow: Sequence[str], data: dict[str, bool], said: str
) -> None:
    place.put(place.code, "own.py", EVIL)
    more = {"names": [{"_target_": "os.system", "command": "true"}]} if "other" in data else {}
    paths = place.freeze("own.imports", **more)
    if "hash" in data:
        text = paths.job.read_text()
        paths.job.chmod(0o644)
        paths.job.write_text(text.replace("recipe:\n", "recipe:\n  _extra: 1\n").replace("own.imports", "own.own"))
    done = place.run(paths, allow=allow)
    assert done.code == 3
    assert said in done.err
    assert place.mark == ""


# ---------------------------------------------------------------- afterwards: what is imported late

LATE = {
    "a module of the standard library": ("colorsys", "colorsys.py"),
    "a package of the standard library": ("wsgiref.util", "wsgiref/__init__.py"),
    "a namespace instead of a module": ("colorsys", "colorsys/evil.py"),
    "an extension's name": ("_elementtree", "_elementtree.py"),
    "what is installed": ("installed", "installed.py"),
    "a package instead of a module": ("installed", "installed/__init__.py"),
    "a package instead of a namespace": ("spaced.part", "spaced/__init__.py"),
    "a part of that namespace": ("spaced.part", "spaced/part.py"),
    "what an editable install finds": ("edited", "edited.py"),
    "our own package": ("nemo_partial_hydra.errors", "nemo_partial_hydra/errors.py"),
    "only compiled": ("installed", "installed.pyc"),
}

FINDER = """
import importlib.util, os, sys
FOLDER = os.path.join(os.path.dirname(__file__), "elsewhere")

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "edited":
            return importlib.util.spec_from_file_location(name, os.path.join(FOLDER, "edited.py"))

sys.meta_path.append(Finder)
"""


@pytest.fixture
def host(place: Place) -> Path:
    """A directory of the runner's own PYTHONPATH, with what would be installed."""
    made = place.folder / "host"
    place.put(made, "installed.py", "")
    place.put(made, "spaced/part.py", "")
    place.put(made, "elsewhere/edited.py", "")
    place.put(made, "sitecustomize.py", FINDER)
    return made


@pytest.mark.parametrize("name", LATE)
def test_nothing_of_theirs_stands_in_for_another_module(place: Place, host: Path, name: str) -> None:
    module, file = LATE[name]
    place.put(place.code, file)
    paths = place.freeze("own.imports", names=[module, "own_helper"])
    done = place.run(paths, env={"PYTHONPATH": str(host)})
    assert done.code == 0, done.err
    found = read_result(paths)
    assert place.mark == ""
    assert str(place.code) not in found[module]
    assert not found[module].startswith(("ImportError", "ModuleNotFoundError"))
    assert found["own_helper"] == str(place.code / "own_helper.py")


@pytest.mark.parametrize("name", ["sitecustomize", "usercustomize", "winreg", "_winapi", "msvcrt"])
def test_names_that_are_nowhere_else_but_never_theirs(place: Place, name: str) -> None:
    place.put(place.code, f"{name}.py")
    paths = place.freeze("own.imports", names=[name])
    done = place.run(paths, env={"PYTHONPATH": ""})
    assert done.code == 0, done.err
    assert place.mark == ""
    assert str(place.code) not in read_result(paths)[name]


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["plain.py"], "plain"),
        (["pack/__init__.py", "pack/part.py"], "pack.part"),
        (["space/part.py"], "space.part"),
        (["space/deep/part.py"], "space.deep.part"),
        (["optional_dependency.py"], "optional_dependency"),
    ],
)
def test_own_modules_of_every_kind_are_found(place: Place, files: list[str], name: str) -> None:
    for file in files:
        place.put(place.code, file, "")
    paths = place.freeze("own.imports", names=[name])
    assert place.run(paths).code == 0
    assert read_result(paths)[name].startswith(str(place.code))


def test_two_directories_of_code_make_one_namespace(place: Place) -> None:
    other = place.folder / "other"
    place.put(place.code, "space/one.py", "")
    place.put(other, "space/two.py", "")
    paths = place.freeze("own.imports", names=["space.one", "space.two"])
    assert place.run(paths, code=[place.code, other]).code == 0
    assert [str(Path(file).parents[1]) for file in read_result(paths).values()] == [str(place.code), str(other)]


# ---------------------------------------------------------------- processes of the recipe


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize(
    "evil", [None, "multiprocessing/__init__.py", "socket.py", "pickle.py", "sitecustomize.py", "installed.py"]
)
@pytest.mark.parametrize("where", ["code", "job"])
def test_spawned_processes_find_the_code_and_nothing_of_theirs(
    place: Place, host: Path, method: str, evil: str | None, where: str
) -> None:
    if evil is not None:
        place.put(place.code if where == "code" else place.job, evil)
    paths = place.freeze("own.starts", method=method)
    done = place.run(paths, env={"PYTHONPATH": str(host)})
    assert place.mark == ""
    assert (done.code, read_result(paths)) == (0, [0, "helper"]), done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "own_tool"], "helper json"),
        (["-c", "import own_helper, json; print(own_helper.NAME, json.__name__)"], "helper json"),
        (["{code}/own_tool.py"], "helper json"),
        (["-u", "-X", "utf8", "-m", "own_tool"], "helper json"),
        (["-m", "made"], "made here"),
        (["made.py"], "made here"),
        (["-c", "import installed, os; print(os.path.basename(installed.__file__))"], "installed.py"),
    ],
    ids=["module", "line", "script", "options", "module of the job", "script of the job", "installed"],
)
def test_pythons_that_the_recipe_starts(place: Place, host: Path, words: list[str], said: str) -> None:
    place.put(place.job, "made.py", "print('made here')\n")
    for where, names in (
        (place.code, ("sitecustomize", "usercustomize", "yaml", "runpy")),
        (place.job, ("sitecustomize", "json", "runpy", "installed")),
    ):
        for name in names:
            place.put(where, f"{name}.py")
    paths = place.freeze("own.runs", words=[word.replace("{code}", str(place.code)) for word in words])
    done = place.run(paths, env={"PYTHONPATH": str(host)})
    assert (done.code, read_result(paths)) == (0, said), done.err
    assert place.mark == ""


def test_the_runners_own_customization_is_run_in_them(place: Place, host: Path) -> None:
    place.put(host, "sitecustomize.py", "import builtins\nbuiltins.customized = True\n")
    paths = place.freeze("own.runs", words=["-c", "import sitecustomize; print(customized, sitecustomize.__file__)"])
    assert place.run(paths, env={"PYTHONPATH": str(host)}).code == 0
    assert read_result(paths) == f"True {host / 'sitecustomize.py'}"


@pytest.mark.parametrize("options", [["-I"], ["-E"], ["-S"]])
def test_a_python_that_is_told_to_start_alone_does(place: Place, options: list[str]) -> None:
    paths = place.freeze("own.runs", words=[*options, "-c", "print('alone')"])
    assert place.run(paths).code == 0
    assert read_result(paths) == "alone"


@pytest.mark.parametrize("evil", [None, "sitecustomize.py", "argparse.py"])
def test_a_command_that_starts_itself_again_finds_the_code(place: Place, evil: str | None) -> None:
    if evil is not None:
        place.put(place.code, evil)
        place.put(place.job, evil)
    paths = place.freeze("own.again")
    done = place.run(paths)
    assert (done.code, read_result(paths)) == (0, [0, "helper"]), done.err
    assert place.mark == ""
    assert read_status(paths).state == "done"


def test_the_check_of_a_strangers_library_runs_nothing_of_it(place: Place) -> None:
    """``nemo-hydra check`` starts processes, in the directory that is checked."""
    strangers = place.folder / "strangers"
    for name in ("multiprocessing/__init__.py", "socket.py", "pickle.py", "sitecustomize.py", "yaml.py", "hydra.py"):
        place.put(strangers, name)
    for number in range(20):
        place.put(strangers, f"conf/r{number}.yaml", "_target_: torch.nn.Linear\nin_features: 1\nout_features: 2\n")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MARK": str(place.folder / "mark")}
    script = place.folder / "bin" / "nemo-hydra"
    place.put(
        script.parent,
        script.name,
        "import sys\nfrom nemo_partial_hydra.cli.main import main\nif __name__ == '__main__':\n    sys.exit(main())\n",
    )
    done = subprocess.run(
        [sys.executable, str(script), "check", "-j", "2", "--json", "conf"],
        cwd=strangers,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert place.mark == ""
    assert len(json.loads(done.stdout)) == 20, done.stderr
