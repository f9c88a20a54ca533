"""What the factory of a recipe is given: the arguments in a config as its call, and as values and text.

May import: OmegaConf. Of a config these are data like all others: their types and names are checked, and what they name
passes the policy. The factory itself is trusted, since Python code has registered it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.errors import PolicyError, RecipeError, ValidationError, readable
from nemo_partial_hydra.jobs.placeholders import is_secret
from nemo_partial_hydra.messages import Problems, dotted, placed
from nemo_partial_hydra.policy.policy import refusals, report
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Call, Link, Map, Path, walk
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.construct import buildables, make
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import ANY, class_of

from .budget import Resolution
from .compat import child_nodes, content, is_absent
from .decode import node_data

_REFERENCE = re.compile(r"\$\{(\.*)([^${}:]*)\}")
CIRCLE: Final = "an argument of a factory cannot refer to what the factory makes; refer to a value beside the recipe"


class ArgumentsError(ValidationError, OmegaConfBaseException):
    """A factory cannot make a recipe with what it is given; OmegaConf lets it through as it is."""

    def __init__(self, text: str = "") -> None:
        OmegaConfBaseException.__init__(self, text)
        ValidationError.__init__(self, text)
        self.args = (readable(text),)
        self.msg = self.args[0]
        self._initialized = True


class ArgumentsRefusedError(PolicyError, OmegaConfBaseException):
    """What a factory is given names what no config may name."""

    def __init__(self, text: str = "") -> None:
        OmegaConfBaseException.__init__(self, text)
        PolicyError.__init__(self, text)
        self.args = (readable(text),)
        self._initialized = True


def of_arguments(error: RecipeError, text: str) -> RecipeError:
    """Return an error about arguments with another text; OmegaConf lets it through as it is."""
    return ArgumentsRefusedError(text) if isinstance(error, PolicyError) else ArgumentsError(text)


class NotMadeError(ArgumentsError, AttributeError):
    """What a factory makes is not there, since it has not run."""


@dataclass(frozen=True)
class Factory:
    """What makes a recipe: the recipe's config path, and what it takes."""

    path: str
    signature: Signature
    makes: ClassVar[bool] = True  # or the recipe is there, and refers to the arguments

    @property
    def name(self) -> str:
        """How a message calls it."""
        return self.signature.target.rpartition(".")[2]

    def settle(self, node: DictConfig, *, strict: bool = False) -> None:
        """Have a recipe's node be what the arguments that stand in it make.

        Parameters
        ----------
        node : the recipe's node.
        strict : whether an argument that is required and not set is an error; else the node stays as it is.

        Raises
        ------
        ArgumentsError
            With the path of the argument, or of all of them where the factory fails.
        """
        raise NotImplementedError

    def missing(self, given: Container[str], place: Path) -> Problems:
        """Return an error for each required argument that is not given, with the override that gives it."""
        problems = Problems()
        for name in self.signature.required:
            if name not in given:
                where = dotted((*place, name))
                kind = self.signature.parameters[name].type.text
                problems.add((*place, name), f"{self.name} requires it ({kind}); set {where}=...")
        return problems


def factory_of(node: Any) -> Factory | None:
    """Return the factory whose arguments a node holds; None if it holds none."""
    if not isinstance(node, DictConfig) or is_absent(node):
        return None
    found: Factory | None = getattr(OmegaConf.get_type(node), "arguments_", None)
    return found


def held(node: Any) -> Any:
    """Return what stands in the nodes of arguments, to see whether it is still the same."""
    if isinstance(node, (DictConfig, ListConfig)) and not is_absent(node):
        return tuple((key, held(child)) for key, child in child_nodes(node))
    return type(node).__name__, getattr(node, "state", ""), repr(content(node))


def call_in(arguments: DictConfig, factory: Factory, place: Path) -> Call:
    """Read the arguments that are set as the call of the factory."""
    _refuse_circles(arguments, place)
    try:
        data = node_data(arguments, Resolution({"oc.env": _no_secret, "hydra": _not_yet}))
        session.workspace().policy.check_names(list(names_in(data, place)), ())
    except RecipeError as error:
        raise of_arguments(error, str(error)) from error
    return _read(data, factory, place)


def _not_yet(path: str) -> Any:
    """Resolve nothing of Hydra's: what there is may be of another job."""
    raise ValueError(f"hydra:{path} is not known yet, since a factory runs while its config is composed")


def _no_secret(name: str, *default: Any) -> Any:
    """Resolve an environment variable, but none whose value a factory must not put into a recipe: that gets written."""
    if is_secret(name):
        raise ValueError(f"{name} is a secret, which a factory would write into the recipe; refer to it there instead")
    return oc.env(name, *default)


def _read(data: Mapping[Any, Any], factory: Factory, place: Path) -> Call:
    problems = Problems()
    tree = from_data({TARGET: factory.signature.target, **data}, _lookup(factory), problems, place=place)
    problems.check(ArgumentsError)
    prefixes = session.workspace().policy.prefixes(())
    named = [found for name, value in cast(Call, tree).kwargs.items() for found in names_in(value, (*place, name))]
    try:
        report(refusals(named, prefixes))  # what only the types tell: texts that name a function
    except PolicyError as error:
        raise of_arguments(error, str(error)) from error
    return cast(Call, tree)


def call_of(text: str, factory: Factory) -> Call:
    """Return the call that a text of :func:`text_of` says."""
    return _read(json.loads(text) if text else {}, factory, ())


def _lookup(factory: Factory) -> Any:
    def lookup(target: str) -> Signature | None:
        if target == factory.signature.target:
            return factory.signature
        try:
            return session.workspace().approved(target)
        except PolicyError as error:
            raise of_arguments(error, str(error)) from error

    return lookup


def _refuse_circles(arguments: DictConfig, place: Path) -> None:
    """Refuse arguments that name what stands beside them, which the factory makes."""
    for path, text in _texts(arguments, ()):
        for dots, name in _REFERENCE.findall(text):
            here = (*place, *path)
            keys = name.split(".")
            named = (*here[: len(here) - len(dots)], *keys) if dots else tuple(keys)
            if named[: len(place) - 1] == place[:-1] and named[: len(place)] != place:
                raise ArgumentsError(placed(here, f"{text}: {CIRCLE}"))


def _texts(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    for key, child in child_nodes(node):
        if isinstance(child, (DictConfig, ListConfig)) and not is_absent(child):
            yield from _texts(child, (*path, key))
        elif isinstance(content(child), str) and "${" in content(child):
            yield (*path, key), content(child)


def argument_data(call: Call, factory: Factory) -> dict[str, Any]:
    """Return arguments as plain data, in the factory's order."""
    data = to_data(call, _lookup(factory))
    order = [*factory.signature.parameters, *call.kwargs]
    return {name: data[name] for name in dict.fromkeys(order) if name in data}


def text_of(call: Call, factory: Factory, place: Path) -> str:
    """Return the arguments of a call as text, the same for the same ones; empty where there are none."""
    try:
        data = argument_data(call, factory)
    except RecipeError as error:
        raise of_arguments(error, placed(place, str(error))) from error
    return json.dumps(data, default=repr) if data else ""


def ways(factory: Factory, place: Path) -> str:
    """Spell the overrides that give a factory its arguments."""
    return " ".join(f"{dotted((*place, name))}=..." for name in factory.signature.parameters)


def values_of(call: Call, factory: Factory) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Make the values of arguments; an object is a ``run.Config`` unless the parameter's class says otherwise."""
    made = _values(call, factory)
    args: list[Any] = []
    for name, parameter in factory.signature.parameters.items():
        if not parameter.positional or name not in made:
            break
        args.append(made.pop(name))
    return tuple(args), made


def _values(call: Call, factory: Factory) -> dict[str, Any]:
    policy = session.workspace().policy

    def live(name: str) -> bool:
        tree = call.kwargs[name]
        if not any(isinstance(node, Call) for _, node in walk(tree)):
            return True
        kind = class_of(factory.signature.type_of(name) or ANY)
        return kind is not None and not kind.startswith(("nemo_run.", "fiddle."))

    if any(isinstance(node, Link) for _, node in walk(call)):  # what is shared is made at once
        whole = Map(tuple(call.kwargs.items()))
        return dict((make if all(map(live, call.kwargs)) else buildables)(whole, policy))
    return {name: (make if live(name) else buildables)(tree, policy) for name, tree in call.kwargs.items()}
