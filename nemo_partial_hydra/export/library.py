"""Modules of recipe factories -> a recipe library: a directory of config groups with the signatures of its targets.

May import: the standard library, PyYAML, fiddle through the recipes. Runs where the modules can be imported.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_partial_hydra.dialect.json_schema import file_targets
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import RecipeError, UsageError
from nemo_partial_hydra.libraries.manifest import Entry, Manifest, digest
from nemo_partial_hydra.messages import Problems, nearest
from nemo_partial_hydra.recipes.data import mapped
from nemo_partial_hydra.recipes.keys import MISSING
from nemo_partial_hydra.recipes.names import name_of, resolve
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.convert import same
from nemo_partial_hydra.signatures.distributions import read_packages
from nemo_partial_hydra.signatures.introspect import docs_of, read
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.snapshot import encode

from . import places as naming
from .arguments import OPEN, Arguments
from .factories import Factory, LeftOut, find

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many of it are done, and how many there are (0 if that is not known)."""


def _quiet(text: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Exported:
    """The files of a library by their names in it, its manifest and the text of its snapshot."""

    files: Mapping[str, str]
    manifest: Manifest
    snapshot: str


def export(
    modules: Sequence[str],
    *,
    given: Iterable[str] = (),
    skip: Iterable[str] = (),
    also: Iterable[str] = (),
    name: str | None = None,
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
    left_out = list(found.left_out)
    texts: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    targets: set[str] = set()
    places = placed(found.factories)
    for number, factory in enumerate(found.factories):
        progress("recipes", number, len(found.factories))
        try:
            data = recipe_data(factory, arguments)
        except _NoRecipe as error:
            if factory.registered or not error.guessed:
                left_out.append(LeftOut(factory.name, str(error)))
            continue
        path = places[factory]
        call = arguments.spelled(factory)
        texts[f"{path}.yaml"] = text = f"# {call}\n{dump(data)}"
        entries[path] = Entry(call, _first_line(factory.call), digest(text.encode()))
        targets.update(file_targets(data))
    wrong = arguments.unused()
    if wrong:
        known = {parameter for each in found.factories for parameter in inspect.signature(each.call).parameters}
        hint = nearest(wrong[0].rpartition(".")[2].rstrip("?"), known)
        raise UsageError(f"--with {wrong[0]}: no factory takes it{hint}")
    progress("signatures", 0, 0)
    signatures, aliases = _signatures(targets, also)
    docs = {target: docs_of(resolve(target)) for target in signatures}
    packages = read_packages([*signatures, *modules])
    owners = {top: package for top, package in packages.items() if any(m.partition(".")[0] == top for m in modules)}
    manifest = Manifest(
        name or modules[0],
        tuple(modules),
        {package.distribution: package.version for package in owners.values() if package is not None},
        entries,
        {each.name: each.reason for each in left_out},
    )
    return Exported(texts, manifest, encode(signatures.values(), docs, packages, aliases))


def placed(factories: Sequence[Factory]) -> dict[Factory, str]:
    """Return the config path of each factory."""
    free = [factory for factory in factories if factory.option is None]
    names = naming.places((factory.module, factory.function) for factory in free)
    out: dict[Factory, str] = {}
    owners: dict[str, Factory] = {}
    for factory in factories:
        group, option = factory.group or "", factory.option or ""
        if factory.option is None:
            group, option = names[factory.module, factory.function]
        path = f"{group}/{option}" if group else option
        if path in owners:
            raise UsageError(
                f"'{path}' would be both {owners[path].name} and {factory.name}: "
                "register one under another name with @nph.recipe(group=, name=)"
            )
        owners[path] = factory
        out[factory] = path
    return out


class _NoRecipe(Exception):
    """A factory gave nothing that can be exported; ``guessed`` if perhaps it never was one."""

    def __init__(self, text: str, *, guessed: bool = False) -> None:
        super().__init__(text)
        self.guessed = guessed


def recipe_data(factory: Factory, arguments: Arguments) -> Any:
    """Call a factory and return its recipe as plain data, which is read back to be sure that nothing is lost."""
    try:
        values = arguments.of(factory)
    except RecipeError as error:
        raise _NoRecipe(str(error), guessed=True) from None
    try:
        made = factory.call(**values)
    except Exception as error:  # whatever a factory raises is the answer
        first = (str(error).strip().splitlines() or ["it says nothing"])[0]
        raise _NoRecipe(f"raises {type(error).__name__}: {first}") from None
    fiddle = importlib.import_module("fiddle") if not factory.registered or factory.option is None else None
    if fiddle is not None and not isinstance(made, fiddle.Buildable):
        raise _NoRecipe(f"gives a {type(made).__name__}, not a run.Partial or run.Config", guessed=True)
    try:
        workspace = session.workspace()
        tree = workspace.captured(made)
        data = to_data(tree, workspace.signature_of)
        problems = Problems()
        back = from_data(load(dump(data)), workspace.signature_of, problems)
        problems.check()
    except RecipeError as error:
        raise _NoRecipe(str(error)) from None
    if not same(tree, back):
        raise _NoRecipe("its YAML reads back as another recipe: please report it")
    data = mapped(data, lambda leaf: MISSING if leaf == OPEN else leaf)
    if OPEN in str(data):
        raise _NoRecipe("an argument that was left open (???) is part of another text in it: give it a value")
    return data


def _signatures(targets: Iterable[str], also: Iterable[str]) -> tuple[dict[str, Signature], dict[str, str]]:
    """Return the signatures of the targets and of what else was asked for, and further names of some of them."""
    found = {target: session.workspace().signature_of(target) for target in targets}
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
