"""What a parameter holds when nobody sets it, as a tree: of an object how it is made, since that has parameters too.

May import: the standard library only. A default is never evaluated: of a ``default_factory`` that is a class or a
function its name is kept, and a lambda is read by running its one expression on stand-ins for what it names, which
note the calls instead of making them. What cannot be written down is kept as the text that Python shows for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import functools
import inspect
import re
import types
from collections.abc import Mapping
from typing import Any

from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.recipes.capture import capture_default
from nemo_partial_hydra.recipes.names import name_of
from nemo_partial_hydra.recipes.tree import CONFIG, PARTIAL, SCALARS, Call, Link, Map, Seq, Tree, walk
from nemo_partial_hydra.recipes.values import BY_TYPE

from .signature import REQUIRED, Default, Unknown
from .types import TypeSpec

_EMPTY: Mapping[Any, Any] = {list: [], dict: {}, set: set(), tuple: (), frozenset: frozenset()}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def factories(obj: Any) -> dict[str, Any]:
    """Return the default factories of a dataclass by the names of its fields."""
    if not (isinstance(obj, type) and dataclasses.is_dataclass(obj)):
        return {}
    made = {f.name: f.default_factory for f in dataclasses.fields(obj)}
    return {name: factory for name, factory in made.items() if factory is not dataclasses.MISSING}


def default_of(parameter: inspect.Parameter, factory: Any, spec: TypeSpec) -> Default:
    """Return the default of a parameter.

    Parameters
    ----------
    parameter : as ``inspect`` gives it.
    factory : the ``default_factory`` of the dataclass field; None if it has none.
    spec : the parameter's type: only where it takes an object, the call of a factory counts as one.
    """
    if parameter.default is parameter.empty:
        return REQUIRED
    if factory is not None or short_repr(parameter.default) == "<factory>":
        if factory in _EMPTY:
            return capture_default(_EMPTY[factory])
        with contextlib.suppress(Exception):  # what a foreign expression does to stand-ins may raise anything
            made = _made_by(factory)
            if not isinstance(made, Call) or _takes_object(spec, factory):
                return made
        name = getattr(factory, "__qualname__", "")
        return Unknown(f"{name}()" if name and "<" not in name else "<factory>")
    try:
        found = capture_default(parameter.default, objects=True)
    except RecipeError:
        return Unknown(short_repr(parameter.default))
    # What stands at two places of a default would be named by its path from there.
    return Unknown(short_repr(parameter.default)) if _shares(found) else found


def short_repr(value: Any) -> str:
    """Return how Python shows a value, in a short line that is the same in every process."""
    try:
        text = _ADDRESS.sub("", repr(value))
    except Exception as error:  # a foreign __repr__ may raise anything; the listing must go on
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _shares(tree: Tree) -> bool:
    return isinstance(tree, (Call, Seq, Map)) and any(isinstance(node, Link) for _, node in walk(tree))


def _takes_object(spec: TypeSpec, factory: Any) -> bool:
    """Whether an object may stand here: the function behind ``id: str`` makes a value, which is set as a whole."""
    made = factory.func if isinstance(factory, functools.partial) else factory
    return "object" in spec.kinds or ("any" in spec.kinds and (isinstance(made, type) or _is_lambda(made)))


# Factories ---------------------------------------------------------------------------------------------------------


class _NoForm(Exception):
    """What a factory makes cannot be written down."""


def _made_by(factory: Any) -> Tree:
    """Return what a default factory makes."""
    if _is_lambda(factory):
        found = _tree(_run(factory))
        if any(isinstance(node, Call) for _, node in walk(found)):
            return found
        raise _NoForm
    if isinstance(factory, functools.partial):
        return _tree(_Made(factory.func, factory.args, factory.keywords))
    return _tree(_Made(factory, (), {}))


def _is_lambda(obj: Any) -> bool:
    return isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>"


@dataclasses.dataclass(frozen=True)
class _Made:
    """A call that an expression would make."""

    fn: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class _Name:
    """The stand-in for what a lambda names: a call of it is noted."""

    def __init__(self, obj: Any) -> None:
        self._obj_ = obj

    def __call__(self, *args: Any, **kwargs: Any) -> _Made:
        return _Made(self._obj_, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        owner = self._obj_
        if not isinstance(owner, (types.ModuleType, type)) or name.startswith("_"):
            raise _NoForm
        return _stand_in(vars(owner)[name] if isinstance(owner, types.ModuleType) else getattr(owner, name))


def _stand_in(obj: Any) -> Any:
    return _Name(obj) if callable(obj) or isinstance(obj, types.ModuleType) else obj


# Instructions that only name, call and put together; what else there is might take for ever.
_SIMPLE = ("LOAD_", "CALL", "BUILD_", "RETURN_", "KW_NAMES", "PUSH_NULL", "PRECALL", "RESUME", "COPY_FREE_VARS")
_MERGING = ("LIST_EXTEND", "DICT_MERGE", "DICT_UPDATE", "SET_UPDATE", "LIST_TO_TUPLE", "NOP", "CACHE")
_PLAIN = {kind.__name__: kind for kind in (list, dict, tuple, set, frozenset)}


def _run(factory: types.FunctionType) -> Any:
    """Run a lambda's expression on stand-ins: nothing that it names is called."""
    code = factory.__code__
    if code.co_argcount or not all(i.opname.startswith((*_SIMPLE, *_MERGING)) for i in dis.get_instructions(code)):
        raise _NoForm
    known = factory.__globals__
    names: dict[str, Any] = {name: _stand_in(known[name]) for name in code.co_names if name in known}
    cells = tuple(types.CellType(_stand_in(cell.cell_contents)) for cell in factory.__closure__ or ())
    return types.FunctionType(code, {**names, "__builtins__": _PLAIN}, closure=cells or None)()


def _tree(made: Any) -> Tree:
    """Return what an expression on stand-ins gave as a tree."""
    if isinstance(made, _Made):
        return _call(made)
    if isinstance(made, _Name):
        return capture_default(made._obj_)
    if type(made) in (list, tuple):
        return Seq(tuple(map(_tree, made)), type(made).__name__)
    if type(made) is dict and all(type(key) in SCALARS for key in made):
        return Map(tuple((key, _tree(value)) for key, value in made.items()))
    return capture_default(made)


def _call(made: _Made) -> Tree:
    fn = made.fn
    if fn in BY_TYPE:  # a value of the standard library, which costs nothing to make
        return capture_default(fn(*made.args, **made.kwargs))
    buildable = CONFIG
    if fn is functools.partial:
        held = made.args[0]
        fn, made, buildable = held._obj_, _Made(held._obj_, made.args[1:], made.kwargs), PARTIAL
    target = name_of(fn)
    if target is None or target.partition(".")[0] in ("builtins", "nemo_run", "fiddle"):
        raise _NoForm
    given = inspect.signature(fn).bind_partial(*made.args, **made.kwargs)  # by name, as an override says it
    if len(given.args) > len(_by_name(given)):
        raise _NoForm
    kwargs = {name: _tree(value) for name, value in {**_by_name(given), **given.kwargs}.items()}
    return Call(target, kwargs, (), buildable)


def _by_name(given: inspect.BoundArguments) -> dict[str, Any]:
    """Return the arguments that are given by position and have a name."""
    kinds = given.signature.parameters
    return {
        name: value
        for name, value in given.arguments.items()
        if kinds[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    }
