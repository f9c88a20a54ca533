"""Arrays by their tokens: where the queue or the accounting has them, whatever ``sbatch`` has said.

May import: the standard library only. A token is in the array's comment, or in its name where a site forbids comments,
and always in the path of its script, which SLURM keeps with the job.
"""

from __future__ import annotations

import datetime
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers.clusters.base import Found

from . import identity
from .commands import Ask
from .queue import ENDS, SEPARATOR

QUEUE = SEPARATOR.join(["%F", "%T", "%k", "%j", "%o"])
ACCOUNTS = ("JobID", "State", "Comment", "JobName", "SubmitLine")
PLACEHOLDER = "nph-TOKEN"
"""Stands in scripts that are only shown."""
KEPT_S = 240.0
"""So long a queue has a job that has ended: a minute less than SLURM's own default of MinJobAge."""
_MARGIN = datetime.timedelta(days=1)


@dataclass
class _Arrays:
    """The arrays that carry one token: whether each is still to end, and the cluster that has it."""

    lives: dict[str, bool] = field(default_factory=dict)
    clusters: dict[str, str | None] = field(default_factory=dict)

    def chosen(self) -> str:
        """Return the one that counts: one that has not ended before one that has, the first of several."""
        return min(self.lives, key=lambda one: (not self.lives[one], int(one)))


def find(tokens: Sequence[str], name: str | None, since: str, ask: Ask, own: str | None) -> Found:
    """Return the ids of arrays by their tokens, and why it is not known of the others whether SLURM has them.

    Parameters
    ----------
    name, own : the name of the cluster that they were sent to, and of this host's.
    since : when they were sent.
    """
    reach = identity.reach(name, own)
    hits: dict[str, _Arrays] = defaultdict(_Arrays)
    user = str(os.geteuid())
    answer = ask(["squeue", *reach, "-h", "-t", "all", "-u", user, "-o", QUEUE])
    if answer.code != 0:
        unreached = reach and name is not None and identity.unreached(answer)
        return Found({}, identity.another(str(name), own) if unreached else f"squeue: {answer.complaint}")
    _collect(answer.out, tokens, name, hits)
    why = ""
    if len(hits) < len(tokens):
        line = ["sacct", *reach, "-n", "-P", "-X", "-D", "-u", user, "-S", _start(since), f"--delimiter={SEPARATOR}"]
        accounts = ask([*line, "-o", ",".join(ACCOUNTS)])
        if accounts.code != 0 and "Invalid field" in accounts.err + accounts.out:
            accounts = ask([*line, "-o", ",".join(ACCOUNTS[:-1])])
        if accounts.code == 0:
            _collect(accounts.out, tokens, name, hits)
        elif not _fresh(since):
            why = f"the queue does not have them any more, and sacct: {accounts.complaint}"
    return _made(hits, reach, ask, why)


def _collect(text: str, tokens: Sequence[str], name: str | None, hits: dict[str, _Arrays]) -> None:
    for cluster, (job, state, *places) in _rows(text):
        array = job.partition("_")[0]
        if not array.isdigit():
            continue
        for token in tokens:
            if any(token in place for place in places):
                lives = state.partition(" ")[0] not in ENDS
                found = hits[token]
                found.lives[array] = found.lives.get(array, False) or lives
                found.clusters.setdefault(array, cluster or name)


def _rows(text: str) -> Iterator[tuple[str | None, list[str]]]:
    cluster = None
    for line in text.splitlines():
        if line.startswith("CLUSTER: "):  # of several clusters, also without heads
            cluster = line.removeprefix("CLUSTER: ").strip()
        fields = line.split(SEPARATOR)
        if len(fields) > 2:
            yield cluster, fields


def _made(hits: dict[str, _Arrays], reach: Sequence[str], ask: Ask, why: str) -> Found:
    ids: dict[str, JobId] = {}
    notes: list[str] = []
    for token, arrays in hits.items():
        array = arrays.chosen()
        ids[token] = JobId(array, cluster_name=arrays.clusters[array])
        again = [one for one, lives in arrays.lives.items() if lives and one != array]
        if again:  # taken more than once: its tasks would find every job taken
            ask(["scancel", *reach, *again])
            notes.append(f"SLURM had taken the same array more than once: {array} counts, cancelled {', '.join(again)}")
    return Found(ids, why, tuple(notes))


def _start(since: str) -> str:
    try:
        sent = datetime.datetime.fromisoformat(since.replace("Z", "+00:00")).astimezone()
    except ValueError:
        sent = datetime.datetime.now().astimezone() - 6 * _MARGIN
    return (sent - _MARGIN).strftime("%Y-%m-%dT%H:%M:%S")


def _fresh(since: str) -> bool:
    age = states.seconds_between(since, states.now())
    return age is not None and age < KEPT_S
