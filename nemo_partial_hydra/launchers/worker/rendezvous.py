"""How the processes of one job find each other: the variables that torch.distributed and Lightning read.

May import: the standard library only. SLURM tells each process its rank, in variables of its own, and the nodes' names;
where they meet it does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nemo_partial_hydra.jobs.job_id import ThisTask, this_task
from nemo_partial_hydra.launchers.settings import Settings

_FIRST_PORT, _PORTS = 15_000, 10_000
"""The ports that Lightning and NeMo take from the number of a job; the kernel gives others to who asks for any."""
_COMMA = re.compile(r",(?![^\[]*\])")  # between names; those in brackets are between numbers
_RANGE = re.compile(r"\[(\w+)[^\]]*\]")
_LOOPBACK = "127.0.0.1"


def rank_of(environment: Mapping[str, str]) -> int:
    """Return which process of its job this is, under a scheduler or on this machine."""
    return this_task(environment).rank or int(environment.get("SUBMITIT_LOCAL_GLOBALID") or 0)


def first_host(hosts: str) -> str:
    """Return the first name of a list of nodes as SLURM writes it: ``n1`` of ``n[1-2,7],m3``."""
    return _RANGE.sub(r"\1", _COMMA.split(hosts, maxsplit=1)[0])


def variables(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return where several processes of a job meet, and with ``torch_env`` which one this is, as torchrun says it.

    On this machine, where no scheduler does, several processes are told that in any case.

    Parameters
    ----------
    settings : of the submission, which says how many processes there are.
    environment : that of this process on the host.
    """
    task = this_task(environment)
    if task.id is None:
        return _on_this_machine(environment, settings.torch_env)
    if settings.tasks == 1 and not settings.torch_env:
        return {}
    met = {"MASTER_ADDR": first_host(task.hosts) or _LOOPBACK, "MASTER_PORT": _port(task.number)}
    each = settings.resource("tasks_per_node", 1)
    return {**met, **_ranks(task, settings.tasks, each)} if settings.torch_env else met


def _on_this_machine(environment: Mapping[str, str], torch_env: bool) -> dict[str, str]:
    count = int(environment.get("SUBMITIT_LOCAL_NTASKS") or 1)
    if count == 1 and not torch_env:
        return {}
    rank = rank_of(environment)
    ranks = _ranks(ThisTask(rank=rank, local_rank=rank), count, count)
    port = _port(environment.get("SUBMITIT_LOCAL_JOB_ID", ""))
    return {"MASTER_ADDR": _LOOPBACK, "MASTER_PORT": port, **ranks, "SLURM_PROCID": str(rank)}


def _ranks(task: ThisTask, count: int, each: int) -> dict[str, str]:
    numbers = {
        "RANK": task.rank, "WORLD_SIZE": count, "LOCAL_RANK": task.local_rank, "LOCAL_WORLD_SIZE": each,
        "NODE_RANK": task.node_rank, "GROUP_RANK": task.node_rank,
    }  # fmt: skip
    return {name: str(number) for name, number in numbers.items()}


def _port(number: str) -> str:
    digits = re.sub(r"\D", "", number)
    return str(_FIRST_PORT + int(digits or 0) % _PORTS)
