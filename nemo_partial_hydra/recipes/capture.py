"""Live Python objects -> recipe tree. Everything becomes a node by itself; nothing needs to be wrapped.

May import: the standard library. fiddle is only looked at when it is already loaded: an object that is a fiddle
buildable cannot exist without it.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.messages import placed

from .constructor import how_made
from .keys import ARGS, RESERVED
from .likeness import same
from .names import name_of, resolves_to
from .tree import (
    BUILDABLES,
    SCALARS,
    Call,
    Link,
    Losing,
    Map,
    Opaque,
    Path,
    Ref,
    Seq,
    Tree,
    Value,
)
from .values import BY_TYPE

WAYS_OUT = "wrap what makes it in run.Config(...), or keep it as it is with nph.raw(...)"
_CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    type,
)


class Raw:
    """The mark that ``nph.raw(value)`` puts around a value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"raw({self.value!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Raw:
        return self  # the value is one object, whatever it is


def capture(
    obj: Any,
    *,
    auto: bool = True,
    seen: Callable[[str, Any], None] | None = None,
    losing: Losing = None,
) -> Tree:
    """Turn a ``run.Partial``, ``run.Config`` or any value into a recipe tree.

    Parameters
    ----------
    obj : the object.
    auto : whether dataclass instances, ``functools.partial`` and other objects that can say how they were made
        become nodes too; if not, they stay opaque values.
    seen : called with the name and the object of every target, so that its signature can be read.
    losing : called with the path and value of each attribute that somebody has set and that is no field of its
        dataclass: it is left out. Without it such an object is refused.

    Raises
    ------
    CaptureError
        With the path, for what has no form (a lambda, an open file), and for a structure that contains itself.
    """
    first = _Capture(auto, seen, losing=losing)
    tree = first.tree(obj, ())
    if first.remembered.keys() & first.first.keys():  # one place has an object, another what NeMo remembers of it
        again = _Capture(auto, seen, losing=losing)
        again.owners = first.remembered
        return again.tree(obj, ())
    return tree


def capture_default(obj: Any, *, objects: bool = False) -> Tree:
    """Turn a parameter's default into a tree; ``objects``: dataclass instances and partials as what makes them too."""
    return _Capture(False, None, strict=True, objects=objects).tree(obj, ())


class _Capture:
    def __init__(
        self,
        auto: bool,
        seen: Callable[[str, Any], None] | None,
        strict: bool = False,
        objects: bool = False,
        losing: Losing = None,
    ) -> None:
        self.auto = auto
        self.objects = objects
        self.seen = seen
        self.losing = losing
        self.strict = strict
        self.first: dict[int, tuple[Path, Any]] = {}  # the object too: its id must not be used again
        self.open: set[int] = set()
        self.remembered: dict[int, Any] = {}  # the objects of NeMo, by the id of the buildable that remembers them
        self.owners: dict[int, Any] = {}  # the same, once all of them are known
        fiddle = sys.modules.get("fiddle")
        self.buildable: Any = getattr(fiddle, "Buildable", ()) if fiddle else ()

    def tree(self, obj: Any, path: Path) -> Tree:
        obj = self.owners.get(id(obj), obj)
        if type(obj) in SCALARS or type(obj) is bytes:
            leaf: Tree = obj
            return leaf
        if isinstance(obj, enum.Enum):
            return self.member(obj, path)
        if isinstance(obj, types.MethodType) and id(obj) in self.first:
            return Link(self.first[id(obj)][0])  # made anew at each access: two places may share one
        if isinstance(obj, _CODE):
            self.first[id(obj)] = (path, obj)
            return self.reference(obj, path)
        if type(obj) is tuple and not obj:
            return Seq((), "tuple")
        known = self.first.get(id(obj))
        if known is not None and not _constant(obj):
            return Link(known[0])
        with self.entered(obj, path):
            made = self.node(obj, path)
        if not isinstance(made, Ref):
            self.first[id(obj)] = (path, obj)
        return made

    @contextmanager
    def entered(self, obj: Any, path: Path) -> Iterator[None]:
        if id(obj) in self.open:
            raise CaptureError(placed(path, "the structure contains itself; a recipe is a tree"))
        self.open.add(id(obj))
        try:
            yield
        finally:
            self.open.discard(id(obj))

    def node(self, obj: Any, path: Path) -> Tree:
        if isinstance(obj, self.buildable):
            return self.tree(_resolved(obj, path), path) if _is_lazy(obj) else self.call(obj, path)
        if isinstance(obj, Raw):
            return Opaque(obj.value)
        row = BY_TYPE.get(type(obj))
        if row is None:
            return self.other(obj, path)
        if row.held == "sequence":
            items = _ordered(obj) if row.cls in (set, frozenset) else obj
            return Seq(tuple(self.tree(item, (*path, i)) for i, item in enumerate(items)), row.cls.__name__)
        if row.held == "map":
            return self.map(obj, path)
        if row.held == "value":
            return Value(row.target, row.arguments(obj))
        leaf: Tree = obj
        return leaf

    def map(self, obj: dict[Any, Any], path: Path) -> Tree:
        for key in obj:
            if type(key) not in (*SCALARS, bytes):
                raise CaptureError(placed(path, f"the key {key!r} of a dict is no plain value; {WAYS_OUT}"))
        items = tuple((key, self.tree(value, (*path, key))) for key, value in obj.items())
        return Map(items, type(obj).__name__)

    def member(self, obj: enum.Enum, path: Path) -> Tree:
        owner = name_of(type(obj))
        if owner is None or not str(obj.name).isidentifier() or getattr(type(obj), str(obj.name), None) is not obj:
            return self.refused(obj, path, "an enum member that no dotted name leads to")
        return self.named(f"{owner}.{obj.name}")

    def reference(self, obj: Any, path: Path) -> Tree:
        name = name_of(obj)
        if name is None:
            what = (
                "a lambda" if getattr(obj, "__name__", "") == "<lambda>" else "an object that no dotted name leads to"
            )
            return self.refused(obj, path, f"{what}; define it at the top of a module, or")
        return self.named(name)

    def named(self, name: str) -> Ref:
        self.note(name, None)
        return Ref(name)

    def call(self, obj: Any, path: Path) -> Call:
        fn = obj.__fn_or_cls__
        target = name_of(fn)
        if target is None:
            raise CaptureError(
                placed(path, f"the target {fn!r} cannot be found by a dotted name; define it at the top of a module")
            )
        self.note(target, fn)
        for name, tags in obj.__argument_tags__.items():
            if tags:
                raise CaptureError(placed((*path, name), "fiddle's argument tags have no form here; remove them"))
        positional, named = split_arguments(obj, path)
        known = obj.__signature_info__.parameters
        for name in [name for name in named if name in RESERVED]:
            if name not in known or same(known[name].default, named[name]) is not True:
                self.unreserved(name, path)
            del named[name]  # nemo_run sets each field of a dataclass that it is given
        args = tuple(self.tree(value, (*path, ARGS, i)) for i, value in enumerate(positional))
        kwargs = {name: self.tree(value, (*path, name)) for name, value in named.items()}
        return Call(target, kwargs, args, buildable_name(obj, path))

    def unreserved(self, name: str, path: Path) -> None:
        if name in RESERVED:
            raise CaptureError(placed((*path, name), f"the argument name '{name}' has a meaning of its own in YAML"))

    def other(self, obj: Any, path: Path) -> Tree:
        text = repr(obj) if type(obj).__module__.partition(".")[0] in ("torch", "numpy") else ""
        if text.replace(".", "").isidentifier() and resolves_to(text, obj):
            return self.named(text)  # a dtype: torch.bfloat16
        said = self.objects and (is_dataclass(obj) or isinstance(obj, functools.partial))
        if not self.auto and not said:
            return self.refused(obj, path, f"a {type(obj).__name__} object") if self.strict else Opaque(obj)
        try:
            how = how_made(obj, None if self.losing is None else functools.partial(self.lose, path))
        except CaptureError as error:
            raise CaptureError(placed(path, f"{error}; {WAYS_OUT}")) from error
        if how is None:
            return self.refused(obj, path, f"a {type(obj).__name__} object, which cannot say how it was made")
        if isinstance(remembered := getattr(obj, "__io__", None), self.buildable):
            self.remembered[id(remembered)] = obj
        target = name_of(how.fn)
        if target is None:
            return self.refused(obj, path, f"a {type(obj).__name__} object, whose maker no dotted name leads to")
        self.note(target, how.fn)
        positional = tuple(self.tree(value, (*path, ARGS, i)) for i, value in enumerate(how.args))
        named: dict[str, Tree] = {}
        for name, value in how.kwargs.items():
            default = name in how.defaults and same(how.defaults[name], value) is True
            if default and (self.objects or name in RESERVED):
                continue  # of a default only what it was given; the fields of a class of Hydra's configs say the rest
            if isinstance(value, functools.partial) and how.defaults.get(name) is value:
                continue  # partials are equal to themselves alone: a second one would not be the default
            self.unreserved(name, path)
            try:
                named[name] = self.tree(value, (*path, name))
            except CaptureError:
                if not how.is_default(name, value):  # if it is (a lambda), leaving it out says the same
                    raise
        return Call(target, named, positional, supported(how.buildable, path))

    def lose(self, path: Path, name: str, value: Any) -> None:
        if self.losing is not None:
            self.losing((*path, name), value)

    def note(self, target: str, fn: Any) -> None:
        if self.seen is not None:
            self.seen(target, fn)

    def refused(self, obj: Any, path: Path, what: str) -> Tree:
        raise CaptureError(placed(path, f"{what} has no text form ({_brief(obj)}): {WAYS_OUT}"))


def _is_lazy(obj: Any) -> bool:
    """Whether a buildable is nemo_run's ``LazyEntrypoint``: a name, a factory and overrides that are applied later."""
    kind = type(obj)
    return kind.__name__ == "LazyEntrypoint" and kind.__module__.partition(".")[0] == "nemo_run"


def _resolved(obj: Any, path: Path) -> Any:
    try:
        return obj.resolve()
    except Exception as error:  # it imports what it names, and calls a factory
        said = f"{type(error).__name__}: {error}"
        way = "give the run.Partial that it stands for instead"
        raise CaptureError(placed(path, f"a LazyEntrypoint that cannot be resolved here ({said}): {way}")) from error


def _brief(obj: Any) -> str:
    text = f"{type(obj).__module__}.{type(obj).__qualname__}"
    name = getattr(obj, "__qualname__", "")
    return f"{text} {name}".strip()


def _constant(obj: Any) -> bool:
    """Python itself may share tuples of constants: such sharing means nothing."""
    return type(obj) is tuple and all(type(item) in (*SCALARS, bytes) or _constant(item) for item in obj)


def _ordered(obj: Any) -> list[Any]:
    """Sets have no order: give them one that is the same in every process."""
    return sorted(obj, key=lambda item: (type(item).__name__, repr(item)))


def split_arguments(obj: Any, path: Path) -> tuple[list[Any], dict[str, Any]]:
    """Split a buildable's arguments into positional and named ones, as a call would write them."""
    arguments: dict[Any, Any] = dict(obj.__arguments__)
    numbered = [key for key in arguments if isinstance(key, int)]
    if not numbered:
        return [], arguments
    names = list(obj.__signature_info__.parameters.values())
    positional = []
    for index in range(max(numbered) + 1):
        named = (
            names[index].name
            if index < len(names) and names[index].kind is names[index].POSITIONAL_OR_KEYWORD
            else None
        )
        key = named if named is not None and index not in arguments else index
        if key not in arguments:
            raise CaptureError(placed((*path, ARGS, index), "a positional argument is not set, but one after it is"))
        positional.append(arguments.pop(key))
    return positional, arguments


def buildable_name(obj: Any, path: Path) -> str:
    """Name the class of a buildable: nemo_run's, fiddle's or an error."""
    kind = type(obj)
    return supported(f"{kind.__module__.partition('.')[0]}.{kind.__name__}", path)


def supported(name: str, path: Path) -> str:
    """Return the name of a class of buildables, if it is one of those that a tree can have."""
    if name in BUILDABLES:
        return name
    raise CaptureError(placed(path, f"a buildable of the class {name} is not supported"))
