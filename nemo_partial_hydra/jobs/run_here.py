"""Running the jobs of a directory on this machine, each in a process of its own, and one line about each.

May import: the standard library and PyYAML (through ``dialect.yaml``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nemo_partial_hydra.errors import ExitCode, JobError, RecipeError, RefusedError
from nemo_partial_hydra.messages import Shown, say
from nemo_partial_hydra.policy.policy import report
from nemo_partial_hydra.runtime import session

from . import files, folders, seal, search_path
from .app_call import APP
from .heads import Head
from .job import Job, read_head, read_job
from .job_names import modules_of, refused
from .layout import JobPaths, find_jobs
from .outcome import keep_status, read_result
from .ownership import NO_TRUST, Trust, note, way_out
from .runner import next_attempt, refuse_done
from .search_path import only_in
from .signers import Signers
from .signing import signed
from .status import CANCELLED, DONE, FAILED, RUNNING, Status, now, read_status, read_to_write, seconds_between
from .steps_before import NotReady, StepsBefore

_START = str(Path(__file__).resolve().with_name("start.py"))
_WIDTH = 160
_WORST_FIRST = (ExitCode.INTERRUPTED, ExitCode.FAILED, ExitCode.REFUSED, ExitCode.USAGE)


@dataclass(frozen=True)
class Ran:
    """How one job went here: the exit code of its process, and the line about it."""

    code: int
    line: str


def run_here(
    directory: str,
    *,
    allow: Sequence[str] = (),
    force: bool = False,
    trust: Trust = NO_TRUST,
    signers: Signers | None = None,
) -> int:
    """Run the job of a directory, or all of a sweep's that are not done, in the order of their numbers.

    Modules of the current directory are found last, unless that is where the jobs themselves come from.

    Parameters
    ----------
    trust : directories whose code is trusted whoever they belong to.
    signers : whose signatures the jobs must have.


    Returns
    -------
    The worst exit code that one of them ended with: interrupted, then failed, refused, not readable.

    Raises
    ------
    JobError
        If there is no job.
    RefusedError
        If it is one job and it is done already, or one that is to run has no such signature.
    """
    jobs = find_jobs(directory)
    alone = len(jobs) == 1 and jobs[0].directory == Path(os.path.abspath(directory))
    seal.require_key()  # without one the jobs run all the same
    waiting = [paths for paths in jobs if force or alone or read_status(paths).state != DONE]
    if not waiting:
        say(f"{directory}: all {len(jobs)} jobs are done; to run them again: --force")
        return ExitCode.DONE
    vouched = signed(waiting, signers, directory)
    here = _Code.here(Path(os.path.abspath(directory)), trust)
    codes = []
    for paths in waiting:
        ran = _run(paths, allow, force, vouched.get(paths), shown=alone, here=here)
        say(ran.line, flush=True, file=sys.stdout if ran.code == ExitCode.DONE else sys.stderr)
        codes.append(ran.code)
        if ran.code == ExitCode.INTERRUPTED:
            break
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.DONE)


@dataclass(frozen=True)
class _Code:
    """The current directory as one of code; ``why`` it is none, and ``trusted`` by ``--trust-code`` alone."""

    folder: str
    used: bool = False
    trusted: bool = False
    why: str | None = None

    @staticmethod
    def here(root: Path, trust: Trust) -> _Code:
        here = Path.cwd()
        if here == root or root in here.parents or here == here.parent:
            return _Code(str(here))
        why = trust.finding(str(here))
        if why is not None and any(here.glob("*.py")):
            say(note(str(here), why), file=sys.stderr)
        return _Code(str(here), why is None, trust.covers(str(here)), why)

    def options(self, job: Job) -> list[str]:
        """Return the arguments by which a job gets it.

        Raises
        ------
        RefusedError
            If the job needs it and it is not trusted.
        """
        if self.why is not None:
            missing = only_in(self.folder, modules_of(job))
            if missing:
                raise RefusedError(way_out(self.folder, self.why, missing))
        trusted = [f"--trust-code={self.folder}"] if self.trusted else []
        return [f"--code={self.folder}", *trusted] if self.used else []


def _run(paths: JobPaths, allow: Sequence[str], force: bool, digest: str | None, *, shown: bool, here: _Code) -> Ran:
    try:
        folders.refuse_foreign(paths.root, paths.directory)
        head = read_head(paths)
        refuse_done(paths, force)
        # A word that is missing costs no attempt.
        job = read_job(paths, digest=digest)
        report(refused(job, session.workspace().policy, allow))
        found = here.options(job)
        attempt = next_attempt(paths, force)
        if job.step is not None:
            StepsBefore(paths, job.subdir, job.step).refuse_unready()
    except NotReady as error:
        reason = str(error).partition(": ")[2]
        keep_status(paths, Status(CANCELLED, attempt, ended=now(), reason=reason))
        return Ran(error.exit_code, f"{head.title}: cancelled: {reason}")
    except RecipeError as error:
        return Ran(error.exit_code, f"Error: {error}")
    command = [sys.executable, _START, str(paths.directory), "--attempt", str(attempt), f"--digest={job.digest}"]
    command += [f"--sweep={paths.sweep}"] if paths.sweep is not None else []
    command += [word for prefix in allow for word in ("--allow", prefix)] + (["--force"] if force else [])
    command += [f"--folder={os.getcwd()}"] if job.payload == APP else []  # an app runs where it is started
    code = _process([*command, *found], paths, attempt, shown=shown)
    status = read_status(paths)
    if status.state == RUNNING and status.attempt == attempt:  # it was killed: nobody else can say so
        status = read_to_write(paths)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        status = Status(
            FAILED, attempt, status.submitted, status.started, now(), status.host, status.pid, status.slurm,
            int(ExitCode.FAILED), None, status.requeues, f"the process ended without a word: {how}",
        )  # fmt: skip
        keep_status(paths, status)
        code = ExitCode.FAILED
    return Ran(code if code >= 0 else ExitCode.FAILED, _line(paths, head, status, attempt, code))


def _process(command: Sequence[str], paths: JobPaths, attempt: int, *, shown: bool) -> int:
    """Run a job's process with its output in the attempt's logs; Ctrl-C reaches it, and is waited for."""
    try:
        folders.make(paths.root, paths.attempt(attempt))
        below, out_log, err_log = paths.root, paths.out(attempt), paths.err(attempt)
        with files.open_log(below, out_log) as out, files.open_log(below, err_log) as err:
            pipe = subprocess.PIPE if shown else None
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=pipe or out, stderr=pipe or err,
                env={**_environment(), **paths.sealed_by.handed_over(attempt)},
            )  # fmt: skip
            threads = []
            if process.stdout is not None and process.stderr is not None:
                for source, log, screen in ((process.stdout, out, sys.stdout), (process.stderr, err, sys.stderr)):
                    threads.append(threading.Thread(target=_copy, args=(source, log, screen)))
                    threads[-1].start()
            interrupted = False
            while True:
                try:
                    code = process.wait()
                    break
                except KeyboardInterrupt:  # the terminal has sent it to the job as well
                    interrupted = True
            for thread in threads:
                thread.join()
            return ExitCode.INTERRUPTED if interrupted else code
    except OSError as error:
        raise JobError(f"{paths.attempt(attempt)}: {error.strerror}") from error


def _copy(source: IO[bytes], log: IO[bytes], screen: Any) -> None:
    """Copy a job's output into its log and to the terminal, as it comes."""
    shown = Shown(screen, colours=screen.isatty(), returns=True)
    while part := source.read1(1 << 16):  # type: ignore[attr-defined]  # a pipe has it
        log.write(part)
        log.flush()
        shown.write(part)
        shown.flush()
    shown.end()


def _environment() -> Mapping[str, str]:
    """Return the runner's own variables; an empty entry of PYTHONPATH would be the current directory."""
    known = os.environ.get("PYTHONPATH")
    return os.environ if known is None else {**os.environ, "PYTHONPATH": search_path.absolute(known)}


def _line(paths: JobPaths, head: Head, status: Status, attempt: int, code: int) -> str:
    """Say in one line how a job went."""
    what = f"{head.title} {' '.join(head.overrides)}".strip()
    if status.attempt != attempt:
        return f"{what}: refused, see {os.path.relpath(paths.err(attempt))}"
    took = seconds_between(status.started, status.ended)
    spent = "" if took is None else f" ({took:.1f} s)"
    if status.state == DONE:
        return _cut(f"{what}: done{spent}: {_shown(read_result(paths))}")
    why = status.why or f"exit code {code}"
    return f"{_cut(f'{what}: {status.state}{spent}: {why}')}; see {os.path.relpath(paths.err(attempt))}"


def _shown(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
