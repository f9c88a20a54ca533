"""All that can be known to go wrong before anything is submitted: the settings, this host, the cluster.

May import: the standard library and the clusters. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable

from nemo_partial_hydra.launchers.clusters.registry import CLUSTERS, Clusters
from nemo_partial_hydra.launchers.settings import Settings

from . import host
from .report import Report
from .values import mistakes


def check(settings: Settings, directory: str, script: Callable[[], str], *, clusters: Clusters = CLUSTERS) -> Report:
    """Look for all that would make the jobs fail or wait for ever.

    Parameters
    ----------
    settings : the launcher's settings.
    directory : the sweep's directory.
    script : makes the batch script; called only where the settings by themselves are right.
    clusters : where ``settings.cluster`` is looked up.
    """
    report = Report()
    report.settings(mistakes(settings, clusters))
    report.settings(host.image_mistakes(settings.container))
    report.settings(host.executable_mistakes(settings.container, settings.host_lines))
    report.settings(host.bind_mistakes(settings.container, settings.code, settings.folder))
    report.settings(host.directory_mistakes(directory))
    clusters.named(settings.cluster).preflight(settings, directory, script, report)
    return report
