"""What version 0.1 wrote is read for ever: jobs, how they went, what was sent where, signatures, a library.

``tests/golden/v0.1`` is what 0.1 left of ``support.recorded``: a sweep that ran on its machine (``local``: its second
job failed), one that was sent to SLURM and of which the first job has ended (``slurm``), and an exported library. The
names of the host, the user and the Python were changed by hand. Nothing there is ever made anew.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.yaml import load as load_yaml
from nemo_partial_hydra.jobs.job import job_text, read_head, read_job
from nemo_partial_hydra.jobs.layout import JobPaths, find_jobs, sweep_paths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.status import encode as status_text
from nemo_partial_hydra.jobs.status import read_status
from nemo_partial_hydra.launchers.clusters.slurm.commands import Answer
from nemo_partial_hydra.launchers.records import read_settings, read_submission
from nemo_partial_hydra.launchers.status.look import overview
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.libraries.library import Library
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.tree import Call
from nemo_partial_hydra.signatures.compatible import text_of
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.introspect import docs_of, live
from nemo_partial_hydra.signatures.signature import Required, Signature, Unknown
from nemo_partial_hydra.signatures.snapshot import encode, load
from tests.support import recorded
from tests.support.jobs import START, bare_folder, environment
from tests.support.sent import Slurm, with_slurm
from tests.support.sweeps import ROOT

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v0.1"
TARGETS = [f"{recorded.__name__}.{name}" for name in ("Model", "Optimizer", "defaults", "train")]
JOBS = [job.directory.relative_to(GOLDEN) for sweep in ("local", "slurm") for job in find_jobs(GOLDEN / sweep)]
each_job = pytest.mark.parametrize("job", JOBS, ids=str)


@pytest.fixture
def golden(weird_tmp_path: Path) -> Path:
    """A copy of the recorded files, where they can be changed."""
    return Path(shutil.copytree(GOLDEN, weird_tmp_path / "v0.1"))


@each_job
def test_a_job_is_read_verified_and_written_the_same(job: Path) -> None:
    paths = JobPaths(GOLDEN / job)
    found = read_job(paths)
    assert job_text(found) == paths.job.read_text(encoding="utf-8")
    head = read_head(paths)
    assert {name: getattr(found, name) for name in vars(head)} == vars(head)
    assert (found.num, found.user, found.app) == (int(job.name), "alice", "/data/recorded/app")
    assert found.overrides == (f"steps={(10, 0, 20)[found.num]}",)


@each_job
def test_its_status_is_read_and_written_the_same(job: Path) -> None:
    paths = JobPaths(GOLDEN / job)
    status = read_status(paths)
    assert status_text(status) == paths.status.read_text(encoding="utf-8")
    assert status.state == {"local/1": "failed", "slurm/1": "submitted", "slurm/2": "submitted"}.get(str(job), "done")


def run(paths: JobPaths, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    bare = bare_folder(folder / "modules")
    command = [sys.executable, "-S", str(START), str(paths.directory), "--allow", recorded.__name__, *arguments]
    env = environment(bare, {"PYTHONPATH": f"{bare}:{ROOT}", "RECORDED_TOKEN": "secret"})
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def test_a_job_that_waits_runs_and_returns_what_it_would_have(golden: Path, tmp_path: Path) -> None:
    paths = JobPaths(golden / "slurm/2")
    done = run(paths, tmp_path, "--attempt", "1")
    assert (done.returncode, done.stderr) == (0, "")
    then = read_result(JobPaths(GOLDEN / "slurm/0"))
    assert then["extra"][1] == "Decimal 1.50"
    out = ["PosixPath", f"{paths.directory}/out"]
    assert read_result(paths) == {**then, "steps": 20, "token": "secret", "out": out}
    assert read_status(paths).slurm == {"job": "4711", "task": 2}


def test_a_job_that_failed_is_run_again_as_its_second_attempt(golden: Path, tmp_path: Path) -> None:
    paths = JobPaths(golden / "local/1")
    assert run(paths, tmp_path).returncode == 1
    before, now = read_status(JobPaths(GOLDEN / "local/1")), read_status(paths)
    assert (before.attempt, now.attempt) == (1, 2)
    assert before.error is not None
    assert now.error is not None
    assert now.error["message"] == before.error["message"] == "0 steps are too few"


def test_the_status_of_what_was_sent_is_shown(golden: Path) -> None:
    local = overview(str(golden / "local"), with_slurm(Slurm(Answer(1, "", "there is no SLURM"))))
    assert local.counts == {"done": 2, "failed": 1}
    slurm = Slurm({"4711_1": "RUNNING"}, {"4711_2": "CANCELLED"})
    slurm.folder = "/data/recorded/slurm/submissions/1/submitit"
    there = overview(str(golden / "slurm"), with_slurm(slurm))
    assert [entry.state for entry in there.entries] == ["done", "running", "cancelled"]
    assert [entry.head.overrides for entry in there.entries if entry.head] == [
        ("steps=10",),
        ("steps=0",),
        ("steps=20",),
    ]


@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_what_was_sent_is_read(cluster: str) -> None:
    paths = sweep_paths(GOLDEN / cluster).submission(1)
    sent, settings = read_submission(paths), read_settings(paths)
    assert (sent.cluster, sent.number, sent.user, sent.host) == (cluster, 1, "alice", "login1")
    assert sent.arrays == (["4711"] if cluster == "slurm" else [])
    assert [job.subdir for job in sent.jobs] == ["0", "1", "2"]
    assert (settings.cluster, settings.allow) == (cluster, (recorded.__name__,))
    written = json.loads(paths.settings.read_text(encoding="utf-8"))
    assert settings.resources == written["resources"]
    assert settings.container.python == "/data/recorded/bin/python"
    if cluster == "slurm":
        assert (settings.setup, dict(settings.container.env)) == (("module load cuda",), {"A": "b c"})


def shape(signature: Signature) -> list[tuple[str, str | None, bool, bool]]:
    """Spell the parameters of a signature so that every version of Python spells them alike."""
    more = [("*", signature.rest), ("**", signature.extra)]
    return [
        *((p.name, text_of(p.type), p.positional, p.keyword_only) for p in signature.parameters.values()),
        *((name, None if spec is None else text_of(spec), False, False) for name, spec in more),
    ]


@pytest.mark.parametrize("file", ["signatures.json.gz", "library/signatures.json"])
def test_signatures_are_those_of_the_live_targets(file: str) -> None:
    found = load(GOLDEN / file)
    assert list(found.targets) == TARGETS
    for target in TARGETS:
        kept, here = found.get(target), live(target)
        assert kept is not None
        assert here is not None
        assert shape(kept) == shape(here)
        for name, parameter in kept.parameters.items():
            default, other = parameter.default, here.parameters[name].default
            if isinstance(default, Unknown) and isinstance(other, Call):
                assert default.text.startswith(
                    f"{other.target.rpartition('.')[2]}("
                )  # 0.1 had only the text of objects
            elif isinstance(default, (Required, Unknown)) or isinstance(other, (Required, Unknown)):
                assert default == other
            else:
                assert same(default, other)
        assert found.doc(target)[""] == docs_of(getattr(recorded, target.rpartition(".")[2]))[""]


@pytest.mark.parametrize("file", ["signatures.json.gz", "library/signatures.json"])
def test_signatures_are_written_the_same(file: str) -> None:
    data = (GOLDEN / file).read_bytes()
    found = load(GOLDEN / file)
    kept = [signature for signature in map(found.get, TARGETS) if signature is not None]
    text = encode(kept, {target: found.doc(target) for target in TARGETS}, found.packages)
    assert text.encode() == (gzip.decompress(data) if file.endswith(".gz") else data)


def test_a_library_is_read_and_its_recipes_fit_its_signatures() -> None:
    folder = GOLDEN / "library"
    found = manifest.read(str(folder))
    assert manifest.encode(found) == (folder / manifest.NAME).read_text(encoding="utf-8")
    assert (found.name, found.modules) == ("recorded", ("recorded_recipes",))
    library, signatures = Library(str(folder), "recorded"), load(folder / "signatures.json")
    assert library.options() == list(found.recipes) == ["model/recorded_recipes", "pretrain/recorded_recipes"]
    for option, entry in found.recipes.items():
        text = (folder / f"{option}.yaml").read_bytes()
        assert manifest.digest(text) == entry.digest
        problems = Problems()
        tree = from_data(load_yaml(text.decode()), signatures.get, problems)
        assert not problems.messages
        assert isinstance(tree, Call)
