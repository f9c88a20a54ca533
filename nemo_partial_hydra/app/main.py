"""``nph.main``: ``hydra.main`` with typed recipe files, a policy, checks before the run, readable errors.

May import: Hydra, when an app is decorated.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nemo_partial_hydra.composition import error_text, root_keys
from nemo_partial_hydra.composition.app_modules import own_packages
from nemo_partial_hydra.composition.multirun import left_to_jobs
from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.dialect.scalars import REFERENCE
from nemo_partial_hydra.errors import ExitCode, FilePolicyError, UsageError
from nemo_partial_hydra.runtime import session

_CALLBACK = "+hydra.callbacks.nemo_partial_hydra={_target_:nemo_partial_hydra.composition.checks.CheckRecipe}"
FLAG = "--cfg-paths"
LIBRARY = "--library"
_LISTING = {"-p": "package", "--package": "package", "--filter": "filter"}
_SILENT = ("--help", "-h", "--hydra-help", "--version", "-sc", "--shell-completion", "--cfg", "-c", "--info", "-i")


def main(
    config_path: str | None = None,
    config_name: str | None = None,
    version_base: str | None = None,
    allow: Iterable[str] = (),
    recipe: str | None = None,
) -> Callable[[Callable[[Any], Any]], Callable[[], Any]]:
    """Decorate an app's entry point: a Hydra app whose recipes are ordinary config groups.

    Parameters
    ----------
    config_path, config_name, version_base : as in ``hydra.main``.
    allow : dotted prefixes that recipes may name besides the NeMo stack, installed recipe libraries and the
        packages beside the app's own file.
    recipe : the path of the recipe in the config, where it is not the only one.

    Notes
    -----
    The function gets the composed ``DictConfig``. A mistake in the config or on the command line ends the process
    with one message before any directory is made: exit code 2, or 3 where the policy refuses a target.
    """

    def decorate(function: Callable[[Any], Any]) -> Callable[[], Any]:
        @functools.wraps(function)
        def task(cfg: Any) -> Any:
            with session.user_environment():
                try:
                    return function(cfg)
                except Exception as error:
                    error_text.mark(error)
                    raise

        @functools.wraps(function)
        def entry(cfg_passthrough: Any = None) -> Any:
            if cfg_passthrough is not None:
                return function(cfg_passthrough)
            known = frozenset(REGISTRY.entries)
            app = session.Session((*allow, *own_packages(function)), recipe, registered=known)
            return _run(task, app, config_path, config_name, version_base)

        return entry

    return decorate


def _run(task: Any, app: session.Session, config_path: str | None, config_name: str | None, version_base: Any) -> Any:
    argv = sys.argv

    def opened(args: list[str], *, others: bool = False) -> Any:
        from .command_line import composed, parse

        return composed(parse(args, others=others), inspect.unwrap(task), config_path, config_name, version_base)

    try:
        listing, rest = cfg_paths_flag(argv[1:])
        answers = listing is not None or session.completing()
        with contextlib.ExitStack() as while_it_runs:
            if answers:
                while_it_runs.enter_context(_uncollected())
            args = prepared(rest, app, checked=listing is None)
            while_it_runs.enter_context(session.running(app, remembered=True))
            while_it_runs.enter_context(session.plain_exceptions())
            while_it_runs.enter_context(_all_refusals(lambda: opened(args, others=True)))
            if listing is not None:
                return _list(listing, args, opened)
            if session.completing():
                from nemo_partial_hydra.listing.completion import answer, typed_words

                from .command_line import config_folder

                app.completes = True
                typed = typed_words(lambda words: prepared(words, app, checked=False))
                main_folder = [config_folder(inspect.unwrap(task), config_path)] if config_path is not None else []
                if answer(args, typed, opened, [*main_folder, *app.config_dirs]):
                    return None
            import hydra

            from nemo_partial_hydra.composition.compat import main_arguments

            sys.argv = [argv[0], *args]
            hydra.main(config_path, config_name, **main_arguments(version_base))(task)()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(error_text.report(error))
    finally:
        sys.argv = argv
    return None


def _list(settings: dict[str, Any], args: list[str], opened: Callable[[list[str]], Any]) -> None:
    """Print the listing of a command line instead of running the app."""
    from nemo_partial_hydra.listing.callback import CfgPaths

    from .command_line import parse

    listing = CfgPaths(**settings)
    with opened(args) as config:
        listing.show(config, multirun=parse(args).multirun)


@contextlib.contextmanager
def _all_refusals(compose: Callable[[], Any]) -> Iterator[None]:
    """Where the policy refuses a file of a composition, have the error name what it refuses in the others too."""
    try:
        yield
    except Exception as error:
        first = error_text.find(error, FilePolicyError)
        if first is None:
            raise
        from nemo_partial_hydra.composition.refusals import whole

        all_of_them = whole(first, compose)
        if all_of_them is first:
            raise
        raise all_of_them from error


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage: what an answer is made of lives until the process ends, going over it is a tenth of the time.

    That includes what is imported for it, Hydra first of all, and the collection with which an interpreter ends.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def prepared(args: list[str], app: session.Session, *, checked: bool = True) -> list[str]:
    """Return Hydra's command line: libraries taken out, typed config directories, the callback that checks a run.

    Raises
    ------
    UsageError
        If a config directory does not exist.
    LibraryError
        If a library is none.
    """
    out: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        if arg in ("--config-dir", "-cd") and not rest:
            raise UsageError(f"{arg} needs a directory")
        if arg in ("--config-dir", "-cd"):
            app.config_dirs = (*app.config_dirs, _directory(rest.pop(0)))
        elif arg.startswith("--config-dir="):
            app.config_dirs = (*app.config_dirs, _directory(arg.partition("=")[2]))
        elif arg == LIBRARY and not rest:
            raise UsageError(f"{LIBRARY} needs a directory")
        elif arg == LIBRARY or arg.startswith(f"{LIBRARY}="):
            session.add_library(app, arg.partition("=")[2] or rest.pop(0), LIBRARY)
        elif arg.lstrip("+").startswith("hydra.searchpath=["):
            out.append(_typed_search_path(arg, app))
        else:
            out.append(arg)
    refuse_below_references(out)
    out = left_to_jobs(out)
    libraries = session.workspace().catalog
    groups, _ = libraries.below("")
    app.values = frozenset(g for g in groups if root_keys.values_in(out, libraries.below(g)[1], g))
    if checked and not any(arg in _SILENT or arg.startswith(("--cfg=", "--info=")) for arg in out):
        out.append(_CALLBACK)
    return out


def cfg_paths_flag(args: list[str]) -> tuple[dict[str, Any] | None, list[str]]:
    """Take ``--cfg-paths`` and its options out of a command line: return what they say, and the rest.

    Raises
    ------
    UsageError
        For an unknown format, or an option without its value.
    """
    if not any(arg == FLAG or arg.startswith(f"{FLAG}=") for arg in args):
        return None, list(args)
    from nemo_partial_hydra.listing.formats import check_format

    settings: dict[str, Any] = {}
    left: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        name, equals, value = arg.partition("=")
        key = _LISTING.get(name)
        if arg == "--set-only":
            settings["set_only"] = True
        elif name == FLAG:
            settings["format"] = check_format(value) if equals else "table"
        elif key is not None and not equals and not rest:
            raise UsageError(f"{name} needs a value")
        elif key is not None:
            settings[key] = value if equals else rest.pop(0)
        else:
            left.append(arg)
    return settings, left


def refuse_below_references(args: list[str]) -> None:
    """Refuse overrides below a place that another override makes a reference (``b=${a} b.lr=1``).

    Raises
    ------
    UsageError
        Naming the place to override.
    """
    references: dict[str, str] = {}
    for arg in args:
        key, _, value = arg.lstrip("+~").partition("=")
        match = REFERENCE.match(value.strip("'\""))
        if match and not match.group(1):
            references[key] = match.group(2)
    for arg in args:
        key = arg.lstrip("+~").partition("=")[0]
        for place, target in references.items():
            if key.startswith(f"{place}."):
                rest = key[len(place) + 1 :]
                raise UsageError(f"{key}: '{place}' is a reference to '{target}'; override {target}.{rest}= instead")


def _directory(path: str) -> str:
    full = os.path.abspath(path)
    if not os.path.isdir(full):
        raise UsageError(f"--config-dir: there is no directory '{path}'")
    return full


def _typed_search_path(arg: str, app: session.Session) -> str:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    override = OverridesParser.create().parse_override(arg)
    value = override.value()
    if not isinstance(value, list):
        return arg
    for entry in value:
        scheme, _, path = str(entry).rpartition("://")
        if scheme in ("", "file") and not os.path.isdir(path):
            raise UsageError(f"hydra.searchpath: there is no directory '{entry}'")
    quoted = ["'" + str(session.typed_entry(str(item), app)).replace("'", "\\'") + "'" for item in value]
    return f"{arg.partition('=')[0]}=[{','.join(quoted)}]"
