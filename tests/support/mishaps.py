"""What frozen jobs run in the drills: each notes in a ledger that it was started; standard library only.

The ledger is what shows that no job is lost and none runs twice: a line a start, appended in one write.
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import time
from typing import Any


def _note(ledger: str, name: str) -> None:
    with open(ledger, "ab", buffering=0) as file:
        file.write(f"{name}\n".encode())


def noted(name: str, ledger: str) -> str:
    """Return at once."""
    _note(ledger, name)
    return name


def held(name: str, ledger: str, gate: str = "gate") -> str:
    """Go on when the gate is opened: a file beside the ledger."""
    _note(ledger, name)
    _pass(ledger, gate)
    return name


def _pass(ledger: str, gate: str) -> None:
    file = pathlib.Path(ledger).parent / gate
    while not file.exists():
        time.sleep(0.05)


def raises(name: str, ledger: str, message: str) -> None:
    """Fail as recipes do."""
    _note(ledger, name)
    raise ValueError(message)


def needs(name: str, ledger: str, file: str) -> str:
    """Read a file beside the ledger, which somebody may have forgotten."""
    _note(ledger, name)
    return (pathlib.Path(ledger).parent / file).read_text()


def killed(name: str, ledger: str) -> None:
    """Die without a word, as by an operator's hand."""
    _note(ledger, name)
    os.kill(os.getpid(), signal.SIGKILL)


def hungry(name: str, ledger: str, gb: int) -> int:
    """Take much memory at once."""
    _note(ledger, name)
    return len(bytearray(b"x" * (gb * 10**9)))


def fills(name: str, ledger: str, gate: str, fails: bool = False) -> str:
    """Write into the job's directory until nothing goes in any more."""
    _note(ledger, name)
    _pass(ledger, gate)
    try:
        with open("filler", "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        pass
    if fails:
        raise ValueError("the checkpoint is not whole")
    return "what came of it"


def where(name: str, ledger: str) -> dict[str, Any]:
    """Return which interpreter runs, and which of the host's packages it sees."""
    _note(ledger, name)
    found = [each for each in ("hydra", "omegaconf", "submitit") if _importable(each)]
    return {"python": list(sys.version_info[:2]), "found": found}


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def one_raises(name: str, ledger: str, rank: int) -> None:
    """Fail in one process; the others would wait for ever."""
    _note(ledger, name)
    if os.environ["SLURM_PROCID"] == str(rank):
        raise ValueError(f"rank {rank} has no data")
    _pass(ledger, "never")


def one_hangs(name: str, ledger: str, rank: int) -> str:
    """Return at once, but for one process that never does, whatever it is told."""
    _note(ledger, name)
    if os.environ["SLURM_PROCID"] == str(rank):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _pass(ledger, "never")
    return name


def with_others(name: str, ledger: str, gate: str = "gate") -> str:
    """Note the node that each process runs on, and go on when the gate is opened."""
    _note(ledger, f"{name}:{os.environ['SLURMD_NODENAME']}")
    _pass(ledger, gate)
    return name
