"""The launchers' settings, the argument list and the variables of a job, and what would be submitted."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import ClusterError, RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import SLURM
from nemo_partial_hydra.launchers import claims, dry_run, submit
from nemo_partial_hydra.launchers.container import bind, enter
from nemo_partial_hydra.launchers.container import command as apptainer
from nemo_partial_hydra.launchers.container.command import Container
from nemo_partial_hydra.launchers.preflight import report as preflight
from nemo_partial_hydra.launchers.preflight.values import mistakes
from nemo_partial_hydra.launchers.settings import Settings, from_config, from_record
from tests.support.sweeps import ALLOW, ROOT, STRANGE, Sweep

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = {
    "SPACES": "  a b  ",
    "QUOTES": "'\"`x`",
    "DOLLAR": "$HOME ${X} $(id)",
    "LINES": "l1\nl2\n",
    "UNICODE": "grüß 🙂",
    "COMMAS": "a,b=c:d",
    "SLASHES": "\\n \\$ \\",
    "EMPTY": "",
    "SHELL": "%s;|&<>#~*?",
}


def test_values_of_variables_are_the_same_after_they_entered() -> None:
    text = enter.encoded(VALUES)
    assert enter.decoded(text) == VALUES
    assert shlex.quote(text.replace("=", "")) == text.replace("=", ""), "no letter that a shell cares about"


def test_entering_sets_the_variables_and_becomes_the_command() -> None:
    given = {**os.environ, enter.VARIABLE: enter.encoded(VALUES)}
    show = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    command = [sys.executable, "-I", "-S", enter.__file__, sys.executable, "-c", show, STRANGE]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    found, arguments = json.loads(done.stdout)
    assert {name: found.get(name) for name in VALUES} == VALUES
    assert enter.VARIABLE not in found
    assert arguments == [STRANGE]


@pytest.mark.parametrize("level", [None, "WARNING"])
def test_who_submits_from_a_program_keeps_its_log_file(tmp_path: Path, level: str | None) -> None:
    """submitit closes every handler of the process when it is imported, unless it is told not to."""
    script = (
        "import logging, os, sys\n"
        "class Kept(logging.FileHandler):\n"
        "    def close(self): sys.exit('closed')\n"
        "logging.getLogger().addHandler(Kept('log'))\n"
        "before = dict(os.environ)\n"
        "import nemo_partial_hydra.launchers.clusters.slurm.executor\n"
        "assert 'submitit.core.core' in sys.modules and before == dict(os.environ)\n"
        "logging.warning('still there')\n"
        "os._exit(0)\n"  # at the end Python itself closes them
    )
    env = {name: value for name, value in os.environ.items() if name != "SUBMITIT_LOG_LEVEL"}
    env.update({"PYTHONPATH": str(ROOT), **({} if level is None else {"SUBMITIT_LOG_LEVEL": level})})
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, check=True)
    assert "still there" in (tmp_path / "log").read_text(encoding="utf-8")


def test_every_setting_of_the_container_reaches_its_argument_list() -> None:
    full = Container(
        image="/i/x.sif", nv=True, rocm=True, binds=("/data:/d:ro",), cleanenv=True, contain=True,
        writable_tmpfs=True, overlay=("/o.img",), workdir="/scratch", python="/opt/py", extra_args=("--fakeroot",),
        executable="/opt/bin/singularity",
    )  # fmt: skip
    made = apptainer.command(full, ["JOB"], directory="/s/0", binds=["/s", "/s/0", "/code"], source="/src/nph")
    assert made[:2] == ["/opt/bin/singularity", "exec"]
    image = made.index("/i/x.sif")
    options, payload = made[2:image], made[image + 1 :]
    assert options == [
        "--nv", "--rocm", "--cleanenv", "--contain", "--writable-tmpfs", "--overlay", "/o.img", "--workdir", "/scratch",
        "--bind", f"/src/nph:{apptainer.SOURCE}/nemo_partial_hydra:ro", "--bind", "/s", "--bind", "/code",
        "--bind", "/data:/d:ro", "--pwd", "/s/0", "--fakeroot",
    ]  # fmt: skip
    assert payload[0] == payload[4] == "/opt/py"
    assert payload[-1] == "JOB"


def test_without_an_image_there_is_no_container() -> None:
    made = apptainer.command(Container(), ["JOB"], directory="/s/0", binds=["/s"])
    assert made == [sys.executable, str(ROOT / "nemo_partial_hydra" / "jobs" / "start.py"), "JOB"]


@pytest.mark.parametrize("mark", [",", ":", '"', "\n"])
def test_a_path_that_bind_would_take_apart_is_mounted(mark: str) -> None:
    option, text = apptainer.bind(f"/a{mark}b", "/c")
    assert option == "--mount"
    import csv

    assert next(csv.reader([text])) == ["type=bind", f"source=/a{mark}b", "destination=/c"]


def test_the_hosts_python_stays_outside_and_slurm_gets_in() -> None:
    host = {"PYTHONPATH": "/host", "VIRTUAL_ENV": "/v", "SLURM_PROCID": "3", "CUDA_VISIBLE_DEVICES": "1", "OWN": "x"}
    clean = Container(image="x.sif", cleanenv=True, env={"A": "1"})
    made = apptainer.environment(clean, host)
    inside = enter.decoded(made[f"APPTAINERENV_{enter.VARIABLE}"])
    assert inside == {
        "SLURM_PROCID": "3", "CUDA_VISIBLE_DEVICES": "1", "A": "1", "PYTHONNOUSERSITE": "1",
    }  # fmt: skip
    assert "PYTHONPATH" not in made
    assert "VIRTUAL_ENV" not in made
    other = apptainer.environment(Container(image="x.sif", executable="/opt/singularity"), host)
    assert f"SINGULARITYENV_{enter.VARIABLE}" in other


def test_without_a_container_the_hosts_own_path_stays() -> None:
    made = apptainer.environment(Container(env={"A": "$B"}), {"PYTHONPATH": "/host"})
    assert made == {"PYTHONPATH": "/host", "A": "$B"}


CONFIG: dict[str, Any] = {
    "_target_": "x",
    "name": "app",
    "timeout_min": 30,
    "nodes": 1,
    "partition": None,
    "signal_delay_s": 60,
    "detach": None,
    "dry_run": False,
    "payload_signal": "SIGTERM",
    "submitit_folder": None,
    "setup": ["module load a"],
    "apptainer": {
        "image": "x.sif",
        "env": {"A": 1, "B": True, "HF_TOKEN": "hidden", "USER_NAME": None},
        "setup": ["b"],
    },
}


def test_settings_are_the_same_after_they_were_kept_and_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    made, secrets = from_config(CONFIG, SLURM, code=["/code"], allow=["a.b"])
    text = json.dumps(made.record())
    assert "hidden" not in text
    assert secrets == {"HF_TOKEN": "hidden"}
    assert made.secrets == ("HF_TOKEN", "USER_NAME"), "a variable without a value is the submission's own"
    assert from_record(json.loads(text)) == made
    assert made.container.env == {"A": "1", "B": "true"}
    assert made.container.image == "/x.sif", "the job runs in another directory"
    assert made.host_lines == ("module load a", "b")
    assert "partition" not in made.resources


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"payload_signal": "SIGNOPE"}, "payload_signal"),
        ({"resources": {"timeout_min": 0}}, "timeout_min"),
        ({"resources": {"cpus_per_task": -1}}, "cpus_per_task"),
        ({"resources": {"timeout_min": 1, "signal_delay_s": 60}}, "signal_delay_s"),
        ({"resources": {"use_srun": False}}, "use_srun"),
        ({"name": "a\nrm -rf b"}, "name"),
        ({"cluster": "local", "detach": True}, "detach"),
        ({"resources": {"comment": "a\nb"}}, "comment"),
        ({"resources": {"additional_parameters": {"mail-user": "a\nb"}}}, "additional_parameters.mail-user"),
        ({"resources": {"additional_parameters": {"a b": "x"}}}, "additional_parameters"),
        ({"setup": ("export HF_TOKEN=abc",)}, "setup"),
        ({"container": Container(extra_args=("--env", "API_KEY=abc"))}, "apptainer.extra_args"),
        ({"resources": {"additional_parameters": {"export": "ALL,WANDB_API_KEY=abc"}}}, "additional_parameters.export"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_of_that_setting(changed: dict[str, Any], named: str) -> None:
    assert [name for name, _ in mistakes(Settings(**changed))] == [named]


def test_a_secret_that_is_only_named_may_be_written() -> None:
    assert mistakes(Settings(setup=("export HF_TOKEN=$TOKEN", 'A_KEY="$B"', "TOKENIZERS_PARALLELISM=true"))) == []


def test_arrays_are_split_evenly_and_none_is_too_large() -> None:
    for count, size in [(1, 5), (5, 5), (6, 5), (2001, 1000), (10000, 1001)]:
        found = submit.parts(count, size)
        assert [index for part in found for index in part] == list(range(count))
        assert max(len(part) for part in found) <= size
        assert max(len(part) for part in found) - min(len(part) for part in found) <= 1


def test_the_code_of_recipes_is_found_and_what_is_installed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("app", "lib/own", "pack/inner"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("lib/own/__init__.py", "lib/single.py", "pack/__init__.py", "pack/inner/__init__.py"):
        (tmp_path / name).touch()
    monkeypatch.syspath_prepend(tmp_path / "lib")
    named = ["own.a.b", "single.f", "hydra.main", "datetime.timedelta", "builtins.tuple", "not_here.f", "__main__.f"]
    apps = [str(tmp_path / "app"), str(tmp_path / "pack" / "inner"), None]
    expected = ["app", ".", "pack/inner", "lib"]
    assert bind.folders(apps, named) == tuple(str(tmp_path / name) for name in expected)


# ---------------------------------------------------------------- the text of what would be submitted


def normal(text: str, folder: Path) -> str:
    """Return a text without what differs from machine to machine."""
    from nemo_partial_hydra.launchers.clusters.executor import host_python

    python = host_python(Settings())
    # Longer ones first: an environment may stand in the project's folder.
    for found, name in ((python, "PYTHON"), (sys.executable, "PYTHON"), (str(folder), "SWEEP"), (str(ROOT), "ROOT")):
        text = text.replace(found, name)
    return text


SAMPLES: dict[str, tuple[Settings, list[str]]] = {
    "plain": (Settings(container=Container(image="/images/nemo.sif"), resources={"timeout_min": 60}), ["report"]),
    "no-container": (Settings(resources={"timeout_min": 60}), ["report", "report"]),
    "full": (
        Settings(
            name="llama3 'x' sweep",
            container=Container(
                image="/images/nemo 25.sif", nv=True, binds=("/data:/data:ro",), env={"A": "it's $HOME"}, cleanenv=True,
                setup=("module load apptainer",),
            ),
            resources={
                "timeout_min": 240, "nodes": 2, "tasks_per_node": 8, "gpus_per_node": 8, "cpus_per_task": 4,
                "mem_gb": 512, "partition": "gpu", "account": "team_b", "qos": "long", "array_parallelism": 2,
                "signal_delay_s": 300, "max_num_timeout": 3, "additional_parameters": {"mail-type": "END"},
            },
            payload_signal="USR1",
            code=("/home/b/my app",),
            allow=("my_recipes",),
            secrets=("HF_TOKEN",),
        ),
        ["report", "report", "report"],
    ),
    "local": (
        Settings(cluster="local", container=Container(image="/images/nemo.sif"), resources={"timeout_min": 60}),
        ["report", "report"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_the_script_and_the_commands_are_the_recorded_ones(name: str, tmp_path: Path) -> None:
    chosen, payloads = SAMPLES[name]
    sweep = Sweep(tmp_path)
    for number, payload in enumerate(payloads):
        sweep.add(payload, lr=f"{number} '$x'")
    said = [[f"lr={number} '$x'"] for number in range(len(payloads))]
    made = normal(
        dry_run.text(sweep.paths, sweep.jobs, chosen, overrides=said, after="afterok:12" if name == "full" else None),
        tmp_path,
    )
    file = GOLDEN / f"launch-{name}.txt"
    if os.environ.get("RECORD"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(made, encoding="utf-8")
    assert made == file.read_text(encoding="utf-8"), "RECORD=1 writes it anew"
    assert not sweep.paths.submissions.exists(), "a dry run writes nothing"


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"local"}))  # which has no script
def test_the_script_is_one_that_a_shell_takes_and_its_command_is_intact(name: str, tmp_path: Path) -> None:
    folder = tmp_path / STRANGE
    sweep = Sweep(folder)
    chosen = SAMPLES[name][0]
    text = submit.script(sweep.paths, chosen, 2)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    command = shlex.split(text.strip().splitlines()[-1])
    assert command[0] == "srun"
    assert command[-1] == str(sweep.paths.submission(1).directory / "submitit")


@pytest.mark.parametrize("value", ["1\ntouch mark\n", "1'\ntouch mark #", "1\r\ntouch mark", "$(touch mark)", "0.5"])
def test_an_override_of_a_strangers_job_stays_in_its_comment(value: str, tmp_path: Path) -> None:
    """What a dry run prints may be given to a shell, the batch script and the commands as they are."""
    sweep = Sweep(tmp_path)
    sweep.add("pass")
    given = dry_run.text(sweep.paths, sweep.jobs, Settings(cluster="local"), overrides=[[f"lr={value}"]])
    without = dry_run.text(sweep.paths, sweep.jobs, Settings(cluster="local"))
    left = [line for line in given.split("\n") if not line.startswith("#")]
    assert left == [line for line in without.split("\n") if not line.startswith("#")]
    assert value.split(maxsplit=1)[0].strip("'") in given


def test_submit_dry_run_prints_what_the_settings_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = Sweep(tmp_path / STRANGE)
    sweep.add("report")
    line = ["submit", str(sweep.paths.directory), "hydra/launcher=submitit_apptainer", "--dry-run"]
    more = [
        "--allow",
        *ALLOW,
        "hydra.launcher.apptainer.image=/x.sif",
        "hydra.launcher.timeout_min=7",
        "hydra.launcher.name=mine",
    ]
    assert cli.main([*line, *more, "+hydra.launcher.apptainer.env.A_TOKEN=hidden"]) == 0
    shown = capsys.readouterr().out
    assert "#SBATCH --time=7\n" in shown
    assert "#SBATCH --job-name=mine\n" in shown
    assert "hidden" not in shown
    assert shlex.quote(str(sweep.jobs[0].directory)) in shown
    assert sorted(path.name for path in sweep.jobs[0].directory.iterdir()) == ["job.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the launcher"),
        (["hydra/launcher=basic"], "frozen jobs are sent by"),
        (["hydra/launcher=submitit_apptainer", "lr=3"], "the jobs are frozen"),
        (["hydra/launcher=submitit_apptainer", "hydra.launcher.time_min=3"], "did you mean 'timeout_min'"),
        (["hydra/launcher=submitit_apptainer_local", "hydra.launcher.timeout_min=x"], "timeout_min"),
    ],
)
def test_a_wrong_line_is_a_usage_error(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("report")
    assert cli.main(["submit", str(tmp_path), *arguments]) == 2
    assert said in capsys.readouterr().err


# What was sent and what was not ------------------------------------------------------------------------------------


def test_of_a_sweep_that_was_partly_sent_the_rest_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: Sweep
) -> None:
    """The cluster takes the first of two arrays: its jobs are submitted, exactly the others can be sent again."""
    program = tmp_path / "bin/sbatch"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nmkdir {tmp_path}/taken 2>/dev/null && echo Submitted batch job 77 || exit 1\n")
    (program.parent / "srun").write_text("#!/bin/sh\n")  # submitit looks for it before it sends anything
    for one in program.parent.iterdir():
        one.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for number in range(40):
        jobs.add("quick", number=number)
    report = preflight.Report(max_array=20)
    with pytest.raises(ClusterError, match="20 of 40 jobs were sent before"):
        submit.submit(jobs.paths, jobs.jobs, Settings(), report=report)
    found = [states.read_status(job) for job in jobs.jobs]
    assert [status.state for status in found] == [states.SUBMITTED] * 20 + [states.FROZEN] * 20
    with pytest.raises(RefusedError):
        claims.claim(jobs.jobs[0], 1)
    for job in jobs.jobs[20:]:
        claims.claim(job, 1)


def test_a_claim_that_is_interrupted_is_given_back(jobs: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.add("quick")

    def interrupted(*args: Any, **kwargs: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(states, "write_status", interrupted)
        with pytest.raises(KeyboardInterrupt):
            submit.submit(jobs.paths, jobs.jobs, Settings(), report=preflight.Report())
    assert not job.attempt(1).exists()
    assert not jobs.paths.submissions.exists()
    claims.claim(job, 1)


@pytest.fixture
def jobs(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path / "sweep")
