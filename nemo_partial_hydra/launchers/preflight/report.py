"""All that can be known to go wrong before anything is submitted, in one report.

May import: the standard library only. Nothing is written: ``sbatch --test-only`` reads the script from standard input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from nemo_partial_hydra.errors import ClusterError, RecipeError, UsageError
from nemo_partial_hydra.launchers.clusters.slurm import commands
from nemo_partial_hydra.launchers.settings import SLURM, Settings, mistakes

from . import host, resources

Ask = Callable[..., commands.Answer]
_NOT_NOW = "Requested node configuration is not available"
"""What ``sbatch --test-only`` says of nodes that are drained or do not answer yet; ``sbatch`` itself queues the job."""


@dataclass
class Report:
    """What was found: in the recipes, in the settings, of the cluster; and notes that forbid nothing."""

    usage: list[str] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recipe: RecipeError | None = None
    max_array: int = 1001

    def check(self) -> None:
        """Raise everything that was found as one error.

        Raises
        ------
        RecipeError
            The recipes' own kind of error, if one of them is wrong.
        UsageError
            If a setting has to be changed (exit code 2).
        ClusterError
            If it is the cluster that does not do what is asked (exit code 4).
        """
        found = [*([str(self.recipe)] if self.recipe else []), *self.usage, *self.cluster]
        if not found:
            return
        kind: type[RecipeError] = UsageError if self.usage else ClusterError
        if self.recipe is not None:
            kind = type(self.recipe)
        if len(found) == 1:
            raise kind(f"{found[0]}\nNothing was submitted.")
        lines = [f"  - {one}".replace("\n", "\n    ") for one in found]
        raise kind("\n".join([f"{len(found)} problems:", *lines, "Nothing was submitted."]))

    def settings(self, found: list[tuple[str, str]]) -> None:
        """Note mistakes in settings."""
        self.usage += [_spell(name, text) for name, text in found]

    def faults(self, found: list[tuple[str, str]]) -> None:
        """Note what the cluster does not do."""
        self.cluster += [_spell(name, text) for name, text in found]


def _spell(name: str, text: str) -> str:
    if name.startswith("hydra.") or not name:
        return f"{name}: {text}" if name else text
    return f"code: {text}" if name == "code" else f"hydra.launcher.{name}: {text}"


def check(settings: Settings, directory: str, script: Callable[[], str], *, ask: Ask = commands.ask) -> Report:
    """Look for all that would make the jobs fail or wait for ever.

    Parameters
    ----------
    settings : the launcher's settings.
    directory : the sweep's directory.
    script : makes the batch script; called only where the settings by themselves are right.
    ask : runs one of SLURM's commands.
    """
    report = Report()
    report.settings(mistakes(settings))
    report.settings(host.image_mistakes(settings.container))
    report.settings(host.executable_mistakes(settings.container, settings.host_lines))
    report.settings(host.bind_mistakes(settings.container, settings.code))
    report.settings(host.directory_mistakes(directory))
    if settings.cluster == SLURM:
        report.settings(host.script_path_mistakes([directory]))
        _ask_cluster(settings, directory, script, report, ask)
    elif settings.resource("nodes", 1) > 1:
        report.settings([("nodes", "this machine is one node; use hydra/launcher=submitit_apptainer")])
    return report


def _ask_cluster(settings: Settings, directory: str, script: Callable[[], str], report: Report, ask: Ask) -> None:
    shown = ask(["scontrol", "-o", "show", "partition"])
    if shown.code == 127:
        report.faults([("", "scontrol is not on PATH: submit from a host of the cluster, or run the jobs on this "
                        "machine with hydra/launcher=submitit_apptainer_local")])  # fmt: skip
        return
    if shown.code != 0:
        report.faults([("", _unreachable(shown))])
        return
    nodes = commands.nodes(ask(["scontrol", "-o", "show", "node"]).out)
    partitions = commands.partitions(shown.out)
    report.max_array = commands.max_array_size(ask(["scontrol", "show", "config"]).out)
    impossible, waits = resources.mistakes(settings, partitions, nodes)
    report.faults(impossible)
    report.notes += waits
    names = {one.name for one in resources.chosen(settings, partitions)[0]}
    _look_from_nodes(settings, directory, [node for node in nodes if names & {*node.partitions}], report)
    if impossible or report.usage:
        return  # sbatch would say the same in other words, or stumble over the same mistake
    answer = ask(["sbatch", "--test-only"], script())
    if answer.code == 127:
        report.faults([("", "sbatch is not on PATH: submit from a host of the cluster")])
    elif answer.no_controller:
        report.faults([("", _unreachable(answer))])
    elif "unrecognized option" in answer.err:
        report.settings([("additional_parameters", answer.complaint)])
    elif answer.code != 0 and not (waits and _NOT_NOW in answer.complaint):
        report.faults([("", f"SLURM would not take the job: {refusal(answer.complaint)}")])


def _unreachable(answer: commands.Answer) -> str:
    if not answer.no_controller:
        return f"SLURM does not answer: {answer.complaint}"
    return f"SLURM's controller cannot be reached: {answer.complaint}; see 'scontrol ping', and try again"


def refusal(complaint: str) -> str:
    """Say which setting SLURM's refusal is about."""
    text = complaint.replace("sbatch: ", "").replace("error: ", "").replace("allocation failure: ", "")
    about = {
        "invalid account": "account",
        "invalid qos": "qos",
        "feature": "constraint",
        "node count": "nodes",
        "time limit": "timeout_min",
        "memory": "mem_gb",
        "generic resource": "gres or gpus_per_node",
        "invalid partition": "partition",
        "dependency": "additional_parameters.dependency",
        "reservation": "additional_parameters.reservation",
    }
    named = [setting for words, setting in about.items() if words in text.lower()]
    return f"{text} (hydra.launcher.{named[0]})" if named else text


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
            report.notes.append(_spell(name, text))
