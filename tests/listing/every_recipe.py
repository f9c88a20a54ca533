"""The law of the listing for every recipe of the shipped library: ``python -m tests.listing.every_recipe [NAME ...]``.

It takes many minutes, so it is run by hand, where NeMo is installed; ``test_laws`` tries a dozen of NeMo's recipes.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from hydra import compose, initialize

import nemo_partial_hydra
from tests.support.apps import VERSION_BASE
from tests.support.overriding import check_every_path

LIBRARY = Path(nemo_partial_hydra.__file__).parent / "nemo_library"


def check(name: str) -> tuple[str, int, str]:
    """Override every path of a recipe; return its name, how many paths there are, and what is wrong."""
    group, _, option = name.rpartition("/")

    def composed(texts: Sequence[str]) -> Any:
        with initialize(config_path=None, **VERSION_BASE):
            return compose(None, overrides=[f"+{group}@recipe={option}", *texts])

    warnings.simplefilter("ignore")
    try:
        count = check_every_path(
            composed, node="torch.nn.Identity", name="torch.nn.functional.gelu", allow=("trust_remote_code",),
            place="recipe",
        )  # fmt: skip
    except Exception:
        return name, 0, traceback.format_exc(limit=-2)
    return name, count, ""


def main(names: Sequence[str]) -> int:
    """Check recipes, all by default; return how many fail."""
    names = names or sorted(str(path.relative_to(LIBRARY).with_suffix("")) for path in LIBRARY.rglob("*/*.yaml"))
    total = failed = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (name, count, wrong) in enumerate(pool.map(check, names), 1):
            total, failed = total + count, failed + bool(wrong)
            print(f"{done}/{len(names)} {name}: {wrong[:2000] or count}", flush=True)
    print(f"{len(names)} recipes, {total} paths, {failed} recipes fail")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
