"""The nodes of a composed config: typed leaves that know whether they were touched, and one dataclass a target.

May import: OmegaConf. A leaf checks each value that an override gives it against the parameter's full type, so a
mistake is an error at once, in any Hydra app. What OmegaConf forgets (set or unset, tuple or list, the exact value
behind the text) is kept here.
"""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import enum
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast

from omegaconf import AnyNode, Container, DictConfig, ListConfig, Node
from omegaconf.errors import ValidationError as OmegaValidationError

from nemo_partial_hydra.dialect.writer import restores, short_form
from nemo_partial_hydra.errors import RecipeError, ValidationError
from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.recipes.keys import MISSING, TARGET
from nemo_partial_hydra.recipes.tree import SCALARS, Map, Opaque, Path, Ref, Seq, Tree
from nemo_partial_hydra.signatures.convert import Mismatch, convert, same
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import ANY, TypeSpec

from .compat import child_nodes, content, flag, is_absent, own_node
from .flags import PART_OF, UNSET
from .keywords_node import KeywordsNode
from .live_objects import to_send


class _Nothing(enum.Enum):
    """What stands for no value: by its name, which a pickle and a copy keep."""

    NOTHING = 0


NOTHING: Any = _Nothing.NOTHING
RAW_TEXT = re.compile(r"<raw \w+>")  # what a config shows for an object as a whole
DEFAULT, PART, RECIPE, OVERRIDE = "default", "part", "recipe", "override"
UNTOUCHED = (DEFAULT, PART)


class Leaf(AnyNode):
    """One parameter or element: its type, where its value comes from and the exact tree behind it.

    ``state`` is ``default`` (nobody set it), ``part`` (of a default that is an object, a list or a dict: it is set as
    soon as anything of that is), ``recipe`` (as captured or read) or ``override`` (written since).
    ``exact`` is the value's tree as long as nobody wrote another.
    """

    spec: TypeSpec = ANY
    state: str = ""
    exact: Tree = NOTHING
    first: Any = None

    def __init__(
        self, value: Any = None, spec: TypeSpec = ANY, state: str = RECIPE, exact: Tree = NOTHING, **kwargs: Any
    ) -> None:
        super().__init__(value, **kwargs)  # its state is still empty: the first value is kept as it is
        self.spec = spec
        self.state = state
        self.exact = exact
        self.first = value

    def validate_and_convert(self, value: Any) -> Any:
        """Check a value that is written into this leaf; part of OmegaConf's node interface."""
        if not self.state or (self.state == DEFAULT and type(value) is str and value == MISSING):
            return value  # "missing" leaves a default as it is
        if type(value) not in SCALARS and not isinstance(value, (bytes, enum.Enum)):
            value = super().validate_and_convert(value)
        try:
            tree = convert(_as_tree(value), self.spec)
        except Mismatch as problem:
            raise OmegaValidationError(problem.text) from None
        except RecipeError as error:
            raise OmegaValidationError(str(error)) from None
        self.state = OVERRIDE
        short = short_form(tree)
        if isinstance(tree, Ref) and not restores(short, tree, self.spec):
            return tree.target  # only an enum member is known by its last name
        return value if isinstance(short, (Opaque, Map, Seq)) else short

    def __getstate__(self) -> dict[str, Any]:
        """Return what goes to another process: an object that cannot is missed there only by who reads it."""
        state: dict[str, Any] = super().__getstate__()
        if isinstance(self.exact, Opaque):
            state["exact"] = to_send(self.exact)
        return state

    def untouched(self, held: Any) -> bool:
        """Whether what the leaf holds is still what it was made with."""
        if self.state == OVERRIDE:
            return False
        return held is self.first or (type(held) is type(self.first) and same(held, self.first))

    def __deepcopy__(self, memo: dict[int, Any]) -> Leaf:
        """Return a copy that shares the value, as OmegaConf's own does in ten times the time; Hydra copies a lot."""
        held = self.__dict__
        metadata = held["_metadata"]
        described = object.__new__(type(metadata))
        described.__dict__.update(
            metadata.__dict__,
            flags=copy.copy(metadata.flags),
            resolver_cache=copy.deepcopy(metadata.resolver_cache, memo)
            if metadata.resolver_cache
            else defaultdict(dict),
        )
        copied = object.__new__(type(self))
        copied.__dict__.update(held, _metadata=described, _flags_cache=None)
        return copied

    def _set_key(self, key: Any) -> None:
        """Keep what an earlier config set where this leaf would put a mere default (see docs/design.md)."""
        super()._set_key(key)
        if self.state in UNTOUCHED and self._get_parent() is not None:
            before = own_node(self._get_parent(), key)
            if isinstance(before, AnyNode) and before is not self:
                held = before._value()
                if isinstance(before, Leaf):
                    if before.state in UNTOUCHED and before.untouched(held):
                        return
                    if before.untouched(held):
                        self.__dict__.update(_val=held, first=held, state=before.state, exact=before.exact)
                        return
                elif held == MISSING:
                    return
                self._set_value(held)
                self.state = RECIPE if self.state in UNTOUCHED else self.state


def refuse_shown(value: str, path: Path) -> None:
    """Refuse a text that a config shows for an object, where the object itself is gone.

    Raises
    ------
    ValidationError
        With the path.
    """
    if RAW_TEXT.fullmatch(value):
        what = f"{value} stands for an object that only the config itself held, before it was made text or plain data"
        raise ValidationError(placed(path, what))


def refuse_text(value: str, path: Path, root: Any, text: str) -> None:
    """Refuse what a reference led to, if that only shows an object of the config.

    Parameters
    ----------
    value, path : what was found, and where the reference stands.
    root, text : the recipe's node, and the reference.

    Raises
    ------
    ValidationError
        With the path.
    """
    shown = set(RAW_TEXT.findall(value))
    stack = [root._get_root()] if shown else []
    while stack:
        for _, child in child_nodes(stack.pop()):
            if isinstance(child, Leaf) and isinstance(child.exact, Opaque) and content(child) in shown:
                what = f"{text} makes a text of {content(child)}, an object that has none; refer to it as a whole, and"
                raise ValidationError(placed(path, f"{what} from its own recipe only, or make it a run.Config"))
            if isinstance(child, (DictConfig, ListConfig)) and not is_absent(child):
                stack.append(child)


class DefaultNode(KeywordsNode):
    """A dict or an object that a parameter's default shows; it too keeps what an earlier config set in its place."""

    def merge_with(self, *others: Any, **kwargs: Any) -> None:
        """Merge an override, or take it instead if it names another target; part of OmegaConf's interface."""
        given = others[0].get(TARGET) if len(others) == 1 and isinstance(others[0], Mapping) else None
        held = own_node(self, TARGET)
        if isinstance(given, str) and held is not None and given != held._value() and flag(self, UNSET):
            self._set_value(dict(others[0]))
        else:
            super().merge_with(*others, **kwargs)

    def _set_key(self, key: Any) -> None:
        super()._set_key(key)
        before = own_node(self._get_parent(), key) if self._get_parent() is not None else None
        if isinstance(before, AnyNode) and flag(self, UNSET):
            held = before._value()
            if held != MISSING and not (isinstance(before, Leaf) and before.state in UNTOUCHED):
                self._set_value(held)


def is_part(node: Any) -> bool:
    """Whether a node came with the default that shows above it."""
    if isinstance(node, Leaf):
        return node.state == PART
    return isinstance(node, (DictConfig, ListConfig)) and bool(flag(node, PART_OF))


def keeps_parts(node: DictConfig) -> bool:
    """Whether what a default object sets counts still: not if somebody has put another object in its place."""
    head = own_node(node, TARGET)
    return head is None or (isinstance(head, Leaf) and head.state == PART and head.untouched(content(head)))


def shows(node: Any, tree: Any) -> bool:
    """Whether a node holds the values of a default list or tuple."""
    if isinstance(tree, Seq) and isinstance(node, ListConfig):
        return len(node) == len(tree.items) and all(
            shows(child, item) for (_, child), item in zip(child_nodes(node), tree.items, strict=True)
        )
    if isinstance(tree, Map) and isinstance(node, DictConfig):
        return len(node) == len(tree.items) == 0
    return not isinstance(node, (DictConfig, ListConfig)) and same(content(node), tree)


class Reference(Leaf, Container):
    """A leaf that is a reference to another place, as long as it is one.

    OmegaConf puts an empty dict in the place of whatever is no container when something below it is overridden. Here
    the override is led to the other place instead, where it is refused with the right name. In all else it is a leaf:
    whatever is merged over it, or over which it is merged, takes its place, as in a config without types.
    """

    def _set_value(self, value: Any, flags: dict[str, bool] | None = None) -> None:
        super()._set_value(value, flags)
        if not self._is_interpolation():
            self.__class__ = Leaf  # type: ignore[assignment]

    def _invalidate_flags_cache(self) -> None:
        Node._invalidate_flags_cache(self)

    def _re_parent(self) -> None:
        """Have nothing below that could know of a parent."""

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def _none_below(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a reference has nothing below it")

    __delitem__ = __setitem__ = __getitem__ = __iter__ = _get_child = _get_node = _none_below


def _as_tree(value: Any) -> Tree:
    if type(value) in SCALARS or isinstance(value, bytes):
        return cast(Tree, value)
    from nemo_partial_hydra.recipes.capture import capture_default

    return capture_default(value)


class NodeType(type):
    """Metaclass of the targets' dataclasses.

    Every class counts as a subclass of theirs, so that choosing another recipe for a place, or putting a reference or
    a value there, is plain Hydra merging; what the place then accepts is checked by its type, with a better message.
    """

    def __subclasscheck__(cls, other: type) -> bool:
        return True


class RecipeNode(metaclass=NodeType):
    """Base of the dataclasses that stand for targets in a structured config."""

    signature_: Signature | None = None
    extras_: tuple[str, ...] = ()

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)  # ``OmegaConf.to_object`` makes one with all of its fields


class NodeClasses:
    """The dataclasses of targets: made when first asked for, one for a signature and the further keys beside it."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[str, ...], int], type[RecipeNode]] = {}
        self._pickled: dict[str, Signature] = {}

    def reset(self) -> None:
        """Make them anew from now on; nodes that exist keep theirs."""
        self._made.clear()
        self._pickled.clear()

    def of(self, signature: Signature, extras: tuple[str, ...]) -> type[RecipeNode]:
        """Return the dataclass of a target: one field a parameter, and ``extras`` for further keys."""
        key = (signature.target, extras, id(signature))
        found = self._made.get(key)
        if found is None:
            parameters = [name for name, parameter in signature.parameters.items() if not parameter.positional]
            head = [name for name in extras if name.startswith("_") and name.endswith("_")]
            names = [TARGET, *head, *parameters, *(name for name in extras if name not in head)]
            found = self._made[key] = _dataclass(signature.target.rpartition(".")[2], names, extras, signature)
        return found

    def overlay(self, names: tuple[str, ...]) -> type[RecipeNode]:
        """Return a dataclass of the given fields: what a file says about a recipe that another file holds.

        Hydra lets only a structured config add keys to one, and edits are such keys.
        """
        found = self._made.get(("", names, 0))
        if found is None:
            found = self._made[("", names, 0)] = _dataclass("Overlay", names, names)
        return found

    def of_pickle(self, signature: Signature | None, extras: tuple[str, ...]) -> type[RecipeNode]:
        """Return the class that a pickle names; equal signatures from pickles share one."""
        if signature is None:
            return self.overlay(extras)
        known = self._pickled.get(signature.target)
        if known != signature:
            self._pickled[signature.target] = known = signature
        return self.of(known, extras)


def _dataclass(
    name: str, fields: Iterable[str], extras: tuple[str, ...], signature: Signature | None = None
) -> type[RecipeNode]:
    body: dict[str, Any] = {"__annotations__": dict.fromkeys(fields, Any), "__module__": __name__}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(NodeType(name, (RecipeNode,), body))
    made.signature_, made.extras_ = signature, extras
    return cast(type[RecipeNode], made)


NODE_CLASSES = NodeClasses()


def _rebuild_class(signature: Signature | None, extras: tuple[str, ...]) -> type[RecipeNode]:
    return NODE_CLASSES.of_pickle(signature, extras)


def _reduce_class(cls: Any) -> tuple[Any, ...]:
    return (_rebuild_class, (cls.signature_, cls.extras_))


# A dataclass made at run time cannot be found by name: a pickle names what it was made from.
copyreg.pickle(NodeType, _reduce_class)
