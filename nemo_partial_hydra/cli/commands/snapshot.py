"""``nemo-hydra snapshot FILE... --out FILE``: the signatures of all targets that recipe files name."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.messages import say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "snapshot",
        parents=[shared],
        help="keep the signatures of all targets that recipe files name in one file",
        description="Run it where the targets can be imported. In a config directory the file is used where they "
        "cannot, or are of the same version: nothing is imported there to list, override and check recipes.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="recipe files (YAML)")
    parser.add_argument("--out", "-o", metavar="FILE", required=True, help="conf/signatures.json, or with .gz")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Read the signatures and write the file; exit code 1 if a target was left out."""
    from nemo_partial_hydra.cli.targets import read_targets
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.runtime import session
    from nemo_partial_hydra.signatures.distributions import read_packages
    from nemo_partial_hydra.signatures.snapshot import encode, save

    targets, lookup = read_targets(options.files, options.allow, options.trust_code)
    found = [signature for signature in map(lookup, targets) if signature is not None]
    docs = session.workspace().signatures.docs
    text = encode(found, {target: docs(target) for target in targets}, read_packages(targets))
    try:
        save(text, options.out)
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from None
    say(f"{options.out}: {len(targets)} targets, {sum(len(each.parameters) for each in found)} parameters")
    return ExitCode.FAILED if lookup.unreadable else ExitCode.DONE
