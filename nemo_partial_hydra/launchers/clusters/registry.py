"""The clusters that there are, by their names and by their launchers.

May import: the clusters; nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import nearest, one_of

from .base import Cluster
from .local.cluster import Local
from .slurm.cluster import Slurm

GROUP = "nemo_partial_hydra.clusters"
"""The entry point group by which an installed package offers a cluster: a name, and an object of the protocol."""


@dataclass(frozen=True)
class Clusters:
    """Clusters by their names: those that are given, and those of installed packages."""

    given: Mapping[str, Cluster]

    def named(self, name: str) -> Cluster:
        """Return a cluster by its name in records.

        Raises
        ------
        UsageError
            If there is none.
        """
        found = self.given.get(name) or next((each for each in _installed() if each.name == name), None)
        if found is None:
            raise UsageError(
                f"there is no cluster '{name}'{nearest(name, self.given)}: install the package that offers it"
            )
        return found

    def of_launcher(self, launcher: str) -> Cluster:
        """Return the cluster that a Hydra launcher sends to.

        Raises
        ------
        UsageError
            If it is none of ours.
        """
        found = {each.launcher: each for each in self}
        if launcher not in found:
            raise UsageError(
                f"hydra/launcher={launcher}: frozen jobs are sent by {one_of(found)}{nearest(launcher, found)}"
            )
        return found[launcher]

    @property
    def launchers(self) -> list[str]:
        """The launchers of all clusters."""
        return [each.launcher for each in self]

    def __iter__(self) -> Iterator[Cluster]:
        yield from self.given.values()
        yield from _installed()


def _installed() -> Iterator[Cluster]:
    from importlib.metadata import entry_points  # it reads all that is installed: only where a name is not known

    for point in entry_points(group=GROUP):
        found: Cluster = point.load()
        yield found


CLUSTERS = Clusters({each.name: each for each in (Slurm(), Local())})
