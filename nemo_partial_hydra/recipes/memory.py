"""What a live object tells about its constructor: the arguments it remembers, and what it holds of them now.

May import: the standard library only. NeMo's objects (``__io__``), dataclasses, attrs and pydantic classes and named
tuples are known by what they have, without importing any of these packages.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Final

from .tree import CONFIG, FIDDLE_CONFIG

MISSING: Final = inspect.Parameter.empty
"""No value: of a parameter without a default, of an attribute that is not there."""

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclasses.dataclass(frozen=True)
class Memory:
    """What an object tells about its constructor.

    Attributes
    ----------
    fn : the callable that makes such an object again.
    parameters : those of ``fn`` that have a name.
    given : the arguments to make it again with, as far as the object remembers them: the nearest guess.
    positional : arguments that go before those.
    held : the value of now of each argument that an attribute of the same name holds.
    computed : those of ``held`` that are read through a property, so that nobody can have set them.
    rest : other attributes that count, by name: making the object again has to give them too.
    data : whether the object is nothing but its attributes (a dataclass and its like).
    plain : whether the constructor is known to store its arguments as they are, and to do nothing else.
    buildable : the class of buildable that the object becomes.
    """

    fn: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    given: Mapping[str, Any]
    held: Mapping[str, Any]
    positional: tuple[Any, ...] = ()
    computed: frozenset[str] = frozenset()
    rest: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: bool = False
    plain: bool = False
    buildable: str = CONFIG

    def default(self, name: str) -> Any:
        """Return the default of a parameter; ``MISSING`` if there is none, or the parameter has no name."""
        parameter = self.parameters.get(name)
        return MISSING if parameter is None else parameter.default


def memory_of(obj: Any) -> Memory | None:
    """Return what an object tells about its constructor; None if it tells nothing."""
    io = attribute(obj, "__io__")  # NeMo's IOMixin keeps how an object was made
    tracked = isinstance(attribute(io, "__arguments__"), dict) and callable(attribute(io, "__fn_or_cls__"))
    fields = _fields(obj)
    if not tracked and fields is None:
        return None
    fn: Any = io.__fn_or_cls__ if tracked else type(obj)
    try:
        signature, parameters = _signature(fn)
    except (TypeError, ValueError):
        return None
    positional, remembered = _remembered(io, signature) if tracked else ((), {})
    if fields is None:
        held = {name: held_as(obj, name) for name in dict.fromkeys([*parameters, *remembered])}
        held = {name: value for name, value in held.items() if value is not MISSING}
        computed = frozenset(name for name in held if _computed(obj, name))
        return Memory(fn, parameters, remembered, held, positional, computed, buildable=_kind(io))
    everything = any(found.kind is found.VAR_KEYWORD for found in signature.values())
    names = {name: kept for name, kept in fields.arguments.items() if everything or name in parameters}
    held = {name: attribute(obj, kept) for name, kept in names.items()}
    state = state_of(obj)
    held |= {name: state[name] for name in parameters if name not in held and name in state}  # an InitVar kept so
    held = {name: value for name, value in held.items() if value is not MISSING}
    others = {kept for name, kept in fields.arguments.items() if name not in names}
    nemo = tracked or hasattr(type(obj), "io_init")  # NeMo tracks a class from the second one of its kind on, or never
    known = {*names.values(), *held, *fields.made}
    added = {name for name in state if name not in known and _added(obj, name) and not (nemo and _own(name))}
    others |= {*fields.made, *added}
    known_now = dict(held)
    if everything:  # a constructor that takes any keyword may take those
        held |= {name: state[name] for name in added if not _own(name)}
        others -= set(held)
    rest = {name: attribute(obj, name) for name in sorted(others)}
    if tracked:
        given = remembered
    elif nemo:
        needed = {name for name, found in parameters.items() if found.default is MISSING}
        given = {name: value for name, value in known_now.items() if name in needed}
    else:
        given = {name: value for name, value in known_now.items() if fields.given is None or name in fields.given}
    return Memory(
        fn,
        parameters,
        given,
        held,
        positional,
        rest={name: value for name, value in rest.items() if value is not MISSING},
        data=True,
        plain=fields.plain,
        buildable=_kind(io) if tracked else FIDDLE_CONFIG if nemo else CONFIG,
    )


def arguments_held(obj: Any) -> Mapping[str, Any] | None:
    """Return what an object of an ordinary class holds, if that is an attribute for each argument and nothing else.

    None if it holds more or less than that, or if its class says in its own way how its objects are made, read, set,
    copied or compared.
    """
    cls: Any = type(obj)
    if not _is_ordinary(cls):
        return None
    try:
        every, named = _signature(cls)
    except (TypeError, ValueError):
        return None
    held = state_of(obj)
    wanted = {name for name, found in named.items() if found.kind is not inspect.Parameter.POSITIONAL_ONLY}
    return {name: held[name] for name in named} if set(every) == wanted == set(held) else None


_SAYS_MORE = frozenset(
    "__new__ __getattribute__ __getattr__ __setattr__ __delattr__ __eq__ __copy__ __deepcopy__ __reduce__ "
    "__reduce_ex__ __getstate__ __setstate__ __getnewargs__ __getnewargs_ex__".split()
)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, no type of C


@functools.lru_cache(maxsize=1024)
def _is_ordinary(cls: Any) -> bool:
    """Whether a class is made of class statements that define nothing but methods."""
    bases = [base for base in cls.__mro__ if base is not object]
    init = inspect.getattr_static(cls, "__init__")
    return (
        type(cls) in (type, abc.ABCMeta)
        and isinstance(init, types.FunctionType)
        and all(base.__flags__ & _HEAP_TYPE for base in bases)
        and not any(_SAYS_MORE & set(vars(base)) for base in bases)
    )


@functools.lru_cache(maxsize=1024)
def _signature(fn: Any) -> tuple[Mapping[str, inspect.Parameter], Mapping[str, inspect.Parameter]]:
    """Return all parameters of a callable, and those that have a name."""
    found = inspect.signature(fn).parameters
    return found, {name: parameter for name, parameter in found.items() if parameter.kind not in _VARIABLE}


# What NeMo's objects remember ----------------------------------------------------------------------------------------


def _remembered(io: Any, signature: Mapping[str, inspect.Parameter]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of ``__io__``; those of ``*args`` and ``**kwargs`` stand there as one value each."""
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    kept = dict(io.__arguments__)
    for key in sorted(key for key in kept if isinstance(key, int)):
        positional += (kept.pop(key),)
    for name, value in kept.items():
        kind = signature[name].kind if name in signature else None
        if kind is inspect.Parameter.VAR_KEYWORD and isinstance(value, dict):
            named |= value
        elif kind is inspect.Parameter.VAR_POSITIONAL and isinstance(value, (tuple, list)):
            positional += tuple(value)
        else:
            named[name] = value
    if positional:  # what comes before ``*args`` has to be given by its place too
        before: list[Any] = []
        for name, found in signature.items():
            if found.kind is inspect.Parameter.VAR_POSITIONAL or name not in named:
                break
            before.append(named.pop(name))
        positional = (*before, *positional)
    return positional, named


def _kind(io: Any) -> str:
    kind = type(io)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


# What attributes hold --------------------------------------------------------------------------------------------


def attribute(obj: Any, name: str) -> Any:
    """Return an attribute; ``MISSING`` if there is none, or reading it raises."""
    try:
        return getattr(obj, name, MISSING)
    except Exception:  # a property or __getattr__ of a foreign class may raise anything
        return MISSING


def state_of(obj: Any) -> dict[str, Any]:
    """Return what stands in an object itself: its ``__dict__`` and its slots."""
    cls: Any = type(obj)
    slots = {name: attribute(obj, name) for name in _slots(cls)}
    state = {name: value for name, value in slots.items() if value is not MISSING}
    own = attribute(obj, "__dict__")
    return state | own if isinstance(own, dict) else state


@functools.lru_cache(maxsize=1024)
def _slots(cls: Any) -> tuple[str, ...]:
    found: list[str] = []
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        found += [name for name in names if isinstance(name, str) and name[:2] != "__"]
    return tuple(found)


def held_as(obj: Any, name: str) -> Any:
    """Return what an object holds of an argument: as ``name``, ``_name`` or a property."""
    state = state_of(obj)
    for spelling in (name, f"_{name}"):
        if spelling in state:
            return state[spelling]
    static = inspect.getattr_static(type(obj), name, MISSING)
    return attribute(obj, name) if static is MISSING or isinstance(static, property) else MISSING


def _computed(obj: Any, name: str) -> bool:
    static = inspect.getattr_static(type(obj), name, None)
    return isinstance(static, property) and static.fset is None and f"_{name}" not in state_of(obj)


def _added(obj: Any, name: str) -> bool:
    """Whether somebody has put an attribute into an object; a cached property puts its own value there."""
    own = attribute(obj, "__dict__")
    if not isinstance(own, dict) or name not in own or (name.startswith("__") and name.endswith("__")):
        return False
    return not isinstance(inspect.getattr_static(type(obj), name, None), functools.cached_property)


def _own(name: str) -> bool:
    return name.startswith("_")


# Data classes ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Fields:
    """The fields of a data class: argument names with their attributes, and those that are no arguments."""

    arguments: Mapping[str, str]
    made: tuple[str, ...] = ()
    plain: bool = False
    given: frozenset[str] | None = None  # the arguments that were given, where the class knows


def _fields(obj: Any) -> _Fields | None:
    cls: Any = type(obj)
    fields = _fields_of(cls)
    if fields is not None:
        return fields
    models = attribute(cls, "__pydantic_fields__")
    if isinstance(models, dict):
        names = {_alias(name, field): name for name, field in models.items()}
        given = attribute(obj, "__pydantic_fields_set__")
        chosen = frozenset(name for name, kept in names.items() if kept in given) if isinstance(given, set) else None
        more, private = (attribute(obj, f"__pydantic_{kind}__") for kind in ("extra", "private"))
        names |= {name: name for name in more} if isinstance(more, dict) else {}
        return _Fields(names, tuple(private) if isinstance(private, dict) else (), given=chosen)
    return None


@functools.lru_cache(maxsize=1024)
def _fields_of(cls: type[Any]) -> _Fields | None:
    """Return the fields of a class of which all objects have the same."""
    if dataclasses.is_dataclass(cls):
        fields = dataclasses.fields(cls)
        init = inspect.unwrap(inspect.getattr_static(cls, "__init__"))
        generated = isinstance(init, types.FunctionType) and init.__code__.co_filename == "<string>"
        return _Fields(
            {field.name: field.name for field in fields if field.init},
            tuple(field.name for field in fields if not field.init),
            generated and not hasattr(cls, "__post_init__"),
        )
    attrs = inspect.getattr_static(cls, "__attrs_attrs__", None)
    if isinstance(attrs, tuple):
        return _Fields(
            {getattr(a, "alias", None) or a.name.lstrip("_"): a.name for a in attrs if a.init},
            tuple(a.name for a in attrs if not a.init),
        )
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _Fields({name: name for name in cls._fields}, (), plain=True)
    return None


def compares_fields(cls: type[Any]) -> bool:
    """Whether objects of a class are equal if their fields are: a dataclass that compares in no way of its own."""
    if not dataclasses.is_dataclass(cls):
        return False
    code = getattr(cls.__eq__, "__code__", None)
    return code is not None and code.co_filename == "<string>"


def default_made(cls: Any, name: str) -> Any:
    """Return what the default factory of a dataclass's field makes; ``MISSING`` if it has none."""
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        return MISSING
    found = next((field for field in dataclasses.fields(cls) if field.name == name), None)
    if found is None or found.default_factory is dataclasses.MISSING:
        return MISSING
    try:
        return found.default_factory()
    except Exception:  # a foreign factory may raise anything
        return MISSING


def _alias(name: str, field: Any) -> str:
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    return alias if isinstance(alias, str) and alias.isidentifier() else name
