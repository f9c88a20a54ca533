"""Every path of a config: what it is, whether and how it can be overridden, who set it.

May import: OmegaConf. One pass over one tree: the whole config with its recipes, parameters that nobody set included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from nemo_partial_hydra.dialect.scalars import path_text
from nemo_partial_hydra.dialect.writer import Writer, call_head, item_spec
from nemo_partial_hydra.messages import dotted
from nemo_partial_hydra.recipes.keys import ARGS, MISSING, REPLACE, TARGET
from nemo_partial_hydra.recipes.tree import Call, Link, Map, Opaque, Path, Ref, Seq, Tree, at, children, walk
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Parameter, Required, Signature, Unknown, opaque_signature
from nemo_partial_hydra.signatures.types import ANY, class_of

from .factories import arguments_at
from .frame import Foreign, Frame, Odd
from .override_text import entry, key_text, override, replacement, shell
from .record import KWARGS, PathInfo, choices, current, default_data, opaque_text, plain, strict, type_text
from .source import Context, Values, prepare

if TYPE_CHECKING:
    from .provenance import Claim, Claims


def describe(
    config: DictConfig,
    history: Claims | None = None,
    *,
    place: Path = (),
    allow: Iterable[str] = (),
    docs: bool = True,
) -> Iterator[PathInfo]:
    """Yield the records of a config, or of the part of it at ``place``.

    Parameters
    ----------
    config : the composed config.
    history : who set what; without it, sources are not named.
    place : where the part begins: ``("hydra",)`` for Hydra's own settings.
    allow : as in :func:`nemo_partial_hydra.paths`.
    docs : whether to read docstrings.
    """
    tree, context = prepare(config, history, place, allow, docs)
    yield from _Listing(tree, context).records()


def _named(key: Any) -> bool:
    return isinstance(key, str) and key_text(("x", key)) is not None


_NOTHING = opaque_signature("")


class _Listing:
    """The records of one tree."""

    def __init__(self, tree: Tree, context: Context) -> None:
        self.context = context
        self.lookup = context.lookup
        self.tree = tree
        writer = Values(self.lookup, tree, context.nodes)
        writer.write(tree, ANY, (), ())
        self.values = writer.values
        self.required: dict[Path, list[str]] = {}
        for *above, name in sorted(context.required, key=str):
            self.required.setdefault(tuple(above), []).append(str(name))

    def records(self) -> Iterator[PathInfo]:
        """Yield the records, parents before children."""
        yield from self.below(self.tree, (), Frame())

    def node(self, tree: Tree, path: Path, frame: Frame) -> Iterator[PathInfo]:
        """Yield the record of a node, then those below it; what a link names is listed where that stands."""
        yield self.info(tree, path, frame)
        yield from self.below(tree, path, frame)

    def below(self, tree: Tree, path: Path, frame: Frame) -> Iterator[PathInfo]:
        for given in arguments_at(path, self.context):
            yield from _Listing(*given).records()
        if isinstance(tree, Call):
            if not self.closed(tree, path, frame):
                yield from self.arguments(tree, path, frame)
        elif isinstance(tree, (Seq, Map)):
            typed = self.context.nodes.signatures.get(tuple(map(str, path)), _NOTHING)
            for key, child in children(tree):
                parameter = typed.parameters.get(key)
                spec = parameter.type if parameter is not None else item_spec(frame.spec, key)
                odd = frame.odd and frame.odd.step(key, listed=isinstance(tree, Seq))
                if odd is None and isinstance(tree, Map) and not _named(key):
                    odd = Odd(path, (key,))
                below = frame._replace(spec=spec, parameter=parameter, odd=odd)
                yield from self.node(child, (*path, key), below)
            for key in self.required.get(path, ()):
                known = typed.parameters.get(key)
                parameter = Parameter(key, known.type if known is not None else ANY)
                below = frame._replace(spec=parameter.type, parameter=parameter, unset=True)
                yield from self.node(Opaque(parameter), (*path, key), below)

    def closed(self, tree: Call, path: Path, frame: Frame) -> bool:
        """Whether an object that a default makes is one value: where it stands inside itself, or may not be named."""
        if not frame.unset:
            return False
        return tree.target in frame.above or tuple(map(str, path)) in self.context.nodes.closed

    def arguments(self, tree: Call, path: Path, frame: Frame) -> Iterator[PathInfo]:
        """Yield the records of a target's arguments: what is set, then what its signature has besides."""
        signature = self.lookup(tree.target) or opaque_signature(tree.target)
        above = (*frame.above, tree.target) if frame.unset else ()
        base = Frame(owner=tree.target, owner_path=path, unset=frame.unset, odd=frame.odd, above=above)
        for index, item in enumerate(tree.args):
            spec = signature.type_at(index) or ANY
            odd = base.odd and base.odd.step(ARGS).step(index, listed=True)
            yield from self.node(item, (*path, ARGS, index), base._replace(spec=spec, odd=odd))
        covered = {parameter.name for parameter in signature.positional[: len(tree.args)]}
        parts = self.context.nodes.parts
        for name, parameter in signature.parameters.items():
            odd = base.odd and base.odd.step(name)
            argument = base._replace(spec=parameter.type, parameter=parameter, odd=odd)
            here = (*path, name)
            if name in tree.kwargs:
                if frame.unset or (parts and tuple(map(str, here)) in parts):
                    # What holds if nobody sets it is what the default object around it says.
                    held = dataclasses.replace(parameter, default=tree.kwargs[name])
                    foreign = self.foreign(tree.kwargs[name], here)
                    argument = argument._replace(parameter=held, unset=True, foreign=foreign)
                yield from self.node(tree.kwargs[name], here, argument)
            elif name in self.required.get(path, ()):  # the config says ``???``, whatever the default
                missing = Parameter(name, parameter.type)
                argument = argument._replace(parameter=missing, unset=True)
                yield from self.node(Opaque(missing), here, argument)
            elif name not in covered:
                default = parameter.default
                shown = Opaque(parameter) if isinstance(default, (Required, Unknown)) else default
                yield from self.node(shown, here, argument._replace(unset=True, foreign=self.foreign(shown, here)))
        for name, value in tree.kwargs.items():
            if name not in signature.parameters:
                odd = base.odd and base.odd.step(name)
                extra = base._replace(spec=signature.extra or ANY, odd=odd)
                yield from self.node(value, (*path, name), extra)
        for name in self.required.get(path, ()):
            if name not in signature.parameters:
                missing = Parameter(name, signature.extra or ANY)
                extra = base._replace(spec=missing.type, parameter=missing, unset=True)
                yield from self.node(Opaque(missing), (*path, name), extra)
        if signature.extra is not None and signature.known:
            yield self.keywords(path, signature)

    def foreign(self, default: Tree, path: Path) -> Foreign | None:
        """Return what an override may not name in a default; None if there is nothing."""
        for _, node in walk(default) if isinstance(default, (Ref, Call, Seq, Map)) else ():
            if isinstance(node, (Ref, Call)) and not self.lookup.names(node.target):
                return Foreign(node.target, path)
        return None

    def keywords(self, path: Path, signature: Signature) -> PathInfo:
        """Return the record of a target's ``**kwargs``."""
        text = key_text((*self.context.place, *path, "NAME"))
        how = f"+{text}=VALUE adds one" if text else "but no override can name the key above it"
        return PathInfo(
            dotted((*self.context.place, *path, KWARGS)),
            (signature.extra or ANY).text,
            overridable=False,
            why_not=f"any further keyword: {how}",
            source=signature.target,
        )

    def info(self, tree: Tree, path: Path, frame: Frame) -> PathInfo:
        """Return the record of one node."""
        context = self.context
        composed = context.composed(path)
        claim = context.history.at((*context.place, *composed)) if context.history and composed is not None else None
        value = self.value(tree, path, frame)
        parameter = frame.parameter
        known = at(self.tree, tree.path) if isinstance(tree, Link) else tree
        missing = isinstance(tree, Opaque) and isinstance(tree.value, Parameter)
        is_set = not missing and (claim is not None or not frame.unset)
        kind, source, line = self.set_by(claim, path, frame, unset=frame.unset and claim is None)
        why_not = self.why_not(tree, path, composed, frame)
        text = None
        if why_not is None and composed is not None:
            held = MISSING if missing else current(tree, value, frame.spec)
            if isinstance(tree, Call):  # a default that is one value
                held = strict(Writer(self.lookup, frozenset()).write(tree, frame.spec, (), ()))
            prefix = "++" if claim is not None and claim.layer.added else ""
            if isinstance(tree, Map) and not tree.items and not prefix:
                prefix = "++"  # without it Hydra puts no key into an empty dict
            full = (*context.place, *composed)
            if frame.odd is not None:
                text = self.odd_entry(path, composed, frame, held, prefix)
            else:
                text = override(full, held, prefix) if held != MISSING else f"{prefix}{key_text(full)}=???"
            if text is None:
                what = "its keys: override" if isinstance(tree, Map) and tree.items else "its name or value: replace"
                why_not = f"no override can spell {what} what {'is below' if 'keys' in what else 'holds'} it"
        return PathInfo(
            path=dotted((*context.place, *path)),
            type=frame.spec.text if frame.spec != ANY or parameter is not None else type_text(known),
            value=None if missing else value,
            default=default_data(parameter, self.lookup),
            required=parameter.required if parameter is not None else missing,
            set=is_set,
            overridable=text is not None,
            override=shell(text) if text is not None else None,
            why_not=why_not,
            choices=choices(frame.spec) or (self.objects(tree, frame) if "object" in frame.spec.kinds else ()),
            kind=kind,
            source=source,
            line=line,
            doc=self.doc(tree, path, frame),
            follows=context.follows.get(path),
            before=self.before(claim, parameter) if kind == "override" else None,
            default_text=parameter.default.text if parameter and isinstance(parameter.default, Unknown) else None,
            same_as=dotted((*context.place, *tree.path)) if isinstance(tree, Link) else None,
        )

    def odd_entry(self, path: Path, composed: Path, frame: Frame, held: Any, prefix: str) -> str | None:
        """Return the override of a value below a key that no path can name; None if there is none."""
        odd, place = frame.odd, self.context.place
        if odd is None or held == MISSING or composed != tuple(map(str, path)):
            return None
        text = None if odd.listed else entry((*place, *odd.holder), odd.keys, held, prefix)
        if text is None and frame.owner:
            return replacement((*place, *frame.owner_path), path[len(frame.owner_path) :], held)
        return text

    def objects(self, tree: Tree, frame: Frame) -> tuple[Any, ...]:
        """Return what may be put where no object stands and the annotation names the class of one."""
        empty = tree is None or (isinstance(tree, Opaque) and isinstance(tree.value, Parameter))
        found = self.fill(frame) if empty else None
        return () if found is None else (found,)

    def fill(self, frame: Frame) -> dict[str, Any] | None:
        """Return the node of the one class that a type names; None if there is none, or it may not be named."""
        target = class_of(frame.spec)
        return {TARGET: target} if target is not None and self.lookup.names(target) else None

    def value(self, tree: Tree, path: Path, frame: Frame) -> Any:
        """Return a node's value in the dialect's JSON form; of a recipe node only its head."""
        if isinstance(tree, Call):
            return call_head(tree)
        if isinstance(tree, Opaque):
            return None if isinstance(tree.value, Parameter) else opaque_text(tree.value)
        if not frame.unset:
            return strict(self.values.get(path))
        writer = Writer(self.lookup, frozenset())
        return strict(writer.write(tree, frame.spec, (), ()))

    def set_by(
        self, claim: Claim | None, path: Path, frame: Frame, *, unset: bool
    ) -> tuple[str, str | None, int | None]:
        """Return kind, source and line."""
        context = self.context
        if unset:
            return "default", frame.owner or None, None
        if claim is None:
            if tuple(map(str, path)) in context.nodes.overridden:
                return "override", None, None
            return ("recipe" if frame.owner else "config"), None, None
        layer = claim.layer
        if layer.kind != "file":
            return layer.kind, layer.source, claim.line
        own = False
        if frame.owner and context.history is not None:
            owner = context.composed(frame.owner_path)
            holder = context.history.at((*context.place, *owner)) if owner is not None else None
            own = holder is not None and holder.layer == layer
        return ("recipe" if own else "config"), layer.source, claim.line

    def why_not(self, tree: Tree, path: Path, composed: Path | None, frame: Frame) -> str | None:
        """Say why a path cannot be overridden and what to do instead; None if it can."""
        place = self.context.place
        if isinstance(tree, Link):
            return self.other_place(tree, path, composed, frame)
        if isinstance(tree, Opaque) and not isinstance(tree.value, (Parameter, str)):
            return "raw(...): one opaque value of this process; leave out raw to make it a node"
        if composed is None:
            return "an edit in a path of its own put it here: change it there"
        if self.context.spelled_out(path):
            return "keys that no override can name: override the parameter, or replace what holds it"
        if isinstance(tree, Call) and not self.closed(tree, path, frame):
            return self.fixed(tree, path, frame)
        if isinstance(tree, Opaque) and isinstance(tree.value, Parameter) and frame.spec.kinds <= {"object", "none"}:
            kind = class_of(frame.spec) or "..."
            return f"an object, and none is there: to put one there, '{dotted((*place, *path))}={{_target_: {kind}}}'"
        if frame.parameter is not None and frame.parameter.positional:
            return f"positional only: it is given in {dotted((*place, *path[:-1], ARGS))}"
        if frame.foreign is not None:
            target, argument = frame.foreign
            if path != argument:
                return f"in a default that no override may name: see '{dotted((*place, *argument))}'"
            key = key_text((*place, *argument))
            another = f", or another value: '{key}=...'" if key else ""
            return f"'{target}' is not allowed: nph.main(allow=['{target}']){another}"
        if place[:1] == ("hydra",) and composed[:1] in (("runtime",), ("overrides",)):
            return "Hydra sets it when it runs"
        if any(composed[:cut] in self.context.nodes.locked for cut in range(len(composed) + 1)) and not place:
            return "read-only: the config says so"
        return None

    def other_place(self, tree: Link, path: Path, composed: Path | None, frame: Frame) -> str:
        """Say what an override does where an object stands once more: below nothing, of the place itself a lot."""
        text = f"the same object as '{dotted((*self.context.place, *tree.path))}': override that, for all its places"
        if composed is None or frame.odd is not None or self.context.place or self.context.spelled_out(path):
            return text
        owner = frame.owner_path
        edit = frame.owner and composed == tuple(map(str, path))
        key = f"+{dotted((*owner, REPLACE, *path[len(owner) :]))}" if edit else key_text(composed)
        return f"{text}; to put another here: '{key}={{_target_: ...}}'" if key else text

    def fixed(self, tree: Call, path: Path, frame: Frame) -> str:
        if tree.target in self.lookup.unreadable:
            return f"its parameters cannot be listed here: {self.lookup.unreadable[tree.target]}"
        if not frame.owner:
            return "a recipe: its target is fixed; override what is below it"
        owner = frame.owner_path
        if frame.odd is not None:
            below = path_text(path[len(owner) :])
            text = f"'++{dotted((*self.context.place, *owner, REPLACE))}={{{below}: {{_target_: ...}}}}'"
            return f"its target is fixed: override what is below it, or replace it: {text}"
        if frame.unset:
            key = dotted((*self.context.place, *path))
            return f"its target is fixed: override what is below it, or put another there: '{key}={{_target_: ...}}'"
        key = dotted((*self.context.place, *owner, REPLACE, *path[len(owner) :]))
        return f"its target is fixed: override what is below it, or replace it: '+{key}={{_target_: ...}}'"

    def doc(self, tree: Tree, path: Path, frame: Frame) -> str:
        """Return what is said about a path: about the parameter, else about the target that stands there."""
        if not self.context.docs:
            return ""
        docs = session.workspace().signatures.docs
        found = docs(frame.owner).get(str(path[-1]), "") if frame.owner and frame.parameter is not None else ""
        return found or (docs(tree.target).get("", "") if isinstance(tree, Call) else "")

    def before(self, claim: Claim | None, parameter: Parameter | None) -> Any:
        """Return the value that an override took the place of."""
        if claim is not None and claim.before is not None:
            return strict(plain(claim.before.value))
        return default_data(parameter, self.lookup)
