"""The arguments that recipe factories are called with: ``--with num_nodes=4``.

May import: the standard library and PyYAML.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.messages import nearest
from nemo_partial_hydra.recipes.keys import MISSING

from .factories import Factory

OPEN = "nemo_partial_hydra.open.value"
"""Stands for ``???`` while a factory runs: its place in the recipe becomes one that the user has to fill."""

Given = Mapping[str, str]
"""Texts of arguments by ``parameter`` or ``function.parameter``, as ``--with`` gives them; ``parameter?`` is for those
factories alone that need it."""


@dataclass
class Arguments:
    """Arguments for factories: ``num_nodes=4``, ``dir?=/runs``, ``finetune_recipe.dir=/runs``, ``recipe=@pretrain``.

    A value is a YAML scalar or list; ``???`` leaves it to the user of the recipe. ``@name`` is what the factory of that
    name gives, ``@a,@b`` the first of them that there is, in the same module where the name has no dot.
    """

    given: Given
    factories: Mapping[str, Factory]
    used: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, texts: Iterable[str], factories: Iterable[Factory]) -> Arguments:
        """Read ``name=value`` texts.

        Raises
        ------
        UsageError
            For a text without ``=`` or a name that is none.
        """
        given: dict[str, str] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*\??", name):
                raise UsageError(f"--with {text}: expected name=value, like num_nodes=4 or pretrain_recipe.dir=/runs")
            given[name] = value
        return cls(given, {factory.name: factory for factory in factories})

    def of(self, factory: Factory) -> dict[str, Any]:
        """Return the arguments that a factory is called with.

        Raises
        ------
        UsageError
            If it needs one that was not given; with the text that gives it.
        """
        return {name: self.value(factory, text) for name, text in self.texts(factory).items()}

    def texts(self, factory: Factory) -> dict[str, str]:
        """Return the texts of a factory's arguments."""
        out: dict[str, str] = {}
        missing: list[str] = []
        for parameter in inspect.signature(factory.call).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            keys = (f"{factory.module}.{factory.function}.{parameter.name}", f"{factory.function}.{parameter.name}")
            required = parameter.default is parameter.empty
            tried = [*keys, parameter.name, *([f"{parameter.name}?"] if required else [])]
            key = next((key for key in tried if key in self.given), None)
            if key is not None:
                self.used.add(key)
                out[parameter.name] = self.given[key]
            elif required:
                missing.append(parameter.name)
        if missing:
            options = " ".join(f"--with {factory.function}.{name}=..." for name in missing)
            raise UsageError(f"needs {', '.join(missing)}: {options}")
        return out

    def value(self, factory: Factory, text: str) -> Any:
        """Return what a text stands for."""
        if text == MISSING:
            return OPEN
        if not text.startswith("@"):
            return load(text) if text else ""
        names = [name.strip().lstrip("@") for name in text.split(",")]
        for name in names:
            found = self.factories.get(name if "." in name else f"{factory.module}.{name}")
            if found is not None:
                return found.call(**self.of(found))
        raise UsageError(f"{text} names no factory of {factory.module}")

    def refuse_unused(self) -> None:
        """Refuse an argument that no factory took.

        Raises
        ------
        UsageError
            With the nearest name that one takes.
        """
        wrong = next((name for name in self.given if name not in self.used), None)
        if wrong is not None:
            known = {name for each in self.factories.values() for name in inspect.signature(each.call).parameters}
            hint = nearest(wrong.rpartition(".")[2].rstrip("?"), known)
            raise UsageError(f"--with {wrong}: no factory takes it{hint}")

    def spelled(self, factory: Factory) -> str:
        """Spell a factory's call, for people: ``pkg.mod.fn(num_nodes=4)``."""
        inside = ", ".join(f"{name}={text}" for name, text in self.texts(factory).items())
        return f"{factory.name}({inside})"
