"""The package as a whole: its public names, what importing it costs, what it may not touch."""

from __future__ import annotations

import re
import subprocess
import sys

import nemo_partial_hydra as nph
from tests.support.apps import ROOT

PACKAGE = ROOT / "nemo_partial_hydra"
HEAVY = ("hydra", "omegaconf", "yaml", "rich", "nemo_run", "nemo", "torch", "fiddle")


def test_no_public_name_is_a_submodule() -> None:
    """Importing a submodule sets it on the package: a function of the same name would become a module."""
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert not modules & set(nph.__all__)


def test_every_public_name_is_there() -> None:
    for name in nph.__all__:
        assert getattr(nph, name) is not None


def test_importing_is_light() -> None:
    code = f"import sys, nemo_partial_hydra; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_half_that_runs_in_an_image_needs_neither_hydra_nor_omegaconf() -> None:
    names = """
        recipes.tree
        recipes.capture
        dialect.writer
        dialect.reader
        signatures.convert
        signatures.types
        signatures.introspect
        dialect.edits
        policy.policy
        runtime.construct
        runtime.workspace
        dialect.yaml
    """.split()
    code = f"import sys, importlib; [importlib.import_module('nemo_partial_hydra.' + n) for n in {names!r}]; "
    code += "print([m for m in ('hydra', 'omegaconf', 'fiddle', 'nemo_run') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_uses_hydra_internals() -> None:
    for folder in (PACKAGE, ROOT / "hydra_plugins"):
        for path in set(folder.rglob("*.py")) - {PACKAGE / "policy" / "rules.py"}:  # which says what files may name
            assert not re.search(r"hydra\._internal|omegaconf\._", path.read_text(encoding="utf-8")), path
