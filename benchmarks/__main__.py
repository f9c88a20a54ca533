"""``python -m benchmarks [NAME...]``: each in a process of its own, or all of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from benchmarks.measure import ROOT

ALL = {
    "importing": False,
    "roundtrip": True,
    "composing": False,
    "listing": False,
    "browsing": False,
    "learnt": False,
    "shipped": False,
    "freezing": False,
    "status": False,
    "results": False,
    "scale": False,
    "overhead": False,
}
"""The benchmarks, and whether they need NeMo."""


def main(names: list[str]) -> int:
    """Run the benchmarks and return 1 if a target was missed, 2 if one cannot be run."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark '{unknown[0]}'; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    chosen = names or list(ALL)
    if importlib.util.find_spec("nemo") is None and any(ALL[name] for name in chosen):
        print("roundtrip needs an environment with NeMo: make bench has one", file=sys.stderr)
        return 2
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode
        for name in chosen
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
