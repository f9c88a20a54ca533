"""Hydra's settings of a frozen job as they take effect: what was checked is what is used, in the job's own directory.

May import: OmegaConf. job.yaml was written by others. A reference in it may lead elsewhere a moment later (to the time,
to what Hydra only sets when the job begins), so what Hydra is to make or write is put in the place of the reference.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.composition.budget import Resolution
from nemo_partial_hydra.composition.compat import is_absent, is_missing, own_node
from nemo_partial_hydra.dialect.scalars import escape_interpolation
from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.policy.settings import forms
from nemo_partial_hydra.recipes.data import walk
from nemo_partial_hydra.recipes.keys import MISSING

_USED = ("callbacks", "job_logging", "output_subdir")
"""Of Hydra's settings, what it makes objects of, or writes into."""


def put_in_place(settings: DictConfig, paths: JobPaths, sweep: Path) -> None:
    """Say where the job runs: in its own directory, whatever its file calls that.

    Raises
    ------
    RefusedError
        If the name of that directory would be resolved.
    """
    own = os.fspath(paths.directory)
    if "${" in own:
        raise RefusedError(f"{own}: an app's job cannot run there: Hydra would resolve what its path says; rename it")
    settings.sweep.dir = os.fspath(sweep)
    settings.sweep.subdir = os.path.relpath(own, sweep)
    settings.runtime.output_dir = own


def write_out(config: DictConfig, paths: JobPaths) -> None:
    """Put what Hydra is to make and write in the place of the references that lead to it.

    Raises
    ------
    JobError
        If one leads nowhere, or to more than can be resolved.
    """
    settings = config.hydra
    try:
        for holder, key in ((settings.job, "name"), *((settings, key) for key in _USED)):
            found = _plain(Resolution(), holder, key)
            given = own_node(holder, key)
            if is_absent(given) or any(forms(text) for _, text in walk(_texts(given))):
                with read_write(holder), open_dict(holder):
                    holder[key] = found
        _plain(Resolution(), settings.job, "env_set")  # Hydra resolves it as it stands
    except OmegaConfBaseException as error:
        raise JobError(f"{paths.job}: call: hydra: {str(error).splitlines()[0]}") from None


def _texts(node: Any) -> Any:
    """Return a node as plain data, its references as they are written."""
    if isinstance(node, (DictConfig, ListConfig)) and not is_absent(node):
        keys = node.keys() if isinstance(node, DictConfig) else range(len(node))
        return {key: _texts(own_node(node, key)) for key in keys}
    return getattr(node, "_value", lambda: None)()


def _plain(resolution: Resolution, holder: Any, key: Any) -> Any:
    """Return what stands at a key as plain data that OmegaConf takes for just that."""
    held = own_node(holder, key)
    if held is None or is_missing(held):
        return None if held is None else MISSING
    found = resolution.get(holder, key)
    if isinstance(found, DictConfig):
        return {each: _plain(resolution, found, each) for each in found}
    if isinstance(found, ListConfig):
        return [_plain(resolution, found, index) for index in range(len(found))]
    return escape_interpolation(found) if isinstance(found, str) else found


def refuse_elsewhere(config: DictConfig, paths: JobPaths) -> None:
    """Refuse what Hydra would write outside of the job's directory, or through what stands in the way there.

    Raises
    ------
    RefusedError
        Naming the place.
    """
    subdir = config.hydra.output_subdir
    if subdir is not None:
        if os.path.isabs(subdir) or os.pardir in subdir.split(os.sep):
            raise RefusedError(f"{paths.job}: call: hydra.output_subdir={subdir}: is outside of the job's directory")
        folder = paths.directory / subdir
        _refuse_links(paths, folder, stat.S_ISDIR)
        if folder.is_dir():
            for name in os.listdir(folder):
                if folder != paths.directory and not (folder / name).is_dir():
                    _refuse_links(paths, folder / name, stat.S_ISREG)
        for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
            _refuse_links(paths, folder / name, stat.S_ISREG)
    logging = config.hydra.job_logging
    handlers = logging.get("handlers") if isinstance(logging, DictConfig) else None
    for handler in handlers.values() if isinstance(handlers, DictConfig) else ():
        name = handler.get("filename") if isinstance(handler, DictConfig) else None
        if isinstance(name, str):
            _refuse_links(paths, paths.directory / name, stat.S_ISREG)
    for name in ("config.pickle", "job_return.pickle"):  # of the callback that comes with Hydra
        _refuse_links(paths, paths.directory / (subdir or "") / name, stat.S_ISREG)


def _refuse_links(paths: JobPaths, path: Path, right: Any) -> None:
    """Refuse a path below the job's directory that leads through a link, or to what is no such file."""
    try:
        below = Path(os.path.normpath(path)).relative_to(paths.directory).parts
    except ValueError:
        return  # below the sweep's directory, or where the app is started
    here = paths.directory
    for index, part in enumerate(below):
        here = here / part
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise JobError(f"{here}: {error.strerror}") from None
        if not (right if index + 1 == len(below) else stat.S_ISDIR)(mode):
            what = "a link" if stat.S_ISLNK(mode) else "something else"
            raise RefusedError(f"{here}: Hydra would write there, and it is {what}: remove it")
