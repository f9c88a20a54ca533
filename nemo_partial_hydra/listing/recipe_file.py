"""The recipe that an argument of ``nemo-hydra`` names: a file, a frozen job, a factory, or overrides of a config.

May import: Hydra's public parts and OmegaConf, where something is composed.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_partial_hydra.composition.app_modules import modules_in
from nemo_partial_hydra.composition.yaml_files import NODES
from nemo_partial_hydra.dialect.yaml import MAX_BYTES, load, read_text
from nemo_partial_hydra.errors import DialectError, JobError, RefusedError, UsageError
from nemo_partial_hydra.jobs import files, search_path
from nemo_partial_hydra.jobs.job import read_head
from nemo_partial_hydra.jobs.layout import JOB, find_jobs
from nemo_partial_hydra.jobs.ownership import NO_TRUST, Trust, note, way_out
from nemo_partial_hydra.jobs.search_path import only_in
from nemo_partial_hydra.jobs.steps_before import StepsBefore
from nemo_partial_hydra.libraries.manifest import is_library
from nemo_partial_hydra.messages import dotted, say
from nemo_partial_hydra.policy.rules import STACK
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.policy.settings import HYDRA
from nemo_partial_hydra.recipes.keys import FACTORY
from nemo_partial_hydra.runtime import session

from .paths import paths
from .record import PathInfo

Where = tuple[str | None, str | None]


def listing_of(text: str, where: Where, allow: Iterable[str] = (), trust: Trust = NO_TRUST) -> list[PathInfo]:
    """List the paths of the recipe that one argument names.

    Parameters
    ----------
    text : a recipe file, the directory of a frozen job, the dotted name of a recipe factory, or overrides.
    where : the config directory and name that overrides are for.
    allow : dotted prefixes that it may name besides what is allowed already.
    trust : directories from which modules are imported whoever they belong to.

    Raises
    ------
    UsageError
        If it is none of these.
    RecipeError
        If the recipe cannot be read.
    """
    if os.path.isdir(text):
        steps = _steps(text)
        if not steps:
            job = _job(text)
            return [*paths(_content(job), allow=allow), *_factories(job)]
        found = {name: paths(_content(_job(str(folder))), allow=allow) for name, folder in steps.items()}
        return [replace(info, path=f"{name}.{info.path}") for name, each in found.items() for info in each]
    if os.path.isfile(text):
        return _file(text, allow, trust)
    if where[0] is not None and where[1] is not None:
        return _composed(where[0], where[1], _words(text), allow, trust)
    parts = text.split(".")
    if len(parts) > 1 and all(part.isidentifier() for part in parts) and not text.endswith((".yaml", ".yml")):
        factory = session.workspace().policy.load(text, allow)
        return paths(factory(), allow=allow)
    if "=" in text or not text:
        raise UsageError(f"'{text}': overrides need --config-dir and --config-name to say what they are for")
    raise UsageError(f"{text}: there is no such file, job or factory")


def _steps(directory: str) -> dict[str, Path]:
    """Return where the jobs of a pipeline's steps are, by name, with those that it shares; none for other jobs."""
    root = Path(os.path.abspath(directory))
    try:
        jobs = find_jobs(root) if not files.has(root, root / JOB) else []
        heads = {job: read_head(job) for job in jobs}
    except (OSError, JobError):
        return {}
    if len({head.num for head in heads.values()}) != 1 or not all(head.step for head in heads.values()):
        return {}
    found: dict[str, Path] = {}
    open_ = list(heads.items())
    while open_:
        job, head = open_.pop(0)
        if head.step is not None and head.step.name not in found:
            found[head.step.name] = job.directory
            before = StepsBefore(job, head.subdir, head.step)
            others = [before.job(name) for name in (*head.step.needs, *head.step.reads)]
            open_ += [(other, read_head(other)) for other in others if files.has(other.root, other.job)]
    return dict(sorted(found.items()))


def _job(directory: str) -> dict[Any, Any]:
    """Read what a frozen job says, verified or not: two versions of one may be compared."""
    root = Path(os.path.abspath(directory))
    try:
        text = files.read_text(root, root / JOB, MAX_BYTES)
    except FileNotFoundError:
        raise UsageError(f"{directory}: no job is frozen there: it has no {JOB}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{root / JOB}: {getattr(error, 'strerror', None) or error}") from None
    return _mapping(text, str(root / JOB))


def _factories(job: dict[Any, Any]) -> list[PathInfo]:
    """Return what the factories of a frozen job's recipes were given."""
    found = job.get("factories")
    out = []
    for place, call in found.items() if isinstance(found, dict) else ():
        given = call.get("arguments") if isinstance(call, dict) else None
        for name, value in given.items() if isinstance(given, dict) else ():
            out.append(PathInfo(dotted([*filter(None, [str(place)]), FACTORY, name]), "", value, set=True))
    return out


def _content(data: dict[Any, Any]) -> dict[Any, Any]:
    """Return what a frozen job runs: its recipe, or an app's config, with those settings of Hydra that were chosen."""
    call = data.get("call")
    if not isinstance(call, dict) or not isinstance(call.get("config"), dict):
        found = data.get("recipe", data)
        return found if isinstance(found, dict) else data
    given = call.get("hydra")
    given = given if isinstance(given, dict) else {}
    settings = {key: value for key, value in given.items() if key not in ("overrides", "runtime")}
    if isinstance(settings.get("job"), dict):
        settings["job"] = {
            key: value for key, value in settings["job"].items() if key not in ("num", "override_dirname")
        }
    return {**call["config"], HYDRA: settings}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"'{text}': {error}") from None


def _file(path: str, allow: Iterable[str], trust: Trust) -> list[PathInfo]:
    data = read_recipe_file(path)
    more = (*allow, *allow_folder(path, trust, data))
    for snapshot in _snapshot_folders(Path(os.path.abspath(path)).parent):
        session.workspace().signatures.use(str(snapshot))
    if "defaults" not in data:
        return paths(data, allow=more)
    folder, name = os.path.split(os.path.abspath(path))
    return _composed(folder, os.path.splitext(name)[0], [], more, trust)


def _snapshot_folders(folder: Path) -> Iterator[Path]:
    """Yield where the snapshot of a recipe file can be: beside it, or at the top of the library that it is in."""
    yield folder
    yield from (above for above in folder.parents if is_library(str(above)))


def _composed(folder: str, name: str, overrides: list[str], allow: Iterable[str], trust: Trust) -> list[PathInfo]:
    """Compose a config as its app would, typed files included."""
    from nemo_partial_hydra.composition.compose import compose, opened, usage_errors

    if not os.path.isdir(folder):
        raise UsageError(f"--config-dir: there is no directory '{folder}'")
    more = (*allow, *allow_folder(os.path.join(folder, name), trust))
    with usage_errors(), session.running(session.Session(more)), opened(os.path.abspath(folder)):
        return paths(compose(name.removesuffix(".yaml"), overrides), allow=more)


def read_recipe_file(path: str) -> dict[Any, Any]:
    """Read a recipe file as plain data.

    Raises
    ------
    UsageError
        If it cannot be read.
    DialectError
        If it is no YAML mapping; with line and column.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return _mapping(text, path)


def _mapping(text: str, path: str) -> dict[Any, Any]:
    data = load(text, path, nodes=NODES)
    if not isinstance(data, dict):
        raise DialectError(f"{path}: a recipe file is a mapping, got a {type(data).__name__}")
    return data


def allow_folder(path: str, trust: Trust = NO_TRUST, data: Any = None) -> tuple[str, ...]:
    """Make the modules beside an app's config directory importable, as they are when the app runs.

    What is installed goes first.

    Parameters
    ----------
    path : a file in that directory.
    trust : directories from which modules are imported whoever they belong to.
    data : what the recipe names, as far as it is known already.

    Returns
    -------
    The modules that recipes there may name, as under ``nph.main``; none where somebody else may have put them.

    Raises
    ------
    UsageError
        If one of them would stand in for a package of the NeMo stack, whose names are allowed.
    RefusedError
        If the recipe needs one which somebody else may have put there.
    """
    folder = _app_folder(path)
    if folder == os.sep:
        return ()
    try:
        modules = modules_in(folder)
    except OSError:
        return ()
    if folder in sys.path:
        return modules
    why = trust.finding(folder)
    if why is not None:
        missing = only_in(folder, (str(name) for _, name in names_in(data)))
        if missing:
            raise RefusedError(way_out(folder, why, missing))
        if modules:
            say(note(folder, why), file=sys.stderr)
        return ()
    false = STACK.intersection(modules) if folder != os.getcwd() else ()
    if false:
        raise UsageError(f"{folder}: its '{min(false)}' would stand in for the package of that name")
    search_path.append([folder], trust.check_of())
    return modules


def _app_folder(path: str) -> str:
    """Return the folder above ``conf``; for a file that stands alone, the current one."""
    parts = os.path.dirname(os.path.abspath(path)).split(os.sep)
    if "conf" in parts:
        return os.sep.join(parts[: len(parts) - 1 - parts[::-1].index("conf")]) or os.sep
    return os.getcwd()
