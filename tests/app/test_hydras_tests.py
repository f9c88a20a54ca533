"""Hydra's own tests of composing, completion, launching and sweeping pass where ``nph.main`` is ``hydra.main``.

They are those of the source archive of the Hydra that is installed, which ``tools.hydra_tests`` fetches when an
environment of the version matrix is made. What they cannot show here stands in ``CANNOT`` with its reason: a test that
fails and is not there is an error, and so is one that is there and passes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import hydra
import pytest

from tests.conftest import left_out
from tests.support import hydras_tests
from tools.hydra_tests import folder


class Row(NamedTuple):
    """Tests of one file by a pattern of their names, and why they cannot pass; ``of`` begins the versions meant."""

    file: str
    tests: str
    why: str
    of: str = "1."


APPS = "it needs files of Hydra's repository that the source archive does not have (examples, tests/test_apps, scripts)"
SCHEME = "it looks at the search path, where under nph.main the app's directories of configs are nph-file://"

CANNOT = (
    Row(
        "test_compose.py",
        r"TestComposeInits::test_initialize_(config_module_)?ctx|test_jobname_override_initialize_ctx|test_hydra_main_passthrough",
        APPS,
    ),
    Row("test_compose.py", r"test_initialize_config_module_ctx$|test_initialize_with_module$", APPS),
    Row("test_compose.py", r"test_initialization_root_module|test_deprecated_initialize_config_module", APPS, "1.3"),
    Row("test_compose.py", r"test_initialization_root_module", APPS, "1.4"),
    Row("test_compose.py", r"test_initialize_bad_version_base", "the packaging of today raises another error", "1.3"),
    Row("test_compose.py", r"test_initialize_config_search_path_(composes_across|caller_)", SCHEME, "1.4"),
    Row("test_config_loader.py", r"test_complex_defaults|test_hydra_choices|test_overriding_with_dict\[d", APPS),
    Row("test_config_loader.py", r"test_list_groups", APPS),
    Row("test_config_loader.py", r"test_defaults_not_list_exception", "we refuse it too, in other words"),
    Row("test_completion.py", r"test_bash_completion_|test_install_uninstall", APPS),
    Row(
        "test_completion.py",
        r"TestRunCompletion::test_completion_plugin\[hydra/-",
        "it lists the groups of Hydra's settings, to which plugins add, ours too",
    ),
    Row("test_basic_sweeper.py", r"test_partial_failure|test_multiple_failures|test_glob_uses_primary", APPS),
)

NOT_RUN = "shell_integration"  # they type into a terminal through expect, one after the other for many minutes
FILES = (
    "test_basic_launcher.py",
    "test_basic_sweeper.py",
    "test_completion.py",
    "test_compose.py",
    "test_config_loader.py",
)
"""Of the other files, ``test_hydra.py`` starts apps that the archive does not have, and the rest look at what has no
part in serving configs or running apps."""


def judged(file: str, outcomes: dict[str, str], version: str) -> list[str]:
    """Return what is wrong with the outcomes of a file's tests: failures without a row, rows without a failure."""
    rows = [row for row in CANNOT if row.file == file and version.startswith(row.of)]
    wrong: list[str] = []
    used: set[Row] = set()
    for test, outcome in outcomes.items():
        name = test.partition("::")[2]
        row = next((row for row in rows if re.match(row.tests, name)), None)
        if outcome == "failed" and row is None:
            wrong.append(f"{name} fails")
        if outcome == "passed" and row is not None:
            wrong.append(f"{name} passes, and should not: {row.why}")
        if row is not None:
            used.add(row)
    return wrong + [f"no test is meant by {row.tests}" for row in rows if row not in used]


if hydra.__version__ != "1.3.2":  # whose archive pip cannot read any more; no test is left out, there is none

    @pytest.mark.matrix
    @pytest.mark.parametrize("file", FILES)
    def test_hydras_own_tests_pass_under_our_main(file: str, tmp_path: Path) -> None:
        tests = folder(hydra.__version__)
        if not tests.is_dir():
            left_out("Hydra's tests were not fetched; python -m tools.matrix does it")
        outcomes, output = hydras_tests.run(tests, tmp_path / "run", file, "-k", f"not {NOT_RUN}")
        assert outcomes, output
        wrong = judged(file, outcomes, hydra.__version__)
        assert not wrong, "\n".join([*wrong, output])


def test_a_failure_that_is_not_named_and_a_name_that_passes_are_both_wrong() -> None:
    outcomes = {
        "tests/test_basic_sweeper.py::test_split[simple]": "failed",
        "tests/test_basic_sweeper.py::test_partial_failure": "passed",
    }
    assert [text.partition(" ")[2] for text in judged("test_basic_sweeper.py", outcomes, "1.3.8")] == [
        "fails",
        f"passes, and should not: {APPS}",
    ]
    assert judged("test_basic_sweeper.py", {}, "1.3.8")[0].startswith("no test is meant by")
