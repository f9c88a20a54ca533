"""What submitit's executors have in common here: how it is imported, and the interpreter that it starts.

May import: submitit. Other modules import this one inside functions.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from pathlib import Path

from nemo_partial_hydra.launchers.settings import Settings

__all__ = ("VERSION", "DelayedSubmission", "JobPaths", "LocalExecutor", "SlurmExecutor", "host_python")

# submitit configures logging when it is imported, and that closes every handler of the process: the log file of who
# uses this package as a library, or a stream that absl writes to. With this variable it does not.
_before = os.environ.get("SUBMITIT_LOG_LEVEL")
os.environ["SUBMITIT_LOG_LEVEL"] = "NOCONFIG"
try:
    import submitit
    from submitit.core.utils import DelayedSubmission, JobPaths
    from submitit.local.local import LocalExecutor
    from submitit.slurm.slurm import SlurmExecutor
finally:
    del os.environ["SUBMITIT_LOG_LEVEL"]
    if _before is not None:
        os.environ["SUBMITIT_LOG_LEVEL"] = _before

VERSION = str(submitit.__version__)


def host_python(settings: Settings) -> str:
    """Return the command of the host's interpreter, quoted for a shell, with this package where it can be found."""
    python = str(settings.resources.get("python") or sys.executable)
    root = str(Path(__file__).resolve().parents[3])
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    if os.path.realpath(root) in installed:
        return shlex.quote(python)
    # A source tree: the job's process must find it too, wherever the launching one had it from.
    known = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return shlex.join(["env", f"PYTHONPATH={os.pathsep.join(dict.fromkeys([root, *known]))}", python])
