"""The settings that jobs were sent with, to send them again: as they were kept, moved along, changed by a command line.

May import: the standard library and PyYAML; Hydra, where settings are changed. Kept settings decide what runs on this
host (``setup`` lines, the executable), so only those are taken that whoever sends the jobs again has written.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nemo_partial_hydra.errors import JobError, RefusedError, UsageError
from nemo_partial_hydra.jobs.job import Head
from nemo_partial_hydra.jobs.layout import SweepPaths

from . import send
from .container import bind
from .records import Submission, read_settings
from .settings import Settings, from_config, stamp

_NAMES = {cluster: name for name, cluster in send.CLUSTERS.items()}


def read(sweep: SweepPaths, submission: Submission) -> Settings:
    """Read the settings of a submission, with the paths of a sweep that was moved as they are now."""
    settings = read_settings(sweep.submission(submission.number))
    before, now = submission.directory, str(sweep.directory)
    if before is None or before == now:
        return settings
    found: Settings = moved(settings, lambda text: _moved_text(text, before, now))
    return found


def moved(data: Any, change: Callable[[str], str]) -> Any:
    """Return settings with every text changed."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {key: moved(value, change) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(moved(value, change) for value in data)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        changed = {each.name: moved(getattr(data, each.name), change) for each in dataclasses.fields(data)}
        return dataclasses.replace(data, **changed)
    return data


def _moved_text(text: str, before: str, now: str) -> str:
    """Change a path in a directory that was moved; also ``SOURCE:DESTINATION``, of which the source is on this host."""
    if text == before or text.startswith((f"{before}/", f"{before}:")):
        return now + text[len(before) :]
    return text


def again(
    sweep: SweepPaths,
    submission: Submission | None,
    heads: Sequence[Head],
    arguments: Sequence[str],
    allow: Sequence[str],
    config_dir: str | None,
) -> tuple[Settings, dict[str, str]]:
    """Return the settings with which jobs are sent again, and the values of secrets."""
    name = heads[0].name
    named = any(text.startswith("hydra/launcher=") for text in arguments)
    if named:
        config, chosen = send.composed(arguments, sweep, name, config_dir)
        return from_config(config, send.CLUSTERS[chosen], code=bind.folders(head.app for head in heads), allow=allow)
    if submission is None:
        raise UsageError(
            f"job {heads[0].num}: was not sent by a launcher, so there are no settings to send it with "
            f"again: run it here (nemo-hydra run), or name them: hydra/launcher={' or '.join(send.CLUSTERS)}"
        )
    _trust(sweep, submission)
    kept = read(sweep, submission)
    allowed = tuple(dict.fromkeys((*kept.allow, *allow)))
    missing = [each for each in kept.secrets if each not in os.environ]
    if missing:
        print(f"Note: not set here, so the jobs will not have it: {', '.join(missing)}", file=sys.stderr)
    if not arguments:
        secrets = {each: os.environ[each] for each in kept.secrets if each in os.environ}
        return dataclasses.replace(kept, allow=allowed), secrets
    line = [f"hydra/launcher={_NAMES[kept.cluster]}", *arguments]
    composed, _ = send.composed(line, sweep, name, config_dir)
    config = changed(config_of(kept), composed, arguments)
    settings, secrets = from_config(config, kept.cluster, code=kept.code, allow=allowed)
    return settings, secrets


def _trust(sweep: SweepPaths, submission: Submission) -> None:
    file = sweep.submission(submission.number).settings
    try:
        owner = os.stat(file).st_uid
    except OSError as error:
        raise JobError(f"{file}: {error.strerror}; name the settings: hydra/launcher=...") from None
    if owner != os.geteuid():
        raise RefusedError(
            f"{file}: was written by another user, and settings name what runs on this host: name your own, "
            "hydra/launcher=..."
        )


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


def changed(kept: Mapping[str, Any], composed: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Put what a command line names into kept settings, as Hydra has composed it from the launcher's defaults."""
    made = {**kept, "apptainer": dict(kept["apptainer"])}
    for text in arguments:
        key = text.lstrip("+~").partition("=")[0]
        path = ["name"] if key == "hydra.job.name" else key.removeprefix("hydra.launcher.").split(".")
        if path[0] == "apptainer" and len(path) > 1:
            value = (composed.get("apptainer") or {}).get(path[1])
            if path[1] == "env" and len(path) > 2:
                value = {**(made["apptainer"].get("env") or {}), path[2]: (value or {}).get(path[2])}
            made["apptainer"][path[1]] = value
        elif path == ["apptainer"]:
            made["apptainer"].update(composed.get("apptainer") or {})
        else:
            made[path[0]] = composed.get(path[0])
    return made


def check_image(sweep: SweepPaths, submission: Submission | None, heads: Sequence[Head], settings: Settings) -> None:
    """Refuse an image that is another one than the jobs were frozen for, or were sent with before.

    Raises
    ------
    RefusedError
        If it is.
    """
    image = settings.container.image
    before = read(sweep, submission) if submission is not None else None
    known = before.image_stamp if before is not None and before.container.image == image else None
    now = stamp(image)
    if image is None or now is None or now == known:
        return  # a missing one is said with all else that is missing; what was sent before was checked then
    way_out = "if that is meant: --force"
    if any(head.image and head.image.get("path") == image for head in heads):
        try:
            send.verify_image(heads, settings)
        except RefusedError:
            raise RefusedError(
                f"{image}: the image was replaced after these jobs were frozen for it; {way_out}"
            ) from None
    elif known is not None:
        raise RefusedError(f"{image}: the image was replaced after these jobs were submitted; {way_out}")
