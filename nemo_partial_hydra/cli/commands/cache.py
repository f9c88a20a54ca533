"""``nemo-hydra cache [clear]``: the signatures that earlier processes have read from what is installed."""

from __future__ import annotations

import argparse
import sys
import time

from nemo_partial_hydra.messages import json_text, say

from . import Commands


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "cache",
        help="the signatures that are kept, so that what is installed need not be imported for them",
        description="Shows where the signatures are kept that apps and commands have read from what is installed, of "
        "which targets, and their sizes; with 'clear', removes them. An entry whose modules or distributions have "
        "changed is not used, and replaced when its target is read again. NPH_CACHE_DIR names another directory, "
        "NPH_CACHE=0 does without.",
    )
    parser.add_argument("action", nargs="?", choices=("clear",), help="remove all entries")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Show or clear the cache."""
    from nemo_partial_hydra.errors import ConfigError, ExitCode
    from nemo_partial_hydra.signatures.cache import SignatureCache

    cache = SignatureCache()
    if cache.folder is None:
        say("There is no cache: NPH_CACHE=0 is set, or this user has no home directory.", file=sys.stderr)
        return ExitCode.DONE
    why = cache.unsafe()
    if why:
        raise ConfigError(f"{cache.folder}: it is not used, since {why}; name another directory by NPH_CACHE_DIR")
    if options.action == "clear":
        try:
            count = cache.clear()
        except OSError as error:
            raise ConfigError(f"{cache.folder}: cannot be cleared: {error.strerror or error}") from None
        say(f"{cache.folder}: {count} {'entry' if count == 1 else 'entries'} removed")
        return ExitCode.DONE
    entries = list(cache.entries())
    if options.json:
        records = [
            {"target": e.target or None, "bytes": e.size, "used": round(e.used), "file": e.file} for e in entries
        ]
        say(json_text({"directory": cache.folder, "entries": records}, 1))
        return ExitCode.DONE
    for entry in entries:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        say(f"{day}  {entry.size:>9,}  {entry.target or 'damaged: ' + entry.file}")
    total = sum(entry.size for entry in entries)
    say(f"{cache.folder}: {len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {total:,} bytes")
    return ExitCode.DONE
