"""The nodes of the arguments to which a recipe in a file refers, see ``dialect.kept_arguments``.

May import: OmegaConf. They are typed as the places are that refer to them, and listed, completed and checked as those
of a registered factory; nothing is called with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, ListConfig

from nemo_partial_hydra.dialect.kept_arguments import UNUSED, argument_at, unknown
from nemo_partial_hydra.dialect.scalars import unescape_interpolation
from nemo_partial_hydra.messages import Problems, nearest, no_factory
from nemo_partial_hydra.recipes.keys import FACTORY, MISSING, TARGET
from nemo_partial_hydra.recipes.tree import SCALARS, Path
from nemo_partial_hydra.signatures.convert import Mismatch, convert
from nemo_partial_hydra.signatures.signature import REQUIRED, Default, Parameter, Signature
from nemo_partial_hydra.signatures.types import ANY, TypeSpec

from .argument_nodes import ArgumentLeaf, ArgumentsNode, FactoryNode, arguments_node
from .compat import child_nodes, is_missing, path_of, put_child, raw_child
from .factory_call import ArgumentsError, Factory
from .nodes import RECIPE

_SINGLE = "expected a single value: a list or an object is set where it stands in the recipe"


@dataclass
class Referred:
    """Where values of a file refer to arguments: the place and its type, by the argument's path."""

    found: dict[Path, tuple[Path, TypeSpec]] = field(default_factory=dict)

    def note(self, value: Any, spec: TypeSpec, path: Path) -> None:
        """Note the value at a path, if it refers to an argument; the first place that does says the type."""
        named = argument_at(value, path)
        if named is not None:
            self.found.setdefault(named, (path, spec))


class KeptArguments(Factory):
    """The arguments to which a recipe refers: whoever reads the recipe sees a change of one."""

    makes = False

    @property
    def name(self) -> str:
        """How a message calls it."""
        return "the factory"

    def settle(self, node: DictConfig, *, strict: bool = False) -> None:
        """Implement :meth:`Factory.settle`: nothing has to be made."""
        if not strict:
            return
        arguments = raw_child(node, FACTORY)
        place, children = path_of(arguments), list(child_nodes(arguments))
        problems = self.missing([key for key, child in children if not is_missing(child)], place)
        known = self.signature.parameters
        for key, child in children:
            if key not in known:
                problems.add((*place, key), f"{self.name} takes no '{key}'{nearest(key, known)}")
            elif isinstance(child, (DictConfig, ListConfig)):
                problems.add((*place, key), _SINGLE)
        problems.check(ArgumentsError)


def is_kept(data: Mapping[Any, Any]) -> bool:
    """Whether the data of a node has arguments beside its target."""
    return TARGET in data and isinstance(data.get(FACTORY), Mapping)


def kept_arguments(
    given: Mapping[str, Any], referred: Referred, path: Path, problems: Problems
) -> ArgumentsNode | None:
    """Make the node of the arguments that the recipe at a path has; None if it refers to none of them.

    Parameters
    ----------
    given : the arguments.
    referred : where the recipe refers to them.
    path : where the recipe stands in its file.
    problems : where arguments are noted that there are not, or to which nothing refers, and wrong types.
    """
    here = (*map(str, path), FACTORY)
    places = {named[-1]: found for named, found in referred.found.items() if named[:-1] == here}
    if not places:
        problems.add((*path, FACTORY), no_factory(given))
        return None
    for name, (place, _) in places.items():
        if name not in given:
            problems.add(place, unknown(name, given))
    parameters = {}
    for name, value in given.items():
        _, spec = places.get(name, ((), ANY))
        if name not in places:
            problems.add((*path, FACTORY, name), UNUSED)
        parameters[name] = Parameter(name, spec, _default(value, spec, (*path, FACTORY, name), problems))
    node = arguments_node(KeptArguments("", Signature("factory", parameters)))
    for name, value in given.items():
        if isinstance(value, str) and "${" in value:
            put_child(node, name, ArgumentLeaf(value, parameters[name].type, RECIPE))
    return node


def _default(value: Any, spec: TypeSpec, path: Path, problems: Problems) -> Default:
    """Return an argument's value as the default of its parameter."""
    literal = unescape_interpolation(value) if isinstance(value, str) else value
    if value == MISSING or (literal is None and value is not None):
        return REQUIRED
    if type(literal) not in SCALARS:
        problems.add(path, _SINGLE)
        return REQUIRED
    try:
        return convert(literal, spec)
    except Mismatch as problem:
        problems.add(path, problem.text)
        return REQUIRED


def with_arguments(node: DictConfig) -> DictConfig:
    """Return the node of a recipe as one that has arguments."""
    object.__setattr__(node, "__class__", FactoryNode)
    return node
