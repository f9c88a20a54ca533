"""The settings with which jobs are sent again: those of their last submission, changed by a command line.

May import: the standard library and PyYAML; Hydra, where settings are changed. Stored settings decide what runs on this
host (``setup`` lines, the executable), so only those are taken that this user wrote in this place (see ``jobs.seal``).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.errors import RefusedError, UsageError
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.layout import SweepPaths
from nemo_partial_hydra.messages import say

from . import send as sending
from .arguments import composed
from .clusters.registry import Clusters
from .records import Submission, own_settings
from .settings import Settings, from_config, stamp
from .step_settings import of_steps


@dataclass(frozen=True)
class Kept:
    """The settings that jobs were sent with, if this user wrote them here; else None, and why not."""

    settings: Settings | None = None
    why: str = ""


def kept_of(sweep: SweepPaths, submission: Submission | None) -> Kept:
    """Return the settings of a submission that may be used again."""
    if submission is None:
        return Kept()
    paths = sweep.submission(submission.number)
    if not submission.origin.mine:  # it says that these settings are of this job
        return Kept(None, f"{paths.record}: {submission.origin.why}")
    return Kept(*own_settings(paths))


def again(
    sweep: SweepPaths,
    kept: Kept,
    heads: Sequence[Head],
    arguments: Sequence[str],
    allow: Sequence[str],
    config_dir: str | None,
    clusters: Clusters,
    steps: Sequence[str] = (),
) -> tuple[Settings, dict[str, str]]:
    """Return the settings with which jobs are sent again, and the values of secrets.

    With ``steps``, all those of the sweep, the jobs are of one of them.
    """
    name, step = heads[0].name, heads[0].step.name if heads[0].step is not None else ""
    if any(text.startswith("hydra/launcher=") for text in arguments):
        config, cluster = composed(arguments, sweep, name, config_dir, clusters)
        return from_config(of_steps(config, steps)[step], cluster.name, allow=allow)
    before, launchers = kept.settings, " or ".join(clusters.launchers)
    if before is None and kept.why:
        raise RefusedError(
            f"{kept.why}. Settings name what runs on this host, so they are taken from no record that is not known to "
            f"be yours: name them anew: hydra/launcher={launchers} hydra.launcher.*=..., and --allow"
        )
    if before is None:
        raise UsageError(
            f"job {heads[0].num}: was not sent by a launcher, so there are no settings to send it with "
            f"again: run it here (nemo-hydra run), or name them: hydra/launcher={launchers}"
        )
    allowed = tuple(dict.fromkeys((*before.allow, *allow)))
    missing = [each for each in before.secrets if each not in os.environ]
    if missing:
        say(f"Note: not set here, so the jobs will not have it: {', '.join(missing)}", file=sys.stderr)
    if not arguments:
        secrets = {each: os.environ[each] for each in before.secrets if each in os.environ}
        return dataclasses.replace(before, allow=allowed), secrets
    line = [f"hydra/launcher={clusters.named(before.cluster).launcher}", *arguments]
    defaults, _ = composed(line, sweep, name, config_dir, clusters)
    config = of_steps(changed(config_of(before), defaults, arguments), steps)[step]
    return from_config(config, before.cluster, before.code, allowed, trust_code=before.trust_code, folder=before.folder)


def config_of(settings: Settings) -> dict[str, Any]:
    """Return kept settings as the composed ``hydra.launcher`` that they came from."""
    container = dataclasses.asdict(settings.container)
    container["env"] = {**settings.container.env, **dict.fromkeys(settings.secrets)}
    return {
        **settings.resources,
        "name": settings.name,
        "setup": list(settings.setup),
        "payload_signal": settings.payload_signal,
        "detach": settings.detach,
        "submitit_folder": settings.submitit_folder,
        "apptainer": container,
    }


def changed(before: Mapping[str, Any], defaults: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Put what a command line names into kept settings, as Hydra has composed it from the launcher's defaults."""
    made = {**before, "apptainer": dict(before["apptainer"])}
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        path = ["name"] if key == "hydra.job.name" else key.removeprefix("hydra.launcher.").split(".")
        if path[0] == "apptainer" and len(path) > 1:
            value = (defaults.get("apptainer") or {}).get(path[1])
            if path[1] == "env" and len(path) > 2:
                value = {**(made["apptainer"].get("env") or {}), path[2]: (value or {}).get(path[2])}
            made["apptainer"][path[1]] = value
        elif path == ["apptainer"]:
            made["apptainer"].update(defaults.get("apptainer") or {})
        else:
            made[path[0]] = defaults.get(path[0])
    return made


def check_image(before: Settings | None, heads: Sequence[Head], settings: Settings) -> None:
    """Refuse an image that is another one than the jobs were frozen for, or were sent with ``before``.

    Raises
    ------
    RefusedError
        If it is.
    """
    image = settings.container.image
    known = before.image_stamp if before is not None and before.container.image == image else None
    now = stamp(image)
    if image is None or now is None or now == known:
        return  # a missing one is said with all else that is missing; what was sent before was checked then
    way_out = "if that is meant: --force"
    if any(head.image and head.image.get("path") == image for head in heads):
        try:
            sending.verify_image(heads, settings)
        except RefusedError:
            raise RefusedError(
                f"{image}: the image was replaced after these jobs were frozen for it; {way_out}"
            ) from None
    elif known is not None:
        raise RefusedError(f"{image}: the image was replaced after these jobs were submitted; {way_out}")
