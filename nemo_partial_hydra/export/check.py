"""Every recipe of a library composed, validated against its signatures and checked by the policy, in parallel.

May import: Hydra's public parts and OmegaConf, in the processes that do the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from nemo_partial_hydra.errors import LibraryError, PolicyError, RecipeError, UsageError
from nemo_partial_hydra.jobs import search_path
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.libraries.library import Library
from nemo_partial_hydra.runtime import session

FINE, INVALID, REFUSED = "fine", "invalid", "refused"
BATCH = 8  # recipes that a process checks before it reports


@dataclass(frozen=True)
class Verdict:
    """What came of checking one recipe; ``open`` are the parameters that its user still has to give."""

    library: str
    path: str
    state: str
    problem: str = ""
    open: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Batch:
    """Some options of one directory, and what the process that checks them has to know."""

    folder: str
    label: str
    options: tuple[str, ...]
    libraries: tuple[tuple[str, str], ...]
    allow: tuple[str, ...]


def chosen(folders: Sequence[str], more: Sequence[str]) -> tuple[list[Library], tuple[tuple[str, str], ...]]:
    """Return the directories to check, and those that are libraries in use while it is done.

    Parameters
    ----------
    folders : the directories that were named; none means all libraries in use.
    more : directories given with ``--library``.

    Raises
    ------
    UsageError, LibraryError
        If one of them does not exist, or is no library.
    """
    app = session.Session()
    for folder in more:
        session.add_library(app, folder, "--library")
    named = []
    for folder in folders:
        if not os.path.isdir(folder):
            raise UsageError(f"{folder}: there is no such directory")
        if manifest.is_library(folder):
            session.add_library(app, folder, "named here")
        named.append(Library(os.path.abspath(folder), "named here"))
    with session.running(app):
        return named or list(app.workspace.catalog.in_use()), app.libraries


def check(
    folders: Sequence[Library],
    used: tuple[tuple[str, str], ...],
    allow: Iterable[str] = (),
    *,
    processes: int | None = None,
    note: Callable[[int, int], None] = lambda done, total: None,
) -> list[Verdict]:
    """Check all recipes of directories.

    Parameters
    ----------
    folders : the directories, as :func:`chosen` gives them.
    used : the libraries in use, likewise.
    allow : dotted prefixes that recipes may name besides what is allowed already.
    processes : how many do it; by default as many as there are processors.
    note : is told how many recipes are done, and how many there are.
    """
    batches: list[Batch] = []
    found: list[Verdict] = []
    for library in folders:
        try:
            options = library.options()
        except LibraryError as error:
            found.append(Verdict(library.folder, "", INVALID, str(error)))
            continue
        parts = [tuple(options[start : start + BATCH]) for start in range(0, len(options), BATCH)]
        batches += [Batch(library.folder, library.name, part, used, tuple(allow)) for part in parts]
    total = sum(len(batch.options) for batch in batches)
    note(0, total)
    workers = min(processes or len(os.sched_getaffinity(0)), len(batches))
    if workers <= 1:
        for batch in batches:
            found += run(batch)
            note(len(found), total)
        return found
    # Not forked: the parent may have threads, a progress bar among them. The current directory may be a stranger's
    # checkout, and Python would look for its own modules there first.
    with search_path.children(os.getcwd()), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run, batch) for batch in batches]):
            found += done.result()
            note(len(found), total)
    return sorted(found, key=lambda verdict: (verdict.library, verdict.path))


def other_versions(folders: Sequence[Library]) -> list[str]:
    """Say of which libraries the recipes were made from other versions than those they have been checked against."""
    found = []
    for library in folders:
        try:
            known = manifest.read(library.folder)
        except LibraryError:
            continue  # a config directory, or what has been said to be damaged
        found += [
            f"{library.name} was made from {name} {known.distributions[name]}, and checked against {name} {here}, "
            "which is installed"
            for name, here in known.installed_otherwise().items()
        ]
    return found


def run(batch: Batch) -> list[Verdict]:
    """Check the options of one batch in this process."""
    from nemo_partial_hydra.composition.compose import opened

    app = session.Session(batch.allow, libraries=batch.libraries)
    with session.running(app):
        whole = manifest.is_library(batch.folder)
        with opened(batch.folder):
            return [_verdict(batch, option, whole) for option in batch.options]


def _verdict(batch: Batch, option: str, whole: bool) -> Verdict:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from nemo_partial_hydra.composition.error_text import explain

    try:
        return Verdict(batch.label, option, FINE, open=tuple(_open(batch.folder, option, whole)))
    except PolicyError as error:
        return Verdict(batch.label, option, REFUSED, str(error))
    except RecipeError as error:
        return Verdict(batch.label, option, INVALID, str(error))
    except (HydraException, OmegaConfBaseException) as error:
        own = error.__cause__ if isinstance(error.__cause__, RecipeError) else None
        return Verdict(batch.label, option, INVALID, str(own or explain(error) or error))


def _open(folder: str, option: str, whole: bool) -> Iterator[str]:
    """Compose and check one option; yield what is still required of its user."""
    from omegaconf import OmegaConf

    from nemo_partial_hydra.composition.compose import compose
    from nemo_partial_hydra.composition.decode import loose_data
    from nemo_partial_hydra.composition.yaml_files import ServedFiles

    group, _, name = option.rpartition("/")
    if group and not whole:  # an option of an app's own group is a part of some recipe
        served = session.workspace().of(ServedFiles)
        served.read(os.path.join(folder, f"{option}.yaml"), f"{option}.yaml", primary=False)
        return
    config = compose(None, [f"+{group}={name}"]) if group else compose(name)
    node = OmegaConf.select(config, group.replace("/", ".")) if group else config
    if node is None:  # placed elsewhere, by an @package line
        node = config
    loose = loose_data(node, ())
    yield from (".".join(map(str, path)) for path in sorted(loose.required, key=str))
    session.workspace().read_tree(_without(loose.data))


def _without(data: object) -> object:
    """Return plain data without what is still open."""
    from nemo_partial_hydra.recipes.data import Kept
    from nemo_partial_hydra.recipes.tree import Opaque

    def gone(value: object) -> bool:
        return isinstance(value, Kept) and isinstance(value.tree, Opaque)

    if isinstance(data, dict):
        return {key: _without(value) for key, value in data.items() if not gone(value)}
    if isinstance(data, list):
        return [_without(value) for value in data if not gone(value)]
    return data
