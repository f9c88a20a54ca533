"""What SLURM says of a submission before it is sent: its partitions and nodes, and ``sbatch --test-only``.

May import: the standard library only. Nothing is written: ``sbatch --test-only`` reads the script from standard input.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable

from nemo_partial_hydra.launchers.clusters.variables import variables
from nemo_partial_hydra.launchers.preflight import host
from nemo_partial_hydra.launchers.preflight.report import Report, spell_setting
from nemo_partial_hydra.launchers.settings import Settings

from . import commands, environment, identity, limits, resources
from .commands import Ask

_NOT_NOW = "Requested node configuration is not available"
"""What ``sbatch --test-only`` says of nodes that are drained or do not answer yet; ``sbatch`` itself queues the job."""


def preflight(settings: Settings, directory: str, script: Callable[[], str], report: Report, ask: Ask) -> None:
    """Ask the cluster for all that would make the jobs fail or wait for ever; see ``Cluster.preflight``."""
    report.settings(script_path_mistakes([directory]))
    given = identity.given(settings)
    # Of several clusters SLURM chooses one when it takes the jobs.
    reach = ["-M", given] if given is not None and "," not in given else []
    shown = ask(["scontrol", *reach, "-o", "show", "partition"])
    if shown.code == 127:
        report.faults([("", "scontrol is not on PATH: submit from a host of the cluster, or run the jobs on this "
                        "machine with hydra/launcher=submitit_apptainer_local")])  # fmt: skip
        return
    if shown.code != 0:
        report.faults([("", _unreachable(shown))])
        return
    nodes = commands.nodes(ask(["scontrol", *reach, "-o", "show", "node"]).out)
    partitions = commands.partitions(shown.out)
    config = ask(["scontrol", *reach, "show", "config"]).out
    report.max_array = commands.max_array_size(config)
    report.cluster_name = given or identity.read_name(config)
    if given is not None and not reach:
        return
    asked, settings = settings, _with_partition(settings)
    impossible, waits = resources.mistakes(settings, partitions, nodes)
    if settings is not asked:
        ours = "; this shell's SBATCH_PARTITION says so, and hydra.launcher.partition wins over it"
        impossible = [(name, text + ours if name == "partition" else text) for name, text in impossible]
    report.faults(impossible)
    report.notes += waits
    names = {one.name for one in resources.chosen(settings, partitions)[0]}
    _look_from_nodes(settings, directory, [node for node in nodes if names & {*node.partitions}], report)
    if impossible or report.usage:
        return  # sbatch would say the same in other words, or stumble over the same mistake
    text = script()
    found = environment.surroundings(text, os.environ)
    report.environment = found.added
    if found.added:
        report.notes.append(f"from this shell's environment: {', '.join(f'{n} ({o})' for n, o in found.added.items())}")
    with variables(dict.fromkeys(found.left_out)):
        answer = _tested(settings, text, report, ask)
    if answer.code == 127:
        report.faults([("", "sbatch is not on PATH: submit from a host of the cluster")])
    elif answer.no_controller:
        report.faults([("", _unreachable(answer))])
    elif "unrecognized option" in answer.err:
        report.settings([("additional_parameters", answer.complaint)])
    elif answer.code != 0 and not (waits and _NOT_NOW in answer.complaint) and not limits.about(answer):
        report.faults([("", f"SLURM would not take the job: {commands.refusal(answer.complaint)}")])


def _with_partition(settings: Settings) -> Settings:
    """Return the settings with the partition that ``sbatch`` takes from this shell, where they have none."""
    named = os.environ.get("SBATCH_PARTITION")
    if not named or settings.resources.get("partition"):
        return settings
    return dataclasses.replace(settings, resources={**settings.resources, "partition": named})


def _tested(settings: Settings, text: str, report: Report, ask: Ask) -> commands.Answer:
    """Let SLURM read the script; where it forbids the comment that is ours, note so and have it read without."""
    answer = ask(["sbatch", *environment.options(text), "--test-only"], text)
    extra = settings.resources.get("additional_parameters") or {}
    own = settings.resources.get("comment") is not None or "comment" in extra
    if answer.code == 0 or own or "comment" not in answer.complaint.lower():
        return answer
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#SBATCH --comment=")]
    plain = "".join(lines)
    again = ask(["sbatch", *environment.options(plain), "--test-only"], plain)
    report.plain = again.code == 0 or "comment" not in again.complaint.lower()
    return again if report.plain else answer


def script_path_mistakes(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return paths that SLURM would not take as they are: it replaces ``%`` and ``\\``, and a script has lines."""
    return [
        ("hydra.sweep.dir", f"{path!r}: SLURM does not take a path with {mark!r}; choose another directory")
        for path in paths
        for mark in ("%", "\\", "\n", "\r")
        if mark in path
    ]


def _unreachable(answer: commands.Answer) -> str:
    if not answer.no_controller:
        return f"SLURM does not answer: {answer.complaint}"
    return f"SLURM's controller cannot be reached: {answer.complaint}; see 'scontrol ping', and try again"


def _look_from_nodes(settings: Settings, directory: str, nodes: list[commands.Node], report: Report) -> None:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            mounts = file.read()
    except OSError:
        return  # not Linux as we know it: nothing can be told
    paths = [("hydra.sweep.dir", directory), ("", str(settings.resources.get("python") or sys.executable))]
    if settings.container.image is not None and "://" not in settings.container.image:
        paths.append(("apptainer.image", os.path.abspath(settings.container.image)))
    for name, path in paths:
        answer = host.unseen(path, nodes, mounts)
        if answer is None:
            continue
        text, sure = answer
        if sure:
            report.settings([(name, text)])
        else:
            report.notes.append(spell_setting(name, text))
