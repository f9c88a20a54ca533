"""Factories that give a plain dataclass instead of a ``run.Config`` are exported as those are."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.export import places
from nemo_partial_hydra.libraries import manifest
from tests.support.recipes import nemo_hydra, python, write

pytestmark = pytest.mark.matrix

SHAPES = """
import collections
import functools
import signal
from dataclasses import dataclass, field
from typing import Any, Callable


def spec(config: Any, deep: bool = False) -> str:
    return f"{config} {deep}"


@dataclass
class Scheduler:
    warmup: int = 0


@dataclass
class RunConfig:
    scheduler: Scheduler
    stop: int = signal.SIGTERM
    spec: Callable[..., str] = functools.partial(spec, deep=True)
    found: dict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))
"""

RECIPES = '''
"""Recipes."""
from shapes.config import RunConfig, Scheduler


def tiny_pretrain_config(warmup: int = 2) -> RunConfig:
    """Pretrain something tiny."""
    return RunConfig(Scheduler(warmup))


def tiny_sft_config() -> "RunConfig":
    """Tune it."""
    config = tiny_pretrain_config()
    config.scheduler.min_lr = 1e-5
    return config


def odd_config() -> Scheduler:
    return "none"


def needs_config(size: int) -> RunConfig:
    return RunConfig(Scheduler(size))


def far_config() -> RunConfig:
    try:
        raise ConnectionResetError("no route")
    except OSError as error:
        raise ValueError("cannot load acme/model") from error


def helper() -> int:
    return 3
'''

APP = """
import sys

import nemo_partial_hydra as nph


@nph.main(config_path=None, config_name=None, allow=["shapes"])
def main(cfg):
    made = nph.run(cfg)
    from shapes.recipes import tiny_sft_config

    print(made == tiny_sft_config(), type(made.found).__name__, made.scheduler, made.spec.keywords)
    assert "nemo_run" not in sys.modules and "fiddle" not in sys.modules


main()
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A package with recipes, exported; a module of it that does not mention any must not be imported."""
    write(tmp_path, "shapes/__init__.py", "")
    write(tmp_path, "shapes/config.py", SHAPES)
    write(tmp_path, "shapes/recipes.py", RECIPES)
    write(tmp_path, "shapes/other.py", "raise SystemExit('imported')\n")
    done = nemo_hydra(tmp_path, "export", "shapes", "-o", "lib")
    assert done.code == 1, done.err
    write(tmp_path, "said", done.err)
    return tmp_path / "lib"


def test_they_are_written_and_the_others_listed(library: Path) -> None:
    found = manifest.read(str(library))
    assert set(found.recipes) == {"pretrain_config/tiny", "sft_config/tiny"}
    assert found.recipes["sft_config/tiny"].doc == "Tune it."
    assert found.left_out == {
        "shapes.recipes.needs_config": "needs size: --with needs_config.size=...",
        "shapes.recipes.odd_config": "gives a str, not a run.Partial, run.Config or dataclass",
        "shapes.recipes.far_config": "raises ValueError: cannot load acme/model; "
        "it asks a server (a model hub): run the export where that answers and allows it",
    }


def test_beside_other_factories_what_returns_a_dataclass_is_a_part_of_them(tmp_path: Path) -> None:
    write(tmp_path, "shapes/__init__.py", "")
    write(tmp_path, "shapes/config.py", SHAPES)
    more = "\nimport nemo_run as run\n\n\ndef real_recipe() -> run.Config:\n    return run.Config(Scheduler)\n"
    write(tmp_path, "shapes/recipes.py", RECIPES + more)
    done = nemo_hydra(tmp_path, "export", "shapes.recipes", "-o", "lib")
    assert done.code == 0, done.err
    assert [*manifest.read(str(tmp_path / "lib")).recipes] == ["real/recipes"]


def test_what_is_no_field_is_left_out_and_said(library: Path) -> None:
    said = "scheduler.min_lr = 1e-05 is left out: it is no field of the dataclass it is set on"
    assert f"note: sft_config/tiny: {said}\n" in (library.parent / "said").read_text()
    assert (library / "sft_config/tiny.yaml").read_text() == (
        f"# shapes.recipes.tiny_sft_config()\n# {said}\n"
        "_target_: shapes.config.RunConfig\n"
        "scheduler:\n  _target_: shapes.config.Scheduler\n  warmup: 2\n"
        "stop:\n  _target_: signal.Signals.SIGTERM\n  _call_: false\n"
    )


def test_they_are_equal_when_built_and_can_be_overridden(library: Path) -> None:
    write(library.parent, "app.py", APP)
    command = ("app.py", "--library", "lib", "+sft_config=tiny")
    plain = python(library.parent, *command, interpreter=True)  # it looks at what is imported
    assert (plain.code, plain.out) == (0, "True defaultdict Scheduler(warmup=2) {'deep': True}\n"), plain.err
    changed = python(
        library.parent, *command, "sft_config.scheduler.warmup=7", "sft_config.spec.deep=false", interpreter=True
    )
    assert (changed.code, changed.out) == (0, "False defaultdict Scheduler(warmup=7) {'deep': False}\n"), changed.err


def test_their_places_are_named_by_what_they_make() -> None:
    assert places.place("a.recipes.llama", "llama3_8b_pretrain_config") == ("pretrain_config", "llama3_8b")
    assert places.place("a.recipes.llama", "llama3_8b_peft_config") == ("peft_config", "llama3_8b")
    assert places.place("a.recipes.llama", "pretrain_config") == ("llama", "pretrain_config")
