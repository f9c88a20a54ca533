"""The last gate: what is about to be called is approved with the arguments that it gets, as the objects that they are.

May import: the standard library, and from here ``policy`` and below. The policy has seen the tree before anything was
imported; what only a call could tell (a list that another call has made, which argument a positional one is, what a
function is a wrapper of) is seen here, by the same rules.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nemo_partial_hydra.messages import placed
from nemo_partial_hydra.policy.objects import CALLABLES, real_names
from nemo_partial_hydra.policy.policy import alias_refusal, made_refusal, refusals, report
from nemo_partial_hydra.policy.rules import ARGUMENTS, CODE, NAMING_OF, STACK
from nemo_partial_hydra.policy.scan import Argument, names_in, names_in_call, naming_of
from nemo_partial_hydra.recipes.keys import ARGS
from nemo_partial_hydra.recipes.tree import Path, Tree

_CONTAINERS = (dict, list, tuple, set, frozenset)
_MOST_PASSED = 1_000  # pairs of a function and what it may get, in one call
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Gate:
    """What one pass over a tree lets through.

    Parameters
    ----------
    prefixes : what the runner allows.
    """

    def __init__(self, prefixes: set[str]) -> None:
        self.prefixes = prefixes
        self._of: dict[int, tuple[Any, str | None]] = {}  # containers by identity, held so that no other one gets it
        self._fine: dict[tuple[int, str], Any] = {}

    def own(self, value: Any, target: str | None) -> Any:
        """Note of which target a container was the argument; of none if it is a ``raw`` value of this process."""
        if isinstance(value, _CONTAINERS):
            self._of[id(value)] = value, target
        return value

    def approve_tree(self, tree: Tree, loaded: Mapping[str, Any]) -> None:
        """Approve a tree whose targets are loaded: what they are is known now, before the first one is called.

        Raises
        ------
        PolicyError
            With all that is wrong with it.
        """

        def parameters(target: str) -> list[str]:
            return positional(loaded[target]) if target in loaded else []

        def naming(target: str) -> frozenset[str]:
            if target not in kinds:
                kinds[target] = _naming(loaded.get(target), target)
            return kinds[target]

        kinds: dict[str, frozenset[str]] = {}
        report(refusals(names_in(tree, (), parameters, naming), self.prefixes))

    def approve(self, fn: Any, target: str, args: Sequence[Any], kwargs: Mapping[str, Any], path: Path) -> None:
        """Approve a call that is about to be made, a partial or a buildable of it.

        Raises
        ------
        PolicyError
            With all that is wrong with it.
        """
        if (id(fn), target) not in self._fine:
            text = alias_refusal(fn, target, self.prefixes)
            report([] if text is None else [placed(path, text)])
            self._fine[id(fn), target] = fn
        own = _naming(fn, target)
        found = names_in_call(
            target, args, kwargs, path, lambda name: positional(fn), lambda name: own | naming_of(name), self._owner
        )
        lines = refusals(found, self.prefixes)
        lines += refusals(self._passed_on(fn, args, kwargs, path), self.prefixes)
        if ARGS in own:
            lines += refusals(self._unclear(fn, target, args, kwargs, path, own), self.prefixes)
        report(lines)

    def made(self, value: Any, target: str, path: Path) -> Any:
        """Approve what a call gave: no function or class that nobody may name, alone or in a container."""
        for part in value if isinstance(value, (list, tuple, set, frozenset)) else (value,):
            text = made_refusal(part, target, self.prefixes)
            report([] if text is None else [placed(path, text)])
        return value

    def _owner(self, value: Any, owner: str) -> str | None:
        held = self._of.get(id(value))
        return owner if held is None or held[0] is not value else held[1]

    def _passed_on(
        self, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any], path: Path
    ) -> Iterator[tuple[Path, Any]]:
        """Yield what a function among the arguments may get from the call: texts in ``*args``, or in a list beside it.

        There no name tells that a text or ``True`` is the dangerous argument of that function.
        """
        waiting: list[tuple[Any, Sequence[Any], Mapping[str, Any]]] = [(fn, args, kwargs)]
        tried = 0
        while waiting:
            fn, args, kwargs = waiting.pop()
            values = [*args, *kwargs.values()]
            functions = [value for value in values if isinstance(value, CALLABLES)]
            if not functions:
                continue
            given = [args[len(positional(fn)) :], *(value for value in values if isinstance(value, (list, tuple)))]
            for function, rest in itertools.product(functions, filter(None, given)):
                tried += 1
                if tried > _MOST_PASSED:
                    yield path, Argument(ARGS, next(iter(real_names(fn)), ""), CODE)
                    return
                yield from self._passed(function, rest, path)
                if isinstance(function, functools.partial):
                    waiting.append((function.func, (*function.args, *rest), function.keywords))

    def _passed(self, function: Any, args: Sequence[Any], path: Path) -> Iterator[tuple[Path, Any]]:
        names = positional(function)
        if not ARGUMENTS.keys().isdisjoint(names):
            target = next(iter(real_names(function)), "")
            yield from names_in_call(target, args, {}, path, lambda name: names, naming_of, self._owner)

    def _unclear(
        self, fn: Any, target: str, args: Sequence[Any], kwargs: Mapping[str, Any], path: Path, own: frozenset[str]
    ) -> Iterator[tuple[Path, Argument]]:
        """Yield arguments that name something and are neither that thing, nor plain data that was looked at."""
        given = {**dict(zip(positional(fn), args, strict=False)), **kwargs}
        for name in own & given.keys():
            value = given[name]
            if not callable(value) and not isinstance(value, (str, *_CONTAINERS, type(None))):
                yield (*path, name), Argument(name, target, CODE)


def positional(fn: Any) -> list[str]:
    """Return the names of a function's parameters that take positional arguments, in order."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (ValueError, TypeError):
        return []
    return [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]


def _naming(fn: Any, target: str) -> frozenset[str]:
    """Return the arguments that a function or class takes for names, whatever it is called by."""
    kinds = fn.__mro__ if isinstance(fn, type) else (fn,)
    own = naming_of(target)
    for kind in kinds:
        if str(getattr(kind, "__module__", "")).partition(".")[0] in STACK:  # of others, what is made of its classes
            own |= NAMING_OF.get(getattr(kind, "__name__", ""), frozenset())
    return own
