"""The law of the shipped library: composed without NeMo, built with NeMo, each recipe is what NeMo's factory returns.

    python -m tests.support.shipped compose FILE          # here nothing of NeMo is imported
    python -m tests.support.shipped compare FILE [FOLDER] # here everything is; the library is made anew in FOLDER

The first half writes the composed recipes as YAML; the second builds them, calls the factories and compares: by
fiddle's equality, and by what is set, by types and by sharing, which that takes lightly.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.libraries.library import SHIPPED, Library
from nemo_partial_hydra.runtime import session

GIVEN = "/given/by/the/user"  # for what a recipe leaves to its user


def compose(file: Path) -> int:
    """Compose every shipped recipe as ``+group=option`` and write the recipes that would be built."""
    from tests.support.without import block

    block()
    from hydra import compose, initialize
    from omegaconf import OmegaConf

    from nemo_partial_hydra.composition.compat import initialize_arguments
    from nemo_partial_hydra.composition.decode import config_to_tree, loose_data
    from nemo_partial_hydra.dialect.writer import to_data
    from nemo_partial_hydra.dialect.yaml import dump

    library = Library(SHIPPED, "shipped")
    out: dict[str, str] = {}
    with session.running(session.Session()), initialize(config_path=None, **initialize_arguments(None)):
        for option in library.options():
            group, _, name = option.rpartition("/")
            node = OmegaConf.select(compose(overrides=[f"+{group}={name}"]), group)
            open_places = loose_data(node, ()).required
            if open_places:
                more = [f"{group}.{'.'.join(map(str, path))}={GIVEN}" for path in open_places]
                node = OmegaConf.select(compose(overrides=[f"+{group}={name}", *more]), group)
            out[option] = dump(to_data(config_to_tree(node), session.workspace().signature_of))
    file.write_text(json.dumps(out))
    return len(out)


def compare(file: Path) -> list[str]:
    """Build what was composed and compare it with what the factories return; name those that differ."""
    from tools.nemo_library import GIVEN as ARGUMENTS
    from tools.nemo_library import MODULES, SKIP
    from tools.stand_ins import stand_ins

    with stand_ins():
        import nemo_partial_hydra as nph
        from nemo_partial_hydra.export.arguments import Arguments
        from nemo_partial_hydra.export.factories import find
        from nemo_partial_hydra.export.places import config_paths
        from nemo_partial_hydra.runtime.workspace import WORKSPACE
        from nemo_partial_hydra.signatures.convert import same

        found = find(MODULES, SKIP)
        arguments = Arguments.parse([text.replace("???", GIVEN) for text in ARGUMENTS], found.factories)
        placed = config_paths(found.factories)
        composed: dict[str, str] = json.loads(file.read_text())
        entries = manifest.read(SHIPPED).recipes
        wrong = [f"{option}: not composed" for option in entries if option not in composed]
        for factory, option in placed.items():
            if option not in entries:
                continue
            made = factory.call(**arguments.of(factory))
            built = nph.from_yaml(composed[option])
            if not same(WORKSPACE.captured(built), WORKSPACE.captured(made)):
                wrong.append(f"{option}: other values, types, set fields or sharing")
            elif built != made:
                wrong.append(f"{option}: unequal to fiddle")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "compose":
        print(compose(Path(sys.argv[2])))
    else:
        if len(sys.argv) > 3:  # first: what is known of a target by then comes from NeMo itself
            from tools.nemo_library import main

            main(["--out", sys.argv[3]])
        differing = compare(Path(sys.argv[2]))
        print("\n".join(["RESULT", *differing]))
        sys.exit(bool(differing))
