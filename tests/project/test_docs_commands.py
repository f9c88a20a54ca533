"""docs/commands.md has every command of ``nemo-hydra``, every exit code and every variable of the environment."""

from __future__ import annotations

import re

from nemo_partial_hydra.cli.commands import COMMANDS
from nemo_partial_hydra.errors import ExitCode
from tests.support.apps import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_every_command_is_there_once() -> None:
    assert sorted(re.findall(r"^\| `nemo-hydra ([a-z-]+)` \|", section("nemo-hydra"), re.MULTILINE)) == sorted(COMMANDS)


def test_every_exit_code_is_there() -> None:
    assert re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE) == [str(code) for code in ExitCode]


def test_every_variable_that_is_read_is_there() -> None:
    said = set(re.findall(r"^\| `([A-Z_]+)", section("Environment"), re.MULTILINE))
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "nemo_partial_hydra").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r'"(NPH_[A-Z_]+|NO_COLOR|XDG_STATE_HOME)"', text)}
    assert said == read | {"HYDRA_FULL_ERROR"}
