"""What docstrings and pages say about the structure is so: modules, folders, paths."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.apps import ROOT

PACKAGE = ROOT / "nemo_partial_hydra"
FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
INNER = sorted(path.parent for path in PACKAGE.glob("launchers/**/__init__.py") if path.parent.parent != PACKAGE)


def answers(folder: Path) -> list[str]:
    """Return the modules that a folder's docstring names in its table, in order."""
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    cells = [line.rstrip("|").rpartition("|")[2] for line in doc.splitlines() if re.match(r"\| .* \|$", line)]
    return [name for cell in cells for name in re.findall(r"``([a-z_]+)``", cell)]


def parts(folder: Path) -> list[str]:
    """Return the modules and folders in a folder."""
    modules = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")]
    return sorted([*modules, *(path.parent.name for path in folder.glob("*/__init__.py"))])


@pytest.mark.parametrize("folder", [*FOLDERS, *INNER], ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_folder_says_which_module_answers_what(folder: Path) -> None:
    if folder.name == "commands":
        return
    assert sorted(answers(folder)) == parts(folder)


def test_the_design_page_has_all_modules() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)/` \|.*\| (.*) \|$", page, re.MULTILINE)
    assert {name for name, _ in rows} == {folder.name for folder in FOLDERS}
    for name, cell in rows:
        said = re.findall(r"`([a-z_]+)/?`", cell)
        assert set(said) <= set(parts(PACKAGE / name)), f"{name}/ has no {set(said) - set(parts(PACKAGE / name))}"
        assert "..." in cell or sorted(said) == parts(PACKAGE / name), name


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design.md", "docs/decisions.md", "SECURITY.md"])
def test_paths_and_modules_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = []
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", text):
        if not (PACKAGE / name).exists() and not (ROOT / name).exists():
            missing.append(name)
    folders = "|".join(folder.name for folder in FOLDERS)
    for name in re.findall(rf"`((?:{folders})(?:\.(?!json`)[a-z_]+)+)`", text):
        place = PACKAGE / name.replace(".", "/")
        if not (place.exists() or place.with_suffix(".py").exists() or place.parent.with_suffix(".py").exists()):
            missing.append(name)
    assert not missing
