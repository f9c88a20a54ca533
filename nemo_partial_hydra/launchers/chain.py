"""Steps of pipelines sent one behind the other: each waits, job by job, for what it needs.

May import: the standard library and PyYAML. The jobs of one step are one array, or as few as can wait each for its
own: where a step is shared by others of the sweep, those go together that wait for the same jobs, or each for the job
with its own number in another array. The runner of a job looks once more whether its needs are done.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from nemo_partial_hydra.errors import ClusterError, RefusedError, UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.outcome import keep_status
from nemo_partial_hydra.jobs.step import ANY, OK
from nemo_partial_hydra.jobs.steps_before import lets_begin
from nemo_partial_hydra.messages import one_of, say

from . import submit
from .clusters.base import Full
from .clusters.registry import CLUSTERS, Clusters
from .clusters.waits import Wait
from .needs import needs_of, run_of
from .preflight.report import Report
from .records import Submission
from .settings import Settings
from .status.look import Watch


@dataclass(frozen=True)
class Link:
    """The jobs of one step that are sent with the same settings.

    Attributes
    ----------
    jobs : the jobs, with what their files say.
    settings, secrets : with which they are sent.
    digests, attempts : as for ``submit.submit``.
    report : what was found before, or None.
    """

    jobs: Sequence[tuple[JobPaths, Head]]
    settings: Settings
    secrets: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[JobPaths, str] | None = None
    attempts: Mapping[JobPaths, int] | None = None
    report: Report | None = None

    @property
    def number(self) -> int:
        """Where the step stands in the order of the steps."""
        return max((head.step.number for _, head in self.jobs if head.step is not None), default=0)


@dataclass(frozen=True)
class Part:
    """Jobs that are sent as one array, and what they wait for."""

    jobs: Sequence[JobPaths]
    waits: Sequence[Wait] = ()


Said = Callable[[Submission], None]


class Chain:
    """Sends the steps of pipelines.

    Parameters
    ----------
    sweep : the sweep that the jobs belong to.
    links : what is sent, in any order.
    after : what the first steps wait for, as ``Cluster.dependency`` returned it.
    clusters : where the settings' clusters are looked up.
    """

    def __init__(
        self, sweep: SweepPaths, links: Sequence[Link], after: str | None = None, clusters: Clusters = CLUSTERS
    ) -> None:
        self.sweep, self.after, self.clusters = sweep, after, clusters
        self.links = sorted(links, key=lambda link: link.number)
        self.sent: dict[JobPaths, JobId] = {}
        self.wanted = {paths for link in links for paths, _ in link.jobs}
        self.known = self._needed()

    def _needed(self) -> dict[JobPaths, tuple[str, JobId | None]]:
        """Return how those needs are that are not sent here: their states, and as what they wait or run."""
        needs = {
            need for link in self.links for paths, head in link.jobs for _, need in needs_of(paths, head)
        } - self.wanted
        if not needs:
            return {}
        found = Watch(str(self.sweep.directory), clusters=self.clusters, jobs=sorted(needs, key=str)).look()
        return {
            entry.paths: (entry.state, entry.subject.id if entry.subject.origin.mine else None)
            for entry in found.entries
        }

    def check(self) -> None:
        """Refuse what could never start, before anything is sent.

        Raises
        ------
        RefusedError
            If a job needs one that is not done, does not go on, and is not sent.
        """
        problems = []
        for link in self.links:
            for paths, head in link.jobs:
                for name, need in needs_of(paths, head):
                    if need in self.wanted:
                        continue
                    state, job = self.known[need]
                    if not lets_begin(state, _after(head)) and (job is None or state not in _GOES_ON):
                        problems.append(f"{head.title} needs {name} ({need.directory}), which is {state}")
                    elif job is not None and link.report is not None and _elsewhere(job, link.report):
                        problems.append(
                            f"{head.title} needs {name}, which was sent to another cluster ({job.cluster_name}; this "
                            f"one is {link.report.cluster_name})"
                        )
        if problems:
            raise RefusedError(
                f"{self.sweep.directory}: nothing was submitted: {one_of(problems, 5)}; send that too, or try it again"
            )

    def parts(self, link: Link) -> list[Part]:
        """Return the arrays of a step's jobs; those whose needs were not sent are in none."""
        waiting: list[tuple[JobPaths, list[JobId], str]] = []
        for paths, head in link.jobs:
            ids = self._ids(paths, head)
            if ids is not None:
                waiting.append((paths, ids, _after(head)))
        return list(grouped(waiting))

    def _ids(self, paths: JobPaths, head: Head) -> list[JobId] | None:
        """Return the jobs in the queue that a job waits for; None where one of them is not there."""
        found = []
        for _, need in needs_of(paths, head):
            state, job = self.known.get(need, (states.SUBMITTED, self.sent.get(need)))
            if lets_begin(state, _after(head)):
                continue
            if job is None:
                return None
            found.append(job)
        return found

    def send(self, said: Said) -> list[Submission]:
        """Send the steps to a queue, in their order; return the submissions.

        Where the cluster takes no more, what was sent stays sent, and the ``left`` of the last says why.

        Raises
        ------
        UsageError, ClusterError, RefusedError
            As ``submit.submit``; if the first step could not be sent, nothing was.
        """
        done: list[Submission] = []
        for link in self.links:
            cluster, behind = self.clusters.named(link.settings.cluster), None
            for part in self.parts(link):
                waits = [*part.waits, *([] if behind is None else [Wait((behind,) * len(part.jobs), ANY)])]
                after = ",".join(filter(None, [None if part.waits else self.after, cluster.behind(waits)]))
                try:
                    made = submit.submit(
                        self.sweep, part.jobs, link.settings, secrets=link.secrets, digests=link.digests,
                        attempts=link.attempts, after=after or None, report=link.report, clusters=self.clusters,
                    )  # fmt: skip
                except Full as full:
                    if not done:
                        raise
                    done[-1] = dataclasses.replace(done[-1], left=str(full).partition("\n")[0])
                    return done
                except ClusterError as error:
                    if not done:
                        raise
                    again = f"nemo-hydra submit {quote(str(self.sweep.directory))}"
                    later = f"the steps before were sent; send the rest: {again}"
                    raise type(error)(f"{error}\n{later}") from None
                done.append(made)
                self.sent.update({self.sweep.job(job.subdir): job.id for job in made.jobs if job.id is not None})
                said(made)
                if made.left:
                    return done
                if link.settings.resource("array_parallelism", len(link.jobs)) < len(link.jobs):
                    behind = _array(made)  # arrays know nothing of each other
        return done

    def run(self, send: Callable[[Link, Sequence[JobPaths]], list[Submission]]) -> list[Submission]:
        """Run the steps on this machine, one after the other: ``send`` runs some of a step's jobs.

        What needs a step that is not done is cancelled, which is said.
        """
        done: list[Submission] = []
        for link in self.links:
            ready, left = list[JobPaths](), dict[JobPaths, str]()
            for paths, head in link.jobs:
                found = {name: states.read_status(need).state for name, need in needs_of(paths, head)}
                missing = {name: state for name, state in found.items() if not lets_begin(state, _after(head))}
                if missing:
                    said = ", ".join(f"{name}, which is {state}" for name, state in missing.items())
                    left[paths] = f"it needs {said}"
                    say(f"{head.title} is cancelled: {left[paths]}", flush=True)
                else:
                    ready.append(paths)
            if left:
                self._cancel(link, left)
            if ready:
                done += send(link, ready)
        return done

    def _cancel(self, link: Link, left: Mapping[JobPaths, str]) -> None:
        """Record jobs that do not run as sent, so that it is known with which settings, and as cancelled."""
        made = submit.submit(
            self.sweep, list(left), link.settings, secrets=link.secrets, digests=link.digests, attempts=link.attempts,
            report=link.report, clusters=self.clusters,
        )  # fmt: skip
        for (paths, why), job in zip(left.items(), made.jobs, strict=True):
            submitted = states.read_to_write(paths).submitted
            keep_status(
                paths, states.Status(states.CANCELLED, job.attempt, submitted, ended=states.now(), reason=why)
            )  # fmt: skip


def first_failed(paths: JobPaths, heads: Mapping[JobPaths, Head]) -> JobPaths:
    """Return the first step of a run that has failed, by its last one; that itself where none has."""
    order = run_of([paths], lambda one: [need for _, need in needs_of(one, heads[one])], heads)
    found = {one: states.read_status(one).state for one in order} if len(order) > 1 else {}
    for wanted in ((states.FAILED, states.TIMEOUT, states.LOST), states.RETRIED):
        bad = next((one for one, state in found.items() if state in wanted), None)
        if bad is not None:
            return bad
    return paths


_GOES_ON = (states.SUBMITTED, states.RUNNING)


def _elsewhere(job: JobId, report: Report) -> bool:
    return None not in (job.cluster_name, report.cluster_name) and job.cluster_name != report.cluster_name


def _after(head: Head) -> str:
    return head.step.after if head.step is not None else OK


def _array(made: Submission) -> JobId | None:
    """Return the last array of a submission as a whole."""
    last = made.jobs[-1].id
    return None if last is None else dataclasses.replace(last, task=None)


# Arrays ------------------------------------------------------------------------------------------------------------

_Waiting = tuple[JobPaths, Sequence[JobId], str]


def grouped(waiting: Sequence[_Waiting]) -> Iterator[Part]:
    """Yield the arrays in which jobs wait for others, as few as can be.

    Parameters
    ----------
    waiting : each job with those that it waits for, and whether these have to be done (``ok``) or to end (``any``).
    """
    by_kind: Mapping[tuple[int, str], list[_Waiting]] = defaultdict(list)
    for each in waiting:
        by_kind[len(each[1]), each[2]].append(each)
    for some in by_kind.values():
        lanes, same = list(_lanes(some)), list(_alike(some))
        yield from lanes if len(lanes) <= len(same) else same


def _alike(waiting: Sequence[_Waiting]) -> Iterator[Part]:
    """Put those together that wait for the very same jobs."""
    groups: Mapping[tuple[JobId, ...], list[_Waiting]] = defaultdict(list)
    for each in waiting:
        groups[tuple(each[1])].append(each)
    for ids, some in groups.items():
        yield Part([paths for paths, _, _ in some], [Wait((job,) * len(some), some[0][2]) for job in ids])


def _lanes(waiting: Sequence[_Waiting]) -> Iterator[Part]:
    """Put those together of which each waits for the job of its own number in the same arrays.

    What all of them wait for is left aside. Numbers in an array are counted from 0, so those of the others have to be.
    """
    common = {job for job in waiting[0][1] if all(job in ids for _, ids, _ in waiting)}
    lanes: Mapping[object, list[tuple[int, _Waiting]]] = defaultdict(list)
    seen: dict[object, int] = defaultdict(int)
    alone: list[_Waiting] = []
    for each in waiting:
        own = [job for job in each[1] if job not in common]
        tasks = {job.task for job in own}
        task = next(iter(tasks), None)
        if len(tasks) != 1 or task is None:
            alone.append(each)
            continue
        arrays = tuple(job.job for job in own)
        lane = seen[arrays, task]
        seen[arrays, task] += 1
        lanes[arrays, lane].append((task, each))
    for some in lanes.values():
        some.sort(key=lambda one: one[0])
        if [task for task, _ in some] == list(range(len(some))):
            found = [each for _, each in some]
            waits = [Wait(tuple(ids), found[0][2]) for ids in zip(*(ids for _, ids, _ in found), strict=True)]
            yield Part([paths for paths, _, _ in found], waits)
        else:
            alone += [each for _, each in some]
    if alone:
        yield from _alike(alone)


def refuse_following(settings: Sequence[Settings], *, following: bool) -> None:
    """Refuse to send the steps of pipelines little by little.

    Raises
    ------
    UsageError
        If that is asked for.
    """
    if following or any(each.resource("max_queued", 0) for each in settings):
        raise UsageError(
            "--follow and hydra.launcher.max_queued send jobs as there comes room, and steps are sent with what they "
            "wait for: submit some jobs at a time (nemo-hydra submit DIR 0-99), or limit how many run "
            "(hydra.launcher.array_parallelism)"
        )
