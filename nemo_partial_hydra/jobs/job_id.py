"""Ids that clusters give to jobs, and which job a process is a task of.

May import: the standard library only: it is read in images, where neither the launchers nor a cluster's commands are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SLURM, LOCAL = "slurm", "local"
_SPELLED = {
    SLURM: re.compile(r"[0-9]{1,19}"),
    "": re.compile(r"[0-9][\w.@-]{0,199}", re.ASCII),
}  # other clusters' ids: ``12.host``


@dataclass(frozen=True)
class Scheduler:
    """The variables in which a scheduler tells a process its place; another scheduler is one more row below.

    Attributes
    ----------
    name, title : of the cluster, in records and in messages.
    job, array, task : the job's id, that of the array that it belongs to, and its number in there.
    rank : which of the job's processes this is.
    restarts : how often the job was started again.
    prefixes : how the names of its variables begin.
    local_rank, node_rank : which of the processes of its node this is, and which of the job's nodes that is.
    hosts : the names of the nodes, the first of which has the process of rank 0.
    """

    name: str
    title: str
    job: str
    array: str
    task: str
    rank: str
    restarts: str
    prefixes: tuple[str, ...]
    local_rank: str = ""
    node_rank: str = ""
    hosts: str = ""


SCHEDULERS = (
    Scheduler(
        SLURM, "SLURM", "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_PROCID",
        "SLURM_RESTART_COUNT", ("SLURM_", "SLURMD_"), "SLURM_LOCALID", "SLURM_NODEID", "SLURM_JOB_NODELIST",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class JobId:
    """What a cluster calls a job.

    Attributes
    ----------
    job : the number of the job, or of the array that it is a task of; empty for a process.
    task : its number in the array; None for a job that is none of an array.
    pid : the process that runs it, on a machine without a queue.
    cluster : the cluster's name.
    cluster_name : which of several such clusters has it, by its own name; None where that is not known. It is kept with
        the submission, not with each id.
    """

    job: str = ""
    task: int | None = None
    pid: int | None = None
    cluster: str = SLURM
    cluster_name: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """The id as it is shown: ``123``, ``123_4``; empty for a process."""
        return self.job if self.task is None else f"{self.job}_{self.task}"

    @property
    def title(self) -> str:
        """What the cluster is called in messages."""
        return next((each.title for each in SCHEDULERS if each.name == self.cluster), self.cluster)

    def record(self) -> dict[str, Any]:
        """Return it as JSON data: ``{"job": "123", "task": 4}``, ``{"pid": 4711}``; SLURM is not named."""
        if self.pid is not None:
            return {"pid": self.pid}
        named = {} if self.cluster == SLURM else {"cluster": self.cluster}
        return {"job": self.job, "task": self.task, **named}

    @staticmethod
    def of(record: Any) -> JobId | None:
        """Read what ``record`` returned; None for what is no id.

        Records stand where others may write, and ids become arguments of commands: none can be read as an option.
        """
        if not isinstance(record, Mapping):
            return None
        pid, job, task = record.get("pid"), record.get("job"), record.get("task")
        if pid is not None:
            return JobId(pid=pid, cluster=LOCAL) if _is_number(pid) and pid > 1 else None
        cluster = record.get("cluster", SLURM)
        spelling = _SPELLED.get(str(cluster), _SPELLED[""])
        if isinstance(job, bool) or not isinstance(job, (str, int)) or not spelling.fullmatch(str(job)):
            return None
        if not isinstance(cluster, str) or not (task is None or (_is_number(task) and task >= 0)):
            return None
        return JobId(str(job), task, cluster=cluster)


@dataclass(frozen=True)
class ThisTask:
    """The place of a process: its job, if it is in one, its rank in there, and how often the job was requeued.

    Attributes
    ----------
    id : the job; None for a process that is in none.
    rank, local_rank, node_rank : its number in the job, its number on its node, and that of the node in the job.
    restarts : how often the job was requeued.
    number : the job's own number, which no other job that runs at the time has, in an array neither.
    hosts : the names of the job's nodes as the scheduler spells them, like ``n[1-2]``.
    """

    id: JobId | None = None
    rank: int = 0
    restarts: int = 0
    local_rank: int = 0
    node_rank: int = 0
    number: str = ""
    hosts: str = ""


def this_task(environment: Mapping[str, str]) -> ThisTask:
    """Return the place of the process that an environment belongs to."""
    found = next((each for each in SCHEDULERS if each.job in environment), None)
    return ThisTask(
        None if found is None else _id(found, environment),
        _number(environment, [each.rank for each in SCHEDULERS]),
        _number(environment, [each.restarts for each in SCHEDULERS]),
        _number(environment, [each.local_rank for each in SCHEDULERS]),
        _number(environment, [each.node_rank for each in SCHEDULERS]),
        "" if found is None else environment[found.job],
        "" if found is None else environment.get(found.hosts, ""),
    )


def _id(scheduler: Scheduler, environment: Mapping[str, str]) -> JobId:
    job, task = environment[scheduler.job], environment.get(scheduler.task, "")
    if not task.isdigit():
        return JobId(job, cluster=scheduler.name)
    return JobId(environment.get(scheduler.array, job), int(task), cluster=scheduler.name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value < 2**63


def _number(environment: Mapping[str, str], names: Iterable[str]) -> int:
    text = next((environment[name] for name in names if name in environment), "0")
    return int(text) if text.isdigit() else 0


def folded(jobs: Iterable[str]) -> list[str]:
    """Spell ids in as few words as there are arrays: four tasks are ``7_[0-2,5]``."""
    arrays: dict[str, list[int]] = {}
    for job in jobs:
        array, _, task = job.rpartition("_")
        if array and task.isdigit():
            arrays.setdefault(array, []).append(int(task))
        else:
            arrays.setdefault(job, [])
    return [_spelled(array, sorted(set(numbers))) for array, numbers in arrays.items()]


def _spelled(array: str, numbers: Sequence[int]) -> str:
    if len(numbers) < 2:
        return f"{array}_{numbers[0]}" if numbers else array
    return f"{array}_[{_spans(numbers)}]"


def _spans(numbers: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
