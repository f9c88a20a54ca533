"""``--cfg-paths`` and the callback: what is listed, where it comes from, how it is printed, what goes wrong."""

from __future__ import annotations

import functools
import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import nemo_partial_hydra as nph
from tests.support.apps import ROOT, App

FIELDS = set(
    "path type value default required set overridable override why_not choices kind source line doc follows before "
    "default_text same_as below".split()
)

PLAIN = """
import hydra
from omegaconf import OmegaConf

BASE = {"version_base": None} if hydra.__version__ < "1.4" else {}

@hydra.main(config_path="conf", config_name="config", **BASE)
def main(cfg):
    print("RESULT ran")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def add(app: App, name: str, text: str) -> None:
    """Add a file to the app, which is none that a run has left."""
    app.write(name, text)
    app.made = app.files()


def listed(app: App, *args: str, **kwargs: Any) -> dict[str, Any]:
    """Return the records by path."""
    done = app.inline("--cfg-paths=json", *args, **kwargs)
    assert done.code == 0, done.err
    assert not app.left()
    records = json.loads(done.out)
    found = {record["path"]: record for record in records}
    assert len(found) == len(records), "each path once"
    return found


def test_each_record_has_the_fields_of_the_contract(app: App) -> None:
    for record in listed(app).values():
        assert set(record) == FIELDS
        assert record["overridable"] == (record["override"] is not None) == (record["why_not"] is None)
        assert record["kind"] in ("default", "recipe", "config", "override")


def test_all_depths_are_listed_set_or_not(app: App) -> None:
    found = listed(app)
    assert {"optimizers", "optimizers.1.betas.0", "model.config.layers", "limit", "opt.momentum"} <= set(found)
    assert found["optimizers.0.lr"]["set"] is True
    assert found["optimizers.0.momentum"] | {"doc": ""} == {
        "path": "optimizers.0.momentum",
        "type": "float",
        "value": 0.0,
        "default": 0.0,
        "required": False,
        "set": False,
        "overridable": True,
        "override": "optimizers.0.momentum=0.0",
        "why_not": None,
        "choices": [],
        "kind": "default",
        "source": "shop.SGD",
        "line": None,
        "doc": "",
        "follows": None,
        "before": None,
        "default_text": None,
        "same_as": None,
        "below": 0,
    }


def test_types_are_spelled_as_in_python_and_choices_named(app: App) -> None:
    found = listed(app)
    assert found["optimizers.1.kind"]["type"] == "Literal['a', 'b']"
    assert found["optimizers.1.kind"]["choices"] == ["a", "b"]
    assert found["optimizers.1.mode"]["choices"] == ["FAST", "SLOW"]
    assert found["limit"]["type"] == "Optional[int]"
    assert found["optimizers.1.act"]["type"] == "Optional[Callable[..., Any]]"


def test_a_group_is_a_record_with_its_options(app: App) -> None:
    found = listed(app)
    group = found["opt"]
    assert (group["type"], group["value"], group["choices"]) == ("config group", "sgd", ["adam", "sgd"])
    assert (group["override"], group["kind"], group["source"], group["line"]) == (
        "opt=sgd",
        "config",
        "conf/config.yaml",
        3,
    )
    assert found["experiment"]["overridable"] is False
    assert "+experiment=fast" in found["experiment"]["why_not"]
    chosen = listed(app, "opt=adam")["opt"]
    assert (chosen["kind"], chosen["source"]) == ("override", "opt=adam")
    taken = listed(app, "+experiment=fast")["opt"]
    assert (taken["value"], taken["source"], taken["line"]) == ("adam", "conf/experiment/fast.yaml", 3)


@pytest.mark.parametrize(
    ("args", "path", "kind", "source", "line"),
    [
        ((), "optimizers.0.lr", "recipe", "conf/config.yaml", 8),
        ((), "optimizers.1", "recipe", "conf/config.yaml", 9),
        ((), "model.config.hidden", "recipe", "conf/config.yaml", 15),
        ((), "opt.lr", "recipe", "conf/opt/sgd.yaml", 2),
        (("opt=adam",), "opt.lr", "recipe", "conf/opt/adam.yaml", 2),
        (("+experiment=fast",), "steps", "config", "conf/experiment/fast.yaml", 4),
        (("+experiment=fast",), "model.config.layers", "config", "conf/experiment/fast.yaml", 6),
        (("+experiment=fast",), "opt.mode", "config", "conf/experiment/fast.yaml", 5),
        (("steps=3",), "steps", "override", "steps=3", None),
        (("optimizers.1.betas.0=0.5",), "optimizers.1.betas.0", "override", "optimizers.1.betas.0=0.5", None),
        (("optimizers=[{_target_: shop.SGD}]",), "optimizers.0", "override", "optimizers=[{_target_: shop.SGD}]", None),
        (("+model.more=1",), "model.more", "override", "+model.more=1", None),
        ((), "steps", "default", "shop.train", None),
    ],
)
def test_where_a_value_comes_from(app: App, args: Any, path: str, kind: str, source: str, line: int | None) -> None:
    record = listed(app, *args)[path]
    assert (record["kind"], record["source"], record["line"]) == (kind, source, line)
    assert record["set"] is (kind != "default")


def test_an_override_shows_the_value_before(app: App) -> None:
    found = listed(app, "optimizers.0.lr=0.5", "steps=9", "+experiment=fast")
    assert found["optimizers.0.lr"]["before"] == 0.5
    assert found["optimizers.0.lr"]["set"] is True
    assert found["steps"]["before"] == 9, "the file's, which came before the command line's"


def test_a_registered_recipe_names_its_module_and_line(app: App) -> None:
    add(
        app,
        "recipes.py",
        "import nemo_partial_hydra as nph\nimport shop\n\nnph.store(shop.SGD(lr=3.0), group='opt', name='sgd3')\n",
    )
    script = "import recipes\n" + (app.folder / "app.py").read_text()
    add(app, "app3.py", script)
    done = app.run("--cfg-paths=json", "opt=sgd3", script="app3.py")
    found = {record["path"]: record for record in json.loads(done.out)}
    assert (found["opt.lr"]["kind"], found["opt.lr"]["source"], found["opt.lr"]["line"]) == ("recipe", "recipes", 4)
    assert found["opt"]["choices"] == ["adam", "sgd", "sgd3"]


def test_the_text_goes_through_a_shell(app: App) -> None:
    record = listed(app, "name='a, b'")["name"]
    words = shlex.split(record["override"])
    assert len(words) == 1
    assert listed(app, words[0])["name"]["value"] == "a, b"


def test_what_cannot_be_overridden_says_why(app: App) -> None:
    found = listed(app)
    assert "+model._replace_.config=" in found["model.config"]["why_not"]
    assert "+model.NAME=VALUE" in found["model.**kwargs"]["why_not"]


def test_a_shared_object_is_overridden_where_it_stands(app: App) -> None:
    add(
        app,
        "conf/shared.yaml",
        "_target_: shop.train\nopt:\n  _target_: shop.SGD\nmodel:\n  _target_: shop.Model\n  opt: ${..opt}\n",
    )
    found = listed(app, config_name="shared")
    assert "the same object as 'opt'" in found["model.opt"]["why_not"]
    assert found["model.opt"]["same_as"] == "opt"
    assert "model.opt.lr" not in found
    assert found["opt.lr"]["overridable"] is True


def test_an_interpolation_says_what_it_follows(app: App) -> None:
    add(
        app, "conf/follow.yaml", "_target_: shop.train\nsteps: 4\nlimit: ${steps}\nout: ${hydra:runtime.output_dir}/x\n"
    )
    found = listed(app, config_name="follow")
    assert (found["limit"]["value"], found["limit"]["follows"]) == (4, "${steps}")
    assert found["out"]["follows"] == "${hydra:runtime.output_dir}/x"
    assert listed(app, "limit=5", config_name="follow")["limit"]["value"] == 5


def test_what_is_missing_says_that_it_is_required(app: App) -> None:
    add(app, "conf/need.yaml", "_target_: shop.need\ncolour: ???\n")
    found = listed(app, config_name="need")
    assert (found["size"]["required"], found["size"]["default"], found["size"]["set"]) == (True, None, False)
    assert found["size"]["override"] == "'size=???'"
    assert found["colour"]["value"] is None
    assert found["colour"]["set"] is False


def test_a_further_keyword_that_is_missing_is_listed_too(app: App) -> None:
    add(app, "conf/extra.yaml", "_target_: builtins.dict\nshape: ???\nsize: 1\n")
    found = listed(app, config_name="extra")
    assert (found["shape"]["required"], found["shape"]["set"]) == (True, False)
    assert found["shape"]["override"] == "'shape=???'"
    assert listed(app, "shape=4", config_name="extra")["shape"]["value"] == 4


def test_a_target_that_cannot_be_imported_is_listed_as_such(app: App) -> None:
    add(app, "conf/gone.yaml", "_target_: shop.train\nmodel:\n  _target_: shop.Gone\n  lr: 1\n")
    assert "the parameters of shop.Gone are not listed" in app.inline("--cfg-paths", config_name="gone").err
    found = listed(app, config_name="gone")
    assert "shop" in found["model"]["why_not"]
    assert "Gone" in found["model"]["why_not"]
    assert found["model.lr"]["value"] == 1


def test_edits_are_listed_as_they_turn_out(app: App) -> None:
    edits = ("+_append_.optimizers=[{_target_: shop.SGD, lr: 7}]", "+_delete_=[optimizers.0]")
    found = listed(app, *edits)
    assert found["optimizers.1.lr"]["value"] == 7
    assert found["optimizers.0.lr"]["value"] == 0.01
    assert found["optimizers.0.lr"]["override"] == "optimizers.1.lr=0.01", "indices count before the edit"
    again = listed(app, *edits, "optimizers.1.lr=0.5", shlex.split(found["optimizers.1.lr"]["override"])[0])
    assert again["optimizers.0.lr"]["value"] == 0.5


def test_part_of_it(app: App) -> None:
    assert set(listed(app, "-p", "model.config")) == {
        "model.config",
        *(f"model.config.{name}" for name in ("layers", "hidden", "sizes", "activation")),
    }
    assert set(listed(app, "--package=opt", "--filter", "*.lr")) == {"opt.lr"}
    assert "limit" not in listed(app, "--set-only")
    own = listed(app, "-p", "hydra.job")
    assert "bool" in own["hydra.job.chdir"]["type"]
    assert all(path.startswith(("hydra.job.", "hydra.job")) for path in own)


def test_a_sweep_lists_each_distinct_job(app: App) -> None:
    done = app.inline("-m", "--cfg-paths=json", "opt=sgd,adam", "steps=1,1")
    assert done.code == 0, done.err
    jobs = json.loads(done.out)
    assert [(job["job"], job["overrides"]) for job in jobs] == [
        (0, ["opt=sgd", "steps=1"]),
        (2, ["opt=adam", "steps=1"]),
    ]
    assert any(record["path"] == "opt.betas.0" for record in jobs[1]["paths"])
    assert not app.left()


def test_formats_agree(app: App) -> None:
    records = list(listed(app, "steps=5").values())
    assert yaml.safe_load(app.inline("--cfg-paths=yaml", "steps=5").out) == records
    table = app.inline("--cfg-paths", "steps=5").out.splitlines()
    assert table[0].split() == ["PATH", "TYPE", "VALUE", "SET", "BY"]
    assert [line.split()[0] for line in table[1:]] == [record["path"] for record in records]
    tree = app.inline("--cfg-paths=tree", "steps=5").out
    assert "\n  config: Optional[Net] = Net" in tree
    assert "\n    layers: int = 2" in tree


def test_a_table_fits_eighty_columns(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("LINES", raising=False)
    table = app.inline("--cfg-paths", "optimizers.0.lr=5e-4").out
    assert max(map(len, table.splitlines())) <= 80
    assert "optimizers.0.lr" in table
    monkeypatch.setenv("LINES", "24")  # both are what GNU readline writes for a terminal that is not there
    assert max(map(len, app.inline("--cfg-paths", "optimizers.0.lr=5e-4").out.splitlines())) > 80


def test_a_long_listing_is_paged_on_a_terminal(app: App, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    main, child = pty.openpty()
    env = {**app.environment(), "PAGER": str(pager), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "app.py", "--cfg-paths"], cwd=app.folder, env=env, stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    out = b""
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    assert process.wait() == 0, out
    os.close(main)
    assert b"PAGED" in out
    assert b"optimizers.0.lr" in out


def test_a_closed_pipe_ends_it_quietly(app: App) -> None:
    command = f"{shlex.quote(sys.executable)} app.py --cfg-paths=json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=app.folder, env=app.environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--cfg-paths=xml",), ("xml", "table, tree, json, yaml")),
        (("--cfg-paths", "-p", "modle"), ("modle", "did you mean 'model'")),
        (("--cfg-paths", "-p"), ("-p needs a value",)),
        (("--cfg-paths", "steps=abc"), ("steps", "expected int")),
        (("--cfg-paths", "opt=nope"), ("nope", "adam")),
        (("--cfg-paths", "modle.x=1"), ("modle",)),
    ],
)
def test_a_mistake_is_one_message(app: App, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = app.inline(*args)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert all(word in done.err for word in words), done.err
    assert not app.left()


@pytest.mark.matrix
def test_the_callback_lists_any_hydra_app(app: App) -> None:
    add(app, "plain.py", PLAIN)
    done = app.run("hydra/callbacks=cfg_paths", "hydra.callbacks.cfg_paths.format=json", "+more=1", script="plain.py")
    assert done.code == 0, done.err
    assert "ran" not in done.out
    found = {record["path"]: record for record in json.loads(done.out)}
    assert found["more"]["override"] == "++more=1"
    assert (found["model.config.hidden"]["source"], found["model.config.hidden"]["line"]) == ("conf/config.yaml", 15)
    swept = app.run(
        "-m", "hydra/callbacks=cfg_paths", "hydra.callbacks.cfg_paths.package=opt", "opt=sgd,adam", script="plain.py"
    )
    assert swept.code == 0, swept.err
    assert "job 0: opt=sgd" in swept.out
    assert "job 1: opt=adam" in swept.out
    assert not app.left()


@pytest.mark.matrix
def test_structured_configs_of_the_app_have_their_types(tmp_path: Path) -> None:
    app = App(tmp_path, {})
    add(
        app,
        "stored.py",
        """
        from dataclasses import dataclass, field
        import hydra
        from hydra.core.config_store import ConfigStore

        @dataclass
        class DB:
            host: str = "localhost"
            port: int = 3306

        @dataclass
        class Conf:
            db: DB = field(default_factory=DB)
            who: str = "???"

        ConfigStore.instance().store(name="conf", node=Conf)
        BASE = {"version_base": None} if hydra.__version__ < "1.4" else {}

        @hydra.main(config_path=None, config_name="conf", **BASE)
        def main(cfg):
            print("RESULT ran")

        main()
        """,
    )
    done = app.run(
        "hydra/callbacks=cfg_paths", "hydra.callbacks.cfg_paths.format=json", "db.port=4", script="stored.py"
    )
    assert done.code == 0, done.err
    found = {record["path"]: record for record in json.loads(done.out)}
    assert (found["db.port"]["type"], found["db.port"]["default"], found["db.port"]["before"]) == ("int", 3306, 3306)
    assert found["who"]["required"] is True
    assert found["db"]["type"] == "DB"


def test_the_function_lists_recipes_and_configs(app: App) -> None:
    config = app.compose("steps=5")
    found = {info.path: info for info in nph.paths(config, allow=["shop"])}
    assert (found["steps"].kind, found["optimizers.0.lr"].kind, found["ratio"].kind) == (
        "override",
        "recipe",
        "default",
    )
    data = {info.path: info.value for info in nph.paths({"_target_": "shop.SGD", "lr": 2}, allow=["shop"])}
    assert data == {"lr": 2, "momentum": 0.0, "nesterov": False}


def test_an_opaque_value_says_so() -> None:
    config = nph.to_config(functools.partial(dict, value=nph.raw(object()), other=1))
    found = {info.path: info for info in nph.paths(config)}
    assert "raw(...)" in str(found["value"].why_not)
    assert found["value"].overridable is False
    assert found["other"].overridable is True


def test_nothing_of_nemo_is_imported(app: App) -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['app.py', '--cfg-paths=json']\n"
        "try:\n    runpy.run_path('app.py', run_name='__main__')\nexcept SystemExit as end:\n    assert not end.code\n"
        "bad = {'nemo', 'nemo_run', 'torch', 'fiddle', 'rich'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=app.folder,
        env=app.environment({"PYTHONPATH": f"{ROOT}:{app.folder}"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("optimizers.1.mode=", ["optimizers.1.mode=FAST", "optimizers.1.mode=SLOW"]),
        ("optimizers.1.mode=S", ["optimizers.1.mode=SLOW"]),
        ("optimizers.1.kind=", ["optimizers.1.kind=a", "optimizers.1.kind=b"]),
        ("optimizers.0.nesterov=", ["optimizers.0.nesterov=true", "optimizers.0.nesterov=false"]),
        ("steps=", ["steps=3"]),
        ("optimizers.0.mom", ["optimizers.0.momentum="]),
    ],
)
def test_values_complete(tmp_path: Path, word: str, expected: list[str]) -> None:
    app = App(tmp_path, {})
    add(
        app,
        "registered.py",
        """
        import shop
        import nemo_partial_hydra as nph

        @nph.recipe(name="config")
        def config():
            import functools
            return functools.partial(shop.train, optimizers=[shop.SGD(), shop.Adam()], steps=3)

        @nph.main(config_name="config")
        def main(cfg):
            pass

        main()
        """,
    )
    line = f"python registered.py {word}"
    done = app.run("-sc", "query=bash", script="registered.py", env={"COMP_LINE": line})
    assert done.out.split() == expected, done.err
    assert app.run("-sc", "query=fish", script="registered.py", env={"COMP_LINE": line}).out.split() == expected
    assert not app.left()


def test_interpolations_of_a_command_line_are_listed_as_they_were_typed(tmp_path: Path) -> None:
    words = ("name=a-${ratio}", "+_replace_.model.opt={_target_: shop.SGD, lr: '${..config.hidden}'}")
    done = App(tmp_path).inline(*words, "--cfg-paths", "--set-only", "--filter", "name")
    assert done.code == 0, done.err
    assert "override name=a-${ratio}" in done.out
