"""Completion of ``nemo-hydra`` in shells: a script that is made from the commands' own parsers.

May import: the standard library. The script knows the commands, their options and what an option may be, so that no
process is started when TAB is pressed; everything else is a file or a directory, which the shell completes itself.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Option:
    """An option of a command: its spellings, what it does, whether it takes a value, and which it may be."""

    names: Sequence[str]
    help: str
    takes: bool
    choices: Sequence[str]


@dataclass(frozen=True)
class Described:
    """A command: what it does, its options, and which words it may be given."""

    help: str
    options: Sequence[Option]
    words: Sequence[str]


def described(parser: argparse.ArgumentParser) -> dict[str, Described]:
    """Return the commands of a parser by name."""
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    return {name: _command(inner, helps.get(name, "")) for name, inner in commands.choices.items()}


def _command(parser: argparse.ArgumentParser, text: str) -> Described:
    options, words = [], []
    for action in parser._actions:
        choices = [str(choice) for choice in action.choices or ()]
        if action.option_strings:
            options.append(Option(action.option_strings, _line(action.help), action.nargs != 0, choices))
        else:
            words += choices
    return Described(_line(text), options, words)


def _line(text: str | None) -> str:
    """Return the first words of a help text, of one line and without what argparse would fill in."""
    return " ".join((text or "").replace("%%", "%").split()).partition("; ")[0]


def bash(commands: Mapping[str, Described]) -> Iterator[str]:
    """Yield the lines of the script for bash."""
    yield "_nemo_hydra() {"
    yield '  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=""'
    yield "  if ((COMP_CWORD == 1)); then"
    yield f"    words={shlex.quote(' '.join([*commands, '--help', '--version']))}"
    yield "  else"
    yield "    case ${COMP_WORDS[1]} in"
    for name, command in commands.items():
        yield f"      {name})"
        yield "        case $before in"
        for option in command.options:
            if option.takes:
                yield f"          {'|'.join(option.names)}) words={shlex.quote(' '.join(option.choices))} ;;"
        spelled = [each for option in command.options for each in option.names]
        yield f"          *) if [[ $current == -* ]]; then words={shlex.quote(' '.join(spelled))}"
        yield f"            else words={shlex.quote(' '.join(command.words))}; fi ;;"
        yield "        esac ;;"
    yield "    esac"
    yield "  fi"
    yield '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")'
    yield "}"
    yield "complete -o bashdefault -o default -F _nemo_hydra nemo-hydra"


def zsh(commands: Mapping[str, Described]) -> Iterator[str]:
    """Yield the lines of the script for zsh."""
    yield "#compdef nemo-hydra"
    yield "_nemo_hydra() {"
    yield "  local -a found"
    yield "  local before=${words[CURRENT-1]}"
    yield "  if ((CURRENT == 2)); then"
    yield f"    found=({' '.join(_zsh(name, command.help) for name, command in commands.items())})"
    yield "    _describe command found"
    yield "    return"
    yield "  fi"
    yield "  case ${words[2]} in"
    for name, command in commands.items():
        yield f"    {name})"
        yield "      case $before in"
        for option in command.options:
            if option.takes:
                what = f"compadd -- {shlex.join(option.choices)}" if option.choices else "_files"
                yield f"        {'|'.join(option.names)}) {what}; return ;;"
        yield "      esac"
        spelled = [_zsh(each, option.help) for option in command.options for each in option.names]
        yield "      if [[ $PREFIX == -* ]]; then"
        yield f"        found=({' '.join(spelled)})"
        yield "        _describe option found"
        yield "        return"
        yield "      fi"
        yield f"      {f'compadd -- {shlex.join(command.words)}' if command.words else '_files'} ;;"
    yield "  esac"
    yield "}"
    yield "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _nemo_hydra; else compdef _nemo_hydra nemo-hydra; fi"


def fish(commands: Mapping[str, Described]) -> Iterator[str]:
    """Yield the lines of the script for fish."""
    yield "complete -c nemo-hydra -n __fish_use_subcommand -l help -s h -d 'show how it is used'"
    yield "complete -c nemo-hydra -n __fish_use_subcommand -l version -d 'show the version'"
    for name, command in commands.items():
        yield f"complete -c nemo-hydra -n __fish_use_subcommand -f -a {name} -d {shlex.quote(command.help)}"
        there = shlex.quote(f"__fish_seen_subcommand_from {name}")
        if command.words:
            yield f"complete -c nemo-hydra -n {there} -f -a {shlex.quote(' '.join(command.words))}"
        for option in command.options:
            spelled = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.names)
            value = "" if not option.takes else " -r"
            if option.choices:
                value = f" -x -a {shlex.quote(' '.join(option.choices))}"
            yield f"complete -c nemo-hydra -n {there} {spelled}{value} -d {shlex.quote(option.help)}"


def _zsh(name: str, text: str) -> str:
    spelled = name.replace(":", "\\:")
    return shlex.quote(f"{spelled}:{text}" if text else spelled)


SHELLS: Final[Mapping[str, Callable[[Mapping[str, Described]], Iterator[str]]]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}
