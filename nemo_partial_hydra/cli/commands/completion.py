"""``nemo-hydra completion SHELL``: a script that has the shell complete the commands and their options."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.cli.shells import SHELLS

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "completion",
        help="a script that has a shell complete nemo-hydra",
        description="Prints the script. bash: eval \"$(nemo-hydra completion bash)\" in ~/.bashrc. zsh: the same in "
        "~/.zshrc, after compinit. fish: nemo-hydra completion fish > ~/.config/fish/completions/nemo-hydra.fish. Apps "
        "with nph.main complete their overrides by Hydra's own: eval \"$(python app.py -sc install=bash)\".",
    )  # fmt: skip
    parser.add_argument("shell", metavar="SHELL", choices=[*SHELLS], help=" or ".join(SHELLS))
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from nemo_partial_hydra.cli.main import parser
    from nemo_partial_hydra.cli.shells import described
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.messages import say

    for line in SHELLS[options.shell](described(parser())):
        say(line)
    return ExitCode.DONE
