"""Drills around the image: what is in it, what is not, and what it is replaced by."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job import read_job, write_job
from nemo_partial_hydra.jobs.metadata import image_of
from tests.cluster.drills import ALLOW, WAITED, Drill
from tests.cluster.lab import Lab

pytestmark = pytest.mark.cluster


def test_the_image_has_another_python_and_nothing_of_the_hosts(
    lab: Lab, image_other_python: Path, tmp_path: Path
) -> None:
    """The jobs are done, and that is all: neither another Python nor a missing submitit, Hydra or plugin matters.

    The stock launcher says "type object 'dict' has no attribute 'environ'", ends with a segmentation fault, or shows
    a module error from inside the job.
    """
    drill = Drill(lab, tmp_path, image_other_python)
    drill.job("one", "where")
    command = drill.submit(WAITED)
    assert command.code == 0, command.err
    assert drill.results() == [{"python": [3, 13], "found": []}]
    assert drill.starts() == {"one": 1}
    assert "[1/1] 0 done" in command.out


def test_no_image_and_no_executable(lab: Lab, tmp_path: Path) -> None:
    """Both are said at once, before anything is submitted; the exit code is 2.

    With the stock launcher one of them is seen, after 35 s in the queue.
    """
    drill = Drill(lab, tmp_path, lab.image().with_name("pythn.sif"))
    drill.job("one")
    command = drill.submit(WAITED, path=os.environ["PATH"].replace(str(lab.apptainer.parent), "/nowhere"))
    assert command.code == 2
    assert "2 problems:" in command.err
    assert "pythn.sif: there is no such image" in command.err
    assert "python.sif" in command.err.replace("pythn.sif", "")
    assert "'apptainer' is not on PATH here" in command.err
    assert "Nothing was submitted." in command.err
    assert drill.untouched()
    assert not drill.starts()


def test_no_executable_on_the_node(lab: Lab, image: Path, tmp_path: Path) -> None:
    """A ``setup`` line was to bring the executable and does not: the job fails and names it and the node."""
    drill = Drill(lab, tmp_path, image)
    drill.job("one")
    setup = ("hydra.launcher.apptainer.setup=[true]", "hydra.launcher.apptainer.executable=no-apptainer")
    command = drill.submit(*setup, WAITED)
    assert command.code == 1, command.err
    assert "the job did not start: no-apptainer: No such file or directory on " in command.out
    assert drill.went() == [states.FAILED]
    assert not drill.starts()


def test_the_sweep_is_where_no_container_looks(lab: Lab, image: Path) -> None:
    """The jobs are done: the sweep's directory is bound wherever it is, and with ``contain`` too.

    The stock launcher waits for 60 s and says "could not find submitted jobs".
    """
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir="/srv"))
    try:
        drill = Drill(lab, folder / "a sweep", image)
        drill.job("one")
        command = drill.submit("hydra.launcher.apptainer.contain=true", WAITED)
        assert command.code == 0, command.err + command.out
        assert drill.results() == ["one"]
        assert drill.starts() == {"one": 1}
    finally:
        shutil.rmtree(folder)


def test_a_bind_of_the_users_covers_the_sweep(lab: Lab, image: Path, tmp_path: Path) -> None:
    """It does not hide it: the job is done, in its own directory."""
    drill = Drill(lab, tmp_path / "sweep", image)
    drill.job("one")
    (tmp_path / "empty").mkdir()
    command = drill.submit(f"hydra.launcher.apptainer.binds=['{tmp_path}/empty:{tmp_path}']", WAITED)
    assert command.code == 0, command.err + command.out
    assert drill.results() == ["one"]
    assert drill.starts() == {"one": 1}


def test_the_image_is_replaced_after_freezing(lab: Lab, image: Path, tmp_path: Path) -> None:
    """Before submission it is refused with exit code 3; while the job waits, the job is refused and says so.

    No job runs in an image that nobody has frozen it for.
    """
    mine = tmp_path / "mine.sif"
    shutil.copy(image, mine)
    drill = Drill(lab, tmp_path / "sweep", mine)
    job = drill.job("one")
    _freeze_for(drill, mine)
    for node in lab.nodes:
        lab.drain(node)
    waiting = drill.submit(WAITED)
    lab.wait(lambda: drill.status(job).slurm, 30, "the job to be submitted")
    with mine.open("ab") as file:
        file.write(b"another")
    for node in lab.nodes:
        lab.resume(node)
    assert waiting.code == 1, waiting.err
    assert "was replaced since" in waiting.out
    assert "exit code 3" in waiting.out
    late = Drill(lab, tmp_path / "late", mine)
    late.job("two")
    _freeze_for(late, image, path=mine)
    command = late.submit()
    assert command.code == 3
    assert f"{mine}: the image was replaced after the jobs were frozen for it" in command.err
    assert late.untouched()
    assert not drill.starts()
    assert not late.starts()


def _freeze_for(drill: Drill, image: Path, path: Path | None = None) -> None:
    """Have the jobs of a drill say that they were frozen for an image."""
    import dataclasses

    for job in drill.jobs:
        known = {**image_of(str(image)), "path": str(path or image)}
        frozen = dataclasses.replace(read_job(job), image=known)
        job.job.unlink()
        write_job(job, frozen)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("apptainer.extra_args=[--fakeroot]",), "Operation not permitted (see hydra.launcher.apptainer.extra_args)"),
        (("apptainer.extra_args=[--nope]",), "unknown flag: --nope (see hydra.launcher.apptainer.extra_args)"),
        (("apptainer.python=/no/python",), "no such file or directory (see hydra.launcher.apptainer.python)"),
        (("apptainer.image={damaged}",), "(see hydra.launcher.apptainer.image)"),
    ],
)
def test_what_apptainer_cannot_do_is_said_with_the_setting_to_change(
    lab: Lab, image: Path, tmp_path: Path, settings: tuple[str, ...], said: str
) -> None:
    """No message is an exit status alone; ``--fakeroot`` needs what this machine does not give to a container."""
    damaged = tmp_path / "damaged.sif"
    damaged.write_bytes(image.read_bytes()[:200_000].ljust(image.stat().st_size, b"\0"))
    drill = Drill(lab, tmp_path / "sweep", None if "image" in settings[0] else image)
    drill.job("one")
    here = ("hydra/launcher=submitit_apptainer_local", *(f"hydra.launcher.{each}" for each in settings))
    image_of_it = [f"hydra.launcher.apptainer.image={drill.image}"] if drill.image else []
    line = [each.format(damaged=damaged) for each in (*here, *image_of_it)]
    command = drill.command("submit", drill.paths.directory, "--allow", ALLOW, *line)
    assert command.code == 1, command.err
    assert said in command.out
    assert "the container did not start: exit code " in command.out
    assert not drill.starts()
