"""A recipe that was exported for one version of a package and runs under another."""

# ruff: noqa: UP006, UP007, UP035, UP045  # the old spellings of types are what is tested

from __future__ import annotations

import collections.abc
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Literal, Optional, Tuple, Union

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.errors import DialectError, DriftError, SignatureError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.tree import Tree
from nemo_partial_hydra.signatures import compatible, drift
from nemo_partial_hydra.signatures.compatible import UNKNOWN, accepts, read_text, text_of
from nemo_partial_hydra.signatures.drift import Finding, compare, record
from nemo_partial_hydra.signatures.introspect import read
from nemo_partial_hydra.signatures.signature import Signature
from nemo_partial_hydra.signatures.types import ANY, TypeSpec, parse
from tests.support import targets as t
from tests.support.apps import ROOT, App, dedent

# Types as texts ----------------------------------------------------------------------------------------------------

kinds = st.sampled_from("none bool int float str bytes path timedelta callable type".split())
names = st.sampled_from(("a.B", "a.b.C", "x.B.D"))
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(("", "a", "it's", '"', "é", "a, b]"))
specs = st.recursive(
    st.builds(TypeSpec, kinds, st.text(max_size=3))
    | st.just(ANY)
    | st.builds(lambda n: TypeSpec("object", n, target=n), names)
    | st.builds(lambda n, c: TypeSpec("enum", n, choices=tuple(c), target=n), names, st.lists(st.sampled_from("ABC")))
    | st.builds(lambda c: TypeSpec("literal", "L", choices=tuple(c)), st.lists(scalars, min_size=1, max_size=3)),
    lambda inner: (
        st.builds(lambda a: TypeSpec("union", "u", tuple(a)), st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda k, a: TypeSpec(k, k, (a,)), st.sampled_from("list set frozenset".split()), inner)
        | st.builds(lambda a, v: TypeSpec("tuple", "t", (a,), variadic=v), inner, st.booleans())
        | st.builds(lambda a, b: TypeSpec("tuple", "t", (a, b)), inner, inner)
        | st.builds(lambda a, b: TypeSpec("dict", "d", (a, b)), inner, inner)
    ),
    max_leaves=6,
)


@given(specs)
def test_a_text_says_the_type_it_was_written_from(spec: TypeSpec) -> None:
    again = read_text(text_of(spec))
    assert text_of(again) == text_of(spec)
    assert accepts(again, spec)
    assert accepts(spec, again)


@given(specs, specs)
def test_a_union_accepts_its_members_and_anything_accepts_all(one: TypeSpec, other: TypeSpec) -> None:
    both = TypeSpec("union", "u", (one, other))
    assert accepts(both, one)
    assert accepts(both, other)
    assert accepts(ANY, both)
    assert accepts(one, both) is (accepts(one, one) and accepts(one, other))


@given(specs, specs, specs)
def test_widening_twice_is_widening(one: TypeSpec, two: TypeSpec, three: TypeSpec) -> None:
    if accepts(two, one) and accepts(three, two):
        assert accepts(three, one)


SPELLINGS: list[tuple[Any, Any, str]] = [
    (Optional[int], int | None, "int | None"),
    (Union[str, int, None], Optional[Union[int, str]], "int | str | None"),
    (list[int], List[int], "list[int]"),
    (dict[str, Optional[float]], dict[str, float | None], "dict[str, float | None]"),
    (tuple[int, ...], Tuple[int, ...], "tuple[int, ...]"),
    (t.Color, Union[t.Color], f"Enum['{t.__name__}.Color', {', '.join(map(repr, t.Color.__members__))}]"),
]


@pytest.mark.parametrize(("one", "other", "text"), SPELLINGS)
def test_ways_to_spell_a_type_are_one_text(one: Any, other: Any, text: str) -> None:
    assert text_of(parse(one)) == text_of(parse(other)) == text


WIDER: list[tuple[Any, Any]] = [
    (int, Optional[int]),
    (int, Any),
    (t.Optimizer, Any),
    (int, float),
    (Literal["a"], Literal["b", "a"]),
    (Literal["a", 1], Union[str, int]),
    (Optional[int], Union[str, int, None]),
    (list[int], list[float]),
    (list[int], list),
    (tuple[int, int], tuple[float, ...]),
    (dict[str, int], dict[str, Any]),
    (type[int], collections.abc.Callable),
    (t.SubOptimizer, t.Optimizer),
]


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_a_wider_type_is_no_drift_and_back_it_is(old: Any, new: Any) -> None:
    old, new = read_text(text_of(parse(old))), read_text(text_of(parse(new)))
    assert accepts(new, old)
    assert not accepts(old, new)


@pytest.mark.parametrize(("old", "new"), [(int, str), (str, int), (bool, int), (list[int], tuple[int, int])])
def test_another_type_is_drift(old: Any, new: Any) -> None:
    assert not accepts(parse(new), parse(old))


def test_bool_and_its_two_literals_are_one_type() -> None:
    assert accepts(parse(bool), parse(Literal[True, False]))
    assert accepts(parse(Literal[False, True]), parse(bool))


def test_literals_that_python_takes_for_equal_are_told_apart() -> None:
    assert not accepts(parse(Literal[1]), parse(Literal[True]))
    assert text_of(parse(Literal[1])) != text_of(parse(Literal[True]))


@pytest.mark.parametrize(
    "text", ["", "(", "int |", "f(x)", "list[", "a[b]", "1", "[" * 5000, "x" * 30_000, "a.1", "\0"]
)
def test_a_text_of_another_hand_is_unknown_and_hides_nothing_else(text: str) -> None:
    assert read_text(text) == UNKNOWN
    assert accepts(parse(int), read_text(text))


def test_reading_a_text_evaluates_nothing() -> None:
    for text in ("Literal[__import__('os')]", "Enum[open('x')]", "list[exit()]", "Ref[1 .real]"):
        assert read_text(text) == UNKNOWN


# Comparing ---------------------------------------------------------------------------------------------------------


def signatures(**functions: Any) -> dict[str, Signature]:
    return {f"m.{name}": read(function, f"m.{name}") for name, function in functions.items()}


def found(data: Any, old: dict[str, Signature], new: dict[str, Signature], **more: Any) -> list[Finding]:
    def live(target: str) -> Signature:
        if target not in new:
            raise SignatureError(f"'m' has no '{target}'")
        return new[target]

    tree: Tree = from_data(data, old.get, Problems())
    recorded = record(tree, old.get)
    as_file = yaml.safe_load(yaml.safe_dump(recorded))
    assert as_file == recorded
    findings = compare(tree, as_file, live, **more)
    assert compare(tree, recorded, old.get) == []  # the version it was written for
    return findings


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"_target_": f"m.{name}", **more}


def old_net(layers: int = 1, width: int = 2, act: str = "relu", depth: Optional[int] = None) -> None: ...


def new_net(
    seed: int, layers: Optional[int] = 1, breadth: int = 2, act: Literal["a"] = "a", depth: int = 0
) -> None: ...


def test_everything_that_changed_is_found_at_once_with_its_path() -> None:
    data = node("train", net=node("net", layers=3, width=4, act="a", depth=5), gone=node("gone"))

    def train(net: Any = None, gone: Any = None) -> None: ...

    old = signatures(train=train, net=old_net, gone=t.double)
    findings = found(data, old, signatures(train=train, net=new_net), place=("job",), versions=lambda x: "p 1, here 2")
    assert [(".".join(f.path), f.parameter, f.kind) for f in findings] == [
        ("job.net.width", "width", "vanished"),
        ("job.net.act", "act", "type"),
        ("job.net.depth", "depth", "type"),
        ("job.net.seed", "seed", "required"),
        ("job.gone", "", "target"),
    ]
    assert [f.text for f in findings] == [
        "job.net.width: net no longer has 'width' (p 1, here 2)",
        "job.net.act: 'act' of net was str and is Literal['a'] (p 1, here 2)",
        "job.net.depth: 'depth' of net was int | None and is int (p 1, here 2)",
        "job.net.seed: net requires 'seed' (int), which the recipe does not set (p 1, here 2)",
        "job.gone: 'm' has no 'm.gone' (p 1, here 2)",
    ]
    with pytest.raises(DriftError, match=r"(?s)job\.net\.width.*job\.gone.*Do this"):
        drift.refuse(findings, "Do this.")
    drift.refuse([], "Do this.")


def test_what_a_recipe_does_not_set_may_change() -> None:
    def new(layers: int = 7, wide: int = 2, act: bool = True, extra: int = 1) -> None: ...

    assert found(node("net", layers=3), signatures(net=old_net), signatures(net=new)) == []


def test_a_value_that_someone_gave_for_the_type_of_here_is_none() -> None:
    def new(layers: str = "", depth: Optional[str] = None) -> None: ...

    old = signatures(net=old_net)
    assert [f.kind for f in found(node("net", layers=2, depth=3), old, signatures(net=new))] == ["type", "type"]
    assert found(node("net", layers="two", depth=None), old, signatures(net=new)) == []


def test_the_nearest_name_is_one_that_is_free() -> None:
    def new(layer: int = 1, widths: int = 2) -> None: ...

    data = node("net", layers=1, width=1)
    texts = [f.text for f in found(data, signatures(net=old_net), signatures(net=new))]
    assert texts == [
        "layers: net no longer has 'layers'; did you mean 'layer'?",
        "width: net no longer has 'width'; did you mean 'widths'?",
    ]


def test_keywords_that_went_into_kwargs() -> None:
    def old(**more: Any) -> None: ...
    def taken(x: int = 1) -> None: ...
    def none() -> None: ...
    def still(**more: Any) -> None: ...

    data = node("f", x=3)
    assert found(data, signatures(f=old), signatures(f=still)) == []
    assert found(data, signatures(f=old), signatures(f=taken)) == []  # an annotation where there was none, and it fits
    assert [f.kind for f in found(node("f", x="no"), signatures(f=old), signatures(f=taken))] == ["type"]
    assert [f.kind for f in found(data, signatures(f=old), signatures(f=none))] == ["vanished"]
    assert found(data, signatures(f=taken), signatures(f=old)) == []


def test_a_nested_partial_may_be_given_the_rest_by_whoever_calls_it() -> None:
    def optim(lr: float = 1.0) -> None: ...
    def asks(params: Any, lr: float = 1.0) -> None: ...
    def train(opt: Any = None) -> None: ...

    old, new = signatures(optim=optim, train=train), signatures(optim=asks, train=train)
    assert found(node("train", opt=node("optim", _partial_=True)), old, new) == []
    assert [f.kind for f in found(node("train", opt=node("optim")), old, new)] == ["required"]
    assert [f.kind for f in found(node("optim", _partial_=True), old, new)] == ["required"]


def test_positional_arguments() -> None:
    def old(a: int, b: int = 1, *rest: int) -> None: ...
    def longer(z: int, a: int, b: int = 1, *rest: int) -> None: ...
    def typed(a: int, b: str = "", *rest: int) -> None: ...
    def short(a: int) -> None: ...

    data = node("f", _args_=[1, 2, 3])
    assert [f.path for f in found(data, signatures(f=old), signatures(f=typed))] == [("_args_", 1)]
    moved = found(data, signatures(f=old), signatures(f=longer))
    assert [(f.path, f.parameter) for f in moved] == [(("_args_", 0), "a"), (("_args_", 1), "b")]
    assert [f.path for f in found(data, signatures(f=old), signatures(f=short))] == [("_args_", 1), ("_args_", 2)]


def test_a_function_that_is_only_named_and_an_enum_member_are_said_once() -> None:
    def f(kind: t.Color = t.Color.RED, fn: Any = None) -> None: ...
    def g(kind: t.Other = t.Other.RED, fn: Any = None) -> None: ...

    data = node("f", kind="RED", fn={"_target_": "m.helper", "_call_": False})
    findings = found(data, signatures(f=f, helper=t.double), signatures(f=g))
    assert [(f.path, f.kind) for f in findings] == [(("kind",), "type"), (("fn",), "target")]
    assert "Color (RED, GREEN" in findings[0].text


def test_the_record_is_small_plain_and_the_same_in_any_order() -> None:
    data = node("train", b=node("net", width=1, layers=2), a=[node("net", act="x"), node("net")])

    def train(b: Any = None, a: Any = None) -> None: ...

    old = signatures(train=train, net=old_net)
    recorded = record(from_data(data, old.get, Problems()), old.get)
    assert recorded == {
        "m.net": {"parameters": {"act": "str", "layers": "int", "width": "int"}},
        "m.train": {"parameters": {"a": "Any", "b": "Any"}},
    }
    turned = dict(reversed(list(data.items())))
    again = record(from_data(turned, old.get, Problems()), old.get)
    assert json.dumps(again) == json.dumps(recorded)


def test_a_target_without_a_signature_is_not_compared() -> None:
    opaque = Signature("m.f", {}, ANY, ANY, known=False)
    assert found(node("f", x=1), {"m.f": opaque}, {"m.f": opaque}) == []
    assert found(node("f", x=1), {}, {}) == []


@pytest.mark.parametrize(
    "wrong", [None, [], {"m.f": []}, {1: {}}, {"m.f": {"parameters": []}}, {"m.f": {"parameters": {"x": 1}}}]
)
def test_a_damaged_record_is_a_readable_error(wrong: Any) -> None:
    with pytest.raises(DialectError, match="recorded signatures"):
        compare(from_data(node("f", x=1), lambda target: None, Problems()), wrong, lambda target: None)


def test_the_runner_needs_the_standard_library_only() -> None:
    code = (
        "import sys, nemo_partial_hydra.signatures.drift, nemo_partial_hydra.signatures.compatible;"
        "print([m for m in sys.modules if m.partition('.')[0] in ('hydra', 'omegaconf', 'fiddle', 'nemo_run', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
    assert compatible.__doc__ is not None


# As the user meets it ----------------------------------------------------------------------------------------------

ONE = """
import enum
from dataclasses import dataclass, field
from typing import Any, Optional


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Strategy:
    foo: int = 1
    stages: Optional[int] = None
    mode: Mode = Mode.FAST


@dataclass
class Trainer:
    strategy: Optional[Strategy] = None
    steps: int = 10


@dataclass
class Logger:
    name: str = "log"


def helper() -> int:
    return 1


def train(trainer: Any = None, logger: Optional[Logger] = None, seed: int = 1, hook: Any = None) -> str:
    return f"{trainer} {seed}"
"""
TWO = (
    ONE.replace("foo: int = 1", "devices: int\n    fooo: int = 1")
    .replace("stages: Optional[int] = None", "stages: str = ''")
    .replace("class Logger", "class Loggers")
    .replace("[Logger]", "[Loggers]")
    .replace("def helper", "def helpers")
)
WIDE = ONE.replace("foo: int", "foo: Optional[int]").replace("steps: int = 10", "steps: float = 10\n    more: int = 2")
CONFIG = """
defaults:
  - trainer: plain
  - _self_
_target_: driftpkg.train
_partial_: true
hook: {_target_: driftpkg.helper, _call_: false}
logger:
  _target_: driftpkg.Logger
  name: here
"""
TRAINER = """
_target_: driftpkg.Trainer
steps: 5
strategy:
  _target_: driftpkg.Strategy
  foo: 3
  stages: 2
"""


@dataclass
class Site:
    """An app beside a package of which two versions can be installed, and a snapshot of the first."""

    app: App
    folder: Path

    def install(self, version: str, source: str) -> dict[str, str]:
        """Install a version of the package as pip does; return the environment that has it."""
        site = self.folder / f"site-{version}"
        (site / "driftpkg").mkdir(parents=True)
        (site / "driftpkg" / "__init__.py").write_text(dedent(source))
        info = site / f"drift_toolkit-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: drift_toolkit\nVersion: {version}\n")
        (info / "RECORD").write_text(f"driftpkg/__init__.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
        return {"PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}

    def snapshot(self, env: Mapping[str, str]) -> None:
        """Take a snapshot beside the recipes."""
        files = [str(path) for path in sorted(self.app.conf.rglob("*.yaml"))]
        command = [sys.executable, "-m", "nemo_partial_hydra.cli", "snapshot", *files, "--allow", "driftpkg"]
        done = subprocess.run(
            [*command, "--out", str(self.app.conf / "signatures.json")],
            env=self.app.environment(env),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


SCRIPT = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config", allow=["driftpkg"])
def main(cfg):
    print("RESULT", nph.run(cfg))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("drift")
    made = Site(App(folder / "app", {"config": CONFIG, "trainer/plain": TRAINER}, script=SCRIPT), folder)
    made.snapshot(made.install("1.0", ONE))
    made.install("2.0", TWO)
    made.install("1.1", WIDE)
    made.install("9.0", "NOTHING_OF_IT = 1\n")
    made.app.made = made.app.files()
    return made


def under(site: Site, version: str) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), str(site.folder / f"site-{version}")])}


SAID = "(snapshot: drift_toolkit 1.0, here 2.0)"
REPORT = f"""\
Error: the recipe does not fit what is installed here:
  - hook: 'driftpkg' has no 'helper' (from 'driftpkg.helper'); did you mean 'helpers'? {SAID}
  - logger: 'driftpkg' has no 'Logger' (from 'driftpkg.Logger'); did you mean 'Loggers'? {SAID}
  - trainer.strategy.foo: Strategy no longer has 'foo' {SAID}; did you mean 'fooo'?
  - trainer.strategy.stages: 'stages' of Strategy was int | None and is str {SAID}
  - trainer.strategy.devices: Strategy requires 'devices' (int), which the recipe does not set {SAID}
Export it again with what is installed here (nemo-hydra snapshot FILE... --out signatures.json), or correct the \
parameters above.
"""


def test_all_that_changed_is_said_at_once_before_anything_is_made(site: Site) -> None:
    done = site.app.run(env=under(site, "2.0"))
    assert done.code == 3
    assert "Traceback" not in done.err
    assert sorted(done.err[done.err.index("Error:") :].splitlines()) == sorted(REPORT.splitlines())
    assert done.err.count("what is installed counts") == 1
    assert site.app.left() == set()


def test_where_nothing_of_it_is_left_the_versions_are_said(site: Site) -> None:
    done = site.app.run(env=under(site, "9.0"))
    assert done.code == 3
    said = "drift_toolkit 9.0 is installed, the snapshot was read from 1.0: what is installed counts"
    assert done.err.count(said) == 1
    assert (
        "hook: 'driftpkg' has no 'helper' (from 'driftpkg.helper') (snapshot: drift_toolkit 1.0, here 9.0)" in done.err
    )


def test_the_version_it_was_written_for_and_a_wider_one_run(site: Site) -> None:
    same = site.app.run("hydra.run.dir=.", "hydra.output_subdir=null", env=under(site, "1.0"))
    assert (same.code, same.err) == (0, "")
    assert same.result.startswith("Trainer(strategy=Strategy(foo=3, stages=2")
    wider = site.app.run("hydra.run.dir=.", "hydra.output_subdir=null", "trainer.more=4", env=under(site, "1.1"))
    assert wider.code == 0, wider.err
    assert "more=4" in wider.result
    assert "drift_toolkit 1.1 is installed, the snapshot was read from 1.0: what is installed counts" in wider.err
    site.app.clean()


def test_overrides_that_correct_what_changed_let_it_run(site: Site) -> None:
    done = site.app.run(
        "hydra.run.dir=.",
        "hydra.output_subdir=null",
        "hook=null",
        "logger=null",
        "+trainer.strategy._delete_=[foo]",
        "trainer.strategy.stages=two",
        "trainer.strategy.devices=8",
        env=under(site, "2.0"),
    )
    assert done.code == 0, done.err
    assert "Strategy(devices=8, fooo=1, stages='two'" in done.result
    site.app.clean()


def test_a_corrected_recipe_with_a_new_snapshot_runs(site: Site, tmp_path: Path) -> None:
    conf = {
        "config": CONFIG.replace("Logger", "Loggers").replace("helper", "helpers"),
        "trainer/plain": TRAINER.replace("  foo: 3\n  stages: 2", "  devices: 2"),
    }
    app = App(tmp_path, conf, script=SCRIPT)
    corrected = Site(app, site.folder)
    corrected.snapshot(under(site, "2.0"))
    done = app.run("hydra.run.dir=.", "hydra.output_subdir=null", env=under(site, "2.0"))
    assert (done.code, done.err) == (0, "")


def test_the_listing_works_and_says_it(site: Site) -> None:
    done = site.app.run("--cfg-paths=json", env=under(site, "2.0"))
    assert done.code == 0, done.err
    records = {each["path"]: each for each in json.loads(done.out)}
    assert records["trainer.strategy.foo"]["value"] == 3
    assert "A run would be refused: the recipe does not fit" in done.err
    for line in REPORT.splitlines()[1:]:
        assert line in done.err
    same = site.app.run("--cfg-paths", env=under(site, "1.0"))
    assert (same.code, same.err) == (0, "")


def test_a_sweep_says_it_once(site: Site) -> None:
    done = site.app.run("-m", "seed=1,2", env=under(site, "2.0"))
    assert done.code == 3
    assert done.err.count("no longer has 'foo'") == 1
    assert site.app.left() == set()


def test_build_and_run_in_another_app_say_it(site: Site) -> None:
    code = f"""
import nemo_partial_hydra as nph
from hydra import compose, initialize_config_dir
from nemo_partial_hydra.runtime import session
with session.running(session.Session(("driftpkg",))), initialize_config_dir({str(site.app.conf)!r}):
    cfg = compose("config")
for call in (nph.build, nph.run):
    try:
        call(cfg, allow=["driftpkg"])
    except nph.DriftError as error:
        print(type(error).__name__, str(error).count("drift_toolkit 1.0, here 2.0"))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=site.app.environment(under(site, "2.0")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "DriftError 5\nDriftError 5\n", done.stderr


def test_a_recipe_that_was_made_here_is_not_measured_by_an_old_snapshot(site: Site) -> None:
    code = f"""
import driftpkg
import nemo_partial_hydra as nph
import nemo_run as run
from nemo_partial_hydra.runtime.workspace import WORKSPACE
WORKSPACE.signatures.use({str(site.app.conf)!r})
made = run.Config(driftpkg.Strategy, devices=1, stages="x")
assert nph.build(nph.to_config(made)) == made
print("equal")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=site.app.environment(under(site, "2.0")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "equal\n", done.stderr


def test_an_own_mistake_in_a_file_that_drifted_is_named_as_such(site: Site, tmp_path: Path) -> None:
    app = App(tmp_path, {"config": CONFIG, "trainer/plain": TRAINER + "  modde: FAST\n"}, script=SCRIPT)
    (app.conf / "signatures.json").write_bytes((site.app.conf / "signatures.json").read_bytes())
    done = app.run(env=under(site, "2.0"))
    assert done.code == 2
    assert "Strategy has no parameter 'modde'; did you mean 'mode'?" in done.err
