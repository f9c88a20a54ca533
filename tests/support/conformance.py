"""What Hydra's suite for launchers needs to run jobs in other processes without pickles: its functions by a name.

The suite hands launchers functions that its tests define inside of themselves.  The same code objects stand here at the
top level of a module, as functions of an app do.  ``python -m tests.support.conformance COMMAND...`` runs a command
that freezes a sweep, then the sweep's jobs, for ``hydra/launcher=freeze``.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.test_utils import launcher_common_tests
from hydra.test_utils.test_utils import SweepTaskFunction

from nemo_partial_hydra.jobs.layout import job_paths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.run_here import run_here
from nemo_partial_hydra.jobs.status import DONE, read_status
from nemo_partial_hydra.launchers.failure import failure

Plugins.instance()  # the suite puts Hydra's state back after each test: what plugins register has to be in it


def hundred(cfg: Any) -> int:
    """Return what the suite expects where a test brings no function."""
    return 100


def _lifted(test: str, name: str) -> Callable[[Any], Any]:
    """Return the function that a test of the suite defines, as one of this module; without it, one like ``hundred``."""
    found = getattr(launcher_common_tests.LauncherTestSuite, test, None)
    codes = [each for each in found.__code__.co_consts if isinstance(each, CodeType)] if found is not None else []
    made = FunctionType(codes[0], vars(launcher_common_tests)) if codes else FunctionType(hundred.__code__, globals())
    made.__module__, made.__qualname__ = __name__, name
    return made


always = _lifted("get_task_function", "always")
resolved = _lifted("test_sweep_with_custom_resolver", "resolved")
failing = _lifted("test_failure_preserves_task_traceback", "failing")
NAMED = {function.__code__: function for function in (always, resolved, failing)}


class NamedSweep(SweepTaskFunction):
    """A sweep of the suite whose function has a name; with the launcher ``freeze`` its jobs are run afterwards."""

    def __enter__(self) -> NamedSweep:
        """Run the sweep."""
        function = NAMED[self.task_function.__code__] if self.task_function is not None else hundred
        functools.update_wrapper(self, function)
        SweepTaskFunction.__enter__(self)
        if "hydra/launcher=freeze" in (self.overrides or []):
            self.run_frozen()
        return self

    def run_frozen(self) -> None:
        """Run what was frozen, and put what came of it where the launcher said what was frozen."""
        returns: Any = self.returns
        run_here(str(self.temp_dir), allow=[__name__, "hydra"])
        for batch in returns:
            for each in batch:
                job = job_paths(each.return_value.directory)
                status = read_status(job)
                each.status = JobStatus.COMPLETED if status.state == DONE else JobStatus.FAILED
                each.return_value = read_result(job) if status.state == DONE else failure("", status.error)


def main(command: list[str]) -> int:
    """Run a command that freezes jobs, then those jobs."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    found = re.search(r"nemo-hydra run (\S+)", done.stdout)
    if done.returncode or found is None:
        return done.returncode or 1
    return run_here(str(Path(found[1]).absolute()), allow=[Path(command[1]).stem], force=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
