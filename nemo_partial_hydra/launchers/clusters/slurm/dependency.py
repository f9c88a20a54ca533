"""Jobs that wait for another sweep: SLURM's ``afterok`` on everything of it that is not done yet.

May import: the standard library only. Ids become an option of ``sbatch``: only those are taken that this user wrote.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import SLURM, JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths, find_jobs, sweep_paths
from nemo_partial_hydra.jobs.seal import Origin
from nemo_partial_hydra.jobs.step import OK
from nemo_partial_hydra.launchers.clusters.base import Array
from nemo_partial_hydra.launchers.clusters.waits import Wait
from nemo_partial_hydra.launchers.records import submissions
from nemo_partial_hydra.messages import Problems

from . import answers
from .commands import Ask


def dependency(
    directory: str, target: Callable[[], str | None] = lambda: None, ask: Ask = answers.ask_soon
) -> str | None:
    """Return the dependency on all jobs of a sweep; None if they are all done.

    Parameters
    ----------
    directory : of the sweep.
    target : finds the name of the cluster that the dependent jobs are sent to; None where it is not known.
    ask : runs ``squeue``, where jobs are done by their first task, or have ended badly and may be requeued.

    Raises
    ------
    UsageError
        If one of them was not submitted to SLURM, or has failed: the dependent jobs would never start.
    JobError
        If there are no jobs.
    """
    sweep = sweep_paths(directory)
    problems = Problems()
    to = functools.cache(target)
    sizes, known, several = _sent(sweep)
    wanted: dict[str, set[int | None]] = defaultdict(set)
    first_is_done = []
    found = [(job, *states.read_record(job)) for job in find_jobs(directory)]
    again = _requeued(found, known, ask)
    for job, status, origin in found:
        if status.state == states.DONE:
            first_is_done += [several[str(job.directory)]] if str(job.directory) in several else []
            continue
        recorded, whose = known.get(str(job.directory), (None, origin))
        if origin.mine and status.job_id is not None:
            name = recorded.cluster_name if recorded is not None else None
            recorded, whose = dataclasses.replace(status.job_id, cluster_name=name), origin
        given = recorded or status.job_id
        if status.state == states.UNKNOWN:
            problems.add((), f"{job.directory} left the queue, and nobody knows how it ended: see nemo-hydra status")
        elif status.state in states.RETRIED and str(given) not in again:
            why = "try it again first: nemo-hydra retry " + quote(str(directory))
            problems.add((), f"{job.directory} is {status.state}: {why}")
        elif status.state == states.FROZEN or given is None or given.cluster != SLURM:
            problems.add((), f"{job.directory} was not submitted to SLURM: nothing can wait for it")
        elif not whose.mine:
            by_hand = f"hydra.launcher.additional_parameters={{dependency: afterok:{given}}}"
            text = f"the record that names the id of {job.directory} is not known to be yours ({whose.why})"
            problems.add((), f"{text}; if you trust it: '{by_hand}'")
        elif given.cluster_name is not None and to() not in (None, given.cluster_name):
            problems.add(
                (),
                f"{job.directory} was sent to another cluster ({given.cluster_name}; these jobs go to {to()}): nothing "
                f"can wait for it there; submit from a host of {given.cluster_name}, or when it is done",
            )
        else:
            wanted[given.job].add(given.task)
    if problems.messages:
        problems.messages = [f"--after {directory}: {text}" for text in problems.messages]
        problems.check(UsageError)
    for each in _running(first_is_done, ask):
        wanted[each.job].add(each.task)
    return _spell(wanted, sizes)


_Found = tuple[JobPaths, states.Status, Origin]


def _requeued(found: Sequence[_Found], known: Mapping[str, tuple[JobId, Origin]], ask: Ask) -> frozenset[str]:
    """Return those jobs, spelled, that have ended badly by their own word and that SLURM will start again."""
    ended = {str(job.directory) for job, own, _ in found if own.state in states.RETRIED}
    ids = [each for place, (each, whose) in known.items() if place in ended and whose.mine]
    queue = answers.ask_queue(sorted({each.job for each in ids}), ask).queue if ids else None
    return frozenset(str(each) for each in ids if any(one.waits for one in (queue or {}).get(str(each), ())))


def options(array: Array) -> dict[str, str]:
    """Return the options of ``sbatch`` by which an array waits: for another sweep, for the array before it, and for
    what its settings name themselves.

    Raises
    ------
    UsageError
        If the settings want any of several jobs: SLURM cannot join that with others.
    """
    behind = f"afterany:{array.behind.job}" if array.behind is not None else None
    ours = [each for each in (array.after, behind) if each]
    if not ours:
        return {}
    given = array.settings.resources.get("additional_parameters") or {}
    own = str(given.get("dependency") or "")
    if "?" in own and array.after:
        raise UsageError(
            f"hydra.launcher.additional_parameters.dependency: {own!r} waits for any of several jobs, which SLURM "
            f"cannot join with --after ({array.after}): name all that is to be waited for, parted by commas"
        )
    # The array before has waited for any of them already.
    all_of = ",".join([*([own] if own and "?" not in own else []), *ours])
    # A dependency that can never be met ends the jobs instead of hanging.
    kept = {"kill-on-invalid-dep", "kill_on_invalid_dep"} & {*given}
    return {"dependency": all_of, **({} if kept else {"kill-on-invalid-dep": "yes"})}


def behind(waits: Sequence[Wait]) -> str:
    """Return the dependency of an array whose jobs wait each for its own.

    SLURM has no ``aftercorr`` that takes any end: there the whole array is waited for.
    """
    found = []
    for wait in waits:
        if wait.same:
            found.append(f"{'afterok' if wait.after == OK else 'afterany'}:{wait.ids[0]}")
        else:
            found.append(f"{'aftercorr' if wait.after == OK else 'afterany'}:{wait.ids[0].job}")
    return ",".join(dict.fromkeys(found))


def _running(ids: Sequence[JobId], ask: Ask) -> list[JobId]:
    """Return the jobs of which other tasks may still run, though the first one is done."""
    if not ids:
        return []
    queue = answers.ask_queue(sorted({each.job for each in ids}), ask).queue
    return [each for each in ids if queue is None or any(record.runs for record in queue.get(str(each), ()))]


def _spell(wanted: dict[str, set[int | None]], sizes: dict[str, int]) -> str | None:
    ids: list[str] = []
    for array, tasks in wanted.items():
        if None in tasks or len(tasks) == sizes.get(array):
            ids.append(array)
        else:
            ids += [f"{array}_{task}" for task in sorted(task for task in tasks if task is not None)]
    return ":".join(["afterok", *ids]) if ids else None


def _sent(sweep: SweepPaths) -> tuple[dict[str, int], dict[str, tuple[JobId, Origin]], dict[str, JobId]]:
    """Return the sizes of all arrays of a sweep, the last id of every job with whose word it is, and of this user's
    jobs of several tasks.
    """
    several: dict[str, JobId] = {}
    sizes: dict[str, int] = defaultdict(int)
    known: dict[str, tuple[JobId, Origin]] = {}
    # This user's own records last: they count.
    for submission in sorted(submissions(sweep), key=lambda each: each.origin.mine):
        for job in submission.jobs:
            if job.id and job.id.cluster == SLURM:
                sizes[job.id.job] += submission.origin.mine
                place = str(sweep.job(job.subdir).directory)
                known[place] = job.id, submission.origin
                if submission.tasks > 1 and submission.origin.mine:
                    several[place] = job.id
    return sizes, known, several
