"""What was found to be wrong before anything is submitted, all of it raised as one error.

May import: the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nemo_partial_hydra.errors import ClusterError, RecipeError, UsageError


@dataclass
class Report:
    """What was found: in the recipes, in the settings, of the cluster; and notes that forbid nothing."""

    usage: list[str] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recipe: RecipeError | None = None
    max_array: int = 1001
    """How many jobs an array may have: SLURM's own default, where the cluster does not say."""
    cluster_name: str | None = None
    """The name of the cluster that takes the jobs, where it has one."""
    plain: bool = False
    """Whether the cluster takes no comments, in which arrays are marked elsewhere."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """The variables of this process that add to what the settings ask for, and the option that each stands for."""

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
        self.usage += [spell_setting(name, text) for name, text in found]

    def faults(self, found: list[tuple[str, str]]) -> None:
        """Note what the cluster does not do."""
        self.cluster += [spell_setting(name, text) for name, text in found]


def spell_setting(name: str, text: str) -> str:
    """Put the full name of a setting before what is said about it."""
    if name.startswith("hydra.") or not name:
        return f"{name}: {text}" if name else text
    return f"code: {text}" if name == "code" else f"hydra.launcher.{name}: {text}"
