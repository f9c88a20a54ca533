"""What an app, or the process, knows and allows: the policy, the signatures, the libraries, what was captured, joined.

May import: the standard library and PyYAML (through ``dialect.yaml``), and from here ``libraries`` and below. The forms
that need OmegaConf are in ``composition``. ``session.workspace()`` gives the one that counts now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.interop import adopted
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.scalars import has_resolver
from nemo_partial_hydra.dialect.yaml import load as load_yaml
from nemo_partial_hydra.errors import DialectError, PolicyError, SignatureError, ValidationError
from nemo_partial_hydra.libraries.catalog import Catalog, Named
from nemo_partial_hydra.libraries.library import points
from nemo_partial_hydra.messages import Problems, dotted, placed
from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.policy.policy import Policy, deciding, load, refusals, report
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.recipes.keys import TARGET
from nemo_partial_hydra.recipes.tree import Call, Losing, Path, Ref, Tree, walk
from nemo_partial_hydra.signatures.signature import Signature

from .signature_store import SignatureStore

if TYPE_CHECKING:
    from nemo_partial_hydra.signatures import drift

T = TypeVar("T")


class Workspace:
    """What one app, or the process outside of any, allows and has learnt.

    Parameters
    ----------
    allow : dotted prefixes that recipes may name besides the NeMo stack and the packages of recipe libraries.
    named : gives the recipe libraries that the user names, each time anew.
    base : the workspace with which it shares what live objects have made trusted, and what was captured there.
    """

    def __init__(
        self, allow: Iterable[str] = (), named: Callable[[], Named] = tuple, base: Workspace | None = None
    ) -> None:
        self.allow = {name for name in allow if name}
        self.catalog = Catalog(named)
        self.policy: Policy = Policy(self._granted, base.policy if base is not None else None)
        self.signatures = SignatureStore(self.catalog.in_use)
        self._base = base
        self._captured: set[str] = set()  # targets of recipes that were made here, by what is installed here
        self._of_ended: set[str] = set()  # those of apps that have ended, of which other apps know nothing
        self._parts: dict[Any, Any] = {}

    @classmethod
    def sent(
        cls, allow: Iterable[str], named: Callable[[], Named], trusted: Iterable[str], snapshots: Iterable[str]
    ) -> Workspace:
        """Return the workspace of an app of another process: it knows and trusts what that has sent, nothing else."""
        base = cls()
        base.policy.trusted.update(trusted)
        made = cls(allow, named, base)
        for folder in snapshots:
            made.signatures.use(folder)
        return made

    def forget(self) -> None:
        """Allow and know nothing any more, as in a fresh process; what runs now still runs."""
        self.allow.clear()
        self.policy.trusted.clear()
        self.signatures.forget()
        self._captured.clear()
        self._of_ended.clear()

    def _granted(self) -> tuple[str, ...]:
        return (*self.allow, *(point.package for point in points()))

    def of(self, kind: Callable[[Workspace], T]) -> T:
        """Return this workspace's own object of a class, made with the workspace when it is first asked for.

        So what a higher layer has to remember lives here without this module knowing of it.
        """
        made = self._parts.get(kind)
        return cast(T, self._parts.setdefault(kind, kind(self)) if made is None else made)

    def remember(self, ended: Workspace, *, trusted: bool) -> None:
        """Keep what an app that has ended had learnt, and where it is trusted, what it allowed."""
        if trusted:
            self.allow |= ended.allow
            self.policy.trusted.update(ended.policy.trusted)
        self.signatures.use_also(ended.signatures)
        self._of_ended |= ended._captured

    # Signatures ----------------------------------------------------------------------------------------------------

    def approved(self, target: str, allow: Iterable[str] = ()) -> Signature | None:
        """Return the signature of a target that may be named; where a snapshot covers it, nothing is imported.

        Raises
        ------
        PolicyError
            If the target is not allowed.
        SignatureError
            If it cannot be imported, and no snapshot covers it.
        """
        prefixes = self.policy.prefixes(allow)
        text = refusal(target, prefixes)
        if text is not None:
            raise PolicyError(text)
        if not self.signatures.covers(target):
            given = self.policy.given(allow)
            if self.signatures.learnt(target, given) is None:
                self._load(target, prefixes, given)
            self.signatures.loaded(target)
        return self.signatures.get(target)

    def knows(self, target: str) -> bool:
        """Whether the signature of a target that may be named can be told without importing it."""
        known = self.signatures
        return known.covers(target) or known.learnt(target, self.policy.given()) is not None

    def _load(self, target: str, prefixes: set[str], given: set[str]) -> None:
        """Import a target, and keep what it accepts for the next process."""
        try:
            with self.signatures.noting():
                obj = load(target, prefixes)
        except SignatureError:
            if not self.signatures.fall_back(target):
                raise
        else:
            self.signatures.learn(target, obj, deciding(target, obj, given))

    def signature_of(self, target: str) -> Signature | None:
        """Return the signature of a target whose name has been allowed."""
        return self.signatures.get(target)

    def signature_of_default(self, tree: Call, above: tuple[str, ...] = ()) -> Signature | None:
        """Return the signature of the object that a default makes; None where it has to stay one value.

        That is where a target in it is refused or cannot be read, and where it stands inside itself: ``above`` are
        the targets of the default objects around it.
        """
        if tree.target in above:
            return None
        try:
            for _, node in walk(tree):
                if isinstance(node, (Call, Ref)) and node is not tree:
                    self.approved(node.target)
            return self.approved(tree.target)
        except (PolicyError, SignatureError):
            return None

    def lookups(self, allow: Iterable[str] = (), *, drifted: bool = False) -> Lookups:
        """Return the signatures for a listing, see :class:`Lookups`."""
        return Lookups(self, allow, drifted)

    # Trees ---------------------------------------------------------------------------------------------------------

    def captured(self, obj: Any, *, auto: bool = True, made: tuple[str, ...] = (), losing: Losing = None) -> Tree:
        """Capture a live object, which makes what it names trusted; ``made`` is as for :meth:`Policy.trust_made`."""

        def seen(target: str, fn: Any) -> None:
            self.policy.trust_made(target, *made)
            self._captured.add(target)
            if fn is not None:  # a target, not a mere reference
                self.signatures.add(target, fn)

        tree = capture(obj, auto=auto, seen=seen, losing=losing)
        self.policy.trust_arguments(None if made else tree)
        return tree

    def read_yaml(self, text: str, allow: Iterable[str] = (), *, resolved: Callable[[Any], Tree]) -> Tree:
        """Read YAML in the dialect as a validated tree.

        ``resolved`` reads the data of a text with interpolations that only OmegaConf can resolve.

        Raises
        ------
        DialectError
            If the text is no recipe in YAML.
        PolicyError, ValidationError
            As :meth:`read_tree`.
        """
        data = load_yaml(text)
        if not isinstance(data, dict) or TARGET not in data:
            raise DialectError("YAML text: a recipe is a mapping with _target_")
        self.policy.check_names(names_in(data), allow)
        data = adopted(data, self.lookups(allow))
        return resolved(data) if has_resolver(data) else self.read_tree(apply_edits(data), allow)

    def read_tree(
        self,
        data: Any,
        allow: Iterable[str] = (),
        *,
        place: tuple[Any, ...] = (),
        known: dict[str, Signature | None] | None = None,
    ) -> Tree:
        """Read plain data as a validated tree: policy first, then drift, then types, all mistakes in one error.

        ``known`` keeps the signatures of targets that were approved, for a caller that reads many trees with one
        ``allow``.
        """
        signatures: dict[str, Signature | None] = {} if known is None else known
        named = list(names_in(data, place))
        self.policy.check_names(named, allow)
        if self._any_differs(named):
            from nemo_partial_hydra.signatures import drift

            drift.refuse(self.drifted(data, allow, place=place), drift.RE_EXPORT)
        problems = Problems()
        refused: dict[str, str] = {}

        def lookup(target: str) -> Signature | None:
            if target not in signatures:
                try:
                    signatures[target] = self.approved(target, allow)
                except PolicyError as error:
                    refused[target] = str(error)
                    return None
            return signatures[target]

        def positional(target: str) -> list[str]:
            signature = signatures.get(target)
            return [] if signature is None else [parameter.name for parameter in signature.positional]

        tree = from_data(data, lookup, problems, place=place)
        # What only the signatures tell: aliases of other names, texts that name a function, positional arguments.
        lines = [placed(path, refused[str(name)]) for path, name in named if str(name) in refused] if refused else []
        lines += refusals(names_in(tree, place, positional), self.policy.prefixes(allow))
        report(lines)
        problems.check(ValidationError)
        return tree

    def missing(self, tree: Tree, place: Path = ()) -> list[str]:
        """List the required parameters that nobody set, with their paths."""
        found = []
        for path, node in walk(tree):
            if isinstance(node, Call) and (not node.partial or not path):
                signature = self.signature_of(node.target)
                if signature is None:
                    continue
                covered = {parameter.name for parameter in signature.positional[: len(node.args)]}
                owner = node.target.rpartition(".")[2]
                for name in signature.required:
                    if name not in node.kwargs and name not in covered:
                        where = dotted((*place, *path, name))
                        text = signature.parameters[name].type.text
                        found.append(f"{where}: {owner} requires it ({text}); set {where}=...")
        return found

    # Drift ---------------------------------------------------------------------------------------------------------

    def written_for(self, target: str) -> Signature | None:
        """Return the signature that recipes in files were written for, where it is not the one of here."""
        return None if self._made_here(target) else self.signatures.recorded(target)

    def _made_here(self, target: str) -> bool:
        around = self._base._captured if self._base is not None else ()
        return target in self._captured or target in self._of_ended or target in around

    def either(self, target: str, here: Signature | None) -> Signature | None:
        """Return a signature that takes what recipes in files were written for as well as what is accepted here."""
        written = self.written_for(target)
        if written is None or here is None:
            return written or here
        from nemo_partial_hydra.signatures import drift

        return drift.merged(written, here)

    def differs(self, data: Any) -> bool:
        """Whether plain data names a target whose package is installed in another version than its snapshot is of."""
        return self._any_differs(names_in(data))

    def _any_differs(self, named: Iterable[tuple[Path, Any]]) -> bool:
        names = {name for _, name in named if isinstance(name, str)}
        return any(self.written_for(target) is not None for target in names)

    def drifted(self, data: Any, allow: Iterable[str] = (), *, place: tuple[Any, ...] = ()) -> list[drift.Finding]:
        """Return what changed under a recipe since its snapshot; its names have passed the policy."""
        if not self.differs(data):
            return []

        def here(target: str) -> Signature | None:
            try:
                return self.approved(target, allow)
            except PolicyError:
                return None  # which is said of the whole recipe at once

        def written(target: str) -> Signature | None:
            return self.written_for(target) or here(target)

        tree = from_data(data, written, Problems(), place=place)
        from nemo_partial_hydra.signatures import drift

        recorded = drift.record(tree, self.written_for)
        said = {target.partition(".")[0]: text for target in recorded if (text := self.signatures.versions(target))}
        # A function that is only named has no signature in a snapshot: its package tells.
        asked = {target: entry for target, entry in recorded.items() if target.partition(".")[0] in said}
        return drift.compare(tree, asked, here, place=place, versions=lambda target: said[target.partition(".")[0]])


def capture(obj: Any, *, auto: bool, seen: Callable[[str, Any], None], losing: Losing) -> Tree:
    """Capture a live object; what that takes is imported when there is one."""
    from nemo_partial_hydra.recipes import capture as capturing

    return capturing.capture(obj, auto=auto, seen=seen, losing=losing)


class Lookups:
    """Signatures for a listing: a target that is refused or cannot be imported has none; ``unreadable`` says why.

    ``drifted`` has them accept besides what recipes in files were written for.
    """

    def __init__(self, workspace: Workspace, allow: Iterable[str] = (), drifted: bool = False) -> None:
        self.workspace = workspace
        self.allow = tuple(allow)
        self.drifted = drifted
        self.unreadable: dict[str, str] = {}
        self._found: dict[str, Signature | None] = {}
        self._named: dict[str, bool] = {}
        self._prefixes: set[str] | None = None

    def names(self, target: str) -> bool:
        """Whether a config may name a target, as far as its name tells: nothing is imported."""
        if target not in self._named:
            if self._prefixes is None:
                self._prefixes = self.workspace.policy.prefixes(self.allow)
            self._named[target] = refusal(target, self._prefixes) is None
        return self._named[target]

    def __call__(self, target: str) -> Signature | None:
        if target not in self._found:
            self._found[target] = None
            try:
                self._found[target] = self.workspace.approved(target, self.allow)
            except (PolicyError, SignatureError) as error:
                self.unreadable[target] = str(error)
            if self.drifted:
                self._found[target] = self.workspace.either(target, self._found[target])
        return self._found[target]


WORKSPACE = Workspace()
"""The workspace of the process, outside of any ``nph.main`` app."""
