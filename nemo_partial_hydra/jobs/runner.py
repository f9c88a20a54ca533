"""Running one frozen job in this process: the checks first, then the claim, the recipe, its result and status.

May import: the standard library and PyYAML (through ``dialect.yaml``), so that it works in an image that has no more;
of the recipe's targets what policy allows. A job is refused for its hash, by the policy, for drift, because it is
done already or because another process runs it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import Any, cast

from nemo_partial_hydra.errors import ExitCode, JobError, PolicyError, RecipeError, RefusedError
from nemo_partial_hydra.messages import say
from nemo_partial_hydra.policy.policy import report
from nemo_partial_hydra.runtime import session

from . import claim, files, folders, ranks, seal, search_path
from .app_call import APP, RECIPE
from .job import read_job
from .job_id import this_task
from .job_names import refused
from .layout import JobPaths, job_paths
from .outcome import error_record, keep_result, keep_status, print_error
from .ownership import NO_TRUST, Trust, way_out
from .recipe_call import call_recipe, checked_recipe
from .signals import AttemptSignals, Terminated
from .status import (
    CANCELLED,
    DONE,
    FAILED,
    RETRIED,
    RUNNING,
    SUBMITTED,
    Status,
    last_attempt,
    now,
    read_status,
    read_to_write,
)  # fmt: skip
from .steps_before import SEEN_S, NotReady, StepsBefore

_PREPARES = {APP: "nemo_partial_hydra.app.in_job"}
"""What prepares a job that is no recipe: it needs more than the standard library, so only such a job imports it."""


@dataclass(frozen=True)
class Options:
    """How a job is to be run.

    Parameters
    ----------
    attempt : its number; None takes the next one.
    allow : dotted names that the recipe may name.
    force : run a job that is done once more.
    payload_signal : how the recipe is told to end.
    digest : that of job.yaml; None takes whatever file there is.
    code : directories of the recipe's own modules.
    folder : the directory that an app's function is called in; None for the job's own.
    bound : those of them that were bound into this container.
    trust : directories whose code is trusted whoever they belong to.
    """

    attempt: int | None = None
    allow: tuple[str, ...] = ()
    force: bool = False
    payload_signal: signal.Signals = signal.SIGTERM
    digest: str | None = None
    code: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    trust: Trust = NO_TRUST
    folder: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that a command line names; return the exit code."""
    seals = seal.handed(os.environ)  # before anything of the job could see it
    # With a width of its own argparse does not import shutil, which every job would pay for.
    plain = partial(argparse.HelpFormatter, width=100)
    parser = argparse.ArgumentParser(prog="start.py", description="Run one frozen job.", formatter_class=plain)
    parser.add_argument("directory", metavar="JOBDIR")
    parser.add_argument("--sweep", metavar="DIR", help="the sweep that it is in; no link is followed from there on")
    parser.add_argument("--attempt", type=int, metavar="N", help="the attempt, from 1; by default the next one")
    parser.add_argument("--allow", action="append", default=[], metavar="PREFIX", help="dotted name recipes may name")
    parser.add_argument("--force", action="store_true", help="run a job that is done once more")
    parser.add_argument("--digest", metavar="sha256:...", help="that of job.yaml; another file is refused")
    parser.add_argument("--folder", metavar="DIR", help="where an app's function is called")
    parser.add_argument("--payload-signal", default="SIGTERM", metavar="NAME", help="how the recipe is told to end")
    for name, text in (
        ("--code", "directory of the recipe's own modules"),
        ("--bound-code", "the same, bound into this container"),
        ("--trust-code", "directory whose code is trusted whoever it belongs to"),
    ):
        parser.add_argument(name, action="append", default=[], metavar="DIR", help=text)
    given = parser.parse_args(arguments)
    try:
        asked = signal.Signals[given.payload_signal]
    except KeyError:
        parser.error(f"--payload-signal: there is no signal '{given.payload_signal}'")
    code, bound = (tuple(map(os.path.abspath, each)) for each in (given.code, given.bound_code))
    trust = Trust.known(given.trust_code)
    options = Options(
        given.attempt, tuple(given.allow), given.force, asked, given.digest, (*code, *bound), bound, trust, given.folder
    )
    paths = dataclasses.replace(job_paths(given.directory, given.sweep), seals=seals)
    try:
        return run_job(paths, options)
    except RecipeError as error:
        say(f"Error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def run_job(paths: JobPaths, options: Options, environment: Mapping[str, str] = os.environ) -> int:
    """Run a job in this process, whose working directory and signal handlers become the job's.

    Raises
    ------
    RefusedError, PolicyError
        If it must not run; with an attempt given, its status says so too.
    JobError, ValidationError
        If it cannot run: job.yaml is damaged, a variable is not set, a target does not take a value.
    """
    folders.refuse_foreign(paths.root, paths.directory)
    me = claim.myself(environment)
    rank = this_task(environment).rank
    attempt = options.attempt or next_attempt(paths, options.force)
    if rank == 0:
        refuse_done(paths, options.force)
    try:
        call = checked(paths, options, environment)
    except RecipeError as error:
        if options.attempt is not None and rank == 0:
            claim.take(paths, attempt, me)
            keep_status(paths, _refused(_started(paths, attempt, me), error))
        elif options.attempt is not None:
            ranks.keep(paths, attempt, rank, error_record(error))
        raise
    if rank:
        claim.wait_for(paths, attempt, me)
    else:
        claim.take(paths, attempt, me)
        refuse_done(paths, options.force)  # another attempt may have ended since
    _enter(paths, options.code)
    if rank:
        return ranks.run(paths, attempt, rank, call, options.payload_signal)
    return _run(paths, _started(paths, attempt, me), call, options)


def next_attempt(paths: JobPaths, force: bool) -> int:
    """Return the attempt that a process takes which was told none.

    Raises
    ------
    RefusedError
        If the job is in a queue or another process runs it.
    """
    status = read_status(paths)
    attempt = max(status.attempt, last_attempt(paths))
    if status.state == SUBMITTED and not force:
        raise RefusedError(
            f"{paths.directory}: the job waits in a queue{_job_of(status)}; cancel it there first "
            f"(nemo-hydra cancel {quote(str(paths.directory))}), or run it here with --force"
        )
    held = claim.holder(paths, attempt)
    if held is None:
        return attempt
    ended = status.attempt == attempt and (status.state in RETRIED or status.state == DONE)
    if not ended and held.alive() is not False:
        raise RefusedError(
            f"{paths.directory}: attempt {attempt} is run by {held.spell()}; if that one is dead, try again with "
            f"nemo-hydra retry {quote(str(paths.directory))}"
        )
    return attempt + 1


def _job_of(status: Status) -> str:
    found = status.job_id
    return f" ({found.title} job {found})" if found else ""


def refuse_done(paths: JobPaths, force: bool) -> None:
    """Refuse a job that is done.

    Raises
    ------
    RefusedError
        If it is done and nobody asked for it once more.
    """
    if not force and read_status(paths).state == DONE:
        raise RefusedError(
            f"{paths.directory}: the job is done, its result is in {paths.result.name}; to run it again: --force"
        )


def checked(paths: JobPaths, options: Options, environment: Mapping[str, str]) -> Callable[[], Any]:
    """Read a job and check all that can be checked before it runs; return what it does then.

    That is its digest and hash, the policy, and of a recipe its drift and values.
    """
    # What a job imports it needs anyway, and ten thousand of them would write into one home.
    os.environ.setdefault("NPH_CACHE", "0")
    job = read_job(paths, digest=options.digest)
    report(refused(job, session.workspace().policy, options.allow))
    if job.step is not None:
        StepsBefore(paths, job.subdir, job.step).refuse_unready(SEEN_S if options.attempt is not None else 0)
    use_code(options)
    if job.payload != RECIPE:
        prepare = importlib.import_module(_PREPARES[job.payload]).prepared
        return cast("Callable[[], Any]", prepare(paths, job, options, environment))
    tree = checked_recipe(paths, job, options.allow, environment)
    return lambda: call_recipe(tree, options.allow, job.step)


def use_code(options: Options) -> None:
    """Put the directories of the recipe's own modules at the end of ``sys.path``, once nothing speaks against the job.

    Raises
    ------
    RefusedError
        If somebody else may have put something there by now.
    """
    for folder in options.code:
        bound = folder in options.bound
        why = options.trust.finding(folder, bound=bound)
        if why is not None:
            raise RefusedError(way_out(folder, why))
        search_path.append([folder], options.trust.check_of(bound=bound))


def _enter(paths: JobPaths, code: Sequence[str]) -> None:
    """Make the job's directory the working directory, of which no module is imported, here or in processes of ours."""
    own = str(paths.directory)
    sys.path[:] = [folder for folder in map(os.path.abspath, sys.path) if folder != own]
    try:
        with folders.folder(paths.root, paths.directory) as handle:
            os.chdir(handle)
        search_path.prepare_children(os.environ, code, os.getcwd())
    except OSError as error:
        raise JobError(f"{own}: {error.strerror}") from error


def _started(paths: JobPaths, attempt: int, me: claim.Holder) -> Status:
    before = read_to_write(paths)
    same = before.attempt == attempt
    return Status(
        RUNNING,
        attempt,
        submitted=before.submitted if same else None,
        started=now(),
        host=me.host,
        pid=me.pid,
        slurm=me.slurm or (before.slurm if same else None),
        requeues=me.restart,
    )


def _ended(status: Status, state: str, code: int, error: Any = None, reason: str | None = None) -> Status:
    return dataclasses.replace(status, state=state, ended=now(), exit_code=int(code), error=error, reason=reason)


def _refused(status: Status, error: RecipeError) -> Status:
    """Return the status of a job that did not begin; a step whose need is not done is as good as cancelled."""
    if isinstance(error, NotReady):
        return _ended(status, CANCELLED, error.exit_code, reason=str(error).partition(": ")[2])
    return _ended(status, FAILED, error.exit_code, error_record(error))


def _run(paths: JobPaths, status: Status, call: Callable[[], Any], options: Options) -> int:
    """Run the recipe as the job's first task, and write how it went; return the exit code."""
    keep_status(paths, status)
    final = _outcome(paths, status, call, options)
    recorded = keep_status(paths, final)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = final.exit_code if final.exit_code is not None else ExitCode.FAILED
    return code if recorded else code or ExitCode.FAILED


def _outcome(paths: JobPaths, status: Status, call: Callable[[], Any], options: Options) -> Status:
    """Call the recipe and keep its result; return the job's last status."""
    signals = AttemptSignals(paths, status.attempt, options.payload_signal)

    def interrupted(reason: str | None = None) -> Status:
        return _ended(status, signals.state, ExitCode.INTERRUPTED, reason=reason or signals.reason)

    # Written at once, since what the recipe cleans up may take longer than the time that is left.
    try:
        with signals.handled(lambda: keep_status(paths, interrupted())):
            value = call()
        reason = keep_result(paths, value)
        if signals.time_is_up or files.exists(paths.root, paths.notice(status.attempt)):
            return interrupted(reason or "the recipe ended after it was told that its time is up")
        return _ended(status, DONE, ExitCode.DONE, reason=reason)
    except (Terminated, KeyboardInterrupt) as error:
        other = ranks.failure(paths, status.attempt)
        if other is not None:
            return _ended(status, FAILED, ExitCode.FAILED, other.error, other.reason)
        if isinstance(error, Terminated):
            return interrupted()
        return _ended(status, CANCELLED, ExitCode.INTERRUPTED, reason="interrupted")
    except SystemExit as error:
        return _exited(status, error)
    except BaseException as error:  # whatever a recipe raises is its result, and is recorded
        print_error(error)
        code = ExitCode.REFUSED if isinstance(error, PolicyError) else ExitCode.FAILED
        return _ended(status, FAILED, code, error_record(error))


def _exited(status: Status, error: SystemExit) -> Status:
    """Record a recipe that called ``sys.exit``."""
    if error.code in (None, 0):
        return _ended(status, DONE, ExitCode.DONE, reason="the recipe called sys.exit()")
    if isinstance(error.code, str):
        say(error.code, file=sys.stderr, flush=True)
    return _ended(status, FAILED, ExitCode.FAILED, error_record(error), f"the recipe called sys.exit({error.code!r})")
