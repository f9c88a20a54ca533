"""``nemo-hydra completion``: the commands and options that shells offer are those that there are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nemo_partial_hydra.cli.commands import COMMANDS
from nemo_partial_hydra.cli.main import parser
from nemo_partial_hydra.cli.shells import SHELLS, described
from tests.support.recipes import nemo_hydra

HERE = [shell for shell in SHELLS if shutil.which(shell)]  # bash at least: the tests' scripts are its
BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_nemo_hydra
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str, folder: Path) -> Path:
    done = nemo_hydra(folder, "completion", shell)
    assert (done.code, done.err) == (0, "")
    made = folder / f"nemo-hydra.{shell}"
    made.write_text(done.out)
    return made


def offered(shell: str, made: Path, *words: str) -> list[str]:
    """Return what a shell offers for the last word."""
    if shell == "fish":
        line = ["fish", "--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', str(made), " ".join(words)]
    else:
        line = ["bash", "--norc", "-c", BASH, "bash", str(made), *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return sorted(text.partition("\t")[0] for text in done.stdout.splitlines() if text)


@pytest.mark.parametrize("shell", HERE)
def test_a_shell_reads_its_script(shell: str, tmp_path: Path) -> None:
    done = subprocess.run([shell, "-n", script(shell, tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", [shell for shell in HERE if shell != "zsh"])
def test_it_offers_commands_options_and_choices(shell: str, tmp_path: Path) -> None:
    made = script(shell, tmp_path)
    assert {*COMMANDS} <= {*offered(shell, made, "nemo-hydra", "")}
    assert offered(shell, made, "nemo-hydra", "re") == ["report", "results", "retry"]
    assert offered(shell, made, "nemo-hydra", "results", "out", "--s") == ["--sort"]
    assert offered(shell, made, "nemo-hydra", "completion", "") == sorted(SHELLS)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_has_every_option_of_every_command(shell: str) -> None:
    text = "\n".join(SHELLS[shell](described(parser())))
    for name, command in described(parser()).items():
        assert name in text
        for option in command.options:
            for spelled in option.names:
                assert (spelled if shell != "fish" else spelled.lstrip("-")) in text


def test_what_a_help_text_says_is_quoted() -> None:
    made = parser()
    commands = next(action for action in made._actions if action.dest == "command" or hasattr(action, "add_parser"))
    commands.add_parser("odd", help='it\'s $(touch x) `y`: "z"')  # type: ignore[attr-defined]
    text = "\n".join(SHELLS["fish"](described(made)))
    assert """'it'"'"'s $(touch x) `y`: "z"'""" in text


def test_an_unknown_shell_is_an_error(tmp_path: Path) -> None:
    done = nemo_hydra(tmp_path, "completion", "csh")
    assert done.code == 2
    assert "invalid choice: 'csh'" in done.err
