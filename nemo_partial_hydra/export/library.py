"""Modules of recipe factories -> a recipe library: a directory of config groups with the signatures of its targets.

May import: the standard library, PyYAML, fiddle through the recipes. Runs where the modules can be imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.json_schema import file_targets
from nemo_partial_hydra.dialect.yaml import dump
from nemo_partial_hydra.libraries.manifest import Entry, Manifest, digest
from nemo_partial_hydra.recipes.names import name_of, resolve
from nemo_partial_hydra.recipes.tree import Call
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.distributions import read_packages
from nemo_partial_hydra.signatures.introspect import docs_of, read
from nemo_partial_hydra.signatures.signature import Signature, with_defaults
from nemo_partial_hydra.signatures.snapshot import encode

from .arguments import Arguments
from .factories import Found, LeftOut, find
from .places import config_paths
from .recipes import NoRecipe, recipe_of

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many of it are done, and how many there are (0 if that is not known)."""


def _quiet(text: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Exported:
    """The files of a library by their names in it, its manifest and the text of its snapshot.

    ``notes`` say what was left out of recipes, by config path.
    """

    files: Mapping[str, str]
    manifest: Manifest
    snapshot: str
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def export(
    modules: Sequence[str],
    *,
    given: Iterable[str] = (),
    skip: Iterable[str] = (),
    also: Iterable[str] = (),
    name: str | None = None,
    keep_arguments: bool = False,
    progress: Progress = _quiet,
) -> Exported:
    """Make a library of all recipe factories in modules.

    Parameters
    ----------
    modules : dotted names; of a package, the modules inside it too.
    given : arguments for factories, ``num_nodes=4`` or ``finetune_recipe.dir=/runs``.
    skip : modules inside them that are not imported.
    also : dotted names of further targets, or of modules whose public targets are kept, beside those of the recipes.
    name : what the library is called; by default like the first module.
    keep_arguments : whether recipes refer to the arguments of their factories that are passed through as they are.
    progress : is told how far it is.

    Returns
    -------
    What :func:`nemo_partial_hydra.export.publish.write` puts into a directory. What could not be exported is in the
    manifest, with the reason.

    Raises
    ------
    UsageError
        If a module cannot be imported, no factory takes an argument, or two recipes have the same place.
    """
    found = find(modules, skip, lambda text: progress(text, 0, 0))
    arguments = Arguments.parse(given, found.factories)
    recipes = _recipes(found, arguments, keep_arguments, lambda done: progress("recipes", done, len(found.factories)))
    arguments.refuse_unused()
    progress("signatures", 0, 0)
    signatures, aliases = _signatures(recipes.targets, also)
    docs = {target: docs_of(resolve(target)) for target in signatures}
    packages = read_packages([*signatures, *modules])
    tops = {module.partition(".")[0] for module in modules}
    owners = [package for top, package in packages.items() if top in tops and package is not None]
    manifest = Manifest(
        name or modules[0],
        tuple(modules),
        {package.distribution: package.version for package in owners},
        recipes.entries,
        {each.name: each.reason for each in recipes.left_out},
    )
    return Exported(recipes.texts, manifest, encode(signatures.values(), docs, packages, aliases), recipes.notes)


@dataclass(frozen=True)
class _Recipes:
    """What the factories gave: texts by file, entries and notes by config path, and the targets they name."""

    texts: dict[str, str]
    entries: dict[str, Entry]
    targets: set[str]
    left_out: list[LeftOut]
    notes: dict[str, Sequence[str]] = field(default_factory=dict)


def _recipes(found: Found, arguments: Arguments, keep: bool, note: Callable[[int], None]) -> _Recipes:
    """Call all factories and write their recipes; ``note`` is told how many are done."""
    out = _Recipes({}, {}, set(), list(found.left_out))
    paths = config_paths(found.factories)
    for number, factory in enumerate(found.factories):
        note(number)
        try:
            recipe = recipe_of(factory, arguments, keep=keep)
        except NoRecipe as error:
            if factory.registered or not error.guessed:
                out.left_out.append(LeftOut(factory.name, str(error)))
            continue
        path = paths[factory]
        call = arguments.spelled(factory)
        fixed = [f"{name} is fixed: {why}" for name, why in recipe.fixed.items()]
        head = "".join(f"# {line}\n" for line in (call, *fixed, *recipe.notes))
        out.texts[f"{path}.yaml"] = text = head + dump(recipe.data)
        out.entries[path] = Entry(call, _first_line(factory.call), digest(text.encode()))
        out.targets.update(file_targets(recipe.data))
        if recipe.notes:
            out.notes[path] = recipe.notes
    return out


def _signatures(targets: Iterable[str], also: Iterable[str]) -> tuple[dict[str, Signature], dict[str, str]]:
    """Return the signatures of the targets and of what else was asked for, and further names of some of them."""
    workspace = session.workspace()
    found = {target: workspace.signature_of(target) for target in targets}

    def known(target: str) -> Signature | None:
        return found[target] if target in found else workspace.signature_of_default(Call(target))

    found |= {target: known(target) for target in with_defaults(found, known)}
    out = {target: signature for target, signature in found.items() if signature is not None}
    aliases: dict[str, str] = {}
    for name, value in _public(also):
        real = name_of(value) or name
        if real not in out:
            out[real] = read(value, real)
        if real != name and name not in out:
            aliases[name] = real
    return out, aliases


def _public(names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield the callables that names stand for, those of a module one by one."""
    for name in names:
        obj = resolve(name)
        if not inspect.ismodule(obj):
            yield name, obj
            continue
        for public in getattr(obj, "__all__", None) or [each for each in vars(obj) if not each.startswith("_")]:
            value = getattr(obj, public, None)
            if callable(value) and isinstance(getattr(value, "__module__", None), str):
                yield f"{name}.{public}", value


def _first_line(call: Callable[..., Any]) -> str:
    lines = (inspect.getdoc(call) or "").strip().splitlines()
    return lines[0].strip() if lines else ""
