"""Interpolations resolved within bounds: OmegaConf follows each reference anew, so a few lines can fill a memory.

May import: OmegaConf; Hydra, where an app of it runs. OmegaConf's own classes stay as they are. What is resolved here
is resolved on counterparts of the config's containers, whose classes count; leaves are shared, so they cost little.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import Container, Node, OmegaConf, ValueNode
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException, UnsupportedInterpolationType
from omegaconf.nodes import InterpolationResultNode

from nemo_partial_hydra.dialect import step_references
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.keys import MISSING, STEPS
from nemo_partial_hydra.recipes.tree import Path

from .compat import content, own_key, own_node, raise_at, register_resolver
from .late_imports import import_all

NESTED, EACH, CHARACTERS = 5_000, 20, 16 * 1024 * 1024
CHAIN = 20  # references from one to the next; OmegaConf takes some twenty calls for each
DEEPEST = 40  # the same, where it takes all of them each time anew: Python allows few more
_TOO_LONG = "leads from one reference to the next more often than Python can follow"
_NAMED = re.compile(r"\$\{(\.*)([^${}:.\[\]'\"\s\\]+(?:\.[^${}:.\[\]'\"\s\\]+)*)\}")


class Resolution:
    """What one reading of a config resolves.

    Every text of a config may lead to ``EACH`` further references, and all together to ``NESTED`` more; what is found
    has at most ``CHARACTERS`` characters. Beyond that OmegaConf's own error for interpolations is raised.

    Parameters
    ----------
    resolvers : functions by name that count in the place of the registered resolvers.

    Attributes
    ----------
    steps : gives plain data for a resolved text with references to steps in it, and the path at which it stands.
    """

    def __init__(self, resolvers: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.resolvers: dict[str, Callable[..., Any]] = {}
        if not OmegaConf.has_resolver(step_references.RESOLVER):  # an app may have one of this name
            self.resolvers[step_references.RESOLVER] = step_references.mark
        self.steps: Callable[[str, Path], Any] = _outside_of_pipelines
        if "hydra.core.hydra_config" in sys.modules and OmegaConf.has_resolver("hydra"):
            self.resolvers["hydra"] = self._of_hydra
        self.resolvers.update(resolvers or {})
        self.open = 0  # how often something of Hydra's was asked for that only the running job knows
        self.depth = 0  # how many texts led to the one that is resolved
        self._references = self._characters = 0
        self._made: dict[int, tuple[Any, Any]] = {}  # by the identity of a container: it, and its counterpart
        self._originals: dict[int, Any] = {}  # by the identity of a counterpart
        self._failed: dict[int, OmegaConfBaseException] = {}  # by the identity of a reference: why it leads nowhere

    def get(self, parent: Container, key: Any) -> Any:
        """Return what stands at a key of a container, as ``parent[key]`` does.

        Raises
        ------
        OmegaConfBaseException
            As there, and for what exceeds the bounds.
        """
        box = self._counterpart(parent)
        self._shorten(box, key)
        failed = self._failed.get(id(own_node(box, key)))
        if failed is not None:
            raise_at(parent, key, failed)
        return self._original(box[key])

    def select(self, config: Container, path: str) -> Any:
        """Return what stands at a path below a container, as ``OmegaConf.select`` does."""
        node: Any = config
        for key in path.split("."):
            node = own_node(node, key)
        held = content(node) if isinstance(node, Node) else MISSING
        if isinstance(held, str) and ("${" in held or MISSING in held):
            return self._original(OmegaConf.select(self._counterpart(config), path))
        return node if isinstance(node, Container) and held is not None else held

    def _shorten(self, box: Any, key: Any) -> None:
        """Resolve a long chain of references from its end, so that no text leads through more than a few of them.

        A resolver may give another value each time, so that what leads to one stays as it is.
        """
        node = own_node(box, key)
        order: list[tuple[Any, Any, Any, list[int]]] = []
        depths: dict[int, int] = {}
        pure: dict[int, bool] = {}
        stack = [(box, key, node, *_references(box, node))]
        inside = {id(node)}
        while stack:
            here, name, node, simple, below = stack[-1]
            for parent, child_key in below:
                child = own_node(parent, child_key)
                if id(child) in inside:
                    return  # a circle, of which OmegaConf tells
                if id(child) not in depths and id(child) not in self._failed:
                    inside.add(id(child))
                    stack.append((parent, child_key, child, *_references(parent, child)))
                    break
            else:
                stack.pop()
                inside.discard(id(node))
                named = [id(own_node(*reference)) for reference in _references(here, node)[1]]
                depths[id(node)] = 1 + max((depths.get(one, CHAIN) for one in named), default=0)
                pure[id(node)] = simple and all(pure.get(one, True) for one in named)
                order.append((here, name, node, named))
        if depths[id(node)] > CHAIN:
            for here, name, node, named in order:
                failed = next((self._failed[one] for one in named if one in self._failed), None)
                if failed is not None:
                    self._failed[id(node)] = failed
                elif pure[id(node)]:
                    self._settle(here, name, node)
        if depths[id(node)] > DEEPEST and not pure[id(node)]:
            raise InterpolationResolutionError(f"it {_TOO_LONG}")

    def _settle(self, box: Any, key: Any, node: Any) -> None:
        """Put what a reference leads to in its place, in the counterpart."""
        try:
            found = box[key]
        except OmegaConfBaseException as error:
            self._failed[id(node)] = error  # of which is told where the value is read
            return
        if isinstance(found, Container):
            box.__dict__["_content"][own_key(box, key)] = found
        elif isinstance(node, ValueNode) and not (isinstance(found, str) and "${" in found):
            node.__dict__["_val"] = found

    def spend(self, references: int, found: Any = None) -> None:
        """Count references, or a text that was found.

        Raises
        ------
        InterpolationResolutionError
            If the bounds are exceeded.
        """
        self._references += references
        self._characters += len(found) if isinstance(found, str) else 0
        if self._references > NESTED or self._characters > CHARACTERS:
            more = f"thousands of others, or to more than {CHARACTERS:,} characters"
            raise InterpolationResolutionError(f"references that repeat each other lead to {more}")

    def _of_hydra(self, path: str) -> Any:
        from hydra.core.hydra_config import HydraConfig

        if not HydraConfig.initialized():
            self.open += 1
        settings: Any = HydraConfig.get()
        found = OmegaConf.select(self._counterpart(settings), path)
        self.open += found is None
        return found

    def _original(self, found: Any) -> Any:
        return self._originals.get(id(found), found)

    def _counterpart(self, container: Any) -> Any:
        if isinstance(container, _Counts):
            return container
        if id(container) not in self._made:
            parent = container._get_parent()
            above = None if parent is None else self._counterpart(parent)  # makes those of all its children
            if id(container) not in self._made:  # Hydra's node has a parent that does not know it
                self._copy(container, above)
        return self._made[id(container)][1]

    def _copy(self, box: Any, parent: Any) -> Any:
        """Make the counterpart of a container; a union of types is one of a single element."""
        made: Any = object.__new__(_counting(type(box)) if isinstance(box, Container) else type(box))
        held = box.__dict__["_content"]
        made.__dict__.update(box.__dict__, _parent=parent, _flags_cache=None, _resolution=self)
        if isinstance(held, dict):
            made.__dict__["_content"] = {key: self._child(child, made) for key, child in held.items()}
        elif isinstance(held, (list, tuple)):
            made.__dict__["_content"] = type(held)(self._child(child, made) for child in held)
        elif isinstance(held, Node):
            made.__dict__["_content"] = self._child(held, made)
        self._made[id(box)], self._originals[id(made)] = (box, made), box
        return made

    def _child(self, child: Any, parent: Any) -> Any:
        """Return a leaf as it is; what is resolved has to know where it stands."""
        if not isinstance(child, ValueNode):
            return child if child is None else self._copy(child, parent)
        held = content(child)
        if not isinstance(held, str) or "${" not in held:
            return child
        made = object.__new__(type(child))
        made.__dict__.update(child.__dict__, _parent=parent, _flags_cache=None)
        return made


@contextlib.contextmanager
def references_shown() -> Iterator[None]:
    """Have OmegaConf show references to steps as they are where it resolves a config: ``--cfg job --resolve``."""
    name = step_references.RESOLVER
    if OmegaConf.has_resolver(name):
        yield
        return
    register_resolver(name, lambda text: f"${{{name}:{text}}}")
    try:
        yield
    finally:
        OmegaConf.clear_resolver(name)


def _outside_of_pipelines(marked: str, path: Path) -> Any:
    text = step_references.spelled(marked)
    raise ValidationError(placed(path, f"{text}: there is such a value only while a pipeline runs ({STEPS})"))


def _references(box: Any, node: Any) -> tuple[bool, Iterator[tuple[Any, Any]]]:
    """Return whether the text of a node has nothing but references in it, and which interpolations they name."""
    text = content(node) if isinstance(node, ValueNode) else None
    if not isinstance(text, str) or "${" not in text:
        return True, iter(())
    found = list(_NAMED.finditer(text))
    named = (_named(box, match.group(1), match.group(2).split(".")) for match in found)
    return len(found) == text.count("${"), iter([one for one in named if one is not None])


def _named(box: Any, dots: str, keys: list[str]) -> tuple[Any, Any] | None:
    """Return the container and key of the interpolation that a reference names; None if it names none."""
    up = len(dots) - 1 if dots else -1
    while box is not None and up != 0 and box._get_parent() is not None:
        box, up = box._get_parent(), up - 1
    for key in keys[:-1]:
        box = own_node(box, key)
    node = own_node(box, keys[-1])
    held = content(node) if isinstance(node, ValueNode) else None
    return (box, keys[-1]) if isinstance(held, str) and "${" in held else None


def leads_nowhere(text: str, error: OmegaConfBaseException) -> str:
    """Word why an interpolation cannot be resolved."""
    first = str(error).splitlines()[0]
    if "RecursionError" in first or _TOO_LONG in first:
        return f"{text} {_TOO_LONG}"
    if isinstance(error, UnsupportedInterpolationType):
        name = first.rpartition(" ")[2]
        return (
            f"{text}: there is no resolver '{name}' yet; register it where the module is imported, before the app runs"
        )
    if "Error resolving key" in first:
        return f"{text} names what is outside of this config: resolve it before a part is taken out of the whole"
    return first


class _Counts:
    """What is different in a counterpart's class; the names are OmegaConf's."""

    _resolution: Resolution

    # One call more a level and not three: the interpreter allows only so many, and a text may lead through fifty.
    def resolve_parse_tree(self, *args: Any, **kwargs: Any) -> Any:
        inherited: Any = super()
        resolution = self._resolution
        resolution.spend(1 if resolution.depth else -EACH)
        resolution.depth += 1
        try:
            found = inherited.resolve_parse_tree(*args, **kwargs)
        finally:
            resolution.depth -= 1
        resolution.spend(0, found)
        return found

    def _resolve_node_interpolation(self, *args: Any, **kwargs: Any) -> Any:
        inherited: Any = super()
        self._resolution.spend(int(self._resolution.depth > 1))
        found = inherited._resolve_node_interpolation(*args, **kwargs)
        self._resolution.spend(0, content(found) if isinstance(found, ValueNode) else None)
        return found

    def _validate_and_convert_interpolation_result(
        self, parent: Any, value: Any, key: Any, resolved: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Leave what stands for a step's result as it is: a field of a dataclass takes that, and not this text."""
        inherited: Any = super()
        held = content(resolved) if isinstance(resolved, ValueNode) else resolved
        if isinstance(held, str) and step_references.is_marked(held):
            return InterpolationResultNode(value=held, key=key, parent=parent)
        return inherited._validate_and_convert_interpolation_result(parent, value, key, resolved, *args, **kwargs)

    def _evaluate_custom_resolver(self, *, inter_type: str, inter_args: tuple[Any, ...], **kwargs: Any) -> Any:
        own = self._resolution.resolvers.get(inter_type)
        if own is not None:
            return own(*inter_args)
        if not OmegaConf.has_resolver(inter_type):
            import_all()  # a module may register it
        inherited: Any = super()
        return inherited._evaluate_custom_resolver(inter_type=inter_type, inter_args=inter_args, **kwargs)


@functools.cache
def _counting(kind: type[Container]) -> type[Container]:
    """Return the class of the counterparts of a class of containers."""
    return type(f"Counting{kind.__name__}", (_Counts, kind), {})
