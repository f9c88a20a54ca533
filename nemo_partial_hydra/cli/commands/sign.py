"""``nemo-hydra sign DIR --key FILE``: sign frozen jobs, or a recipe library, with an SSH key."""

from __future__ import annotations

import argparse

from nemo_partial_hydra.messages import say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "sign",
        help="sign frozen jobs, or a recipe library, with an SSH key",
        description="Signs each job.yaml of DIR, or all files of a recipe library, as ssh-keygen -Y sign does; whoever "
        "runs them demands it with --signers. A signature by the same key is replaced, those of others stay. Exit code "
        "3 if a job was changed after it was frozen, 2 if the key cannot be used.",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory of a sweep, of one job, or of a recipe library")
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="a private key, or the public part of one that an ssh-agent holds"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Sign; return the exit code."""
    from nemo_partial_hydra.errors import ExitCode
    from nemo_partial_hydra.export import signed_library
    from nemo_partial_hydra.jobs import signing
    from nemo_partial_hydra.libraries import manifest

    if manifest.is_library(options.directory):
        number, signature = signed_library.sign(options.directory, options.key)
        what = "file"
    else:
        number, signature = signing.sign(options.directory, options.key)
        what = "job"
    many = "" if number == 1 else "s"
    say(f"{options.directory}: signed {number} {what}{many} with {signature.fingerprint}")
    return ExitCode.DONE
