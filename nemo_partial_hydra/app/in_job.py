"""A frozen job that calls an app's function as Hydra does: logging, ``.hydra``, callbacks, ``HydraConfig``.

May import: Hydra's public parts and OmegaConf, when there is such a job. ``jobs.runner`` imports this by its name, once
what the job names has passed the policy. Nothing is composed: the config is the one that was frozen.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs.app_call import AppCall
from nemo_partial_hydra.jobs.job import Job
from nemo_partial_hydra.jobs.job_id import this_task
from nemo_partial_hydra.jobs.job_names import NOT_MADE
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.jobs.placeholders import sweep_of
from nemo_partial_hydra.jobs.runner import Options
from nemo_partial_hydra.runtime import session

from .function_name import module_name
from .task import Task


def prepared(paths: JobPaths, job: Job, options: Options, environment: Mapping[str, str]) -> Callable[[], Any]:
    """Return what calls the app's function, once a job is known to be one that may run.

    Raises
    ------
    JobError
        If there is no Hydra here.
    """
    if importlib.util.find_spec("hydra") is None:
        where = os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER") or sys.prefix
        raise JobError(
            f"{paths.job}: the job calls the app's function {job.call.function if job.call else ''} as Hydra does, and "
            f"there is no hydra-core in {where}: install it there, or freeze the recipe alone "
            "(hydra.launcher.payload=recipe, or nph.app)"
        )
    call = job.call
    assert call is not None
    return lambda: _AppJob(paths, job, call, options, environment).run()


class _AppJob:
    """One job of an app in this process."""

    def __init__(
        self, paths: JobPaths, job: Job, call: AppCall, options: Options, environment: Mapping[str, str]
    ) -> None:
        self.paths, self.job, self.call, self.options, self.environment = paths, job, call, options, environment

    def run(self) -> Any:
        """Call the function and return what it returns; what it raises is raised."""
        from hydra.core.utils import JobRuntime, run_job, setup_globals

        from nemo_partial_hydra.composition.compat import context_of_job, set_version_base
        from nemo_partial_hydra.composition.hydra_settings import HydraSettings

        setup_globals()
        set_version_base(self.call.version_base)
        JobRuntime.instance().set("name", self.job.name)
        with self.working_directory(), session.running(session.Session(self.options.allow), trusted=True) as app:
            function = self.function()
            task = function.__wrapped__ if isinstance(getattr(function, "__wrapped__", None), Task) else function
            app.recipe = getattr(task, "recipe", None)
            config = self.read_config(app)
            JobRuntime.instance().set("num", config.hydra.job.num)
            sweep = config.hydra.sweep.dir
            HydraSettings(app.workspace).check(config, NOT_MADE, (str(self.paths.directory), sweep))
            context = context_of_job(JobCallbacks(config.hydra.callbacks))
            done = run_job(task, config, "hydra.sweep.dir", "hydra.sweep.subdir", context)
        return done.return_value

    @contextmanager
    def working_directory(self) -> Iterator[None]:
        """Be where the app was started; where nobody says so, in the job's own directory."""
        before = os.getcwd()
        if self.options.folder is not None:
            try:
                os.chdir(self.options.folder)
            except OSError as error:
                raise JobError(
                    f"{self.options.folder}: the directory that the app was started in: {error.strerror}; with "
                    "hydra.job.chdir=true the job runs in its own"
                ) from None
        try:
            yield
        finally:
            os.chdir(before)

    def function(self) -> Any:
        """Load the app's function, from its script or by the name of its module.

        Raises
        ------
        JobError
            If it is not there.
        """
        if self.call.file is not None:
            self.load_script(self.call.module, self.call.file)
        try:
            return session.workspace().policy.load(self.call.function, self.options.allow)
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{self.call.module}.".startswith(f"{error.name}."):
                raise
            raise JobError(
                f"{self.paths.job}: the app's function {self.call.function} is not found: there is no module "
                f"'{error.name}' here, nor in the directories of code ({', '.join(self.options.code) or 'none'})"
            ) from None

    def load_script(self, name: str, file: str) -> None:
        """Load a script as the module of its name, so that its classes can be found by it.

        Raises
        ------
        RefusedError
            If it has another name than its file: what may be named is decided by that name.
        JobError
            If it is not there.
        """
        if os.path.basename(file) != file or module_name(file) != name:
            raise RefusedError(f"{self.paths.job}: call: the script {file!r} is not the module '{name}'")
        for folder in self.options.code:
            path = os.path.join(folder, file)
            if not os.path.isfile(path):
                continue
            check = self.options.trust.check_of(bound=folder in self.options.bound)(folder)
            why = check(path) if check is not None else None
            if why is not None:
                raise RefusedError(f"{path}: {why}")
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return
        raise JobError(
            f"{self.paths.job}: the app's script {file} is in none of the directories of code "
            f"({', '.join(self.options.code) or 'none'}): run the job where the app is, or say where: --trust-code DIR"
        )

    def read_config(self, app: session.Session) -> Any:
        """Make the config that was frozen.

        Raises
        ------
        JobError
            If OmegaConf or Hydra does not take what the file says.
        """
        from omegaconf.errors import OmegaConfBaseException

        try:
            return self.config(app)
        except (OmegaConfBaseException, ValueError) as error:  # binascii's is a ValueError
            raise JobError(f"{self.paths.job}: call: {str(error).splitlines()[0]}") from None

    def config(self, app: session.Session) -> Any:
        """Make the config that was frozen, with Hydra's settings of this job."""
        from hydra.conf import HydraConf
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf, open_dict, read_write

        from nemo_partial_hydra.composition.frozen_config import Frozen, thawed

        from .job_settings import put_in_place, refuse_elsewhere, write_out

        def load(name: str) -> Any:
            return app.workspace.policy.load(name, self.options.allow)

        frozen = Frozen(self.call.config, dict(self.call.types), dict(self.call.values))
        made = thawed(frozen, lambda target: app.workspace.approved(target, self.options.allow), load)
        settings = OmegaConf.structured(HydraConf)
        OmegaConf.set_struct(settings, False)
        settings.merge_with(self.call.hydra)
        put_in_place(settings, self.paths, sweep_of(self.paths.directory, self.job.subdir))
        found = this_task(self.environment).id
        settings.job.id = str(found) if found is not None else f"{self.job.name}_{self.job.num}"
        settings.runtime.cwd = os.getcwd()
        with read_write(made), open_dict(made):
            made.hydra = settings
        OmegaConf.set_struct(made, True)
        OmegaConf.set_readonly(made.hydra, True)
        HydraConfig.instance().set_config(made)
        write_out(made, self.paths)
        refuse_elsewhere(made, self.paths)
        return made


class JobCallbacks:
    """The callbacks of a config, told of the job that runs here, as Hydra tells them."""

    def __init__(self, callbacks: Any) -> None:
        from nemo_partial_hydra.composition.compat import instantiated

        self.callbacks = [instantiated(each) for each in callbacks.values()] if callbacks else []

    def on_job_start(self, config: Any, **more: Any) -> None:
        """Tell all that the job begins."""
        for each in self.callbacks:
            self._tell(each, "on_job_start", config=config, **more)

    def on_job_end(self, config: Any, **more: Any) -> None:
        """Tell all, the last first, that it has ended."""
        for each in reversed(self.callbacks):
            self._tell(each, "on_job_end", config=config, **more)

    @staticmethod
    def _tell(callback: Any, name: str, **what: Any) -> None:
        method = getattr(callback, name)
        known = inspect.signature(method).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            what = {key: value for key, value in what.items() if key in known}
        try:
            method(**what)
        except Exception as error:  # a callback does not decide what becomes of a job
            who, what_kind = f"{type(callback).__name__}.{name}", type(error).__name__
            warnings.warn(f"Callback {who} raised {what_kind}: {error}", stacklevel=2)
