"""The targets that recipe files on the command line name; what ``snapshot`` and ``schema`` share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nemo_partial_hydra.messages import say

if TYPE_CHECKING:
    from nemo_partial_hydra.runtime.workspace import Lookups


def read_targets(
    files: Sequence[str], allow: Sequence[str], trust_code: Sequence[str] = ()
) -> tuple[list[str], Lookups]:
    """Return the targets that recipe files name and can be read here, with their signatures; say which cannot.

    The targets of the objects that these make by default are among them.
    """
    from nemo_partial_hydra.dialect.json_schema import file_targets
    from nemo_partial_hydra.jobs.ownership import Trust
    from nemo_partial_hydra.listing.recipe_file import allow_folder, read_recipe_file
    from nemo_partial_hydra.runtime import session
    from nemo_partial_hydra.signatures.signature import with_defaults

    trust, found, allowed = Trust.of(trust_code), set[str](), [*allow]
    for name in files:
        data = read_recipe_file(name)
        allowed += allow_folder(name, trust, data)
        found.update(file_targets(data))
    lookup = session.workspace().lookups(allowed)
    targets = [target for target in sorted(found) if lookup(target) is not None]
    for target, why in lookup.unreadable.items():
        say(f"{target} is left out: {why}", file=sys.stderr)
    return sorted(with_defaults(targets, session.workspace().lookups(allowed))), lookup
