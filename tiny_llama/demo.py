"""The main job on one machine: two Hugging Face models to NeMo, every tensor compared.

``make run`` runs this module. It makes the Hugging Face folders, starts ``import.py -m`` for both
models as a user would, reads the ``result.json`` of each job and ends with one table. It exits
with 0 only if every tensor of every model equals its source. Paths are relative to the current
directory, which must be the one that holds ``import.py``.

This process imports neither NeMo nor Hydra: all that is shown comes from the files the jobs wrote.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tiny_llama.checkpoints import SHAPES, make
from tiny_llama.compare import Comparison, compare

SCRIPT = Path("import.py")
HF_ROOT = Path("work/hf")
SWEEPS = Path("work/multirun")
MODELS = tuple(SHAPES)


class DemoError(Exception):
    """The demonstration cannot go on; the message is what the user is told."""


@dataclass(frozen=True)
class Conversion:
    """One job of the sweep: what its ``result.json`` says and what the comparison found."""

    model: str
    output: Path
    seconds: float
    comparison: Comparison


def main() -> int:
    """Run the demonstration; return the exit code of the process."""
    # Into a file rich would fold the table at 80 columns, in the middle of the paths.
    console = Console(width=None if sys.stdout.isatty() else 120)
    started = time.monotonic()
    try:
        conversions = run(console)
    except DemoError as error:
        # Not through rich: it would break the line at the width of the terminal.
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"demo: {error}; this needs NeMo's environment, see README.md", file=sys.stderr)
        return 1
    console.print(_table(conversions))
    wrong = [item for item in conversions if item.comparison.differing]
    for item in wrong:
        names = item.comparison.differing
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        print(f"demo: {item.model} differs in {', '.join(names[:5])}{more}", file=sys.stderr)
    if wrong:
        return 1
    print(f"every tensor equals its source ({time.monotonic() - started:.0f} s)")
    return 0


def run(console: Console) -> list[Conversion]:
    """Make the folders, convert them in one sweep and compare the results.

    Parameters
    ----------
    console : Console
        Where the progress lines go.

    Returns
    -------
    list of Conversion
        One for each model, in the order of `MODELS`.

    Raises
    ------
    DemoError
        If ``import.py`` is missing or fails, or leaves something unreadable.
    ImportError
        If torch, transformers, tokenizers or megatron-core is not installed.
    """
    if not SCRIPT.is_file():
        raise DemoError(f"no {SCRIPT} in {Path.cwd()}: start this where {SCRIPT} is")

    _step(console, 1, f"Hugging Face folders in {HF_ROOT}: {', '.join(MODELS)}")
    make(HF_ROOT)

    sweep = _fresh_sweep()
    command = [sys.executable, str(SCRIPT), "-m"]
    command += [f"model={','.join(MODELS)}", f"hydra.sweep.dir={sweep}"]
    shown = shlex.join([Path(command[0]).name, *command[1:]])
    _step(console, 2, f"{shown} (loading NeMo takes 15 to 35 s)")
    _run_streaming(command)

    _step(console, 3, "comparing every tensor with its source")
    return [_conversion(model, sweep / str(number)) for number, model in enumerate(MODELS)]


def _step(console: Console, number: int, text: str) -> None:
    console.print(f"[{number}/3] {text}", markup=False, highlight=False, soft_wrap=True)


def _fresh_sweep() -> Path:
    """Make a directory of this run's own, so that no older result can be taken for a new one."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in range(100):
        sweep = SWEEPS / (f"{stamp}_{number}" if number else stamp)
        try:
            sweep.mkdir(parents=True)
        except FileExistsError:
            continue
        return sweep
    raise DemoError(f"no free directory name in {SWEEPS}")


def _run_streaming(command: Sequence[str]) -> None:
    """Run `command` with its output going straight to ours."""
    sys.stdout.flush()
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DemoError(f"{command[1]} ended with exit code {code}; its own message is above")


def _conversion(model: str, job: Path) -> Conversion:
    result = _read_result(job / "result.json")
    if result["model"] != model:
        raise DemoError(f"{job}/result.json is of {result['model']!r}, expected {model!r}")
    output = Path(result["output"])
    try:
        comparison = compare(HF_ROOT / model, output)
    except FileNotFoundError as error:
        raise DemoError(f"{model}: {error}") from error
    return Conversion(model, output, float(result["seconds"]), comparison)


def _read_result(path: Path) -> dict[str, Any]:
    """Read what a job says of itself: ``model``, ``source``, ``output``, ``seconds``."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DemoError(f"{path}: {error}") from error
    wanted, result = {"model", "output", "seconds"}, found.get("result") if isinstance(found, dict) else None
    if not isinstance(result, dict) or not wanted <= result.keys():
        raise DemoError(f"{path}: expected a result with {', '.join(sorted(wanted))}")
    return result


def _table(conversions: Sequence[Conversion]) -> Table:
    table = Table(title="Hugging Face to NeMo, on CPU")
    table.add_column("model", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("output folder", overflow="fold")
    table.add_column("tensors equal", justify="right", no_wrap=True)
    for item in conversions:
        found = item.comparison
        table.add_row(
            item.model,
            f"{found.parameters:,}",
            f"{item.seconds:.1f}",
            str(_relative(item.output)),
            f"{found.equal}/{found.tensors}",
            style="red" if found.differing else None,
        )
    return table


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
