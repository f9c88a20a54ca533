"""What ``make`` is made of: uv takes pip's settings or is not used; every supported Python is in the matrix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.apps import ROOT
from tools import matrix, uv, venvs


def told(folder: Path, *lines: str) -> list[str] | None:
    """Return the flags of uv where ``pip config list`` says these lines."""
    (folder / "said").write_text("".join(f"{line}\n" for line in lines))
    python = folder / "python"
    python.write_text(f"#!/bin/sh\nexec cat '{folder / 'said'}'\n")
    python.chmod(0o755)
    found = uv.settings(python)
    return None if found is None else found[0]


def test_uv_takes_what_pip_is_told(tmp_path: Path) -> None:
    plain = told(tmp_path)
    assert plain is not None
    lines = ("global.index-url='https://a/simple'", ":env:.find-links='/one /two'", "global.constraint='/c.txt'")
    assert told(tmp_path, *lines) == [
        *plain, "--constraint", "/c.txt", "--find-links", "/one", "--find-links", "/two",
        "--default-index", "https://a/simple",
    ]  # fmt: skip
    assert told(tmp_path, "global.timeout='60'", "download.index-url='https://b'") == plain


@pytest.mark.parametrize("line", ["global.proxy='http://p'", "install.no-binary=':all:'", "global.index-url=what"])
def test_uv_is_not_used_where_pip_is_told_something_else(tmp_path: Path, line: str) -> None:
    assert told(tmp_path, line) is None


def test_every_supported_python_and_hydra_is_in_the_matrix() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    supported = set(re.findall(r"Python :: (3\.\d+)", text))
    assert {cell.python for cell in matrix.CELLS} | {"3.11"} == supported == set(venvs.ANY_PYTHONS)  # as NeMo's pair
    assert {cell.hydra[:3] for cell in matrix.CELLS} == {"1.3", "1.4"}
    files = [file for cell in matrix.CELLS for part in matrix.files_of(cell) for file in part]
    light = {file for file in matrix.all_files() if not file.startswith("tests/cluster/")}
    assert light <= set(files), "beside make test, each file runs under another pair"


def test_what_depends_on_versions_runs_under_each_of_them() -> None:
    files = set(matrix.files_with(matrix.MARKER))
    assert len(files) > 20
    whole = [cell for cell in matrix.CELLS if files <= set(matrix.files_of(cell)[0])]
    assert {cell.python for cell in whole} >= set(venvs.ANY_PYTHONS) - {"3.11"}  # which make test has
    assert {cell.hydra for cell in whole} >= {cell.hydra for cell in matrix.CELLS}
    mark = re.compile(r"\bmark\b.*\bmatrix\b|getattr\(.*mark|add_marker\(.*matrix")  # spelled in any other way
    for file in (ROOT / "tests").rglob("*.py"):
        if file != Path(__file__) and mark.search(file.read_text(encoding="utf-8")):
            assert str(file.relative_to(ROOT)) in files, f"{file.name} marks tests that the matrix would not collect"


def test_an_interpreter_that_does_not_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(venvs.SetupError, match="does not run"):
        venvs.choose_python(venvs.ANY_PYTHONS, str(tmp_path / "python3.11"))


@pytest.mark.parametrize("item", range(2))
@pytest.mark.xdist_group("kept_together")
def test_groups_are_kept_together(request: pytest.FixtureRequest, item: int) -> None:
    """What must not run at once is told to pytest-xdist by the group's name in a test's id; pytest 9.2 loses it."""
    grouped = getattr(request.config.option, "loadgroup", False)  # set in pytest-xdist's own processes
    assert not grouped or request.node.nodeid.endswith(f"[{item}]@kept_together")
