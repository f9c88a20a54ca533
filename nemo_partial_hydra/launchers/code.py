"""Which directories of code go with jobs that are frozen already, and which are not trusted.

May import: the standard library, and PyYAML where recipes are read. A job's file names the directory of the app that
froze it, and whoever wrote the file wrote that name: it is a directory to look into, not one to take.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs.app_call import APP
from nemo_partial_hydra.jobs.heads import Head
from nemo_partial_hydra.jobs.job import read_job
from nemo_partial_hydra.jobs.job_names import modules_of
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.ownership import Trust, note, way_out
from nemo_partial_hydra.jobs.search_path import only_in
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.policy.rules import STACK

from .container import bind
from .settings import Settings

_TOLD = 200


def of_jobs(jobs: Sequence[JobPaths], heads: Sequence[Head], trust: Trust, *, image: bool) -> dict[str, Any]:
    """Return the settings that say where the modules of frozen jobs are, and an app's function is called.

    These are ``code`` and ``trust_code``, and ``folder``, the current directory, as where an app is started.

    Parameters
    ----------
    jobs, heads : the jobs, and what their files say before the recipes.
    trust : the directories that whoever sends the jobs trusts.
    image : whether they run in an image, whose modules are not those of this process.

    Raises
    ------
    RefusedError
        If a recipe needs modules that are found only where somebody else may have put them.
    """
    apps = dict.fromkeys(head.app for head in heads if head.app is not None)
    for app in apps:
        if not _usable(app):
            say(f"Note: app: {app[:_TOLD]!r} is no directory of an app, so no modules come from there", file=sys.stderr)
    found = chosen(_of_apps(apps), trust, lambda: targets_of(jobs), image=image)
    return {**found, "folder": os.getcwd()} if any(head.payload == APP for head in heads) else found


def once_more(
    settings: Settings, jobs: Sequence[JobPaths], heads: Sequence[Head], trust: Trust, *, anew: bool
) -> Settings:
    """Return settings with the directories of code that are trusted now.

    Parameters
    ----------
    settings : those with which the jobs are sent again.
    jobs, heads : the jobs, and what their files say before the recipes.
    trust : the directories that whoever sends the jobs trusts, besides those of before.
    anew : whether the settings are new ones: then the jobs' directories count, which do too for who trusts more.

    Raises
    ------
    RefusedError
        If a recipe needs one that is not trusted.
    """
    image = settings.container.image is not None
    if anew:
        return dataclasses.replace(settings, **of_jobs(jobs, heads, trust, image=image))
    more = _of_apps(head.app for head in heads) if trust.folders else ()
    folders = dict.fromkeys([*settings.code, *more])
    known = trust.plus(settings.trust_code)
    return dataclasses.replace(settings, **chosen(folders, known, lambda: targets_of(jobs), image=image))


def _of_apps(apps: Iterable[str | None]) -> tuple[str, ...]:
    return bind.folders(app for app in apps if app is not None and _usable(app))


def _usable(app: str) -> bool:
    """Whether a directory may be that of an app: all of this host is none, and a relative path is anywhere."""
    return os.path.isabs(app) and os.path.normpath(app).strip("/") != "" and app.isprintable()


def targets_of(jobs: Sequence[JobPaths]) -> Iterator[str]:
    """Yield the names that the recipes of jobs need."""
    for job in jobs:
        yield from modules_of(read_job(job))


def chosen(
    folders: Iterable[str], trust: Trust, targets: Callable[[], Iterable[str]], *, image: bool
) -> dict[str, Any]:
    """Return which directories of code are taken, and which of them only because they are trusted.

    Parameters
    ----------
    folders : those that come into question.
    trust : the directories that whoever sends the jobs trusts.
    targets : gives the dotted names that the recipes need; called where a directory is not taken.
    image : whether the jobs run in an image.

    Raises
    ------
    RefusedError
        If they need one that is not taken; for all such directories at once.
    """
    taken: list[str] = []
    left: dict[str, str] = {}
    for folder in folders:
        why = trust.finding(folder) if os.path.exists(folder) else None  # that it is gone is said with what else is
        if why is None:
            taken.append(folder)
        else:
            left[folder] = why
    named = [name for name in targets() if not (image and name.partition(".")[0] in STACK)] if left else []
    refused = []
    for folder, why in left.items():
        missing = only_in(folder, named, taken, here=not image)
        if missing:
            refused.append(way_out(folder, why, missing))
        else:
            say(note(folder, why), file=sys.stderr)
    if refused:
        raise RefusedError("\n".join(refused))
    return {"code": tuple(taken), "trust_code": tuple(folder for folder in taken if trust.covers(folder))}
