"""The metadata of many job.yaml, read quickly where each is as this package writes it.

May import: PyYAML (through ``dialect.yaml``). The files of a sweep differ in four values, each on lines of its own; the
rest is the same text, which is read as YAML once. What is spelled in any other way is left to YAML as a whole: a text
that is read here means there what it means here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_partial_hydra.dialect.scalars import UNSAFE, plain_text
from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import DialectError

from .app_call import RECIPE
from .step import Step

_MOST = 1 << 16  # characters; with more it might be too large for YAML
# The rest begins with a key, so that no value before it goes on there.
_HEAD = re.compile(
    r"(?P<versions>format: [0-9]{1,9}\ndialect: [0-9]{1,9}\n)"
    r"num: (?P<num>0|[1-9][0-9]{0,17})\n"
    r"name: (?P<name>[^\n]+)\n"
    r"subdir: (?P<subdir>[^\n]+)\n"
    r"hash: (?P<hash>sha256:[0-9a-f]{64})\n"
    r"created: (?P<created>[^\n]+)\n"
    r"user: (?P<user>[^\n]+)\n"
    r"app: (?P<app>[^\n]+)\n"
    r"overrides:(?: \[\]|(?P<overrides>(?:\n- [^\n]+)+))\n"
    r"(?P<rest>[a-z]+:[ \n].*)",
    re.DOTALL,
)
_OWN = frozenset({"num", "subdir", "hash", "overrides"})


@dataclass(frozen=True)
class Head:
    """The metadata in job.yaml, before the recipe; of a thousand jobs it is read much faster than the whole.

    Attributes
    ----------
    hash : str
        Hash of the recipe, ``sha256:...``.
    name : str
        Name of the app or sweep (``hydra.job.name``).
    num : int
        Number of the job in its sweep, from 0.
    subdir : str
        Its directory, relative to the sweep's; ``.`` for a job outside of a sweep.
    overrides : sequence of str
        The overrides of this job as typed, without those of Hydra's own settings.
    created : str
        When it was frozen, ISO 8601 in UTC.
    user : str
        Who froze it.
    app : str or None
        Directory of the app that froze it, for readers and launchers; nothing is imported from there.
    git : mapping or None
        ``{commit, dirty}`` of that directory.
    packages : mapping of str to str
        Versions by distribution: ``python``, ``nemo_partial_hydra`` and those of the targets.
    image : mapping or None
        ``{path, sha256}`` of the container image.
    payload : str
        ``recipe``, or ``app`` for the call of an app's function.
    step : Step or None
        Which step of a pipeline it is.
    factories : mapping
        ``{factory, arguments}`` of each recipe that a registered factory made, by its path: for readers. What runs is
        the recipe.
    digest : str
        Of the whole file, ``sha256:...``, as it was read; empty for a job that was not read from one.
    """

    hash: str
    name: str = "job"
    num: int = 0
    subdir: str = "."
    overrides: Sequence[str] = ()
    created: str = ""
    user: str = ""
    app: str | None = None
    git: Mapping[str, Any] | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    image: Mapping[str, Any] | None = None
    payload: str = RECIPE
    step: Step | None = None
    factories: Mapping[str, Any] = field(default_factory=dict)
    digest: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """How the job is called: by its number, and the step where it is one (``3/train``)."""
        return str(self.num) if self.step is None else f"{self.num}/{self.step.name}"


def quick(text: str) -> dict[str, Any] | None:
    """Return what the text before a recipe says; None where YAML has to read it."""
    match = _HEAD.fullmatch(text) if len(text) < _MOST and "${" not in text else None
    if match is None:
        return None
    lines = (match["overrides"] or "").split("\n- ")[1:]
    overrides, subdir = list(map(_text, lines)), _text(match["subdir"])
    common = [match[name] for name in ("name", "created", "user", "app")]
    if subdir is None or None in overrides or any(one != "null" and _text(one) is None for one in common):
        return None
    try:
        shared = _shared(match["versions"], *common, match["rest"])
    except DialectError:
        return None  # YAML says where in the file it is
    if not _OWN.isdisjoint(shared):
        return None
    return {**shared, "num": int(match["num"]), "subdir": subdir, "hash": match["hash"], "overrides": overrides}


def _text(scalar: str) -> str | None:
    """Return the string that a scalar is, by the table that writes it; None where that takes more than a look."""
    if scalar[0] == '"':
        inner = scalar[1:-1]
        return inner if len(scalar) > 1 and scalar[-1] == '"' and UNSAFE.search(inner) is None else None
    return scalar if plain_text(scalar) else None


@functools.lru_cache(maxsize=32)
def _shared(versions: str, name: str, created: str, user: str, app: str, rest: str) -> Mapping[Any, Any]:
    """Read what the jobs of a sweep have in common; a mapping, since it begins with a key."""
    found = load(f"{versions}name: {name}\ncreated: {created}\nuser: {user}\napp: {app}\n{rest}")
    return found if isinstance(found, dict) else {}
