"""Every recipe factory of the installed NeMo, found by looking rather than by a list.

Which modules are looked at: those below a folder named ``recipes`` in ``nemo.collections.llm``,
``.vlm`` and ``.diffusion``, and any other module of these collections whose text registers a
factory (``cli.factory`` or ``autoconvert``).  Importing NeMo takes 15 to 35 seconds, finding the
factories 1 s (most of it the import of the vlm collection) and building everything 1 s, so nothing
happens before the first call.

What counts as a recipe factory: a public function defined in such a module (not merely imported
into it) that is registered as a factory, says that it returns a buildable, or, below ``recipes``,
does not say what it returns.  Those that need arguments get them from ``ARGUMENTS``.

The vlm collection cannot be imported without third-party packages that a machine without GPUs
rarely has, although building its recipes never calls them.  Where such a package is missing an
empty stand-in is put in its place while NeMo is imported, and taken away again (``stood_in()``
says for which).  Recipes, targets, signatures and values are NeMo's own all the same.

``python tests/support/nemo_recipes.py`` prints what there is and how long it took.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tools.stand_ins import stand_ins

COLLECTIONS = ("llm", "vlm", "diffusion")
"""The collections of NeMo that are looked at, parts of ``nemo.collections``."""

REGISTRATIONS = ("cli.factory", "autoconvert")
"""A module outside ``recipes`` is looked at if its text contains one of these."""

AVOIDED = {
    "nemo.collections.diffusion.data.prepare_energon_dataset": ("not imported: downloads a data set when imported"),
}
"""Modules that must not be imported, and why."""


@dataclass(frozen=True)
class Recipe:
    """One recipe factory together with the arguments it is called with.

    Attributes:
        name: Module and function without the common parts, ``llm.llama3_8b.pretrain_recipe``.
        factory: The function itself.
        kwargs: Its arguments; one that is itself a ``Recipe`` is made anew for every call.
    """

    name: str
    factory: Callable[..., Any]
    kwargs: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def collection(self) -> str:
        """The collection it belongs to, ``llm``, ``vlm`` or ``diffusion``."""
        return self.name.partition(".")[0]

    def make(self) -> Any:
        """Calls the factory and returns what it built.

        That is new each time, but for parts that the factory itself shares: the ``config`` of
        ``vlm.llava_next_7b.model`` is a default argument, one object for all calls.
        """
        return self.factory(**{k: v.make() if isinstance(v, Recipe) else v for k, v in self.kwargs.items()})


@dataclass(frozen=True)
class Refusal:
    """A module that could not be imported, or a factory that could not be called."""

    name: str
    reason: str


@dataclass(frozen=True)
class Sibling:
    """Stands in ``ARGUMENTS`` for the first of these factories that exists.

    A name without a dot is looked up in the module of the factory that needs the argument.
    """

    names: tuple[str, ...]


ARGUMENTS: Mapping[str, Any] = {
    "model": Sibling(("llm.llama3_8b.model",)),
    "model_id": "meta-llama/Meta-Llama-3-8B",
    "model_size": "7b",
    "name": "default",
    "nemo_checkpoint": "/checkpoints/student",
    "path": "/data/squad",
    "peft_scheme": "lora",
    "project": "project",
    "recipe": Sibling(("pretrain_recipe", "finetune_recipe")),
    "resume_path": "/checkpoints/base",
    "save_path": "/checkpoints/pruned",
    "seq_length": 8192,
    "student_model_path": "/checkpoints/student",
    "teacher_model_path": "/checkpoints/teacher",
    "tokenizer_model": "/checkpoints/tokenizer.model",
    "tp_comm_overlap": True,
    # One function only, where the name of the parameter does not settle the value.
    "bert_embedding_model.version": "bert_110m",
    "bert_model.version": "bert_110m",
    "finetune_performance_optimizations.recipe": Sibling(("finetune_recipe",)),
    "gemma2_model.version": "gemma2_2b",
    "nemotron_model.version": "nemotron3_4b",
    "qwen2_model.version": "qwen2_500m",
    "qwen3_model.version": "qwen3_600m",
    "starcoder2_model.version": "starcoder2_3b",
    # Its default, None, asks CUDA for the number of devices.
    "torchrun.devices": 8,
}
"""Values for parameters, by ``parameter`` (only if it has no default) or ``function.parameter``."""


def recipes() -> list[Recipe]:
    """All recipe factories found, sorted by name, those that refuse to be called included."""
    return list(_find()[0])


def constructible() -> Iterator[tuple[Recipe, Any]]:
    """Yields the recipes that can be built here, each with a newly built buildable."""
    for recipe in recipes():
        built, _ = _attempt(recipe)
        if built is not None:
            yield recipe, built


def failures() -> list[Refusal]:
    """What was refused and why: modules that do not import, then factories that do not build."""
    refused = [Refusal(recipe.name, reason) for recipe in recipes() if (reason := _attempt(recipe)[1])]
    return [*_find()[1], *refused]


def stood_in() -> list[str]:
    """The missing packages that an empty stand-in replaced while NeMo was imported."""
    return list(_find()[2])


def _attempt(recipe: Recipe) -> tuple[Any, str]:
    """Returns what the recipe built and no reason, or nothing and the reason."""
    buildable = importlib.import_module("fiddle").Buildable
    try:
        built = recipe.make()
    except Exception as error:  # whatever a factory may raise is the answer
        return None, f"{type(error).__name__}: {error}"
    if not isinstance(built, buildable):
        return None, f"returned {type(built).__qualname__}, not a buildable"
    return built, ""


@cache
def _find() -> tuple[tuple[Recipe, ...], tuple[Refusal, ...], tuple[str, ...]]:
    """Imports the modules and collects recipes, modules that failed, and stand-ins used."""
    functions: dict[str, Callable[..., Any]] = {}
    refused: list[Refusal] = []
    with stand_ins() as used:
        for name in sorted(_candidates()):
            if name in AVOIDED:
                refused.append(Refusal(_short(name), AVOIDED[name]))
                continue
            try:
                module = importlib.import_module(name)
            except Exception as error:  # NeMo's own guards raise more than ImportError
                refused.append(Refusal(_short(name), f"{type(error).__name__}: {error}"))
                continue
            for function in vars(module).values():
                if _is_factory(function, module):
                    functions[f"{_short(name)}.{function.__name__}"] = function
    found: dict[str, Recipe] = {}
    for name in functions:
        _add(name, functions, found)
    return tuple(found[name] for name in sorted(found)), tuple(refused), tuple(sorted(used))


def _add(name: str, functions: Mapping[str, Callable[..., Any]], found: dict[str, Recipe]) -> Recipe:
    """Puts the recipe called ``name``, and those that its arguments need, into ``found``."""
    if name in found:
        return found[name]
    kwargs: dict[str, Any] = {}
    module, _, function = name.rpartition(".")
    for parameter in inspect.signature(functions[name]).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        own = f"{function}.{parameter.name}"
        if own in ARGUMENTS:
            value = ARGUMENTS[own]
        elif parameter.default is parameter.empty and parameter.name in ARGUMENTS:
            value = ARGUMENTS[parameter.name]
        else:
            continue
        if isinstance(value, Sibling):
            names = [n if "." in n else f"{module}.{n}" for n in value.names]
            value = next((_add(n, functions, found) for n in names if n in functions), None)
            if value is None:
                continue
        kwargs[parameter.name] = value
    return found.setdefault(name, Recipe(name, functions[name], kwargs))


def _short(module: str) -> str:
    """The name of a module without ``nemo.collections`` and ``recipes``."""
    parts = module.removeprefix("nemo.collections.").split(".")
    return ".".join(part for part in parts if part != "recipes")


def _candidates() -> Iterator[str]:
    """Yields the modules worth importing; reads their text, imports nothing below ``nemo``."""
    spec = importlib.util.find_spec("nemo")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("NeMo is not installed", name="nemo")
    root = Path(spec.origin).parent
    for collection in COLLECTIONS:
        for path in (root / "collections" / collection).rglob("*.py"):
            parts = path.relative_to(root.parent).with_suffix("").parts
            if "recipes" not in parts:
                text = path.read_text(encoding="utf-8")
                if not any(registration in text for registration in REGISTRATIONS):
                    continue
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_factory(function: object, module: types.ModuleType) -> bool:
    """Whether a value found in a module is a recipe factory that belongs to this module."""
    if not isinstance(function, types.FunctionType) or function.__name__.startswith("_"):
        return False
    if function.__module__ != module.__name__:
        return False
    if getattr(function, "__factory__", False):
        return True
    if ".recipes." not in f"{module.__name__}.":
        return False
    returned = inspect.signature(function).return_annotation
    if returned is inspect.Signature.empty:
        return True
    returned = getattr(returned, "__origin__", returned)
    buildable = importlib.import_module("fiddle").Buildable
    return isinstance(returned, type) and issubclass(returned, buildable)


def main() -> None:
    """Prints how many recipes there are, of what, what was refused, and how long it took."""
    start = time.perf_counter()
    importlib.import_module("nemo.collections.llm")
    imported = time.perf_counter()
    found = recipes()
    looked = time.perf_counter()
    counts = Counter(recipe.collection for recipe, _ in constructible())
    done = time.perf_counter()
    print(f"{len(found)} factories, {counts.total()} constructible: {dict(sorted(counts.items()))}")
    for refusal in failures():
        print(f"refused: {refusal.name}: {refusal.reason}")
    print(f"stand-ins: {', '.join(stood_in()) or 'none'}")
    print(
        f"import of nemo.collections.llm {imported - start:.1f} s,"
        f" finding {looked - imported:.1f} s, building {done - looked:.1f} s"
    )


if __name__ == "__main__":
    main()
