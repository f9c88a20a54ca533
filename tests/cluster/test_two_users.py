"""Two unix users: A writes a store of jobs, B reviews it and runs copies, and A tampers at every stage in every way.

Whatever A does, B's files stay as they are, nothing that A wrote afterwards runs as B, no job of B's that A points to
is touched, and B is told: by an error that names the place, or in ``status``. Beside each stage an honest job goes
through. B is careless: what B makes is in the shared directory, and the group may write there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import tampering
from tests.cluster.lab import Lab
from tests.cluster.queueing import ACTIVE
from tests.cluster.tampering import ENDED, QUEUED, RUNNING, SECRET, STORE, Way, World
from tests.cluster.users import two_users

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def world(lab: Lab, image: Path) -> Iterator[World]:
    with two_users(str(lab.apptainer.parent)) as (place, a, b):
        (place / "app" / "conf").mkdir(parents=True)
        (place / "app" / "payload.py").write_text(tampering.PAYLOAD)
        (place / "app" / "train.py").write_text(tampering.APP)
        (place / "app" / "conf" / "config.yaml").write_text(tampering.CONFIG.format(place=place))
        for name in ("harm", "gates"):
            (place / name).mkdir()
            (place / name).chmod(0o777)
        (place / "ledger").touch()
        (place / "ledger").chmod(0o666)
        key = a.home / "key"
        assert a.types("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)[0] == 0
        (b.home / ".profile").write_text(SECRET)
        (b.home / "signers").write_text(f"team-a {(a.home / 'key.pub').read_text()}")
        sleeper = b.start("sleep", "3600")
        made = World(lab, a, b, place, (*tampering.TYPED, f"hydra.launcher.apptainer.image={image}"), sleeper, [])
        made.tampers(lambda: made.write_evil(made.evil))
        yield made
        lab.cancel_all()
        sleeper.kill()
        sleeper.wait()


@pytest.fixture
def mine(world: World, request: pytest.FixtureRequest) -> Path:
    return world.shared / str(request.node.name)


# ---------------------------------------------------------------- in the store


def test_in_the_store_before_b_looks(world: World, mine: Path) -> None:
    """Each way in a store of its own; B looks, compares and submits, with A's signature asked for where it is that."""

    def prepared(number: int) -> Path:
        store = world.shared / f"store-{number}"
        world.a.does(lambda: shutil.copytree(first, store, copy_function=shutil.copy2))
        return store

    first = world.shared / "store"
    world.freeze(first, "name=first,second", f"place={world.place}")
    assert world.a.types("nemo-hydra", "sign", first, "--key", world.a.home / "key")[0] == 0

    def tried(number: int, way: Callable[[World, Path], None]) -> list[tuple[int, str]]:
        store, to = world.shared / f"store-{number}", mine.with_name(f"{mine.name}-{number}")
        demanded = way in (tampering.unsigned, tampering.by_another_key)
        signers = ("--signers", str(world.b.home / "signers")) if demanded else ()
        said = [world.b.types("nemo-hydra", "status", store)]
        said.append(world.b.types("nemo-hydra", "diff", store / "0", store / "1", "--allow", "payload"))
        said.append(world.submits(store, to, *signers))
        return said

    stores = [prepared(number) for number in range(len(STORE))]
    for store, way in zip(stores, STORE.values(), strict=True):
        world.tampers(lambda way=way, store=store: way(world, store / "1"))  # type: ignore[misc]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(tried, range(len(STORE)), STORE.values()))
    for number, (name, said) in enumerate(zip(STORE, results, strict=True)):
        code, text = said[-1]
        assert code in (2, 3), (name, text)
        assert re.search(rf"store-{number}(/1\b|-app\b|: 1 of 2.*\n.*\b1\b)", text), (name, text)
        assert not list(mine.with_name(f"{mine.name}-{number}").rglob("submissions")), name
        for _, each in said:
            assert "Traceback" not in each, (name, each)
            assert "\x1b" not in each, name
            assert SECRET.strip() not in each, name
    world.unharmed()
    assert world.starts() == []
    world.tampers(lambda: subprocess.run(["chmod", "-R", "g-w,o-rwx", first], check=True))  # B may only read
    before = {path: path.stat().st_mtime_ns for path in (first, *first.rglob("*"))}
    code, text = world.submits(first, mine, "--signers", str(world.b.home / "signers"), "hydra.launcher.detach=false")
    assert code == 0, text
    assert {path: path.stat().st_mtime_ns for path in (first, *first.rglob("*"))} == before
    assert sorted(world.starts()) == ["first", "second"]


# ---------------------------------------------------------------- in B's copy, while the jobs wait


def careless(mine: Path) -> None:
    """Let the group write wherever B can."""
    subprocess.run(["chmod", "-R", "g+rwX", mine], check=True)


def test_while_the_jobs_wait(world: World, mine: Path) -> None:
    """Each way for a job of its own, while the queue holds them all back; afterwards B looks."""
    store = mine.with_name(f"{mine.name}-store")
    names = [f"job-{number}" for number in range(len(QUEUED) + 1)]
    world.freeze(store, f"name={','.join(names)}", f"place={world.place}")
    before = world.starts()
    for node in world.lab.nodes:
        world.lab.drain(node)
    code, text = world.submits(store, mine)
    assert code == 0, text
    careless(mine)
    for number, way in enumerate(QUEUED.values(), 1):
        world.tampers(lambda number=number, way=way: way.deed(world, mine / str(number)))  # type: ignore[misc]
    for node in world.lab.nodes:
        world.lab.resume(node)
    world.lab.wait(lambda: not world.lab.squeue(states=ACTIVE), 60, "the jobs to end")
    world.unharmed()
    started = world.starts()[len(before) :]
    told(world, mine, QUEUED)
    assert sorted(started) == sorted(
        ["job-0", *(f"job-{number}" for number, way in enumerate(QUEUED.values(), 1) if way.ends_as == "done")]
    )


def told(world: World, mine: Path, ways: Mapping[str, Way]) -> None:
    """What B sees: the honest job is done; of each that A touched how it ended, why, and whether it was exchanged."""
    code, jobs, table = world.status(mine)
    assert code == 1, table
    assert "Traceback" not in table
    assert jobs["0"]["state"] == "done", table
    for number, (name, way) in enumerate(ways.items(), 1):
        said = jobs[str(number)]
        assert (said["state"], said["exchanged"]) == (way.ends_as, way.exchanged), (name, said)
        assert way.why in (said["reason"] or ""), (name, said)
    if any(way.exchanged for way in ways.values()):
        assert "Sent with another job.yaml than the one that is there now" in table


# ---------------------------------------------------------------- while they run


def test_while_the_jobs_run(world: World, mine: Path) -> None:
    """Each way for a job of its own, once it runs; then all go on to their end."""
    store = mine.with_name(f"{mine.name}-store")
    names = [f"run-{number}" for number in range(len(RUNNING) + 1)]
    world.freeze(store, "_target_=payload.held", f"name={','.join(names)}", f"place={world.place}")
    code, text = world.submits(store, mine)
    assert code == 0, text
    careless(mine)
    for number, way in enumerate(RUNNING.values(), 1):
        world.lab.wait(lambda number=number: f"run-{number}" in world.starts(), 60, f"job {number} to start")  # type: ignore[misc]
        careless(mine / str(number))
        world.tampers(lambda number=number, way=way: way.deed(world, mine / str(number)))  # type: ignore[misc]
        (world.place / "gates" / f"run-{number}").touch()
    (world.place / "gates" / "run-0").touch()
    world.lab.wait(lambda: not world.lab.squeue(states=ACTIVE), 60, "the jobs to end")
    world.unharmed()
    told(world, mine, RUNNING)


# ---------------------------------------------------------------- after the end


def test_after_the_end(world: World, mine: Path) -> None:
    """One job is done and one has failed. After each deed B types status, cancel and retry, and all is put back. What
    is sent again waits for the end, and then runs.
    """
    store = mine.with_name(f"{mine.name}-store")
    world.freeze(store, "_target_=payload.needs", "name=there,missing", f"place={world.place}", "+file=${name}.txt")
    (world.place / "there.txt").write_text("here")
    code, text = world.submits(store, mine, "hydra.launcher.detach=false")
    assert code == 1, text
    careless(mine)
    kept = world.place / "kept"
    subprocess.run(["cp", "-a", mine, kept], check=True)
    for node in world.lab.nodes:
        world.lab.drain(node)
    innocent = world.innocent()
    for name, way in ENDED.items():
        world.tampers(lambda way=way: way.deed(world, mine))  # type: ignore[misc]
        said = [world.b.types("nemo-hydra", word, mine) for word in ("status", "cancel")]
        said.append(world.b.types("nemo-hydra", "retry", mine, "--allow", "payload", "hydra.launcher.detach=true"))
        assert said[-1][0] == way.code, (name, said)
        assert way.said in "".join(text for _, text in said), (name, said)
        assert "Traceback" not in "".join(text for _, text in said), (name, said)
        for each in [*mine.parent.glob(f"{mine.name}-away"), mine]:
            shutil.rmtree(each)
        subprocess.run(["cp", "-a", kept, mine], check=True)
        assert innocent in {job["job"] for job in world.lab.squeue(states=ACTIVE)}, name
        assert world.sleeper.poll() is None, name
    world.tampers(lambda: tampering.next_attempt(world, mine))
    (world.place / "missing.txt").write_text("there it is")
    for node in world.lab.nodes:
        world.lab.resume(node)
    world.lab.wait(lambda: not world.lab.squeue(states=ACTIVE), 60, "what was sent again to end")
    world.unharmed()
    code, text = world.b.types("nemo-hydra", "retry", mine, "--allow", "payload")
    assert code in (0, 3), text  # what was sent again before may have done it
    world.unharmed()
    code, jobs, table = world.status(mine)
    assert [jobs[name]["state"] for name in ("0", "1")] == ["done", "done"], table
