"""Apps and command lines made by hypothesis, and what comes of them under ``hydra.main`` and under ``nph.main``.

Both run in this process, one after the other in the same folder, with the same function: it writes down what it sees.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

import nemo_partial_hydra as nph
from tests.support.apps import SHOP, VERSION_BASE

# Apps ------------------------------------------------------------------------------------------------------------

GROUPS = ("db", "db/engine", "srv")
OPTIONS = ("a", "b")
KEYS = ("x", "y", "z")
PACKAGES = ("_global_", "_group_", "deep.er", "db", "srv.db", "x")

scalars = st.sampled_from(
    (0, 1, -2, 1.5, 1e-3, True, None, "", "text", "a b", "1", "null", "???", "${n}", "${missing}", "<${n}>", "\\${n}")
)
values = st.one_of(
    scalars,
    scalars,
    st.lists(scalars, max_size=2),
    st.dictionaries(st.sampled_from(KEYS), scalars, max_size=2),
    st.sampled_from(
        ([{"x": 1}, {"y": [2]}], {1: "one", "a.b": 2}, "two\nlines é", [[1], {}], "${db.name}", "${.name}")
    ),
)


@dataclass(frozen=True)
class Drawn:
    """An app's config files by name, the recipe that it has if any, and a command line."""

    files: dict[str, str]
    arguments: tuple[str, ...]

    def __repr__(self) -> str:
        files = "".join(f"\n--- {name}\n{text}" for name, text in self.files.items())
        return f"{' '.join(map(repr, self.arguments))}{files}"


def text_of(content: dict[str, Any], header: str | None = None) -> str:
    """Write a config file."""
    head = f"# @package {header}\n" if header is not None else ""
    return head + yaml.safe_dump(content, sort_keys=False, default_flow_style=None)


@st.composite
def apps(draw: st.DrawFn, *, recipes: bool = False) -> Drawn:
    """Make an app and a command line for it."""
    files = {}
    for group in GROUPS:
        for option in OPTIONS:
            content: dict[str, Any] = {}
            if group == "db" and draw(st.booleans()):
                content["defaults"] = draw(entries(("engine", "/srv"), few=True))
            content |= draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=2))
            content["name"] = option
            header = draw(st.none() | st.none() | st.sampled_from(PACKAGES))
            files[f"{group}/{option}"] = text_of(content, header)
    overlay: dict[str, Any] = {"defaults": draw(entries(("override /db", "override /srv", "/db@more"), few=True))}
    overlay |= draw(st.dictionaries(st.sampled_from((*KEYS, "n")), values, max_size=2))
    files["exp/one"] = text_of(overlay, "_global_")
    groups = ("db", "srv", "db@db2", "srv@deep.er", "/db/engine", "db@_global_", "srv@_here_")
    primary: dict[str, Any] = {"defaults": draw(entries(groups))}
    if draw(st.integers(0, 5)) == 0:
        del primary["defaults"]
    primary |= {"n": 3, **draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))}
    if recipes:
        primary["job"] = draw(st.sampled_from(JOBS))
    if draw(st.integers(0, 3)) == 0:
        primary["hydra"] = draw(st.sampled_from(SETTINGS))
    files["config"] = text_of(primary)
    files["more/db/more"] = text_of({"x": "more"})
    files["other"] = text_of({"defaults": ["config", "_self_"], "n": 4})
    return Drawn(files, tuple(draw(lines(recipes=recipes))))


JOBS: tuple[dict[str, Any], ...] = (
    {"_target_": "shop.train", "_partial_": True, "steps": 5},
    {"_target_": "shop.train", "_partial_": True, "opt": {"_target_": "shop.SGD", "lr": 0.5}, "name": "run-${n}"},
    {"_target_": "shop.Model", "config": {"_target_": "shop.Net", "sizes": [1, 2]}, "opt": "${.config}"},
)

SETTINGS: tuple[dict[str, Any], ...] = (
    {"run": {"dir": "here/${n}"}},
    {"sweep": {"dir": "swept", "subdir": "${hydra.job.num}-${n}"}},
    {"job": {"chdir": True}},
    {"output_subdir": None},
    {"job": {"name": "named"}},
    {"mode": "MULTIRUN", "sweep": {"dir": "swept"}},
    {"sweeper": {"params": {"n": "1,2", "srv": "a,b"}}},
    {"job": {"config": {"override_dirname": {"item_sep": "+", "kv_sep": "-"}}}},
)


@st.composite
def entries(draw: st.DrawFn, groups: tuple[str, ...], *, few: bool = False) -> list[Any]:
    """Make a defaults list."""
    made: list[Any] = []
    for group in draw(st.lists(st.sampled_from(groups), max_size=1 if few else 3, unique=True)):
        kind = draw(st.sampled_from(("", "", "", "", "", "optional ")))
        if group.startswith("override"):
            kind = ""
        option = draw(st.sampled_from(("a", "b", "a", "b", "a", "b", None, ["a", "b"], "${db}", "none_such")))
        if kind:
            option = draw(st.sampled_from(("a", "none_such")))
        made.append({f"{kind}{group}": option})
    if draw(st.integers(0, 4)) > 0:
        at = len(made) if groups[0].startswith("override") else draw(st.integers(0, len(made)))
        made.insert(at, "_self_")
    return made


# Command lines ---------------------------------------------------------------------------------------------------

PATHS = ("x", "y", "z", "n", "db.x", "db.name", "srv.name", "db2.name", "deep.er.name", "db.engine.name", "x.y", "y.0")
TEXTS = (
    "1",
    "-2.5",
    "null",
    "true",
    "text",
    "a b",
    "'quoted, text'",
    '"${n}"',
    "${n}",
    "[1,2]",
    "[]",
    "{x:1}",
    "{}",
    "???",
    "",
    "1e-3",
    "int(3.7)",
    "a\\,b",
)
SWEPT = ("1,2", "range(1,3)", "choice(a,b)", "[1],[2,3]", "{x:1},{x:2}", "shuffle(1)", "sort(2,1)", "tag(t,1)")
CHOICES = ("db", "srv", "db@db2", "db@new", "db/engine", "exp", "srv@deep.er", "db@x:db2", "db@db.z")
CHOSEN = ("a", "b", "a", "b", "one", "null", "none_such", "[a,b]", "more", "'a'", "")
OF_HYDRA = (
    "hydra.run.dir=out",
    "hydra.run.dir=out/${n}",
    "hydra.run.dir=out/${hydra.job.override_dirname}",
    "hydra.sweep.dir=swept",
    "hydra.sweep.subdir=${hydra.job.override_dirname}",
    "hydra.sweep.subdir=${hydra:job.num}_${n}",
    "hydra.job.name=other",
    "hydra.job.chdir=true",
    "hydra.output_subdir=null",
    "hydra.mode=MULTIRUN",
    "+hydra.job.env_set.NPH_X=1",
    "hydra.job.config.override_dirname.exclude_keys=[n]",
    "hydra/output=default",
)
FLAGS = (
    ("-m",),
    ("--multirun",),
    ("-m",),
    ("-cn", "other"),
    ("--config-name=other",),
    ("--config-name", "config"),
    ("--cfg", "job"),
    ("-c", "job", "--resolve"),
    ("--cfg=job", "-p", "db"),
    ("--run",),
    ("-cd", "conf/more"),
    ("--config-dir=conf/more", "db=more"),
)
OF_RECIPE = (
    "job.steps=7",
    "job.ratio=0.25",
    "++job.name=z",
    "job.opt.lr=2",
    "+job.opt.momentum=0.5",
    "+job.ratio=0.25",
    "job.config.sizes=[3]",
    "job.nope=1",
    "job.steps=word",
    "~job.steps",
    "job.tags={a:1}",
)


@st.composite
def lines(draw: st.DrawFn, *, recipes: bool = False) -> list[str]:
    """Make the words of a command line: overrides and flags in any order."""
    kinds = ("value", "value", "choice", "hydra", "sweep", *(("recipe",) * 3 if recipes else ()))
    parts: list[tuple[str, ...]] = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        sign = draw(st.sampled_from(("", "", "+", "++", "~")))
        if kind == "value":
            path, text = draw(st.sampled_from(PATHS)), draw(st.sampled_from(TEXTS))
            parts.append((f"{sign}{path}" if sign == "~" and draw(st.booleans()) else f"{sign}{path}={text}",))
        elif kind == "choice":
            group, option = draw(st.sampled_from(CHOICES)), draw(st.sampled_from(CHOSEN))
            bare = sign == "~" and draw(st.booleans())
            sign = "" if sign == "++" else sign
            parts.append((f"{sign}{group}" if bare else f"{sign}{group}={option}",))
        elif kind == "hydra":
            parts.append((draw(st.sampled_from(OF_HYDRA)),))
        elif kind == "recipe":
            parts.append((draw(st.sampled_from(OF_RECIPE)),))
        elif draw(st.booleans()):
            sign = "" if sign == "~" else sign
            parts.append((f"{sign}{draw(st.sampled_from(PATHS))}={draw(st.sampled_from(SWEPT))}", "-m"))
        else:
            texts = ("a,b", "glob(*)", "glob(*,exclude=a)", "b,a")
            parts.append((f"{draw(st.sampled_from(CHOICES[:3]))}={draw(st.sampled_from(texts))}", "-m"))
    parts += draw(st.lists(st.sampled_from(FLAGS), max_size=1))
    words: list[str] = []
    for part in draw(st.permutations(parts)):
        words += [word for word in part if word not in words or word != "-m"]
    return words


# Runs ------------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What came of one run."""

    code: object = 0
    jobs: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    out: str = ""
    err: str = ""

    @property
    def ended_well(self) -> bool:
        return self.code in (0, None)


_TIME = re.compile(r"\d{4}-\d\d-\d\d[/ ]\d\d[-:]\d\d[-:]\d\d(,\d+)?")
_OURS = ("nemo_partial_hydra", "RecipeSweeper")


class Runner:
    """Runs drawn apps in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "app"
        self.modules = folder / "modules"
        self.modules.mkdir()
        (self.modules / "shop.py").write_text(SHOP)

    def run(self, drawn: Drawn, decorate: Callable[..., Any], **settings: Any) -> Outcome:
        """Run an app under a decorator and return what came of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, text in drawn.files.items():
            path = self.folder / f"conf/{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        outcome = Outcome()

        def task(cfg: DictConfig) -> None:
            outcome.jobs.append(self.seen(cfg))

        entry = decorate(config_path=str(self.folder / "conf"), config_name="config", **settings)(task)
        out, err = io.StringIO(), io.StringIO()
        with self.here(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            sys.argv = ["app.py", *drawn.arguments]
            try:
                entry()
            except SystemExit as end:
                outcome.code = end.code or 0
            except Exception as error:  # Hydra lets some through: a traceback in front of the user
                outcome.code = error
        outcome.out, outcome.err = _TIME.sub("TIME", out.getvalue()), err.getvalue()
        outcome.left, outcome.files = self.files()
        return outcome

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Stand in the app's folder; what Hydra changes in the process is put back."""
        argv, folder, handlers, level = sys.argv, os.getcwd(), logging.root.handlers[:], logging.root.level
        environment = dict(os.environ)
        os.chdir(self.folder)
        sys.path.insert(0, str(self.modules))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            sys.argv = argv
            sys.path.remove(str(self.modules))
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            GlobalHydra.instance().clear()
            for handler in logging.root.handlers:
                if handler not in handlers:
                    handler.close()
            logging.root.handlers[:], logging.root.level = handlers, level

    def seen(self, cfg: DictConfig) -> dict[str, Any]:
        """Return what a job sees of its config and of Hydra's."""
        settings: Any = HydraConfig.get()
        raw: Any = OmegaConf.to_container(settings, resolve=False)
        return {
            "config": OmegaConf.to_yaml(cfg),
            "task": raw["overrides"]["task"],
            "hydra": [text for text in raw["overrides"]["hydra"] if not any(name in text for name in _OURS)],
            "choices": raw["runtime"]["choices"],
            "dir": _TIME.sub("TIME", str(settings.runtime.output_dir)),
            "cwd": _TIME.sub("TIME", os.getcwd()),
            "name": settings.job.name,
            "num": OmegaConf.select(settings, "job.num", throw_on_missing=False),
            "dirname": settings.job.override_dirname,
            "mode": str(settings.mode),
            "config_name": settings.job.config_name,
            "env": os.environ.get("NPH_X"),
        }

    def files(self) -> tuple[list[str], dict[str, str]]:
        """Return the names of what a run has left, and the texts of what says the config and the overrides."""
        names, texts = [], {}
        for path in sorted(self.folder.rglob("*")):
            name = _TIME.sub("TIME", str(path.relative_to(self.folder)))
            if name == "conf" or name.startswith("conf/"):
                continue
            names.append(name)
            if path.name in ("config.yaml", "overrides.yaml"):
                texts[name] = path.read_text()
        return names, texts


def in_one_block(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Put flags before overrides."""
    takes = {"-cn", "--config-name", "-cd", "-c", "--cfg", "-p"}
    flags: list[str] = []
    overrides: list[str] = []
    for word in arguments:
        of_flag = word.startswith("-") or (flags and flags[-1] in takes)
        (flags if of_flag else overrides).append(word)
    return (*flags, *overrides)


def both(runner: Runner, drawn: Drawn, **settings: Any) -> tuple[Outcome, Outcome]:
    """Run an app under ``hydra.main`` and under ``nph.main``."""
    arguments: dict[str, Any] = {"version_base": None} if "version_base" in VERSION_BASE else {}
    plain = runner.run(drawn, hydra.main, **arguments)
    if "unrecognized arguments" in plain.err:  # of overrides its parser takes only one block; it means no other thing
        plain = runner.run(Drawn(drawn.files, in_one_block(drawn.arguments)), hydra.main, **arguments)
    return plain, runner.run(drawn, nph.main, **settings)


def difference(plain: Outcome, ours: Outcome) -> str | None:
    """Say in what two outcomes differ; None if in nothing that counts."""
    if plain.ended_well != ours.ended_well:
        text = f"Hydra ends with {plain.code!r}, we with {ours.code!r}"
        return f"{text}\n{plain.err[-600:]}\n--- ours\n{ours.err[-600:]}"
    if not plain.ended_well:
        return None
    for name in ("jobs", "left", "files", "out"):
        a, b = getattr(plain, name), getattr(ours, name)
        if a != b:
            return f"{name}: {json.dumps(a, indent=1, default=str)}\n--- ours\n{json.dumps(b, indent=1, default=str)}"
    return None


def recipe_difference(plain: Outcome, ours: Outcome) -> str | None:
    """As :func:`difference` for an app with a recipe, whose composed config has fields for all that its targets take.

    So overrides reach more than without types, and targets refuse what they do not accept: then the reason is said.
    A ``+`` for a parameter that no file sets is recorded as ``++``, in names of directories as well.
    """
    if plain.ended_well and not ours.ended_well:
        if ours.code in (2, 3) and "Error: job" in ours.err and "Traceback" not in ours.err:
            return None
        return f"refused without a reason: {ours.code!r} {ours.err[-600:]}"
    if not plain.ended_well:
        said = f"{plain.code} {plain.err}"  # with HYDRA_FULL_ERROR it is raised
        return None if not ours.ended_well or "job" in said else f"we end well, Hydra: {said[-600:]}"
    respelled = [job["task"] for job in plain.jobs] != [job["task"] for job in ours.jobs]
    if len(plain.jobs) != len(ours.jobs) or (plain.left != ours.left and not respelled):
        return f"jobs or directories: {plain.left}\n--- ours\n{ours.left}"
    for a, b in zip(plain.jobs, ours.jobs, strict=True):
        if [_one_plus(text) for text in a["task"]] != [_one_plus(text) for text in b["task"]]:
            return f"task: {a['task']}\n--- ours\n{b['task']}"
        for key in a:
            if key == "config" and not covers(yaml.safe_load(b[key]), yaml.safe_load(a[key])):
                return f"config: {a[key]}\n--- ours\n{b[key]}"
            if key not in ("config", *(_NAMED_BY_OVERRIDES if respelled else ())) and a[key] != b[key]:
                return f"{key}: {a[key]}\n--- ours\n{b[key]}"
    return None


_NAMED_BY_OVERRIDES = ("task", "dirname", "dir", "cwd")


def _one_plus(override: str) -> str:
    return override.replace("++job.", "+job.")


def covers(ours: Any, plain: Any, *, below: bool = False) -> bool:
    """Whether a config has all of another one; more than that only in its recipe."""
    if isinstance(plain, dict) and isinstance(ours, dict):
        same = set(plain) <= set(ours) if below else set(plain) == set(ours)
        return same and all(covers(ours[key], value, below=below or key == "job") for key, value in plain.items())
    return bool(ours == plain)
