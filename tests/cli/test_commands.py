"""The commands of ``nemo-hydra``: one table, a module each."""

from __future__ import annotations

import pkgutil
import re

import pytest

from nemo_partial_hydra.cli import commands
from nemo_partial_hydra.cli import main as cli


def test_every_command_is_the_module_of_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert {name.replace("-", "_") for name in commands.COMMANDS} == {
        module.name for module in pkgutil.iter_modules(commands.__path__)
    }
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert re.findall(r"^    ([\w-]+)(?:  |$)", capsys.readouterr().out, re.MULTILINE) == list(commands.COMMANDS)


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: nemo-hydra {name} ")
    assert len(shown.split("\n\n")) > 2, "a description stands between the usage and the arguments"
