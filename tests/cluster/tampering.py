"""What one of two users may do to the jobs of the other, at every stage; see ``test_two_users``.

Each deed runs as user A and works by itself: what it changes is really changed. Standard library, and what writes jobs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, write_job
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.openssh import NAMESPACE
from tests.cluster.lab import Lab
from tests.cluster.users import User

PAYLOAD = '''"""What the jobs do: each notes that it was started."""

import os
import pathlib
import time


def note(place, name):
    with open(os.path.join(place, "ledger"), "a") as file:
        file.write(name + "\\n")


def noted(place, name):
    note(place, name)
    return name


def held(place, name):
    note(place, name)
    while not os.path.exists(os.path.join(place, "gates", name)):
        time.sleep(0.05)
    return name


def needs(place, name, file):
    note(place, name)
    return pathlib.Path(place, file).read_text()


def evil(place, name):
    pathlib.Path(place, "harm", name).touch()
'''
APP = """import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config", allow=["payload"], payload="recipe")
def main(cfg):
    nph.run(cfg)

main()
"""
CONFIG = """_target_: payload.noted
_partial_: true
place: {place}
name: none
"""
EVIL_MODULE = "import pathlib\npathlib.Path({harm!r}, 'module').touch()\n"
SECRET = "nobody else reads this\n"
TYPED = ("hydra/launcher=submitit_apptainer", "hydra.launcher.timeout_min=5", "hydra.launcher.mem_gb=1")


class World(NamedTuple):
    """The two, and the places that they share."""

    lab: Lab
    a: User
    b: User
    place: Path
    settings: tuple[str, ...]
    sleeper: subprocess.Popen[str]
    kept: list[str]

    @property
    def shared(self) -> Path:
        return self.place / "shared"

    @property
    def evil(self) -> Path:
        """A directory of A's, with a job in it that does harm."""
        return self.shared / "evil"

    def freeze(self, store: Path, *overrides: str) -> None:
        """Have A freeze a sweep."""
        sweep = ("hydra/launcher=freeze", f"hydra.sweep.dir={store}")
        code, said = self.a.types("python", self.place / "app" / "train.py", "-m", *overrides, *sweep)
        assert code == 0, said
        assert (store / "0" / "job.yaml").exists(), said

    def submits(self, store: Path, mine: Path, *more: str) -> tuple[int, str]:
        """Have B submit A's jobs as copies."""
        line: list[str | Path] = ["submit", store, "--to", mine, "--allow", "payload", *self.settings, *more]
        return self.b.types("nemo-hydra", *line)

    def tampers(self, deed: Callable[[], object]) -> None:
        """Have A do something, which must work: an attack that fails by itself shows nothing."""
        assert self.a.does(deed) == ""

    def write_evil(self, directory: Path, **more: Any) -> None:
        """Write a job that does harm; to be called as A."""
        directory.mkdir(parents=True, exist_ok=True)
        write(directory, {"_target_": "payload.evil", "place": str(self.place), "name": "job"}, **more)

    def starts(self) -> list[str]:
        """The names of the jobs that were started, in their order."""
        return (self.place / "ledger").read_text().split()

    def b_files(self) -> dict[str, bytes]:
        """B's own files, without those that commands keep for themselves."""
        found = {}
        for path in sorted(self.b.home.rglob("*")):
            inside = path.relative_to(self.b.home).parts
            if inside[0] not in (".local", ".cache", ".apptainer", ".nv") and path.is_file():
                found["/".join(inside)] = path.read_bytes()
        return found

    def unharmed(self) -> None:
        assert list((self.place / "harm").iterdir()) == []
        assert self.b_files() == {".profile": SECRET.encode(), "signers": (self.b.home / "signers").read_bytes()}

    def innocent(self) -> str:
        """Return the id of a job of B's that waits and has nothing to do with any of this."""
        if not self.kept:
            code, text = self.b.types("sbatch", "--parsable", "--output=/dev/null", "--wrap", "true")
            assert code == 0, text
            self.kept.append(text.strip())
        return self.kept[0]

    def status(self, mine: Path) -> tuple[int, dict[str, dict[str, Any]], str]:
        """Have B look: the exit code, what is said of each job, and the table."""
        code, text = self.b.types("nemo-hydra", "status", mine, "--json")
        jobs = json.loads(text[text.index("{") :])["jobs"] if "{" in text else []
        _, table = self.b.types("nemo-hydra", "status", mine)
        return code, {Path(job["directory"]).name: job for job in jobs}, table


def write(directory: Path, recipe: Mapping[str, Any], **more: Any) -> None:
    """Write a job's file that is whole, with the hash that belongs to it."""
    whole = {"_partial_": True, **recipe}
    (directory / "job.yaml").unlink(missing_ok=True)
    write_job(JobPaths(directory), Job(hash=recipe_hash(whole), num=1, subdir="1", recipe=whole, **more))


# ---------------------------------------------------------------- in the store, before anything is submitted


def _text(job: Path, old: str, new: str) -> None:
    text = (job / "job.yaml").read_text()
    assert old in text
    (job / "job.yaml").unlink()
    (job / "job.yaml").write_text(text.replace(old, new))


def _changed(world: World, job: Path) -> None:
    _text(job, "name: second", "name: other")


def _another_target(world: World, job: Path) -> None:
    write(job, {"_target_": "os.system", "command": f"touch {world.place}/harm/system"})


def _reference(world: World, job: Path) -> None:
    write(job, {"_target_": "payload.noted", "place": str(world.place), "name": {"_target_": "os.abort"}})


def _link(world: World, job: Path) -> None:
    (job / "job.yaml").unlink()
    (job / "job.yaml").symlink_to(world.b.home / ".profile")


def _pipe(world: World, job: Path) -> None:
    (job / "job.yaml").unlink()
    os.mkfifo(job / "job.yaml")


def _away(world: World, job: Path) -> None:
    job.rename(job.parent.with_name(f"{job.parent.name}-moved"))
    job.symlink_to(world.evil)


def _huge(world: World, job: Path) -> None:
    (job / "job.yaml").chmod(0o644)
    os.truncate(job / "job.yaml", 1 << 33)


def _nested(world: World, job: Path) -> None:
    (job / "job.yaml").unlink()
    (job / "job.yaml").write_text("recipe: " + "[" * 100_000)


def _own_code(world: World, job: Path) -> None:
    """Name a directory of A's as the app, with a module of another name and ones that Python imports by itself."""
    app = job.parent.with_name(f"{job.parent.name}-app")
    app.mkdir()
    for name in ("mine", "sitecustomize", "usercustomize", "json", "yaml", "payload"):
        (app / f"{name}.py").write_text(EVIL_MODULE.format(harm=f"{world.place}/harm"))
    write(job, {"_target_": "mine.run"}, app=str(app))


def unsigned(world: World, job: Path) -> None:
    (job / "job.yaml.sig").unlink()


def by_another_key(world: World, job: Path) -> None:
    """Exchange the job for one that is as good, signed with a key that B does not know."""
    write(job, {"_target_": "payload.noted", "place": str(world.place), "name": "other"})
    (job / "job.yaml.sig").unlink()
    key = job.parent.with_name(f"{job.parent.name}-key")
    for words in (["-t", "ed25519", "-N", ""], ["-Y", "sign", "-n", NAMESPACE]):
        file = [str(job / "job.yaml")] if "-Y" in words else []
        command = ["ssh-keygen", "-q", *words, "-f", str(key), *file]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


STORE: dict[str, Callable[[World, Path], None]] = {
    "a recipe is changed": _changed,
    "another target, with its hash": _another_target,
    "a reference to what is called": _reference,
    "a link to a file of B's": _link,
    "a pipe": _pipe,
    "a directory that leads elsewhere": _away,
    "gigabytes": _huge,
    "deep nesting": _nested,
    "a directory of code of A's": _own_code,
    "its signature is gone": unsigned,
    "signed with another key": by_another_key,
}


# ---------------------------------------------------------------- in B's copy, while the jobs wait or run


def _exchanged(world: World, job: Path) -> None:
    """Put another job.yaml in its place, with the hash that belongs to it."""
    (job / "job.yaml").rename(job / "old.yaml")
    world.write_evil(job)


def _led_to_another(world: World, job: Path) -> None:
    (job / "job.yaml").rename(job / "old.yaml")
    (job / "job.yaml").symlink_to(world.evil / "job.yaml")


def _piped(world: World, job: Path) -> None:
    (job / "job.yaml").rename(job / "old.yaml")
    os.mkfifo(job / "job.yaml")


def _directory_of_a(world: World, job: Path) -> None:
    job.rename(job.with_name(f"{job.name}-away"))
    world.write_evil(job)


def _directory_elsewhere(world: World, job: Path) -> None:
    job.rename(job.with_name(f"{job.name}-away"))
    job.symlink_to(world.evil)


def _led_to_b(*parts: str) -> Callable[[World, Path], None]:
    """Have a file of the job's lead to one of B's."""

    def way(world: World, job: Path) -> None:
        path = job.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(path.with_name("old"))
        path.symlink_to(world.b.home / ".profile")

    return way


def _attempts_in_bs_home(world: World, job: Path) -> None:
    if (job / "attempts").exists():
        (job / "attempts").rename(job / "old")
    (job / "attempts").symlink_to(world.b.home)


def _claimed(world: World, job: Path) -> None:
    claim = job / "attempts" / "1" / "claim"
    claim.parent.mkdir(parents=True, exist_ok=True)
    claim.unlink(missing_ok=True)
    claim.write_text(json.dumps({"host": "elsewhere", "pid": 1, "slurm": None}))


def _modules(world: World, job: Path) -> None:
    """Leave modules where the job runs."""
    for name in ("sitecustomize", "usercustomize", "json", "yaml", "payload", "os"):
        (job / f"{name}.py").write_text(EVIL_MODULE.format(harm=f"{world.place}/harm"))


class Way(NamedTuple):
    """What A does to a job of B's, and what B sees of that job afterwards."""

    deed: Callable[[World, Path], None]
    ends_as: str = "done"
    why: str = ""
    exchanged: bool = False


QUEUED = {
    "another job.yaml": Way(_exchanged, "failed", "is another file than the one that was to run", exchanged=True),
    "job.yaml leads to A's": Way(_led_to_another, "failed", "job.yaml is a link, which is never followed"),
    "job.yaml is a pipe": Way(_piped, "failed", "job.yaml is a named pipe"),
    "the directory is A's": Way(_directory_of_a, "failed", "ended with an error before it", exchanged=True),
    "the directory leads to A's": Way(_directory_elsewhere, "lost", "is a link, which is never followed"),
    "status.json leads to B's file": Way(_led_to_b("status.json")),
    "result.json leads to B's file": Way(_led_to_b("result.json")),
    "the log leads to B's file": Way(_led_to_b("attempts", "1", "out.log"), "failed", "out.log is a link"),
    "the attempts are in B's home": Way(_attempts_in_bs_home, "failed", "attempts is a link"),
    "a claim of A's": Way(_claimed, "failed", "is or was run by process 1 on elsewhere"),
    "modules beside the job": Way(_modules),
}
# A job that runs has read its file, and has its logs open: it ends as it would have.
RUNNING = {
    "another job.yaml": Way(_exchanged, exchanged=True),
    "job.yaml leads to A's": Way(_led_to_another),
    "job.yaml is a pipe": Way(_piped),
    "the directory is A's": Way(_directory_of_a, exchanged=True),
    "the directory leads to A's": Way(_directory_elsewhere, "lost", "is a link, which is never followed"),
    **{name: Way(QUEUED[name].deed) for name in list(QUEUED)[5:]},
}


# ---------------------------------------------------------------- after the end: B looks, cancels, tries again


def _record(mine: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a record says, and leave its seal."""
    path = mine / name
    data = json.loads(path.read_text())
    change(data)
    path.unlink()
    path.write_text(json.dumps(data))


def _points_to(world: World, mine: Path, ids: dict[str, Any]) -> None:
    _record(mine, "submissions/1/submission.json", lambda data: [job.update(id=ids) for job in data["jobs"]])


def _innocent_id(world: World, mine: Path) -> None:
    """Have the record name a job of B's that has nothing to do with it."""
    _points_to(world, mine, {"job": world.innocent(), "task": None})


def _option_id(world: World, mine: Path) -> None:
    _points_to(world, mine, {"job": f"--user={world.b.name}", "task": None})


def _forged_submission(world: World, mine: Path) -> None:
    """Add a submission, as if B had sent the jobs once more."""
    shutil.copytree(mine / "submissions" / "1", mine / "submissions" / "2")
    (mine / "submissions" / "1").rename(mine / "old")
    _record(mine, "submissions/2/submission.json", lambda data: [job.update(attempt=9) for job in data["jobs"]])


def _setup_lines(world: World, mine: Path) -> None:
    _record(mine, "submissions/1/settings.json", lambda data: data.update(setup=[f"touch {world.place}/harm/setup"]))


def _allow_all(world: World, mine: Path) -> None:
    _record(mine, "submissions/1/settings.json", lambda data: data.update(allow=["os", "payload", "subprocess"]))
    write(mine / "1", {"_target_": "os.system", "command": f"touch {world.place}/harm/allowed"})


def _own_executable(world: World, mine: Path) -> None:
    program = mine / "apptainer"
    program.write_text(f"#!/bin/sh\ntouch {world.place}/harm/executable\n")
    program.chmod(0o755)
    changed = {"executable": str(program)}
    _record(mine, "submissions/1/settings.json", lambda data: data["container"].update(changed))


def _another_status(world: World, mine: Path) -> None:
    """Say of the job that failed that a job of B's is what it runs as now."""
    there = {"job": world.innocent(), "task": None}
    _record(mine, "1/status.json", lambda data: data.update(state="running", slurm=there, ended=None))


def _process_of_b(world: World, mine: Path) -> None:
    """Have a claim name a process of B's."""
    (mine / "1/attempts/1/claim").unlink()
    (mine / "1/attempts/1/claim").write_text(json.dumps({"host": os.uname().nodename, "pid": world.sleeper.pid}))
    _record(mine, "1/status.json", lambda data: data.update(state="running", ended=None))


def _another_job(world: World, mine: Path) -> None:
    world.write_evil(mine / "1")


def _swapped(world: World, mine: Path) -> None:
    """Put a whole sweep of A's in the place of B's."""
    mine.rename(mine.with_name(f"{mine.name}-away"))
    for number in range(2):
        world.write_evil(mine / str(number))


def next_attempt(world: World, mine: Path) -> None:
    """Have the next attempt's logs lead to a file of B's."""
    (mine / "1/attempts/2").mkdir()
    (mine / "1/attempts/2/out.log").symlink_to(world.b.home / ".profile")


class Deed(NamedTuple):
    """What A does to a sweep of B's that has ended; how ``retry`` ends then, and what one of the commands says."""

    deed: Callable[[World, Path], None]
    code: int
    said: str


ENDED = {
    "the id of another job of B's": Deed(_innocent_id, 3, "submission.json: written by nph-lab-a"),
    "an option for an id": Deed(_option_id, 3, "submission.json: written by nph-lab-a"),
    "another submission": Deed(_forged_submission, 3, "submission.json: written by nph-lab-a"),
    "setup lines": Deed(_setup_lines, 3, "settings.json: written by nph-lab-a"),
    "what recipes may name": Deed(_allow_all, 3, "1/job.yaml: is another file than the one that was submitted"),
    "another executable": Deed(_own_executable, 3, "settings.json: written by nph-lab-a"),
    "a job that runs, by its status": Deed(_another_status, 0, "Not known to be yours"),
    "a process of B's, by a claim": Deed(_process_of_b, 0, "Not known to be yours"),
    "another job.yaml": Deed(_another_job, 3, "1/job.yaml: is another file than the one that was submitted"),
    "another sweep": Deed(_swapped, 3, "there is nothing to try again: 2 frozen"),
    "links for the next attempt": Deed(next_attempt, 0, ""),
}
