"""Recipe tree -> fiddle buildables (``build``) and recipe tree -> objects (``make``).

May import: the standard library; fiddle and nemo_run only inside ``buildables``. ``make`` needs neither: it has
the meaning of ``fiddle.build`` and runs where there is only Python and what the targets import.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nemo_partial_hydra.errors import PolicyError, RecipeError, SignatureError, ValidationError
from nemo_partial_hydra.messages import installs, placed
from nemo_partial_hydra.policy.policy import Policy, load, report
from nemo_partial_hydra.recipes.keys import ARGS
from nemo_partial_hydra.recipes.tree import (
    ARG_FACTORY,
    BUILDABLES,
    Call,
    Link,
    Map,
    Opaque,
    Path,
    Ref,
    Result,
    Seq,
    Tree,
    Value,
    at,
    walk,
)
from nemo_partial_hydra.recipes.values import BY_TARGET, CONTAINERS, MAPS

from .gate import Gate


class _Builder:
    """One bottom-up pass; what a Call becomes is the subclass's business. Shared nodes are made once.

    What a subclass makes of a call passes the gate with its real arguments right before.
    """

    def __init__(self, policy: Policy, allow: Iterable[str]) -> None:
        self.prefixes = policy.prefixes(allow)
        self.gate = Gate(self.prefixes)
        self.made: dict[Path, Any] = {}
        self.loaded: dict[str, Any] = {}
        self.root: Tree = None

    def run(self, tree: Tree) -> Any:
        self.root = tree
        refused: list[str] = []
        for path, node in walk(tree):  # every target is found and approved before the first one is called
            if isinstance(node, (Call, Ref)) and node.target not in self.loaded:
                try:
                    self.loaded[node.target] = load(node.target, self.prefixes)
                except PolicyError as error:
                    refused.append(placed(path, str(error)))
                except SignatureError as error:
                    raise SignatureError(placed(path, str(error))) from error
        report(refused)
        self.gate.approve_tree(tree, self.loaded)
        return self.value(tree, ())

    def value(self, tree: Tree, path: Path) -> Any:
        if path in self.made:
            return self.made[path]  # a link to it came first
        if isinstance(tree, Call):
            made = self.call(tree, path)
        elif isinstance(tree, Seq):
            made = CONTAINERS[tree.kind].make(self.value(item, (*path, i)) for i, item in enumerate(tree.items))
        elif isinstance(tree, Map):
            made = CONTAINERS[tree.kind].make((key, self.value(item, (*path, key))) for key, item in tree.items)
        elif isinstance(tree, Ref):
            made = self.loaded[tree.target]
            if isinstance(made, types.MethodType):
                made = types.MethodType(made.__func__, made.__self__)  # one of its own at each place
        elif isinstance(tree, Link):
            return self.linked(tree, path)
        elif isinstance(tree, Value):
            made = BY_TARGET[tree.target].make(*tree.args)
        elif isinstance(tree, Result):
            raise ValidationError(placed(path, f"{tree.text} is known only while the pipeline runs"))
        elif isinstance(tree, Opaque):
            made = self.gate.own(tree.value, None)
        else:
            made = tree
        self.made[path] = made
        return made

    def linked(self, link: Link, path: Path) -> Any:
        if link.path not in self.made:  # a reference forward: what it names is made first
            self.made[link.path] = self.value(at(self.root, link.path), link.path)
        return self.made[link.path]

    def arguments(self, fn: Any, tree: Call, path: Path) -> tuple[list[Any], dict[str, Any]]:
        """Make the arguments of a call, and let the call pass the gate."""
        args = [self.value(item, (*path, ARGS, i)) for i, item in enumerate(tree.args)]
        kwargs = {name: self.value(item, (*path, name)) for name, item in tree.kwargs.items()}
        self.gate.approve(fn, tree.target, args, kwargs, path)
        return args, kwargs

    def call(self, tree: Call, path: Path) -> Any:
        raise NotImplementedError


class _Buildables(_Builder):
    def __init__(self, policy: Policy, allow: Iterable[str]) -> None:
        super().__init__(policy, allow)
        self.classes = _classes()

    def call(self, tree: Call, path: Path) -> Any:
        fn = self.loaded[tree.target]
        cls, metadata = self.classes[tree.buildable]
        if not callable(fn):
            raise ValidationError(placed(path, f"'{tree.target}' is not callable"))
        args, kwargs = self.arguments(fn, tree, path)
        if fn is dict:
            return (
                cls(dict, bind_args=False, **kwargs) if tree.buildable.startswith("nemo_run") else cls(dict, **kwargs)
            )
        named = _canonical(fn, args, kwargs) if args else kwargs
        # What fiddle itself does when it copies a buildable: no argument is bound or defaulted anew.
        return cls.__unflatten__(tuple(named.values()), metadata(fn, tuple(named), {}))


def _canonical(fn: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[Any, Any]:
    """Store positional arguments as fiddle does: by index where they have no name to be given by."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (ValueError, TypeError):
        parameters = []
    out: dict[Any, Any] = {}
    for index, value in enumerate(args):
        named = index < len(parameters) and parameters[index].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        out[parameters[index].name if named else index] = value
    return {**out, **kwargs}


@functools.lru_cache(maxsize=1)
def _classes() -> Mapping[str, Any]:
    try:
        import fiddle
        import nemo_run
    except ImportError as error:
        raise RecipeError(
            f"building run.Partial objects needs nemo_run and fiddle ({error}){installs(error.name)}; "
            "nph.run(cfg) calls the recipe without them"
        ) from error
    found = dict(
        zip(
            BUILDABLES,
            (nemo_run.Config, nemo_run.Partial, fiddle.Config, fiddle.Partial, fiddle.ArgFactory),
            strict=True,
        )
    )
    metadata = type(fiddle.Config(dict).__flatten__()[1])
    return {name: (cls, metadata) for name, cls in found.items()}


def buildables(tree: Tree, policy: Policy, allow: Iterable[str] = ()) -> Any:
    """Turn a tree into the ``run.Partial`` or ``run.Config`` that it describes.

    Raises
    ------
    RecipeError
        If nemo_run or fiddle is not installed, or a target is not callable.
    PolicyError, SignatureError
        If a target is refused or cannot be imported.
    """
    return _Buildables(policy, allow).run(tree)


class _Objects(_Builder):
    def call(self, tree: Call, path: Path) -> Any:
        fn = self.loaded[tree.target]
        args, kwargs = self.arguments(fn, tree, path)
        if tree.buildable == ARG_FACTORY:
            return _Factory(functools.partial(fn, *args, **kwargs))
        if tree.partial:
            return self.partial(fn, tree.target, args, kwargs, path)
        try:
            made = fn(*args, **kwargs)
        except Exception as error:
            where = f"while making '{'.'.join(map(str, path)) or tree.target}' with {tree.target}"
            if hasattr(error, "add_note"):
                error.add_note(where)
            raise
        return self.gate.own(made, tree.target) if tree.target in MAPS else self.gate.made(made, tree.target, path)

    def partial(self, fn: Any, target: str, args: list[Any], kwargs: dict[str, Any], path: Path) -> Any:
        """Make the function that waits to be called; arguments that are made anew pass the gate at each call."""
        if not any(_has_factory(value) for value in (*args, *kwargs.values())):
            return functools.partial(fn, *args, **kwargs)

        def call(*more: Any, **named: Any) -> Any:
            first = [_fresh(value) for value in args]
            fresh = {name: _fresh(value) for name, value in kwargs.items() if name not in named}
            self.gate.approve(fn, target, first, fresh, path)
            return fn(*first, *more, **{**fresh, **named})

        return call


class _Factory:
    """An argument made anew at each call of the partial that holds it (``fiddle.ArgFactory``)."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __call__(self) -> Any:
        return self.make()


def _has_factory(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_factory, value))
    return any(map(_has_factory, value.values())) if isinstance(value, dict) else isinstance(value, _Factory)


def _fresh(value: Any) -> Any:
    if isinstance(value, _Factory):
        return value()
    if not _has_factory(value):
        return value
    if isinstance(value, dict):
        return {key: _fresh(item) for key, item in value.items()}
    return type(value)(map(_fresh, value))


def make(tree: Tree, policy: Policy, allow: Iterable[str] = ()) -> Any:
    """Make the objects that a tree describes, with the meaning of ``fiddle.build``."""
    return _Objects(policy, allow).run(tree)


def called(tree: Tree, policy: Policy, allow: Iterable[str] = ()) -> Any:
    """Make the objects of a recipe and call it: what a Partial's function returns, of a Config the object."""
    made = make(tree, policy, allow)
    return made() if isinstance(tree, Call) and tree.partial else made
