"""Whether a cluster can ever run what the settings ask for: pure functions over what ``commands`` has read.

May import: the standard library only. SLURM itself accepts some of these and lets the job wait for ever (a time limit
above the partition's, where limits are not enforced), others it refuses in words that name no setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.messages import nearest, one_of

from .commands import Node, Partition, gpus

Mistakes = list[tuple[str, str]]
Need = tuple[str, str, float, Callable[[Node], float]]


def chosen(settings: Settings, partitions: Sequence[Partition]) -> tuple[list[Partition], Mistakes]:
    """Return the partitions that the job may run in, and those asked for that do not exist."""
    asked = settings.resources.get("partition")
    if not asked:
        default = [one for one in partitions if one.default]
        if not default:
            names = one_of(one.name for one in partitions)
            return [], [("partition", f"not given, and the cluster has no default; there is {names}")]
        return default, []
    wanted = [name.strip() for name in str(asked).split(",")]
    known = {one.name: one for one in partitions}
    missing: Mistakes = [
        ("partition", f"there is no partition '{name}'{nearest(name, known)}; there is {one_of(known)}")
        for name in wanted
        if name not in known
    ]
    return [known[name] for name in wanted if name in known], missing


def mistakes(settings: Settings, partitions: Sequence[Partition], nodes: Sequence[Node]) -> tuple[Mistakes, list[str]]:
    """Return what makes the job impossible, and notes on what will make it wait."""
    able, found = chosen(settings, partitions)
    if found or not able:
        return found, []
    notes: list[str] = []
    per_partition = [_in_partition(settings, one, nodes) for one in able]
    fitting = [(one, wait) for one, (bad, wait) in zip(able, per_partition, strict=True) if not bad]
    if not fitting:
        return [item for bad, _ in per_partition for item in bad], []
    notes += [wait for _, wait in fitting if wait]
    return [], notes if len(notes) == len(fitting) else []


def _in_partition(settings: Settings, partition: Partition, nodes: Sequence[Node]) -> tuple[Mistakes, str]:
    """Return why a job cannot run in a partition, and why it would have to wait there."""
    found: Mistakes = []
    name = f"partition '{partition.name}'"
    if not partition.up:
        found.append(("partition", f"{name} is {partition.state}: it starts no jobs"))
    limit, asked = partition.max_minutes, settings.resource("timeout_min", 0)
    if limit is not None and asked > limit:
        found.append(("timeout_min", f"{asked} min is more than {name} allows: {limit:g} min"))
    wanted = settings.resource("nodes", 1)
    members = [node for node in nodes if partition.name in node.partitions]
    most = len(members) if partition.max_nodes is None else min(len(members), partition.max_nodes)
    if wanted > most:
        found.append(("nodes", f"{wanted} is more than {name} gives one job: {most}"))
    if wanted < partition.min_nodes:
        found.append(("nodes", f"{wanted} is less than {name} gives: at least {partition.min_nodes}"))
    if not members:
        return found, ""
    able = members
    for setting, what, need, has in _needs(settings, partition):
        fitting = [node for node in members if has(node) >= need]
        best = max(has(node) for node in members)
        able = [node for node in able if node in fitting]
        if not fitting:
            found.append((setting, f"no node of {name} has {need:g} {what}: the largest has {best:g}"))
        elif len(fitting) < min(wanted, most):
            found.append((setting, f"only {len(fitting)} nodes of {name} have {need:g} {what}, and nodes={wanted}"))
    if not found and len(able) < wanted:
        found.append(("nodes", f"no {wanted} nodes of {name} have all of what is asked for at once"))
    usable = [node for node in able if node.usable]
    if found or len(usable) >= wanted:
        return found, ""
    out = ", ".join(f"{node.name} {node.state}" + (f" ({node.reason})" if node.reason else "") for node in able[:3])
    return found, f"the jobs will wait: {len(usable)} of the {len(able)} nodes of {name} that fit are up ({out})"


def _needs(settings: Settings, partition: Partition) -> Iterator[Need]:
    """Return ``(setting, what, how much, what a node has)`` of all that a job needs of each of its nodes."""
    resources = settings.resources
    tasks = settings.resource("tasks_per_node", 1)
    cpus = tasks * settings.resource("cpus_per_task", 1)
    most_cpus = partition.max_cpus_per_node
    setting = "cpus_per_task" if settings.resource("cpus_per_task", 1) > 1 or tasks == 1 else "tasks_per_node"
    yield setting, "CPUs", cpus, lambda node: node.cpus if most_cpus is None else min(node.cpus, most_cpus)
    if resources.get("mem_gb"):
        most = partition.max_mb_per_node
        yield (
            "mem_gb",
            "GB of memory",
            float(resources["mem_gb"]),
            lambda node: round((node.memory_mb if most is None else min(node.memory_mb, most)) / 1024, 1),
        )
    if resources.get("gpus_per_node"):
        yield "gpus_per_node", "GPUs", int(resources["gpus_per_node"]), lambda node: node.gpu_count()
    if resources.get("gpus_per_task"):
        yield "gpus_per_task", "GPUs", tasks * int(resources["gpus_per_task"]), lambda node: node.gpu_count()
    for kind, count in gpus(str(resources.get("gres") or "")).items():
        what = f"GPUs of type {kind}" if kind else "GPUs"
        yield "gres", what, count, partial(Node.gpu_count, kind=kind or None)
