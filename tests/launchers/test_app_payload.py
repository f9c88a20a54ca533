"""Jobs that call an app's function: what it sees, returns and leaves is what it does under Hydra's own launcher."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.jobs.job import job_text, read_job
from nemo_partial_hydra.jobs.layout import find_jobs
from tests.support.apps import App
from tests.support.recipes import nemo_hydra

pytestmark = pytest.mark.matrix

LIBRARY = """
import dataclasses
import enum
import pathlib
import typing


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclasses.dataclass
class Inner:
    size: int = 3
    mode: Mode = Mode.FAST


@dataclasses.dataclass
class Wide(Inner):
    more: typing.List[int] = dataclasses.field(default_factory=lambda: [1, 2])


@dataclasses.dataclass
class Config:
    inner: Inner = dataclasses.field(default_factory=Inner)
    where: pathlib.Path = pathlib.Path("a/b")
    table: typing.Dict[str, float] = dataclasses.field(default_factory=lambda: {"x": 1.5})
    name: str = "${hydra:job.name}-${inner.size}"
    maybe: typing.Optional[Inner] = None
    number: int = 1
    twice: typing.Any = 0
    late: typing.Any = None
    thing: typing.Any = None


class Thing:
    def __init__(self, size, names=("a",)):
        self.size, self.names = size, names
"""
SCRIPT = """
import json
import logging
import os
import sys

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd, instantiate
from omegaconf import OmegaConf
import shapes

OmegaConf.register_new_resolver("double", lambda value: 2 * value)
cs = ConfigStore.instance()
cs.store(name="schema", node=shapes.Config)
cs.store(group="inner", name="wide", node=shapes.Wide)
log = logging.getLogger(__name__)


MAIN
def main(cfg):
    log.info("the app's own line")
    settings = HydraConfig.get()
    told = {
        "types": [OmegaConf.get_type(cfg).__name__, OmegaConf.get_type(cfg, "inner").__name__],
        "values": [repr(cfg.inner.mode), cfg.where.as_posix(), cfg.name, cfg.twice, cfg.number, dict(cfg.table)],
        "object": str(OmegaConf.to_object(cfg.inner)),
        "made": [instantiate(cfg.thing).size, str(instantiate(cfg.thing).names)],
        "container": OmegaConf.to_container(cfg, resolve=False, enum_to_str=True),
        "struct": OmegaConf.is_struct(cfg),
        "hydra": [settings.job.name, settings.job.num, list(settings.overrides.task), settings.mode.name],
        "output": os.path.basename(settings.runtime.output_dir),
        "cwd": os.path.relpath(os.getcwd(), START),
        "original": os.path.relpath(get_original_cwd(), START),
        "set": os.environ.get("TOLD"),
        "late": OmegaConf.select(cfg, "late"),
    }
    told["container"].pop("where")
    told["container"].pop("late")  # where its resolver is unknown it is what it was when it was frozen
    with open(os.path.join(settings.runtime.output_dir, "told.json"), "w") as file:
        json.dump(told, file, sort_keys=True)
    if cfg.number == 13:
        raise ValueError("unlucky")
    return cfg.number / 2


START = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    OmegaConf.register_new_resolver("late", lambda: "known in the script only")
    main()
"""
HYDRAS = '@hydra.main(config_path="conf", config_name="config", version_base="1.3")'
OURS = 'import nemo_partial_hydra as nph\n@nph.main(config_path="conf", config_name="config", version_base="1.3")'
CONFIG = """
defaults: [schema, _self_]
twice: ${double:${inner.size}}
late: ${late:}
thing: {_target_: shapes.Thing, size: "${inner.size}"}
hydra:
  sweep: {dir: sweep}
  job: {env_set: {TOLD: "${oc.env:USER,nobody}"}}
  callbacks: {notes: {_target_: notes.Notes}}
"""
NOTES = """
from hydra.experimental.callback import Callback


class Notes(Callback):
    def on_job_start(self, config, **kwargs):
        print("NOTES started", config.hydra.job.num)

    def on_job_end(self, config, job_return, **kwargs):
        print("NOTES ended", job_return.status.name)
"""
LINES = [
    ("number=1,2",),
    ("+inner=wide", "inner.mode=SLOW", "inner.more=[7]"),
    ("number=5", "hydra.job.chdir=true"),
    ("number=6", "hydra.output_subdir=settings"),
    ("where=c", "+table.y=2", "+thing.names=[1,{a: 2}]"),
    ("maybe=null", "name=plain"),
]


def app_of(folder: Path, main: str) -> App:
    modules = {"shapes": LIBRARY, "notes": NOTES}
    return App(folder, {"config": CONFIG}, script=SCRIPT.replace("MAIN", main), modules=modules)


def told(app: App) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(app.folder.glob("sweep/[0-9]*/told.json"))]


def files(app: App) -> list[str]:
    """Return what the jobs' directories have besides our own records."""
    ours = re.compile(r"job\.yaml|status\.json|result\.json|attempts/.*")
    below = [path.relative_to(app.folder / "sweep") for path in (app.folder / "sweep").rglob("*") if path.is_file()]
    return sorted(str(path) for path in below if len(path.parts) > 1 and not ours.fullmatch("/".join(path.parts[1:])))


ALLOWED = ("--allow=app", "--allow=shapes", "--allow=notes")


@pytest.mark.parametrize("main", [HYDRAS, OURS], ids=["hydra", "nph"])
@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_frozen_job_does_what_hydra_does(tmp_path: Path, line: tuple[str, ...], main: str) -> None:
    here, there = app_of(tmp_path / "here", main), app_of(tmp_path / "there", main)
    done = here.run("-m", *line)
    assert done.code == 0, done.err
    frozen = there.run("-m", *line, "hydra/launcher=freeze")
    assert frozen.code == 0, frozen.err
    assert "calls app.main with its config" in frozen.out
    ran = nemo_hydra(there.folder, "run", *ALLOWED, "sweep")
    assert ran.code == 0, ran.err
    assert told(there) == told(here)
    assert len(told(here)) > 0
    assert files(there) == files(here)
    log = there.folder / "sweep" / "0" / "attempts" / "1" / "out.log"
    assert "NOTES started 0" in log.read_text()
    assert "NOTES ended COMPLETED" in log.read_text()
    assert json.loads((there.folder / "sweep/0/result.json").read_text())["result"] == told(there)[0]["values"][4] / 2


WRONG = [
    (
        "def outer():\n    @hydra.main(config_path=None, version_base='1.3')\n"
        "    def main(cfg):\n        pass\n    main()\n",
        "outer()",
        r"the app's function outer\.<locals>\.main is defined inside of another one, .*: move it to the top level",
    ),
    (
        "class Task:\n    def __call__(self, cfg):\n        pass\n",
        "hydra.main(config_path=None, version_base='1.3')(Task())()",
        r"the app's function is an object \(Task\), .*: make it a function of its module",
    ),
]


@pytest.mark.parametrize(("text", "call", "message"), WRONG, ids=["nested", "object"])
def test_a_function_that_no_job_can_find_is_refused_before_anything_is_written(
    tmp_path: Path, text: str, call: str, message: str
) -> None:
    app = App(tmp_path, {}, script=f"import hydra\n\n\n{text}\n\nif __name__ == '__main__':\n    {call}\n")
    done = app.run("-m", "+a=1", "hydra/launcher=freeze", "hydra.sweep.dir=sweep")
    assert done.code != 0
    assert re.search(message, done.err), done.err
    assert "payload=recipe" in done.err
    assert not (tmp_path / "sweep" / "0").exists()


PLAIN = """
import hydra


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print("N", cfg.n, cfg.get("name"))
    return {"n": cfg.n}


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def plain(tmp_path: Path) -> App:
    return App(tmp_path, {"config": "n: 1\nname: a\nhydra: {sweep: {dir: sweep}}\n"}, script=PLAIN)


def test_what_is_frozen_can_be_read_and_compared_and_runs_as_it_was_frozen(plain: App) -> None:
    assert plain.run("-m", "n=1,2", "hydra/launcher=freeze").code == 0
    text = (plain.folder / "sweep/1/job.yaml").read_text()
    assert "\ncall:\n  function: app.main\n" in text
    assert '\n  config:\n    "n": 2\n    name: a\n' in text
    (plain.conf / "config.yaml").write_text("n: 7\n")
    compared = nemo_hydra(plain.folder, "diff", "sweep/0", "sweep/1")
    assert [line.split() for line in compared.out.splitlines() if line.strip()] == [["~", "n", "1", "->", "2"]]
    done = nemo_hydra(plain.folder, "run", "--allow=app", "sweep")
    assert done.code == 0, done.err
    assert "1 n=2: done" in done.out
    assert '{"n": 2}' in done.out
    again = nemo_hydra(plain.folder, "run", "--allow=app", "sweep")
    assert "all 2 jobs are done" in again.out


def test_whoever_runs_it_says_that_the_function_may_be_called(plain: App) -> None:
    assert plain.run("-m", "n=1", "hydra/launcher=freeze").code == 0
    refused = nemo_hydra(plain.folder, "run", "sweep")
    assert refused.code == 3
    assert (
        "function: 'app.main' is not in an allowed package; to allow it: nph.main(allow=['app']), or --allow app"
        in refused.err
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ('    "n": 1\n', '    "n": 5\n', 3, "the config is not the one that was frozen"),
        ("function: app.main", "function: os.system", 3, "the config is not the one that was frozen"),
        ("function: app.main", "function: main", 2, "call: function: expected MODULE.NAME"),
        ("  types: {}", "  types: 3", 2, "call: types: expected dict, got int"),
        ("format: 2", "format: 1", 2, "'recipe' is no recipe"),
        ("format: 2", "format: 9", 2, "written by a newer version"),
    ],
)
def test_a_changed_job_is_refused(plain: App, old: str, new: str, code: int, message: str) -> None:
    assert plain.run("-m", "n=1", "hydra/launcher=freeze").code == 0
    file = plain.folder / "sweep/0/job.yaml"
    text = file.read_text()
    assert old in text
    file.chmod(0o644)
    file.write_text(text.replace(old, new))
    done = nemo_hydra(plain.folder, "run", "--allow=app", "--allow=os", "sweep")
    assert (done.code, message in done.err) == (code, True), done.err


def rewritten(app: App, **changes: Any) -> None:
    """Change what a frozen job calls, its hash too: as whoever wrote the file may."""
    (paths,) = find_jobs(app.folder / "sweep")
    job = read_job(paths)
    assert job.call is not None
    call = dataclasses.replace(job.call, **changes)
    paths.job.chmod(0o644)
    paths.job.write_text(job_text(dataclasses.replace(job, call=call, hash=call.hash())))


OTHER = "def main(cfg):\n    open('harm', 'w')\n"
EVIL: list[tuple[dict[str, Any], str]] = [
    ({"function": "os.system"}, "function: 'os.system' is not in an allowed package"),
    ({"function": "torch.main", "file": "other.py"}, "function: 'torch.main' is not in an allowed package"),
    ({"function": "nemo.collections.llm.main"}, "function: 'nemo.collections.llm.main' is not in an allowed package"),
    ({"function": "app.main", "file": "other.py"}, "'other.py' is not the module"),
    ({"function": "other.main", "file": "other.py"}, "function: 'other.main' is not in an allowed package"),
    ({"function": "app.main", "file": "../sweep/0/app.py"}, "is not the module 'app'"),
    ({"function": "app.os.system"}, "system"),
    ({"types": {"/n": "enum os.path"}}, "'os.path' is not in an allowed package"),
    ({"types": {"": "class subprocess.Popen"}}, "'subprocess.Popen' is not in an allowed package"),
    ({"config": {"n": 1, "x": {"_target_": "os.system"}}}, "x: 'os.system' is not in an allowed package"),
    ({"hydra": {"callbacks": {"a": {"_target_": "os.system", "command": "x"}}}}, "hydra.callbacks.a"),
    ({"hydra": {"output_subdir": "../../harm"}}, "hydra.output_subdir=../../harm: is outside of the job's directory"),
    ({"hydra": {"output_subdir": "${hydra.job.config_name}", "job": {"config_name": "../../harm"}}}, "=../../harm: is"),
    ({"hydra": {"job_logging": {"version": 1, "handlers": {"a": {"()": "os.system", "command": "x"}}}}}, "os.system"),
    (
        {
            "hydra": {
                "job_logging": {"version": 1, "handlers": {"a": {"class": "logging.FileHandler", "filename": "/x"}}}
            }
        },
        "is a file that a log would be written into",
    ),
    ({"hydra": {"job": {"env_set": {"LD_PRELOAD": "x"}}}}, "LD_PRELOAD"),
    (
        {
            "hydra": {
                "job_logging": {
                    "evil": {"a": {"class": "logging.FileHandler", "filename": "harm"}},
                    "handlers": "cfg://evil",
                    "root": {"handlers": ["a"]},
                }
            }
        },
        "is another part of the settings of logging",
    ),
    ({"hydra": {"job_logging": {"handlers": {"a": "cfg://evil"}, "evil": {}}}}, "is another part of the settings"),
    (
        {
            "config": {"n": 1, "x": {"_a": "${oc.select:hydra.job.num}", "b": "cfg", "c": "${x.b}://evil"}},
            "hydra": {"job_logging": {"handlers": {"a": "z${x.c}", "b": "${x.c}"}}},
        },
        "written out here",
    ),
    (
        {
            "hydra": {
                "job": {"name": "/tmp/harm"},
                "job_logging": {
                    "handlers": {"a": {"class": "logging.FileHandler", "filename": "${hydra.job.name}.log"}}
                },
            }
        },
        "is an absolute path",
    ),
    (
        {
            "config": {"n": 1, "away": "/tmp/harm"},
            "hydra": {
                "job": {"name": "${away}"},
                "job_logging": {
                    "handlers": {"a": {"class": "logging.FileHandler", "filename": "${hydra.job.name}.log"}}
                },
            },
        },
        "hydra.job.name",
    ),
    *(
        (
            {"hydra": {"job_logging": {"handlers": {"a": {"class": "logging.FileHandler", "filename": name}}}}},
            "is a file outside of the job's directory",
        )
        for name in ("${now:%Z}/tmp/harm.log", "a/.${now:.}/.${now:.}/.${now:%z}./harm.log")
    ),
    # What Hydra sets when the job begins makes another value of it.
    (
        {
            "config": {"n": 1, "x": {"ok": "ok"}},
            "hydra": {
                "output_subdir": "${oc.select:x.${oc.select:hydra.runtime.output_dir,ok},../../harm}",
            },
        },
        "hydra.output_subdir=../../harm: is outside",
    ),
    (
        {
            "config": {"n": 1, **{f"a{i}": f"${{a{i + 1}}}" * 2 for i in range(40)}, "a40": "x"},
            "hydra": {"output_subdir": "${a0}"},
        },
        "references that repeat each other",
    ),
    (
        {
            "config": {"n": 1, **{f"a{i}": f"${{a{i + 1}}}" * 2 for i in range(40)}, "a40": "x"},
            "hydra": {"job": {"env_set": {"A": "${a0}"}}},
        },
        "references that repeat each other",
    ),
    ({"types": {"/n": "bytes"}, "config": {"n": "===a"}}, "Invalid base64"),
    ({"hydra": {"callbacks": ["x"]}}, "call: Cannot merge"),
]


@pytest.mark.parametrize(("changes", "message"), EVIL, ids=[str(index) for index in range(len(EVIL))])
def test_whoever_wrote_the_file_has_nothing_called_that_is_not_allowed(
    plain: App, changes: dict[str, Any], message: str
) -> None:
    plain.write("other.py", OTHER)
    assert plain.run("-m", "n=1", "hydra/launcher=freeze").code == 0
    (paths,) = find_jobs(plain.folder / "sweep")
    before = read_job(paths).call
    assert before is not None
    if "hydra" in changes:
        changes = {**changes, "hydra": {**before.hydra, **changes["hydra"]}}
        job = changes["hydra"]["job"]
        logging = changes["hydra"]["job_logging"]
        changes["hydra"]["job_logging"] = {"version": 1, "root": {}, **logging}
        changes["hydra"]["job"] = {**before.hydra["job"], **job}
    rewritten(plain, **changes)
    done = nemo_hydra(plain.folder, "run", "--allow=app", "sweep")
    said = done.err + "".join(path.read_text() for path in (plain.folder / "sweep").rglob("err.log"))
    assert done.code != 0
    assert message in said
    assert not (plain.folder / "harm").exists()
    assert not (plain.folder / "sweep/0/result.json").exists()


@pytest.mark.parametrize("subdir", ["ABSOLUTE", "../../harm", "${oc.env:PWD}/harm", "0/../../harm"])
def test_an_apps_job_runs_in_its_own_directory_whatever_its_file_calls_that(plain: App, subdir: str) -> None:
    """Hydra makes a directory of the sweep's and this, and writes there."""
    assert plain.run("-m", "n=1", "hydra/launcher=freeze").code == 0
    (paths,) = find_jobs(plain.folder / "sweep")
    job = read_job(paths)
    before = {path.name for path in plain.folder.iterdir()}
    paths.job.chmod(0o644)
    text = subdir.replace("ABSOLUTE", str(plain.folder / "harm"))
    paths.job.write_text(job_text(dataclasses.replace(job, subdir=text)))
    done = nemo_hydra(plain.folder, "run", "--allow=app", "sweep")
    assert {path.name for path in plain.folder.iterdir()} - {"__pycache__"} == before - {"__pycache__"}
    if ".." in subdir or "ABSOLUTE" in subdir:
        assert done.code == 2
        assert "subdir: expected a directory below the sweep's" in done.err
    else:
        assert done.code == 0, done.err
        assert (paths.directory / ".hydra/config.yaml").exists()


@pytest.mark.parametrize("place", ["app.log", ".hydra", ".hydra/hydra.yaml"])
def test_what_hydra_writes_goes_through_no_link(plain: App, place: str) -> None:
    """A store that was copied has the links that somebody put there."""
    assert plain.run("-m", "n=1", "hydra/launcher=freeze").code == 0
    victim = plain.folder / ("mine" if place == ".hydra" else "mine.txt")
    if place == ".hydra":
        victim.mkdir()
    else:
        victim.write_text("mine\n")
    link = plain.folder / "sweep/0" / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(victim)
    done = nemo_hydra(plain.folder, "run", "--allow=app", "sweep")
    assert done.code != 0
    assert (
        f"{place}: Hydra would write there, and it is a link"
        in (plain.folder / "sweep/0/attempts/1/err.log").read_text()
    )
    assert list(victim.iterdir()) == [] if victim.is_dir() else victim.read_text() == "mine\n"


def test_what_only_this_process_has_is_refused_with_its_path(tmp_path: Path) -> None:
    script = PLAIN.replace(
        "if __name__", "from hydra.core.config_store import ConfigStore\nfrom omegaconf import OmegaConf\n"
        "node = OmegaConf.create({'held': object()}, flags={'allow_objects': True})\n"
        "ConfigStore.instance().store(group='live', name='one', node=node)\n\nif __name__",
    )  # fmt: skip
    app = App(tmp_path, {"config": "n: 1\nhydra: {sweep: {dir: sweep}}\n"}, script=script)
    done = app.run("-m", "+live=one", "hydra/launcher=freeze")
    assert done.code != 0
    assert "live.held: object lives in this process only and cannot be frozen" in done.err


def test_a_setting_that_is_none_is_said(plain: App) -> None:
    done = plain.run("-m", "n=1", "hydra/launcher=freeze", "hydra.launcher.payload=ap")
    assert done.code != 0
    assert "hydra.launcher.payload=ap: expected auto, recipe, app; did you mean 'app'?" in done.err


RECIPES = """
import nemo_partial_hydra as nph

main = nph.app(config_path="conf", config_name="config")

if __name__ == "__main__":
    main()
"""


def test_an_app_that_runs_the_recipe_sends_the_recipe(tmp_path: Path) -> None:
    app = App(tmp_path, script=RECIPES)
    here = app.run("steps=4", "hydra.run.dir=out")
    assert here.code == 0, here.err
    done = app.run("-m", "steps=4", "hydra/launcher=freeze", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    assert "each job runs its recipe" in done.out
    assert "\nrecipe:\n" in (tmp_path / "sweep/0/job.yaml").read_text()
    whole = app.run("-m", "steps=4", "hydra/launcher=freeze", "hydra.sweep.dir=other", "hydra.launcher.payload=app")
    assert "is not what its module calls" not in whole.err
    assert "calls app.main" in whole.out
    ran = nemo_hydra(tmp_path, "run", "--allow=app", "--allow=shop", "other")
    assert ran.code == 0, ran.err


def test_a_sweeper_gets_what_the_function_returns(plain: App) -> None:
    done = plain.run("-m", "n=1,2", "hydra/launcher=submitit_apptainer_local")
    assert done.code == 0, done.err
    assert "Each job calls app.main with its config (hydra.launcher.payload)." in done.out
    found = [json.loads((plain.folder / f"sweep/{number}/result.json").read_text()) for number in (0, 1)]
    assert found == [{"result": {"n": 1}}, {"result": {"n": 2}}]
    again = plain.run("-m", "n=1,2", "hydra/launcher=submitit_apptainer_local")
    assert again.code == 0, again.err
    assert (plain.folder / "sweep/1/attempts/2/out.log").exists()


def test_a_frozen_app_is_called_where_it_is_sent_from(plain: App) -> None:
    """As an app is where it is started; where that directory is gone, a retry says so before anything is sent."""
    told = PLAIN.replace('print("N", ', 'import os\n    print("AT", os.path.basename(os.getcwd()), ')
    fails = (
        "    if cfg.n == 2 and not os.path.exists(os.path.join(os.path.dirname(__file__), 'mended')):\n        1 / 0\n"
    )
    plain.write("app.py", told.replace("    return", f"{fails}    return"))
    assert plain.run("-m", "n=1,2", "hydra/launcher=freeze").code == 0
    here = plain.folder / "elsewhere"
    here.mkdir()
    local = "hydra/launcher=submitit_apptainer_local"
    done = nemo_hydra(here, "submit", "--allow=app", "../sweep", local)
    assert done.code == 1, done.err
    logs = [(plain.folder / f"sweep/{number}/attempts/1/out.log").read_text() for number in (0, 1)]
    assert all("AT elsewhere" in log for log in logs)
    here.rmdir()
    gone = nemo_hydra(plain.folder, "retry", "sweep")
    assert gone.code == 2
    assert f"folder: {here}: the directory that the app was started in is gone; send the jobs from" in gone.err
    plain.write("mended", "")
    again = nemo_hydra(plain.folder, "retry", "--allow=app", "sweep", local)
    assert again.code == 0, again.err
    assert f"AT {plain.folder.name}" in (plain.folder / "sweep/1/attempts/2/out.log").read_text()


def test_what_a_resolver_gives_of_a_secret_is_in_no_file(tmp_path: Path) -> None:
    known = "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('vault', str.upper)\n"
    script = PLAIN.replace("import hydra\n", f"import hydra\n{known}", 1)
    conf = "n: 1\npassword: ${vault:geheim}\nname: ${vault:db_token_geheim}\nshown: ${vault:open}\n"
    conf += "hydra: {sweep: {dir: sweep}}\n"
    app = App(tmp_path, {"config": conf}, script=script)
    done = app.run("-m", "n=1", "hydra/launcher=freeze")
    assert done.code == 0, done.err
    text = (tmp_path / "sweep/0/job.yaml").read_text()
    assert "GEHEIM" not in text
    assert "/shown: OPEN" in text
