"""``nemo-hydra``: diff, schema and snapshot, with the wrong inputs too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from tests.support.apps import App


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_workspace: None) -> Iterator[App]:
    made = App(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield made
    sys.modules.pop("shop", None)


Captured = pytest.CaptureFixture[str]
HERE = ("-cd", "conf", "-cn", "config")


def changes(capsys: Captured, *args: str) -> dict[str, list[dict[str, object]]]:
    """Return what ``diff --json`` prints."""
    assert cli.main(["diff", *args, "--json"]) == 0, capsys.readouterr().err
    found: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def test_diff_of_two_lines_of_overrides(app: App, capsys: Captured) -> None:
    found = changes(capsys, *HERE, "steps=4", "steps=5 opt=adam 'name=a b'")
    changed = {str(item["path"]): (item["a"], item["b"]) for item in found["changed"]}
    assert changed["steps"] == (4, 5)
    assert changed["name"] == ("run", "a b")
    assert changed["opt"] == ({"_target_": "shop.SGD"}, {"_target_": "shop.Adam"})
    assert {item["path"] for item in found["removed"]} == {"opt.momentum", "opt.nesterov"}
    assert {"path": "opt.kind", "b": "a"} in found["added"]


def test_diff_of_two_files_and_of_a_frozen_job(app: App, capsys: Captured) -> None:
    app.write("a.yaml", "_target_: shop.SGD\nlr: 1.0\n")
    app.write("job/job.yaml", "recipe:\n  _target_: shop.SGD\n  lr: 2.0\n")
    found = changes(capsys, "a.yaml", "job", "--allow", "shop")
    assert found == {"changed": [{"path": "lr", "a": 1.0, "b": 2.0}], "added": [], "removed": []}


def test_a_value_that_repeats_the_default_is_no_difference(app: App, capsys: Captured) -> None:
    assert cli.main(["diff", *HERE, "", "ratio=0.5"]) == 0
    assert capsys.readouterr().out == "no difference\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("diff", "gone.yaml", "gone.yaml"), ("gone.yaml", "no such file")),
        (("diff", "steps=4", ""), ("--config-dir",)),
        (("diff", "conf", "conf"), ("conf", "job.yaml")),
        (("diff", *HERE, "", "stepz=4"), ("stepz",)),
        (("diff", *HERE, "", "'open"), ("No closing quotation",)),
        (("diff", "-cd", "nowhere", "-cn", "config", "", ""), ("nowhere",)),
        (("diff", "broken.yaml", "broken.yaml"), ("broken.yaml", "line 2")),
        (("schema", "gone.yaml"), ("gone.yaml",)),
        (("schema", "conf/config.yaml", "--out", "no/folder/x"), ("no/folder/x",)),
        (("snapshot", "gone.yaml", "--out", "x"), ("gone.yaml",)),
        (("snapshot", "conf/config.yaml", "--out", "no/folder/x"), ("no/folder/x",)),
    ],
)
def test_a_mistake_is_one_message(app: App, capsys: Captured, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    app.write("broken.yaml", "a: [1\n")
    assert cli.main(list(args)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert all(word in shown.err for word in words), shown.err


def test_a_target_that_is_not_allowed_is_refused(app: App, capsys: Captured) -> None:
    app.write("bad.yaml", "_target_: shop.train\nopt:\n  _target_: os.system\n  command: ls\n")
    assert cli.main(["diff", "os.getcwd", "bad.yaml"]) == 3
    assert "os.getcwd" in capsys.readouterr().err


def test_a_schema_of_what_can_be_read(app: App, capsys: Captured) -> None:
    app.write("part.yaml", "_target_: shop.SGD\nlr: 1\nmore:\n  _target_: shop.Gone\n")
    assert cli.main(["schema", "part.yaml"]) == 1
    shown = capsys.readouterr()
    assert "shop.Gone is left out" in shown.err
    assert "shop.SGD" in json.dumps(json.loads(shown.out))


def test_a_snapshot_lists_and_overrides_where_the_targets_are_gone(app: App) -> None:
    app.write("app.py", (app.folder / "app.py").read_text().replace('"config",', '"config", allow=["shop"],'))
    before = app.run("--cfg-paths=json", "optimizers.1.mode=SLOW")
    files = ("conf/config.yaml", "conf/opt/sgd.yaml", "conf/opt/adam.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "nemo_partial_hydra.cli", "snapshot", *files, "--out", "conf/signatures.json"],
        cwd=app.folder,
        env=app.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    os.rename(app.folder / "shop.py", app.folder / "shop.gone")
    after = app.run("--cfg-paths=json", "optimizers.1.mode=SLOW")
    assert after.code == 0, after.err
    assert json.loads(after.out) == json.loads(before.out)
    wrong = app.run("--cfg-paths", "optimizers.1.mode=SLOWER")
    assert wrong.code == 2
    assert "optimizers.1.mode: expected Mode (FAST, SLOW)" in wrong.err
    line = "python app.py optimizers.1.mode="
    completed = app.run("-sc", "query=bash", env={"COMP_LINE": line})
    assert completed.out.split() == ["optimizers.1.mode=FAST", "optimizers.1.mode=SLOW"]


def test_a_broken_snapshot_is_named(app: App) -> None:
    app.write("conf/signatures.json", '{"format": 1, "packa')
    done = app.run("--cfg-paths")
    assert done.code == 2
    assert "signatures.json" in done.err
    assert "Traceback" not in done.err
