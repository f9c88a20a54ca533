"""The example of a team's repository: its library without NeMo; with NeMo its script, its app and its CI.

That its CI passes, docs/from-nemo-run.md shows.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.apps import ROOT, Done
from tests.support.recipes import nemo_hydra, python
from tests.support.shims import shims

EXAMPLE = ROOT / "examples" / "team_repository"
LEFT = ("outputs", "multirun", "jobs", "*.csv", "__pycache__", ".pytest_cache")


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A checkout of the team's repository."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "team", ignore=shutil.ignore_patterns(*LEFT)))


def login_node(team: Path, *args: str) -> Done:
    """Run a script where neither NeMo nor nemo_run can be imported."""
    return python(team, "-m", "tests.support.without", *args)


def recipe(job: Path) -> dict[str, object]:
    """Return the recipe of a frozen job."""
    found: dict[str, object] = yaml.safe_load(job.read_text(encoding="utf-8"))["recipe"]
    return found


@pytest.mark.matrix
def test_without_nemo_the_recipes_are_listed(team: Path) -> None:
    options = nemo_hydra(team, "library", "--library", "finch/library")
    assert re.search(r"^finch \(--library\): 4 recipes\n  data/ +byte_data\n  model/ +finch_model\n", options.out)
    assert re.search(r"^  pretrain/ +finch, finch_cpu$", options.out, re.MULTILINE)
    done = login_node(team, "launch.py", "--cfg-paths", "pretrain=finch", "--filter", "*.freeze_embedding")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].split() == ["pretrain.model.freeze_embedding", "bool", "false", "default"]


@pytest.mark.matrix
def test_without_nemo_a_sweep_is_frozen(team: Path) -> None:
    words = ["pretrain.model.config.num_layers=2,3", "pretrain.callbacks.0.every=1", "+pretrain.tags.who=b"]
    done = login_node(team, "launch.py", "-m", *words, "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 0, done.err
    for number, layers in enumerate((2, 3)):
        assert recipe(team / f"jobs/{number}/job.yaml") == {
            "_target_": "finch.cpu.fit",
            "_partial_": True,
            "model": {
                "_target_": "finch.model.FinchModel",
                "config": {"_target_": "finch.model.FinchConfig", "num_layers": layers},
            },
            "data": {"_target_": "finch.data.ByteData", "seq_length": 128},
            "steps": 20,
            "callbacks": [{"_target_": "finch.callbacks.LossLog", "path": "losses.csv", "every": 1}],
            "tags": {"team": "finch", "who": "b"},
        }
    differences = nemo_hydra(team, "diff", "jobs/0", "jobs/1", "--allow", "finch")
    assert differences.out.split() == ["~", "model.config.num_layers", "2", "->", "3"], differences.err


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pretrain.model.config.num_layrs=2"], "FinchConfig has no parameter 'num_layrs'; did you mean 'num_layers'?"),
        (["pretrain.model.freeze_embedding=7"], "pretrain.model.freeze_embedding: expected bool, got 7"),
        (["pretrain=finch_gpu"], "Could not find 'pretrain/finch_gpu'; did you mean 'finch_cpu'?"),
        (["pretrain=finch", "pretrain.trainer.max_step=7"], "no parameter 'max_step'; did you mean 'max_steps'?"),
        ([], "importing 'finch.cpu' (for 'finch.cpu.fit') fails: No module named 'lightning'"),
    ],
)
def test_without_nemo_what_is_wrong_is_said(team: Path, words: list[str], said: str) -> None:
    done = login_node(team, "launch.py", *words)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert said in done.err


@pytest.mark.matrix
def test_without_nemo_the_library_is_checked(team: Path) -> None:
    assert nemo_hydra(team, "check", "finch/library", "--allow", "finch").out.startswith("4 recipes: 4 fine\n")
    refused = nemo_hydra(team, "check", "finch/library")
    assert (refused.code, "--allow finch" in refused.err) == (3, True)


@pytest.mark.nemo
def test_the_script_of_before_and_the_app_train_the_same(team: Path) -> None:
    losses = []
    for words in (["before.py"], ["launch.py", "+experiment=narrow"]):
        done = python(team, *words)
        assert done.code == 0, done.err[-3000:]
        losses.append([(team / name).read_text() for name in ("losses.csv", "every_step.csv")])
        for file in team.glob("*.csv"):
            file.unlink()
    assert losses[0] == losses[1]
    steps = [line.split(",") for line in losses[0][1].splitlines()]
    assert [int(step) for step, _ in steps] == list(range(1, 13))
    assert float(steps[-1][1]) < float(steps[0][1]) - 1


@pytest.mark.nemo
def test_its_ci_fails_where_the_library_is_not_that_of_the_code(team: Path, tmp_path: Path) -> None:
    code = team / "finch" / "recipes.py"
    code.write_text(code.read_text().replace("max_steps // 20", "max_steps // 10"))
    env = shims(tmp_path / "bin")
    done = subprocess.run(["sh", "ci.sh"], cwd=team, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"^Files finch/library/pretrain/finch\.yaml and \S+ differ$", done.stdout, re.MULTILINE)
    assert "nemo-hydra export finch --out finch/library" in done.stderr
    assert "passed" not in done.stdout


@pytest.mark.nemo
def test_its_package_brings_the_recipes_to_any_app(team: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--quiet", "--target", str(site), str(team)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "app.py").write_text("import nemo_partial_hydra as nph\n\nnph.app()()\n")
    words = ["-m", "tests.support.without", "app.py", "+pretrain=finch", "pretrain.trainer.max_steps=7", "--cfg", "job"]
    done = python(elsewhere, *words, path=(site,))
    assert done.code == 0, done.err
    assert yaml.safe_load(done.out)["pretrain"]["trainer"]["max_steps"] == 7
    assert "finch (finch 1.0): 4 recipes" in nemo_hydra(elsewhere, "library", path=(site,)).out
