"""The launchers as Hydra's: from the command line of an app to what a sweeper gets back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest

from nemo_partial_hydra.errors import JobFailed
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import find_jobs
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.launchers import launch as launching
from tests.support.apps import ROOT, App

pytestmark = pytest.mark.matrix

LOCAL, SLURM = "hydra/launcher=submitit_apptainer_local", "hydra/launcher=submitit_apptainer"
HERE = ("hydra.sweep.dir=sweep", "hydra.launcher.array_parallelism=4")


@pytest.fixture
def app(tmp_path: Path, fresh_workspace: None) -> Iterator[App]:
    yield App(tmp_path)
    sys.modules.pop("shop", None)


def test_a_sweep_is_frozen_and_run(app: App) -> None:
    done = app.run("-m", "steps=4,5", "opt=adam,sgd", LOCAL, *HERE)
    assert done.code == 0, done.err
    jobs = find_jobs(app.folder / "sweep")
    assert [states.read_status(job).state for job in jobs] == [states.DONE] * 4
    assert [read_result(job)[:12] for job in jobs]
    assert "[4/4]" in done.out


def test_of_jobs_that_fail_all_are_said_and_the_others_are_done(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "_target_: shop.need\n_partial_: true\nsize: 1\ncolour: red\n"})
    app.write("shop.py", "def need(size: int, colour: str = 'red') -> float:\n    return 1 / size\n")
    done = app.run("-m", "size=0,1,0,4", LOCAL, *HERE)
    assert done.code == 1
    jobs = find_jobs(app.folder / "sweep")
    found = [states.read_status(job).state for job in jobs]
    assert found == [states.FAILED, states.DONE, states.FAILED, states.DONE]
    assert [read_result(jobs[1]), read_result(jobs[3])] == [1.0, 0.25]
    assert done.out.count("ZeroDivisionError") == 2
    assert "Traceback" not in done.err


def test_a_sweeper_gets_the_results_of_all_and_the_errors_of_those_that_failed(app: App) -> None:
    seen: list[Any] = []
    real = launching.launch

    def kept(*args: Any) -> Any:
        seen.extend(real(*args))
        return seen

    app.conf.joinpath("config.yaml").write_text("_target_: shop.need\n_partial_: true\nsize: 1\n")
    app.write("shop.py", "def need(size: int) -> float:\n    return 1 / size\n")
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(launching, "launch", kept)
        app.inline("-m", "size=0,2", LOCAL, *HERE)
    failed, done = seen
    assert done.return_value == 0.5
    with pytest.raises(JobFailed, match="division by zero"):
        _ = failed.return_value


def test_mistakes_in_recipes_and_settings_are_in_one_report(app: App) -> None:
    done = app.run("-m", "steps=abc,1", LOCAL, *HERE, "hydra.launcher.apptainer.image=/no.sif")
    assert done.code == 2
    assert "steps" in done.err
    assert "/no.sif" in done.err
    assert "Nothing was submitted." in done.err
    assert not list((app.folder / "sweep").glob("*/job.yaml"))


@pytest.mark.parametrize("launcher", [LOCAL, SLURM])
def test_a_dry_run_prints_and_writes_no_job(app: App, launcher: str) -> None:
    done = app.run("-m", "steps=4,5", launcher, "hydra.sweep.dir=sweep", "hydra.launcher.dry_run=true")
    assert done.code == 0, done.err
    assert "# job 1: steps=5" in done.out
    assert ("#SBATCH --job-name=app\n" in done.out) == (launcher == SLURM)
    assert not list((app.folder / "sweep").glob("*/job.yaml"))


def test_where_there_is_no_slurm_that_is_said(app: App) -> None:
    done = app.run("-m", "steps=4,5", SLURM, "hydra.sweep.dir=sweep", env={"PATH": str(app.folder)})
    assert done.code == 4, done.err
    assert "submitit_apptainer_local" in done.err
    assert not list((app.folder / "sweep").glob("*/job.yaml"))


def test_a_secret_is_in_no_file(app: App) -> None:
    given = ["+hydra.launcher.apptainer.env.HF_TOKEN='${oc.env:HF_TOKEN}'", "+hydra.launcher.apptainer.env.PLAIN=1"]
    app.write(
        "shop.py", "import os\ndef need() -> int:\n    return len(os.environ['HF_TOKEN'] + os.environ['PLAIN'])\n"
    )
    app.conf.joinpath("config.yaml").write_text("_target_: shop.need\n_partial_: true\n")
    done = app.run("-m", LOCAL, *HERE, *given, env={"HF_TOKEN": "hidden-value"})
    assert done.code == 0, done.err
    (job,) = find_jobs(app.folder / "sweep")
    assert read_result(job) == 13
    for path in app.folder.rglob("*"):
        assert not path.is_file() or b"hidden-value" not in path.read_bytes(), path


def test_a_secret_that_was_typed_is_refused(app: App) -> None:
    done = app.run("-m", "steps=1,2", LOCAL, *HERE, "+hydra.launcher.apptainer.env.HF_TOKEN=hidden-value")
    assert done.code == 2
    assert "oc.env:HF_TOKEN" in done.err
    for path in app.folder.rglob("*"):
        assert not path.is_file() or b"hidden-value" not in path.read_bytes(), path


def test_the_settings_are_those_of_hydra_submitit_launcher_and_ours() -> None:
    from omegaconf import OmegaConf

    from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf
    from hydra_plugins.nemo_partial_hydra.slurm import SubmititApptainerConf, SubmititApptainerLocalConf

    for theirs, ours in ((SlurmQueueConf, SubmititApptainerConf), (LocalQueueConf, SubmititApptainerLocalConf)):
        made = OmegaConf.structured(ours)
        assert set(OmegaConf.structured(theirs)) <= set(made)
        assert set(made.apptainer) == {
            "image", "nv", "rocm", "binds", "env", "cleanenv", "contain", "writable_tmpfs", "overlay", "workdir",
            "python", "extra_args", "executable", "setup",
        }  # fmt: skip


def test_the_page_has_the_parameters_as_they_are(app: App) -> None:
    page = (ROOT / "docs" / "launcher.md").read_text(encoding="utf-8")
    shown = app.run(SLURM, "--cfg", "hydra", "-p", "hydra.launcher").out.partition("\n")[2]
    if hydra.__version__ >= "1.4":  # hydra-submitit-launcher has three fields more there
        shown = re.sub(r"^(python|srun_args|use_srun): .*\n", "", shown, flags=re.MULTILINE)
    assert f"```yaml\n{shown.strip()}\n```" in page


def test_the_pages_example_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "launcher.md").read_text(encoding="utf-8")
    line = page.partition("cd examples/optimizers\n")[2].partition("\n")[0]
    words = [word for word in line.split() if not word.startswith("hydra.launcher.apptainer.image=")][2:]
    done = subprocess.run(
        [sys.executable, "train.py", *words, f"hydra.sweep.dir={tmp_path}/sweep", f"hydra.run.dir={tmp_path}/run"],
        cwd=ROOT / "examples" / "optimizers", env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [states.read_status(job).state for job in find_jobs(tmp_path / "sweep")] == [states.DONE] * 2


def test_scanning_the_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys, json; from hydra.core.plugins import Plugins; Plugins.instance();"
        "print(json.dumps([m for m in ('submitit', 'cloudpickle', 'nemo_partial_hydra.launchers', 'nemo_run', 'torch')"
        " if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_without_hydra_submitit_launcher_other_launchers_work(app: App) -> None:
    hidden = app.folder / "hidden"
    hidden.mkdir()
    # An import that fails as it does where the package is not installed.
    (hidden / "sitecustomize.py").write_text(
        "import sys\nsys.modules['hydra_plugins.hydra_submitit_launcher'] = None\n"
    )
    path = os.pathsep.join([str(hidden), str(ROOT)])
    done = app.run("-m", "steps=4", "hydra/launcher=freeze", "hydra.sweep.dir=sweep", env={"PYTHONPATH": path})
    assert done.code == 0, done.err
    more = ("hydra.sweep.dir=other", "hydra.launcher.timeout_min=5")
    asked = app.run("-m", "steps=4", SLURM, *more, env={"PYTHONPATH": path})
    assert asked.code == 2
    assert "hydra-submitit-launcher" in asked.err
