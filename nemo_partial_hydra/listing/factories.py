"""The paths below ``_factory_``: what the factory of a recipe takes, and what it was given.

May import: OmegaConf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nemo_partial_hydra.composition.compat import path_of
from nemo_partial_hydra.composition.decode import loose_data
from nemo_partial_hydra.composition.factory_call import Factory, factory_of
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Path, Tree
from nemo_partial_hydra.runtime.workspace import Lookups
from nemo_partial_hydra.signatures.signature import Signature

from .source import Context, Nodes


class FactoryLookups(Lookups):
    """Signatures for the listing of what a factory takes: that of the factory too, which no config may name."""

    def __init__(self, others: Lookups, factory: Factory) -> None:
        super().__init__(others.workspace, others.allow, others.drifted)
        self.unreadable = others.unreadable
        self._factory = factory.signature

    def __call__(self, target: str) -> Signature | None:
        return self._factory if target == self._factory.target else super().__call__(target)


def arguments_at(path: Path, context: Context) -> Iterator[tuple[Tree, Context]]:
    """Yield what the factory of the recipe at a path was given, as its call, and what a listing of that needs.

    Parameters
    ----------
    path : where the recipe stands; there is nothing to yield if no factory made it.
    context : that of the config's own listing.

    Raises
    ------
    ValidationError
        If the factory does not accept a value.
    """
    node = context.nodes.factories.get(tuple(map(str, path))) if context.nodes.factories else None
    factory = factory_of(node)
    if node is None or factory is None:
        return
    place: Path = path_of(node)
    nodes = Nodes()
    loose = loose_data(node, place, nodes.note)
    lookup, problems = FactoryLookups(context.lookup, factory), Problems()
    tree = from_data({TARGET: factory.signature.target, **loose.data}, lookup, problems, place=place)
    problems.check(ValidationError)
    yield (
        tree,
        dataclasses.replace(
            context,
            place=place,
            follows=loose.follows,
            required=loose.required,
            moves=[],
            placed={},
            nodes=nodes,
            lookup=lookup,
        ),
    )
