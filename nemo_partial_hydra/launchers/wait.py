"""Wait for the jobs of a submission and say how each ended: a loop over what ``status`` sees.

May import: the standard library and PyYAML (through ``status.look``). status.json counts first, since the job
itself wrote it, and is read in every round; where its state is not final, the cluster is asked, beside that.
"""

from __future__ import annotations

import contextvars
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, SweepPaths
from nemo_partial_hydra.jobs.outcome import keep_status

from .clusters.base import Ended, Running
from .clusters.registry import CLUSTERS, Clusters
from .parallel import Pace
from .records import SentJob, Submission, read_settings
from .status.entries import Entry, Overview
from .status.look import Watch
from .status.merge import FINAL
from .submit import tasks_of

POLL_S = 1.5
FILE_S, FILE_DONE_S = 1.5, 30.0
"""How long a status.json may come after the cluster says that the job has ended, and has ended well: file systems of
clusters are lazy, but who waits is to hear of a failure within 5 s."""
OVER = (*FINAL, states.CANCELLED, states.TIMEOUT, states.LOST, states.UNKNOWN)


def attend(
    sweep: SweepPaths,
    submission: Submission,
    ended: Ended,
    *,
    secrets: Mapping[str, str] | None = None,
    look: Callable[[], None] = lambda: None,
    clusters: Clusters = CLUSTERS,
) -> Submission:
    """Stay with a submission until all its jobs have ended; where its cluster has no queue, run them.

    Parameters
    ----------
    ended : called for every job that has ended, in the order in which that is seen.
    secrets : as for :func:`submit.submit`.
    look : called now and then.
    clusters : where the submission's cluster is looked up.
    """
    run = clusters.named(submission.cluster).run
    if run is None:
        wait(sweep, submission, ended, look=look, clusters=clusters)
        return submission
    paths = sweep.submission(submission.number)
    jobs = [sweep.job(job.subdir) for job in submission.jobs]
    tasks = tasks_of(paths, sweep, submission)
    settings = read_settings(paths, submission.settings)
    return run(Running(paths, submission, settings, jobs, tasks, secrets or {}), ended, look)


def wait(
    sweep: SweepPaths,
    submission: Submission,
    ended: Ended,
    *,
    look: Callable[[], None] = lambda: None,
    clusters: Clusters = CLUSTERS,
) -> None:
    """Wait for all jobs of a submission that were sent to a queue; parameters as for ``attend``."""
    # The first task of a job writes its status; of several tasks it may be the first to end.
    several = read_settings(sweep.submission(submission.number), submission.settings).tasks > 1
    pending = {sweep.job(job.subdir): job for job in submission.jobs}
    watch = Watch(str(sweep.directory), clusters=clusters, jobs=list(pending), patient=False)
    since: dict[JobPaths, float] = {}
    overdue: set[JobPaths] = set()
    asking, pace = _Asking(watch, every=several), Pace(POLL_S)
    while pending:
        with pace:
            look()
            for paths, job in list(pending.items()):
                status = states.read_status(paths)
                if not several and status.state in FINAL and status.attempt >= job.attempt:
                    del pending[paths]
                    ended(paths, status)
        if not pending:
            return
        found = asking.answer(whole=bool(overdue))
        if found is not None:
            gone = {entry.paths: entry for entry in found.entries if entry.paths in pending and not _goes_on(entry)}
            since = {paths: since.get(paths, time.monotonic()) for paths in gone}
            if asking.whole:
                for paths in [paths for paths in gone if paths in overdue]:
                    ended(paths, settle(pending.pop(paths), gone[paths]))
            overdue = {paths for paths in gone if paths in pending and _waited(since[paths], gone[paths])}
            watch.jobs = list(pending)
        if not overdue:
            time.sleep(pace.waits())


def _goes_on(entry: Entry) -> bool:
    """Whether a job waits or runs, or may, for all that is known; one of several tasks may after a final status."""
    return entry.merged.active or entry.merged.queued


def _waited(since: float, entry: Entry) -> bool:
    """Whether a job has had its time to say how it ended."""
    record = entry.merged.record
    return time.monotonic() - since >= (FILE_DONE_S if record is not None and record.lingers else FILE_S)


def settle(job: SentJob, entry: Entry) -> states.Status:
    """Write how a job ended that did not say so itself, by its cluster's record; return how it ended."""
    status = states.read_status(entry.paths)
    if status.state in OVER and status.attempt >= job.attempt:
        return status
    merged = entry.merged
    final = dataclasses.replace(
        states.read_to_write(entry.paths),
        state=merged.state,
        attempt=job.attempt,
        ended=states.now(),
        reason=merged.reason,
    )
    keep_status(entry.paths, final)
    return final


class _Asking:
    """Looks beside the waiting: a controller that is down keeps its commands for a minute, the jobs' own files can be
    read all the same. Of a cluster's accounting nothing is asked until a job is gone and has said nothing."""

    def __init__(self, watch: Watch, *, every: bool) -> None:
        self._watch, self._every = watch, every
        self._thread: threading.Thread | None = None
        self._found: Overview | None = None
        self._error: Exception | None = None
        self._pace = Pace(spent=time.thread_time)  # a slow cluster is no reason to ask it less often
        self.whole = False
        """Whether the last answer is one for which everybody was asked."""

    def answer(self, *, whole: bool) -> Overview | None:
        """Return a new answer; None while there is none."""
        if self._thread is None:
            rest = self._pace.waits()
            if rest:
                time.sleep(min(rest, POLL_S))
                return None
            self.whole = whole
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
            self._thread.start()
        self._thread.join(POLL_S)
        if self._thread.is_alive():
            return None
        self._thread = None
        if self._error is not None:
            raise self._error
        return self._found

    def _run(self) -> None:
        try:
            with self._pace:
                self._found = self._watch.look(every=self._every, brief=not self.whole)
        except Exception as error:  # raised where it is waited for
            self._error = error
