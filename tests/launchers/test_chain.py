"""Steps one behind the other: in which arrays they wait, for what, and which of them run once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs.job import Job
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.step import ANY, OK, Step, read_step
from nemo_partial_hydra.launchers.chain import Part, grouped
from nemo_partial_hydra.launchers.clusters.slurm.dependency import behind
from nemo_partial_hydra.launchers.clusters.waits import Wait
from nemo_partial_hydra.launchers.shared_steps import Placed, shared
from nemo_partial_hydra.launchers.step_settings import of_steps

Waiting = tuple[JobPaths, Sequence[JobId], str]


def job(number: int) -> JobPaths:
    return JobPaths(Path(f"/sweep/{number}"))


def task(number: int, array: str = "7") -> JobId:
    return JobId(array, number)


def waits(parts: Sequence[Part]) -> list[tuple[int, str]]:
    """Return how many jobs each array has, and what it waits for, as SLURM is told."""
    return [(len(part.jobs), behind(part.waits)) for part in parts]


def test_each_waits_for_its_own() -> None:
    assert waits(list(grouped([(job(i), [task(i)], OK) for i in range(300)]))) == [(300, "aftercorr:7")]


def test_all_wait_for_one_that_they_share() -> None:
    assert waits(list(grouped([(job(i), [task(3)], OK) for i in range(300)]))) == [(300, "afterok:7_3")]
    assert waits(list(grouped([(job(i), [JobId("8")], OK) for i in range(300)]))) == [(300, "afterok:8")]


def test_few_shared_ones_make_few_arrays() -> None:
    models = [(job(i), [task(i // 50)], OK) for i in range(100)]  # two models, fifty rates
    assert waits(list(grouped(models))) == [(50, "afterok:7_0"), (50, "afterok:7_1")]
    rates = [(job(i), [task(i // 2)], OK) for i in range(100)]  # fifty models, two rates
    assert waits(list(grouped(rates))) == [(50, "aftercorr:7"), (50, "aftercorr:7")]


def test_arrays_that_the_cluster_has_split_stay_split() -> None:
    """Where an array may have three jobs."""
    found = list(grouped([(job(i), [task(i % 3, f"{i // 3}")], OK) for i in range(6)]))
    assert waits(found) == [(3, "aftercorr:0"), (3, "aftercorr:1")]


def test_one_for_all_and_one_of_its_own() -> None:
    found = list(grouped([(job(i), [JobId("5"), task(i)], OK) for i in range(4)]))
    assert waits(found) == [(4, "afterok:5,aftercorr:7")]


def test_whatever_end_is_waited_for_by_arrays() -> None:
    assert waits(list(grouped([(job(i), [task(i)], ANY) for i in range(4)]))) == [(4, "afterany:7")]


TASKS = st.tuples(st.sampled_from("ab"), st.integers(0, 5))


@given(st.lists(st.tuples(st.lists(TASKS, max_size=2), st.sampled_from([OK, ANY]))))
def test_every_job_waits_for_just_what_it_needs(needs: list[tuple[list[tuple[str, int]], str]]) -> None:
    given: list[Waiting] = [
        (job(i), [task(number, array) for array, number in dict.fromkeys(ids)], after)
        for i, (ids, after) in enumerate(needs)
    ]
    parts = list(grouped(given))
    assert sorted(paths.directory for part in parts for paths in part.jobs) == sorted(p.directory for p, _, _ in given)
    wanted = {paths: (set(ids), after) for paths, ids, after in given}
    for part in parts:
        for index, paths in enumerate(part.jobs):
            ids, after = wanted[paths]
            assert {wait.ids[index] for wait in part.waits} == ids
            assert {wait.after for wait in part.waits} <= {after}
        for wait in part.waits:
            # What SLURM understands: one job for all, or the job of one's own number in one array.
            assert wait.same or [one.task for one in wait.ids] == list(range(len(part.jobs)))
            assert wait.same or len({one.job for one in wait.ids}) == 1


def test_the_same_is_waited_for_once() -> None:
    assert behind([Wait([task(0), task(1)], ANY), Wait([task(1), task(0)], ANY)]) == "afterany:7"


# Shared steps ------------------------------------------------------------------------------------------------------


def run_of(num: int, *recipes: str) -> list[Placed]:
    """Return the jobs of one run: a chain of steps a, b, c, ... with these recipes."""
    found: list[Placed] = []
    for index, (name, recipe) in enumerate(zip("abcdef", recipes, strict=False)):
        needs = {"abcdef"[index - 1]: f"../{'abcdef'[index - 1]}"} if index else {}
        subdir = f"{num}/{name}"
        made = Job(recipe, num=num, subdir=subdir, step=Step(name, index, needs, {}, OK, ()))
        found.append((JobPaths(Path("/sweep") / subdir), made))
    return found


def kept(runs: Sequence[Sequence[Placed]]) -> dict[str, list[str]]:
    """Return where the jobs are that are left, and where those that they need."""
    found, _ = shared(runs)
    steps = [(made.subdir, made.step) for _, made in found if made.step is not None]
    return {subdir: [step.place(subdir, name) for name in step.needs] for subdir, step in steps}


def test_what_does_not_depend_on_what_is_swept_runs_once() -> None:
    runs = [run_of(0, "m1", "r1", "x"), run_of(1, "m1", "r2", "x"), run_of(2, "m2", "r1", "x")]
    assert kept(runs) == {
        "0/a": [], "0/b": ["0/a"], "0/c": ["0/b"],
        "1/b": ["0/a"], "1/c": ["1/b"],
        "2/a": [], "2/b": ["2/a"], "2/c": ["2/b"],
    }  # fmt: skip


def test_a_run_has_one_of_its_own_at_least() -> None:
    found, ends = shared([run_of(0, "m", "r"), run_of(1, "m", "r")])
    assert [made.subdir for _, made in found] == ["0/a", "0/b", "1/b"]
    assert [made.subdir for _, made in ends] == ["0/b", "1/b"]


@given(st.lists(st.tuples(*[st.sampled_from("xy")] * 3), min_size=1, max_size=6))
def test_each_run_finds_all_its_steps_with_their_recipes(recipes: list[tuple[str, str, str]]) -> None:
    runs = [run_of(num, *each) for num, each in enumerate(recipes)]
    found, ends = shared(runs)
    by_place = {made.subdir: made for _, made in found}
    assert len(ends) == len(runs)
    for (_, end), wanted in zip(ends, recipes, strict=True):
        made: Job | None = end
        for recipe in reversed(wanted):
            assert made is not None
            assert made.step is not None
            assert made.hash == recipe
            others = [made.step.place(made.subdir, name) for name in made.step.needs]
            made = by_place[others[0]] if others else None


def test_a_place_outside_of_the_sweep_is_refused() -> None:
    record = Step("b", 1, {"a": "../a"}).record()
    assert read_step(record, "0/b") == Step("b", 1, {"a": "../a"})
    for place in ("../../../etc", "/etc", "../..", ".", "../b", "a\0b"):
        with pytest.raises(ValueError, match=r"is no other job of the sweep|expected the place"):
            read_step({**record, "needs": {"a": place}}, "0/b")
    for broken in (
        {"after": "never"},
        {"number": "1"},
        {"name": "a b"},
        {"wanted_by": [1]},
        {"needs": {"a b": "../a"}},
    ):
        with pytest.raises(ValueError, match=r"after|number|names of steps|expected the place"):
            read_step({**record, **broken}, "0/b")


# Settings ----------------------------------------------------------------------------------------------------------

LAUNCHER = {
    "_target_": "x", "nodes": 1, "timeout_min": 5, "apptainer": {"image": "a.sif", "nv": False}, "setup": None,
    "detach": None,
}  # fmt: skip


def test_settings_of_a_step_stand_in_the_place_of_the_common_ones() -> None:
    steps = {"train": {"nodes": 2, "image": "b.sif", "apptainer": {"nv": True}, "setup": ["module load x"]}}
    found = of_steps({**LAUNCHER, "steps": steps}, ["convert", "train"])
    assert found["convert"] == LAUNCHER
    assert found["train"] == {
        **LAUNCHER, "nodes": 2, "setup": ["module load x"], "apptainer": {"image": "b.sif", "nv": True},
    }  # fmt: skip
    assert of_steps({**LAUNCHER, "steps": {}}, []) == {"": LAUNCHER}


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ({"trian": {}}, "hydra.launcher.steps.trian: there is no such step; did you mean 'train'"),
        ({"train": {"node": 2}}, "hydra.launcher.steps.train.node: there is no such setting; did you mean 'nodes'"),
        ({"train": {"apptainer": {"imag": 1}}}, "train.apptainer.imag: there is no such setting; did you mean 'image'"),
        ({"train": {"detach": True}}, "steps.train.detach: is one for all steps: hydra.launcher.detach"),
        ({"train": 2}, "steps.train: expected settings, got 2"),
    ],
)
def test_mistakes_in_the_settings_of_steps_are_named(steps: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        of_steps({**LAUNCHER, "steps": steps}, ["convert", "train"])


def test_steps_where_there_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="the config has no _steps_"):
        of_steps({**LAUNCHER, "steps": {"train": {}}}, [])


def test_what_is_wanted_by_others_is_kept_for_all_of_them() -> None:
    first, second = run_of(0, "m", "r"), run_of(1, "m", "s")
    (paths, made), *rest = second
    assert made.step is not None
    second = [(paths, replace(made, step=replace(made.step, wanted_by=("b",)))), *rest]
    found, _ = shared([first, second])
    assert found[0][1].step is not None
    assert found[0][1].step.wanted_by == ("b",)
