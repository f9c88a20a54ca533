"""job.yaml: one frozen job, everything that decides what runs, and what a reader wants to know about its making.

May import: the standard library and PyYAML (through ``dialect.yaml``). A job is a recipe, or the call of an app's
function with a config; the hash covers that and the version of the dialect, nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from nemo_partial_hydra.dialect.yaml import MAX_BYTES, dump, load
from nemo_partial_hydra.errors import DialectError, JobError, RefusedError
from nemo_partial_hydra.messages import dotted
from nemo_partial_hydra.recipes.keys import TARGET

from . import files, folders, heads
from .app_call import APP, RECIPE, AppCall, read_call
from .content_hash import DIALECT, recipe_hash
from .heads import Head
from .layout import JobPaths
from .step import read_step

FORMATS = {RECIPE: 1, APP: 2}
"""The version of the file by what it runs: a version that knows no calls of apps reads all others."""
STEP_FORMAT = 3
"""That of a step of a pipeline, which runs a recipe."""
_PAYLOADS = {**{version: payload for payload, version in FORMATS.items()}, STEP_FORMAT: RECIPE}
READ_ONLY = 0o444
_RECIPE_LINE, _CALL_LINE = "\nrecipe:", "\ncall:"


@dataclass(frozen=True)
class Job(Head):
    """One frozen job: what is in job.yaml.

    Attributes
    ----------
    recipe : mapping
        The recipe in the dialect: only what is set, fully resolved except for the job's own directory
        (``${hydra:runtime.output_dir}``) and the values of secrets (``${oc.env:NAME}``).
    call : AppCall or None
        In the place of a recipe, the app's function and what it is called with.
    signatures : mapping or None
        What the targets accepted when it was frozen; compared with what they accept where it runs.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    call: AppCall | None = None
    signatures: Any = None

    @property
    def content_hash(self) -> str:
        """The hash of what runs, as it is now."""
        return recipe_hash(self.recipe) if self.call is None else self.call.hash()

    @property
    def named(self) -> Any:
        """The plain data whose targets are called, or may be by the app's function."""
        return self.recipe if self.call is None else self.call.config

    def _repr_html_(self) -> str:
        """Return the job as a notebook shows it: what it is, and what it runs."""
        import html  # which reads a table of two thousand names

        facts = {"job": self.title, "name": self.name, "hash": self.hash, "overrides": " ".join(self.overrides)}
        rows = "".join(f"<tr><th>{key}</th><td>{html.escape(value)}</td></tr>" for key, value in facts.items())
        return f"<table>{rows}</table><pre>{html.escape(dump(self.named))}</pre>"

    def verify(self, name: str = "job") -> None:
        """Check that the recipe or config is the one that was frozen.

        Raises
        ------
        RefusedError
            If its hash is another one.
        """
        found, what = self.content_hash, "recipe" if self.call is None else "config"
        if found != self.hash:
            raise RefusedError(
                f"{name}: the {what} is not the one that was frozen: its hash is {found[:19]}..., the file says "
                f"{self.hash[:19]}...; freeze the job again with the change"
            )


def job_text(job: Job) -> str:
    """Write a job as the text of job.yaml: the short metadata first, the recipe after it."""
    head = {
        "format": FORMATS[job.payload] if job.step is None else STEP_FORMAT,
        "dialect": DIALECT,
        "num": job.num,
        "name": job.name,
        "subdir": job.subdir,
        "hash": job.hash,
        "created": job.created,
        "user": job.user,
        "app": job.app,
        "overrides": list(job.overrides),
        **({} if job.step is None else {"step": job.step.record()}),
        **({"factories": dict(job.factories)} if job.factories else {}),
        "git": None if job.git is None else dict(job.git),
        "image": None if job.image is None else dict(job.image),
        "packages": dict(job.packages),
    }
    more = {} if job.signatures is None else {"signatures": job.signatures}
    if job.call is not None:
        return dump({**head, "call": dataclasses.asdict(job.call)})
    return dump({**head, "recipe": job.recipe, **more})


def frozen_digest(paths: JobPaths, job: Job) -> str | None:
    """Return the digest of the file if a directory holds this very job already; None if it holds none.

    Raises
    ------
    JobError
        If it holds another one.
    """
    try:
        if not files.has(paths.root, paths.job):
            return None
    except OSError as error:
        raise JobError(f"{paths.job}: cannot be read: {error.strerror or error}") from None
    frozen = read_job(paths, verify=False)
    if frozen.hash == job.hash and frozen.content_hash == job.hash:
        return frozen.digest
    raise JobError(
        f"{paths.directory}: another job is frozen there ({frozen.hash[:19]}...); a frozen job never changes: "
        "freeze into another directory, or remove that one"
    )


def write_job(paths: JobPaths, job: Job) -> str:
    """Write job.yaml, read-only; where the same job is frozen already nothing changes. Return the file's digest.

    Raises
    ------
    JobError
        If another job is frozen there, or it cannot be written.
    """
    known = frozen_digest(paths, job)
    if known is not None:
        return known
    try:
        folders.make(paths.root, paths.directory)
    except OSError as error:
        raise JobError(f"{paths.directory}: cannot be made: {error.strerror or error}") from error
    text = job_text(job).encode()
    files.write(paths.root, paths.job, text, mode=READ_ONLY)
    return digest_of(text)


def digest_of(data: bytes) -> str:
    """Return the digest of a job.yaml by its bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_job(paths: JobPaths, *, verify: bool = True, digest: str | None = None) -> Job:
    """Read job.yaml.

    Parameters
    ----------
    verify : whether the recipe's hash is checked.
    digest : that of the file that is wanted; another one is not looked into.

    Raises
    ------
    JobError
        If there is none, or it is damaged, incomplete or of a newer format.
    RefusedError
        If the recipe is not the one that was frozen, or the file not the one that is wanted.
    """
    text, found = _read(paths)
    refuse_other(paths, found, digest)
    data = _mapping(paths, text)
    head = _head(paths, data)
    if head["payload"] == APP:
        try:
            job = Job(**head, digest=found, call=read_call(data.get("call")))
        except ValueError as error:
            raise JobError(f"{paths.job}: the file is damaged: call: {error}") from None
    else:
        recipe = data.get("recipe")
        if not isinstance(recipe, dict) or TARGET not in recipe:
            raise JobError(f"{paths.job}: the file is damaged: 'recipe' is no recipe")
        job = Job(**head, digest=found, recipe=recipe, signatures=data.get("signatures"))
    if verify:
        job.verify(str(paths.job))
    return job


def refuse_other(paths: JobPaths, found: str, digest: str | None) -> None:
    """Refuse a job.yaml with another digest than the one that is wanted, if any is.

    Raises
    ------
    RefusedError
        If it is another one.
    """
    if digest is not None and found != digest:
        raise RefusedError(
            f"{paths.job}: is another file than the one that was to run: its digest is {found}, that of the one which "
            f"was checked before {digest}; freeze the job again, or send this one if it is meant: nemo-hydra retry "
            f"--force {quote(str(paths.directory))}"
        )


def read_head(paths: JobPaths) -> Head:
    """Read what job.yaml says before the recipe; the recipe is neither read nor verified.

    Raises
    ------
    JobError
        As for :func:`read_job`.
    """
    text, digest = _read(paths)
    ends = (text.partition(line) for line in (_RECIPE_LINE, _CALL_LINE))
    head, found, _ = min(ends, key=lambda parts: len(parts[0]))
    return Head(**_head(paths, _mapping(paths, head + "\n" if found else text, quick=True)), digest=digest)


def file_digest(paths: JobPaths) -> str:
    """Return the digest of job.yaml as it is now; raises ``JobError`` where there is none."""
    return _read(paths)[1]


def _read(paths: JobPaths) -> tuple[str, str]:
    """Return the text of job.yaml, and the digest of the same bytes."""
    try:
        data = files.read(paths.root, paths.job, MAX_BYTES)
        return data.decode("utf-8"), digest_of(data)
    except FileNotFoundError:
        raise JobError(f"{paths.directory}: no job is frozen there: it has no {paths.job.name}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{paths.job}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _mapping(paths: JobPaths, text: str, *, quick: bool = False) -> dict[str, Any]:
    try:
        data = heads.quick(text) if quick else None
        data = load(text, str(paths.job)) if data is None else data
    except DialectError as error:
        raise JobError(f"{error}; the file is damaged or half-written") from None
    if not isinstance(data, dict):
        raise JobError(f"{paths.job}: the file is damaged or half-written: a job is a mapping")
    version = data.get("format")
    newest = max(_PAYLOADS)
    if type(version) is int and version > newest:
        raise JobError(
            f"{paths.job}: was written by a newer version (format {version}, this one reads {newest}): "
            "update nemo_partial_hydra"
        )
    dialect = data.get("dialect")
    if type(dialect) is int and dialect > DIALECT:
        raise JobError(
            f"{paths.job}: its recipe is in a newer dialect ({dialect}, this version reads {DIALECT}): "
            "update nemo_partial_hydra"
        )
    if version not in _PAYLOADS or type(version) is not int or dialect != DIALECT:
        raise JobError(f"{paths.job}: this is no frozen job: its format is {version!r}, its dialect {dialect!r}")
    return data


_OPTIONAL = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "hash": (str,),
    "name": (str,),
    "num": (int,),
    "subdir": (str,),
    "overrides": (list,),
    "created": (str,),
    "user": (str,),
    "app": (str, _OPTIONAL),
    "git": (dict, _OPTIONAL),
    "packages": (dict,),
    "image": (dict, _OPTIONAL),
    "factories": (dict,),
}


def _head(paths: JobPaths, data: Mapping[str, Any]) -> dict[str, Any]:
    data = {"factories": {}, **data}
    missing = [name for name in _KINDS if name not in data]
    if missing:
        raise JobError(f"{paths.job}: the file is damaged or half-written: it lacks {', '.join(missing)}")
    for name, kinds in _KINDS.items():
        if type(data[name]) not in kinds:
            wanted = " or ".join("null" if kind is _OPTIONAL else kind.__name__ for kind in kinds)
            raise JobError(f"{paths.job}: {dotted((name,))}: expected {wanted}, got {data[name]!r}")
    if not all(isinstance(text, str) for text in data["overrides"]):
        raise JobError(f"{paths.job}: overrides: expected a list of texts, got {data['overrides']!r}")
    if "\0" in data["subdir"] or data["subdir"].startswith("/") or ".." in data["subdir"].split("/"):
        raise JobError(f"{paths.job}: subdir: expected a directory below the sweep's, got {data['subdir']!r}")
    read = {name: tuple(data[name]) if name == "overrides" else data[name] for name in _KINDS}
    if data["format"] == STEP_FORMAT:
        try:
            read["step"] = read_step(data.get("step"), data["subdir"])
        except ValueError as error:
            raise JobError(f"{paths.job}: the file is damaged: step: {error}") from None
    return {**read, "payload": _PAYLOADS[data["format"]]}
