"""``nph.main``: ``hydra.main`` with typed recipe files, a policy, checks before the run, readable errors.

May import: Hydra, when the app runs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.composition import error_text
from nemo_partial_hydra.composition.app_modules import inner, own_packages
from nemo_partial_hydra.composition.budget import references_shown
from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.errors import ExitCode, FilePolicyError, RecipeError, UnsettledError, UsageError
from nemo_partial_hydra.jobs.app_call import APP, RECIPE
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.runtime import session

from .collector import uncollected
from .command_line import CommandLine
from .hydra_arguments import checked, for_hydra
from .known_flags import CONFIG_NAME, CONFIG_PATH, MULTIRUN
from .spellings import retried
from .task import Task, running_recipe


def main(
    config_path: str | None = None,
    config_name: str | None = None,
    version_base: str | None = None,
    allow: Iterable[str] = (),
    recipe: str | None = None,
    payload: str = APP,
) -> Callable[[Callable[[Any], Any]], Callable[[], Any]]:
    """Implement :func:`nemo_partial_hydra.main`."""
    if payload not in (APP, RECIPE):
        raise UsageError(f"nph.main(payload={payload!r}): expected '{APP}' or '{RECIPE}'")

    def decorate(function: Callable[[Any], Any]) -> Callable[[], Any]:
        task = Task(function, recipe, payload)

        @functools.wraps(task)  # who looks for what Hydra calls finds it below the function of the module
        def entry(cfg_passthrough: Any = None) -> Any:
            if cfg_passthrough is not None:
                return function(cfg_passthrough)
            known = frozenset(REGISTRY.entries)
            settings = session.Session((*allow, *own_packages(function)), recipe, registered=known)
            app = App(task, config_path, config_name, version_base, settings)
            with _one_message(), _argv():
                app.run(CommandLine.parse(sys.argv[1:]))
            return None

        return entry

    return decorate


def recipe_app(
    config_path: str | None = None,
    config_name: str | None = None,
    version_base: str | None = None,
    allow: Iterable[str] = (),
    recipe: str | None = None,
) -> Callable[[], Any]:
    """Implement :func:`nemo_partial_hydra.app`."""
    return main(config_path, config_name, version_base, allow, recipe, RECIPE)(running_recipe())


@dataclass(frozen=True)
class App:
    """A decorated function with what ``nph.main`` was given, and the settings of one run of it."""

    task: Task
    config_path: str | None
    config_name: str | None
    version_base: str | None
    settings: session.Session

    def run(self, given: CommandLine) -> None:
        """Do what a command line asks for: list paths, complete it, or run the function."""
        given.refuse_idle()
        listing = given.listing
        self.settings.completes = given.completes
        self.settings.helps = given.helps
        with contextlib.ExitStack() as while_it_runs:
            if listing is not None or given.answers:
                while_it_runs.enter_context(uncollected())
            line = for_hydra(given, self.settings)
            while_it_runs.enter_context(session.running(self.settings, trusted=True))
            while_it_runs.enter_context(_one_message())  # it says what the app has, which is known while it runs
            while_it_runs.enter_context(session.plain_exceptions())
            while_it_runs.enter_context(_all_refusals(lambda: self.composed(line)))
            if listing is not None:
                self.show_paths(given, line, listing)
            elif given.completes:
                self.answer(line)
            else:
                retried(line, self.composed, self.run_settled)

    def show_paths(self, given: CommandLine, line: CommandLine, options: dict[str, Any]) -> None:
        """Print the paths, or have them looked through; ``line`` is the command line as Hydra is to see it."""
        from nemo_partial_hydra.listing.formats import BROWSE

        if options["format"] == BROWSE:
            self.browse(given, options)
        else:
            retried(line, self.composed, lambda line: self.list_paths(line, options))

    def list_paths(self, line: CommandLine, options: dict[str, Any]) -> None:
        """Print the paths of a command line's config."""
        from nemo_partial_hydra.composition.compose import sweeps
        from nemo_partial_hydra.listing.callback import CfgPaths

        line.refuse_others()
        listing = CfgPaths(**options)
        with self.composed(line) as config:
            listing.show(config, multirun=line.multirun or sweeps(config))

    def browse(self, given: CommandLine, options: dict[str, Any]) -> None:
        """Have a command line's config looked through and edited; print the command line that comes of it."""
        from nemo_partial_hydra.explorer import model, start
        from nemo_partial_hydra.listing.selection import Selection

        from .browsing import Browsed

        wanted = Selection(**{name: value for name, value in options.items() if name not in ("format", "package")})
        wanted.check()
        given.refuse_others()
        start.refuse_elsewhere()
        browsed = Browsed(given, self.settings, self.composed, _all_refusals, options.get("package"))
        line = model.CommandLine(given.overrides, browsed.compose, browsed.words)
        start.explore(line, browsed.compose(given.overrides), wanted)

    def answer(self, line: CommandLine) -> None:
        """Complete what has been typed, or print the script that has the shell ask."""
        from nemo_partial_hydra.listing import completion

        with completion.typeable() if completion.asking_shell(line.overrides) else contextlib.nullcontext():
            if not self.complete(line):
                retried(line, self.composed, self.run_settled)

    def complete(self, line: CommandLine) -> bool:
        """Print the values that complete what has been typed; return False where Hydra has to answer."""
        from nemo_partial_hydra.listing import completion

        typed = self._typed(*completion.typed_words())
        last = typed.items[-1] if typed.items else None
        shell = completion.asking_shell(line.overrides)
        if not shell or not isinstance(last, str) or "=" not in last:
            return False
        others = CommandLine(tuple(item for item in typed.items[:-1] if item != "")).without(MULTIRUN)
        main_folder = [self._config_folder(self.config_path)] if self.config_path is not None else []
        folders = [*main_folder, *self.settings.config_dirs]
        return completion.answer(last, shell, lambda: self.composed(others), folders)

    def _typed(self, before: list[str], words: list[str]) -> CommandLine:
        """Return what has been typed as Hydra is to see it, and let Hydra see it so."""
        from nemo_partial_hydra.listing.completion import retype

        typed = CommandLine()
        with contextlib.suppress(RecipeError):  # an unfinished line: no news to who is typing it
            typed = CommandLine.parse(words)
            typed = for_hydra(typed, self.settings)
            retype([*before, *typed.arguments()])
        return typed

    def run_settled(self, line: CommandLine) -> None:
        """Run the function; where a file leaves open what Hydra is to make, look at the composed config first."""
        from nemo_partial_hydra.composition.hydra_settings import HydraSettings

        hydras = self.settings.workspace.of(HydraSettings)
        hydras.begin(line.overrides, calls=not line.only_shows)
        try:
            self.run_hydra(checked(line))
        except Exception as error:
            hydras.calls = hydras.settles = False
            if error_text.marked(error) or error_text.find(error, UnsettledError) is None:
                raise
        else:
            return
        with self.composed(line) as config:
            hydras.settle(config)
        self.run_hydra(checked(line))

    def run_hydra(self, line: CommandLine) -> None:
        """Run the function as ``hydra.main`` does."""
        import hydra

        from nemo_partial_hydra.composition.compat import main_arguments

        if self.settings.arguments is None:
            self.settings.arguments = tuple(sys.argv)
        sys.argv = [sys.argv[0], *line.arguments_to_run()]
        arguments = main_arguments(self.version_base)
        with contextlib.ExitStack() as shown:
            if line.helps:
                shown.enter_context(self._more_help())
            if line.only_shows:
                shown.enter_context(references_shown())
            hydra.main(self.config_path, self.config_name, **arguments)(self.task)()

    @contextlib.contextmanager
    def _more_help(self) -> Iterator[None]:
        """Print what the help of an app says besides Hydra's, which ends the process."""
        from .help import section

        try:
            yield
        except SystemExit as ended:
            if not ended.code:
                say(section(self.settings.workspace.catalog), end="")
            raise

    @contextlib.contextmanager
    def composed(self, line: CommandLine) -> Iterator[Any]:
        """Compose a command line's config without a run: that would compose twice, set up logging, call callbacks."""
        from nemo_partial_hydra.composition.compose import compose_run, opened

        path = line.value(CONFIG_PATH) or self.config_path
        if path is not None and not path.startswith("pkg://"):
            path = self._config_folder(path)
        name = line.value(CONFIG_NAME) or self.config_name
        with opened(path, job_name=_job_name(), version_base=self.version_base):
            config = compose_run(name, line.overrides, multirun=line.multirun)
            if line.multirun:
                from nemo_partial_hydra.composition.fixed_overrides import LeftToJobs

                self.settings.workspace.of(LeftToJobs).put_back(config)
            yield config

    def _config_folder(self, path: str) -> str:
        """Return a config directory in full; a relative path counts from the decorated function's file."""
        return os.path.abspath(os.path.join(os.path.dirname(inner(self.task).__code__.co_filename), path))


def _job_name() -> str:
    """Return what Hydra calls the job of a script or module."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__").rpartition(".")[2]
    return os.path.splitext(os.path.basename(sys.argv[0]))[0] or "app"


@contextlib.contextmanager
def _argv() -> Iterator[None]:
    """Put the arguments back that Hydra was given others for."""
    argv = sys.argv
    try:
        yield
    finally:
        sys.argv = argv


@contextlib.contextmanager
def _one_message() -> Iterator[None]:
    """End the process with one message and an exit code where something is wrong."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted.", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and not error_text.marked(error):  # ``--help | head``
            error_text.end_of_pipe()
            sys.exit(ExitCode.DONE)
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(error_text.report(error))


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
