"""What a cluster is to the launchers: how jobs are checked, sent, asked for and cancelled there.

May import: the standard library only. Another scheduler is a class of this protocol in a folder of its own, which the
entry point group ``nemo_partial_hydra.clusters`` or the table in ``registry`` names; nothing else has to know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.jobs.layout import JobPaths, SubmissionPaths
from nemo_partial_hydra.jobs.seal import MINE, Origin
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.settings import Settings

from .waits import Wait

if TYPE_CHECKING:
    from nemo_partial_hydra.launchers.preflight.report import Report

Task = Callable[[], None]
Ended = Callable[[JobPaths, states.Status], None]


@dataclass(frozen=True)
class Array:
    """Jobs that are sent with one call.

    Attributes
    ----------
    settings : the launcher's settings.
    folder : where the cluster's own files of the submission are.
    count : how many jobs there are.
    tasks : what is called on the cluster, by the interpreter that sends it; each can be pickled. Empty where only the
        script is wanted.
    after : what the jobs wait for, as ``Cluster.dependency`` returned it.
    behind : a job that has to end first, however it ends.
    secrets : variables for the jobs whose values are written into no file.
    token : what the array can be found by, where the cluster has tokens.
    cluster_name, plain : what the preflight has found: which cluster takes it, and whether that forbids comments.
    """

    settings: Settings
    folder: Path
    count: int
    tasks: Sequence[Task] = ()
    after: str | None = None
    behind: JobId | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    cluster_name: str | None = None
    plain: bool = False


class Unsettled(ClusterError):
    """Nobody knows whether the cluster took an array; its token tells later."""


class Full(ClusterError):
    """The cluster takes no more jobs until others have ended; ``room`` is a guess at how many fit now, or None."""

    def __init__(self, text: str, room: int | None = None) -> None:
        super().__init__(text)
        self.room = room


@dataclass(frozen=True)
class Found:
    """Arrays that a cluster was asked for by their tokens.

    Attributes
    ----------
    ids : the id of each that it has.
    why : why it is not known whether it has the others; empty where it has not.
    notes : what was done about them that somebody has to know.
    """

    ids: Mapping[str, JobId]
    why: str = ""
    notes: Sequence[str] = ()


Find = Callable[[Sequence[str], "str | None", str], Found]
"""Finds arrays by their tokens, the name of their cluster, and the time when they were sent."""


@dataclass(frozen=True)
class Surroundings:
    """What the variables of a shell mean for a submission.

    Attributes
    ----------
    added : those that ask for what no setting does, and the option that each stands for.
    against : those that contradict a setting, or make something else of the submission: the program that sends it does
        not get them.
    outer : those of the job from inside of which it is sent: likewise.
    """

    added: Mapping[str, str]
    against: Mapping[str, str]
    outer: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the program that sends it does not get."""
        return (*self.against, *self.outer)


@dataclass(frozen=True)
class Running:
    """A submission whose jobs this process runs itself; ``tasks`` are called in processes of their own."""

    paths: SubmissionPaths
    submission: Submission
    settings: Settings
    jobs: Sequence[JobPaths]
    tasks: Sequence[Task]
    secrets: Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """What a cluster says of one job.

    Attributes
    ----------
    state : the cluster's own name of its state, like ``PENDING``.
    waits : whether it is still to start, for the first time or again.
    end : the state of ``jobs.status`` in which it has ended if it says nothing itself; None while it waits or runs, and
        for a state that is not known.
    why : what that end means, for people.
    lingers : whether its end may be followed by more: the status of a job that ended well, or its requeue.
    submitted, started, ended : times, ISO 8601 UTC; None where it has none.
    reason : why it waits; empty where there is none.
    node : where it runs or ran.
    exit_code, exit_signal : what its script ended with; a queue may not say.
    name, command, comment : what tells that it is ours: its name, the line or script that it was submitted with, and
        its comment.
    """

    state: str
    waits: bool = False
    end: str | None = None
    why: str = ""
    lingers: bool = False
    submitted: str | None = None
    started: str | None = None
    ended: str | None = None
    reason: str = ""
    node: str = ""
    exit_code: int | None = None
    exit_signal: int | None = None
    name: str = ""
    command: str = ""
    comment: str = ""

    @property
    def runs(self) -> bool:
        """Whether it has started and not ended, as far as its state is known."""
        return not self.waits and self.end is None


@dataclass(frozen=True)
class Views:
    """What is known of a job besides its own status.

    Attributes
    ----------
    queued : whether it was sent to a queue, under an id that is known.
    queue, accounts : what the queue and the accounting say of it; None where they say nothing.
    queue_asked, accounts_asked : whether they could be asked.
    array_known : whether the cluster has records of other tasks of its array.
    begun : whether a process has ever taken it.
    alive : whether its process, or the one that will start it, exists on this machine; None where that is not known.
    cluster : what the cluster is called in messages.
    accounts_off : whether the cluster keeps no accounts at all.
    young : whether it was sent so lately that the cluster may not show it yet.
    settling : whether it has ended so lately, and well, that what it wrote last may not be seen here yet.
    elsewhere : why whoever was asked knows nothing of this job: it is another cluster; empty where that is not so.
    sending : what is known of the sending of a job that has no id yet; empty where it has one.
    several : whether the job has several processes, the first of which says how it goes.
    """

    queued: bool = False
    queue: Record | None = None
    accounts: Record | None = None
    queue_asked: bool = False
    accounts_asked: bool = False
    array_known: bool = False
    begun: bool = True
    alive: bool | None = None
    cluster: str = "the cluster"
    accounts_off: bool = False
    young: bool = False
    settling: bool = False
    elsewhere: str = ""
    sending: str = ""
    several: bool = False


@dataclass(frozen=True)
class Subject:
    """A job that is asked about or cancelled.

    Attributes
    ----------
    paths, own : its files, and its own status.
    sent : as what it was sent, or None.
    submission : the submission that it was sent with, or None.
    origin : whether what it was sent as is known to be this user's own word: only then is it told to a cluster.
    """

    paths: JobPaths
    own: states.Status
    sent: SentJob | None = None
    submission: Submission | None = None
    origin: Origin = MINE

    @property
    def id(self) -> JobId | None:
        """The id in a queue; None for a job of this machine, and where it is not known."""
        found = self.sent.id if self.sent else None
        return found if found is not None and found.pid is None else None


class Answers(Protocol):
    """What a cluster has answered."""

    @property
    def unasked(self) -> Sequence[str]:
        """What could not be asked, and why: a text for people each."""

    @property
    def queue_failed(self) -> bool:
        """Whether the queue was asked in vain: nobody knows which jobs are there again."""

    def views(self, subject: Subject) -> Views:
        """Return what is known of a job."""


@dataclass(frozen=True)
class Refusal:
    """Why a job was not cancelled; ``over`` where it had ended already."""

    why: str
    over: bool = False


Run = Callable[[Running, Ended, Callable[[], None]], Submission]


class Cluster(Protocol):
    """Where jobs are sent."""

    @property
    def name(self) -> str:
        """Its name in records."""

    @property
    def launcher(self) -> str:
        """The Hydra launcher (``hydra/launcher=...``) that has its settings."""

    @property
    def title(self) -> str:
        """What it is called in messages."""

    @property
    def programs(self) -> tuple[str, str]:
        """The programs with which a person would submit and cancel jobs there."""

    @property
    def run(self) -> Run | None:
        """What runs a submission in this process, for a cluster that has no queue: ``submit`` is not called then."""

    def preflight(self, settings: Settings, directory: str, script: Callable[[], str], report: Report) -> None:
        """Note in the report what would go wrong.

        Parameters
        ----------
        settings, directory : the launcher's settings, and the sweep's directory.
        script : makes the batch script.
        report : holds what was found before; ``report.max_array`` is set to how many jobs an array may have.
        """

    @property
    def find(self) -> Find | None:
        """What finds arrays by their tokens; None for a cluster that keeps none."""

    def dependency(self, directory: str, settings: Settings) -> str | None:
        """Return what jobs with these settings wait for that start when all jobs of a sweep are done; None if they are.

        Raises
        ------
        UsageError
            If that can never be.
        """

    def behind(self, waits: Sequence[Wait]) -> str:
        """Return the dependency of an array whose jobs wait each for its own; an empty text for none.

        Raises
        ------
        UsageError
            If the cluster cannot do that.
        """

    def script(self, array: Array) -> str:
        """Return the batch script of an array, exactly as it is sent; empty where there is none."""

    @property
    def surroundings(self) -> Callable[[str], Surroundings] | None:
        """What tells of a script which variables of this process count beside it; None where none do."""

    def submit(self, array: Array) -> list[JobId]:
        """Send jobs; return their ids in the same order.

        Raises
        ------
        ClusterError
            If the cluster does not take them; ``Unsettled`` if that is not known.
        """

    def query(self, ids: Sequence[JobId], *, brief: bool = False) -> Answers:
        """Ask about jobs, all at once; with ``brief`` only what may be asked every other second."""

    def cancel(self, subjects: Sequence[Subject]) -> list[Refusal | None]:
        """Cancel jobs that wait or run; return of each why not, None where it was told.

        Raises
        ------
        ClusterError
            If the cluster cannot be told: nothing was cancelled.
        """
