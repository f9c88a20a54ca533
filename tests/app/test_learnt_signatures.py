"""Signatures are learnt once: an app's second process imports nothing for them, until what they came from changes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.apps import App, Done
from tests.support.recipes import nemo_hydra, python

LOUD = {
    "config": """
        defaults: [{part: net}, _self_]
        _target_: heavy.models.train
        _partial_: true
        layers: 3
        """,
    "part/net": "_target_: heavy.parts.Net\nwidth: 5\n",
    "part/wide": "_target_: heavy.parts.Wide\n",
}
MODULES = {
    "heavy/__init__": "import said\n",
    "heavy/parts": """
        from dataclasses import dataclass
        from .base import Base

        @dataclass
        class Net(Base):
            \"\"\"A net.

            Parameters
            ----------
            width : of each layer.
            \"\"\"

            width: int = 4

        class Wide:
            def __init__(self, factor: float = 2.0) -> None: ...
        """,
    "heavy/base": """
        from dataclasses import dataclass

        @dataclass
        class Base:
            depth: int = 1
        """,
    "heavy/models": """
        from . import parts
        try:
            from .local import LAYERS
        except ImportError:
            LAYERS = 2

        def train(layers: int = LAYERS, part: object = None, rate: float = 0.1, **more: int) -> str:
            return f"{layers} {part}"
        """,
    "heavy/other": "VALUE = 1\n",
    "said": "import pathlib, os\npathlib.Path(os.environ['SAID']).open('a').write('imported\\n')\n",
}
FOUR = (["--help"], ["--cfg-paths"], ["--cfg", "job"], ["hydra/launcher=freeze", "-m"])
SCRIPT = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config", payload="recipe")
def main(cfg):
    print("RESULT", nph.run(cfg))

if __name__ == "__main__":
    main()
"""


class Loud(App):
    """An app whose targets' package says in a file when it is imported, with a cache of its own."""

    def __init__(self, folder: Path, modules: dict[str, str] | None = None) -> None:
        super().__init__(folder / "app", LOUD, script=SCRIPT, modules=MODULES if modules is None else modules)
        self.said = folder / "said"
        self.cache = folder / "cache"

    def ask(self, *line: str, **env: str) -> tuple[Done, bool]:
        """Run a command line with an interpreter of its own; also whether the package was imported."""
        self.said.write_text("")
        given = {"SAID": str(self.said), "NPH_CACHE": "1", "NPH_CACHE_DIR": str(self.cache), **env}
        done = self.run(*line, env=given, interpreter=True)
        return done, bool(self.said.read_text())

    def first(self) -> str:
        """Run once, so that all is learnt, and return the listing."""
        done, _ = self.ask("--cfg-paths=json")
        assert done.code == 0, done.err
        assert not self.ask("--cfg-paths=json")[1]
        return done.out


@pytest.fixture
def loud(tmp_path: Path) -> Loud:
    return Loud(tmp_path)


def test_the_second_time_nothing_is_imported(loud: Loud) -> None:
    """Whatever is asked, and it is answered as before; what is called has to be imported."""
    fresh = {tuple(line): loud.ask(*line, NPH_CACHE="0") for line in FOUR}
    assert all(imported for _, imported in fresh.values())
    loud.first()
    for line in FOUR:
        done, imported = loud.ask(*line)
        assert not imported, line
        assert done.code == 0, done.err
        if line[0] != "hydra/launcher=freeze":
            assert done.out == fresh[tuple(line)][0].out
    done, imported = loud.ask("part.width=7")
    assert imported
    assert done.result.startswith("3 Net(depth=1, width=7)"), done.err


def test_completion_knows_what_was_learnt(loud: Loud) -> None:
    completed = {"COMP_LINE": "python app.py part.", "COMP_POINT": "19", "_": "x"}
    before, imported = loud.ask("-sc", "query=bash", **completed)
    assert not imported
    loud.first()
    after, imported = loud.ask("-sc", "query=bash", **completed)
    assert not imported
    assert "part.depth=" in after.out
    assert "part.depth=" not in before.out


def test_mistakes_are_found_without_an_import(loud: Loud) -> None:
    loud.first()
    for line, text in (("part.widht=3", "did you mean 'width'"), ("part.width=x", "expected int, got 'x'")):
        done, imported = loud.ask(line)
        assert not imported
        assert done.code == 2
        assert text in done.err


CHANGES = {
    "the target's module": ("heavy/models.py", "rate: float = 0.1", "rate: float = 0.2"),
    "a module that it imports": ("heavy/base.py", "depth: int = 1", "depth: int = 8"),
    "a package": ("heavy/__init__.py", "import said", "import said  # again"),
    "a module that was missed": ("heavy/local.py", "", "LAYERS = 9\n"),
    "a package in a module's place": (
        "heavy/base/__init__.py",
        "",
        "from dataclasses import dataclass\n@dataclass\nclass Base:\n    height: int = 1\n",
    ),
    "a module before an installed one": (
        "dataclasses.py",
        "",
        "from importlib import import_module\nraise ImportError('mine')\n",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_could_matter_is_seen(loud: Loud, change: str) -> None:
    name, old, new = CHANGES[change]
    before = loud.first()
    path = loud.folder / name
    loud.write(name, path.read_text().replace(old, new) if old else new)
    done, imported = loud.ask("--cfg-paths=json")
    fresh, _ = loud.ask("--cfg-paths=json", NPH_CACHE="0")
    assert imported or done.code != 0
    assert (done.code, done.out) == (fresh.code, fresh.out)
    if change != "a package":
        assert done.out != before


@pytest.mark.parametrize("name", ["heavy/other.py", "unrelated.py", "conf/more.yaml"])
def test_a_change_elsewhere_keeps_what_was_learnt(loud: Loud, name: str) -> None:
    loud.first()
    loud.write(name, "x: 1\n" if name.endswith("yaml") else "VALUE = 2\n")
    assert not loud.ask("--cfg-paths=json")[1]


def test_what_was_learnt_elsewhere_is_not_used(tmp_path: Path) -> None:
    """Two apps have packages of one name, and neither is told what the other's accept."""
    one, two = (
        Loud(tmp_path / "one"),
        Loud(tmp_path / "two", {**MODULES, "heavy/base": MODULES["heavy/base"].replace("= 1", "= 6")}),
    )
    two.cache = one.cache
    for app in (one, two, one, two):
        done, _ = app.ask("--cfg-paths=json", "--filter", "part.depth")
        assert f'"default": {1 if app is one else 6}' in done.out
    assert not one.ask("--cfg-paths")[1]
    assert not two.ask("--cfg-paths")[1]


def test_a_module_that_registers_a_resolver_is_imported(loud: Loud) -> None:
    """Whoever resolves a value needs the resolver, also the second time."""
    loud.write(
        "heavy/models.py",
        "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('twice', lambda x: 2 * x)\n"
        + (loud.folder / "heavy/models.py").read_text(),
    )
    for _ in range(2):
        done, _ = loud.ask("layers=${twice:4}", "--cfg", "job", "--resolve")
        assert "layers: 8" in done.out, done.err


@pytest.mark.parametrize(
    "line", [["--cfg", "job", "--resolve"], ["--cfg-paths=json", "--filter", "layers"], []], ids=str
)
def test_what_a_resolver_needs_is_imported_though_only_something_installed_registers_it(
    loud: Loud, line: list[str]
) -> None:
    """Of what is installed it is not seen what its import does."""
    loud.write(
        "site-packages/lib.py",
        "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('twice', lambda x: 2 * x)\n",
    )
    loud.write("heavy/models.py", "import lib\n" + (loud.folder / "heavy/models.py").read_text())
    path = os.pathsep.join((loud.environment()["PYTHONPATH"], str(loud.folder / "site-packages")))
    said = [loud.ask("layers=${twice:4}", *line, PYTHONPATH=path)[0] for _ in range(2)]
    assert said[0].code == 0, said[0].err
    assert "8" in said[0].out
    assert said[1].out == said[0].out


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000], ids=repr)
def test_a_damaged_entry_is_a_miss(loud: Loud, damage: bytes) -> None:
    before = loud.first()
    for file in loud.cache.rglob("*.json"):
        file.write_bytes(damage)
    done, imported = loud.ask("--cfg-paths=json")
    assert imported
    assert done.out == before
    assert not loud.ask("--cfg-paths=json")[1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_half_written_entry_is_a_miss(loud: Loud, share: float) -> None:
    before = loud.first()
    for file in loud.cache.rglob("*.json"):
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])
    done, imported = loud.ask("--cfg-paths=json")
    assert imported
    assert done.out == before


def _is_a_file(loud: Loud) -> dict[str, str]:
    loud.cache.write_text("")
    return {}


def _others_can_write(loud: Loud) -> dict[str, str]:
    loud.first()
    loud.cache.chmod(0o777)
    return {}


def _others_wrote(loud: Loud) -> dict[str, str]:
    loud.first()
    (loud.cache / "signatures").chmod(0o770)
    return {}


def _is_a_link(loud: Loud) -> dict[str, str]:
    loud.first()
    (loud.cache / "signatures").rename(loud.folder.parent / "elsewhere")
    (loud.cache / "signatures").symlink_to(loud.folder.parent / "elsewhere")
    return {}


def _no_home(loud: Loud) -> dict[str, str]:
    return {"NPH_CACHE_DIR": "", "XDG_CACHE_HOME": "relative", "HOME": "nowhere"}


def _off(loud: Loud) -> dict[str, str]:
    loud.first()
    return {"NPH_CACHE": "0"}


def _full(loud: Loud) -> dict[str, str]:
    return {"NPH_CACHE_DIR": "/dev/full"}


@pytest.mark.parametrize("state", [_is_a_file, _others_can_write, _others_wrote, _is_a_link, _no_home, _off, _full])
def test_without_a_cache_that_is_ones_own_all_works(loud: Loud, state: object) -> None:
    env = state(loud)  # type: ignore[operator]
    kept = sorted(loud.cache.rglob("*")) if loud.cache.is_dir() else []
    for _ in range(2):
        done, imported = loud.ask("--cfg-paths=json", **env)
        assert done.code == 0, done.err
        assert done.err == ""
        assert imported
    assert (sorted(loud.cache.rglob("*")) if loud.cache.is_dir() else []) == kept


def test_two_processes_at_once(loud: Loud) -> None:
    given = {**loud.environment(), "SAID": str(loud.said), "NPH_CACHE": "1", "NPH_CACHE_DIR": str(loud.cache)}

    def listing(_: int) -> str:
        line = [sys.executable, "app.py", "--cfg-paths=json"]
        return subprocess.run(line, cwd=loud.folder, env=given, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(listing, range(6)))) == 1
    assert not loud.ask("--cfg-paths=json")[1]
    assert not [path for path in loud.cache.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_nobody_else_can_look_into_the_cache(loud: Loud) -> None:
    loud.first()
    modes = {path: path.stat().st_mode & 0o777 for path in [loud.cache, *loud.cache.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_what_was_allowed_once_is_not_allowed_for_good(tmp_path: Path) -> None:
    """An alias of something that only --allow made usable is refused to the next one who does not say so."""
    app = Loud(
        tmp_path, {**MODULES, "heavy/models": MODULES["heavy/models"] + "\n        from os import getcwd as train\n"}
    )
    done, _ = app.ask("--cfg-paths")
    assert done.code == 3 or "posix" in done.err + done.out
    script = SCRIPT.replace('payload="recipe"', 'payload="recipe", allow=["posix.getcwd", "os.getcwd"]')
    app.write("allowing.py", script)
    before, _ = app.ask("--cfg", "job")
    assert app.run(
        "--cfg",
        "job",
        script="allowing.py",
        env={"SAID": str(app.said), "NPH_CACHE": "1", "NPH_CACHE_DIR": str(app.cache)},
        interpreter=True,
    )
    after, _ = app.ask("--cfg", "job")
    assert (after.code, after.err) == (before.code, before.err)


@pytest.fixture
def learnt(loud: Loud) -> Loud:
    loud.first()
    return loud


def test_the_command_shows_and_clears_it(learnt: Loud) -> None:
    env = {"NPH_CACHE": "1", "NPH_CACHE_DIR": str(learnt.cache)}
    shown = nemo_hydra(learnt.folder, "cache", env=env)
    assert shown.code == 0, shown.err
    assert "heavy.parts.Net" in shown.out
    assert "2 entries" in shown.out
    assert '"target": "heavy.models.train"' in nemo_hydra(learnt.folder, "cache", "--json", env=env).out
    assert "2 entries removed" in nemo_hydra(learnt.folder, "cache", "clear", env=env).out
    assert "0 entries" in nemo_hydra(learnt.folder, "cache", env=env).out
    assert learnt.ask("--cfg-paths")[1]
    (learnt.cache / "signatures").chmod(0o777)
    refused = nemo_hydra(learnt.folder, "cache", "clear", env=env)
    assert refused.code == 2
    assert "others can write there; name another directory by NPH_CACHE_DIR" in refused.err
    assert "There is no cache" in nemo_hydra(learnt.folder, "cache", env={"NPH_CACHE": "0"}).err


def test_a_job_neither_reads_nor_writes_it(learnt: Loud) -> None:
    done, _ = learnt.ask("hydra/launcher=freeze", "-m", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    script = (
        "import os, sys; os.environ.pop('NPH_CACHE'); from nemo_partial_hydra.cli.main import main;"
        "sys.exit(main(['run', '--allow', 'heavy', 'sweep']))"
    )
    env = {"NPH_CACHE_DIR": str(learnt.cache / "of jobs"), "SAID": str(learnt.said)}
    ran = python(learnt.folder, "-c", script, env=env)
    assert ran.code == 0, ran.err
    assert "1 done" in nemo_hydra(learnt.folder, "status", "sweep").out
    assert not os.path.exists(learnt.cache / "of jobs")
