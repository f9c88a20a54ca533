"""The JSON Schema of recipe files: valid in itself, open to what the loader accepts, closed to what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.dialect.json_schema import file_targets, schema
from nemo_partial_hydra.dialect.reader import from_data
from nemo_partial_hydra.dialect.writer import to_data
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import CaptureError, RecipeError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.names import name_of, resolve
from nemo_partial_hydra.recipes.tree import Map, Seq, Tree
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from nemo_partial_hydra.signatures.introspect import live, parameter_docs
from nemo_partial_hydra.signatures.signature import Parameter, Signature
from nemo_partial_hydra.signatures.types import TypeSpec, parse
from tests.signatures.test_convert import ANNOTATIONS, TABLE, WRONG
from tests.support import laws
from tests.support.apps import ROOT
from tests.support.strategies import TARGETS, TRICKY, atoms, recipes

T = "tests.support.targets"
ALLOW = ("tests", "toy")
NAMES = sorted(
    {
        *(name_of(target) or "" for target in TARGETS),
        *(f"{T}.{name}" for name in ("positional", "odd_defaults", "half")),
    }
)


def docs(target: str) -> dict[str, str]:
    obj = resolve(target)
    return {**parameter_docs(obj), "": (obj.__doc__ or "").strip().partition("\n")[0]}


def mistakes(made: dict[str, Any], data: Any) -> list[tuple[str, str]]:
    """Return the path and the message of every error."""
    found = jsonschema.Draft7Validator(made).iter_errors(data)
    return sorted((".".join(map(str, error.absolute_path)), error.message) for error in found)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return schema(NAMES, live, docs)


TOY = ("toy.train", "toy.SGD", "toy.Adam")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Make a schema with the example's targets."""
    monkeypatch.syspath_prepend(str(ROOT / "examples/optimizers"))
    yield schema([*TOY, *(name for name in NAMES if name != f"{T}.untyped")], live, docs)
    sys.modules.pop("toy", None)


def of_type(spec: TypeSpec) -> dict[str, Any]:
    """Make the schema of a target ``x.f`` with a parameter ``p`` of some type."""
    signature = Signature("x.f", {"p": Parameter("p", spec)})
    return schema(["x.f"], {"x.f": signature}.get, lambda target: {})


# The schema itself -------------------------------------------------------------------------------------------------


def test_it_is_a_schema_and_json(made: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(made)
    jsonschema.Draft7Validator.check_schema(schema([], live, docs))
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_no_choice_is_named_twice() -> None:
    """Editors refuse such a schema; to JSON, 1 and 1.0 are one number, true is none."""
    spec = parse(Literal["16", 16, "1", "1.0", True, 1] | Literal[16, None])
    shown = of_type(spec)["definitions"]["x.f"]["properties"]["p"]["anyOf"][0]["enum"]
    assert shown == ["16", 16, "1", "1.0", True, 1, None]


def test_the_order_of_the_targets_does_not_matter(made: dict[str, Any]) -> None:
    again = schema(iter([*reversed(NAMES), NAMES[0]]), live, docs)
    assert json.dumps(again) == json.dumps(made)
    assert set(NAMES) <= set(made["definitions"])


def test_it_shows_docs_defaults_and_what_is_required(toy: dict[str, Any]) -> None:
    adam = schema(["toy.Adam"], live, lambda target: {"": "Adam.", "lr": "How far."})["definitions"]["toy.Adam"]
    assert adam["description"] == "Adam."
    assert adam["additionalProperties"] is False
    shown = {name: (p.get("default"), p["description"]) for name, p in adam["properties"].items() if name[0] != "_"}
    assert shown == {
        "lr": (0.001, "How far. (float)"),
        "betas": ([0.9, 0.999], "(tuple[float, float])"),
        "schedule": ("CONSTANT", "(Schedule)"),
        "precision": ("fp32", "(Literal['fp32', 'bf16'])"),
    }
    train = toy["definitions"]["toy.train"]["properties"]
    assert train["optimizers"]["description"] == "(list[Union[SGD, Adam]], required)"
    assert train["reduce"]["default"] == "toy.mean"
    assert train["tags"]["default"] is None


def test_a_default_that_json_does_not_have_is_told(made: dict[str, Any]) -> None:
    odd = made["definitions"][f"{T}.odd_defaults"]["properties"]
    assert "default" not in odd["a"]
    assert "Vague" in odd["a"]["description"]
    assert odd["c"]["default"] == 3
    nan = Signature("x.f", {"p": Parameter("p", parse(float), float("nan"))})
    shown = schema(["x.f"], {"x.f": nan}.get, lambda target: {})["definitions"]["x.f"]["properties"]["p"]
    assert "default" not in shown
    assert shown["description"] == "(float, default nan)"


def test_every_default_is_valid_at_its_place(made: dict[str, Any]) -> None:
    for name in NAMES:
        given_defaults = {k: p["default"] for k, p in made["definitions"][name]["properties"].items() if "default" in p}
        assert mistakes(made, {"_target_": name, **given_defaults}) == []


def test_a_natural_type_comes_first(made: dict[str, Any]) -> None:
    """Editors insert a value by the first type that a parameter has."""
    types = {name: p.get("type", [""])[0] for name, p in made["definitions"][f"{T}.typed"]["properties"].items()}
    expected = {"i": "integer", "f": "number", "b": "boolean", "s": "string", "wait": "string", "day": "object"}
    assert expected.items() <= types.items()


# What is valid -----------------------------------------------------------------------------------------------------


def test_the_shipped_example(toy: dict[str, Any]) -> None:
    files = sorted((ROOT / "examples/optimizers/conf").rglob("*.yaml"))
    assert files
    for file in files:
        data = load(file.read_text(), str(file))
        assert set(file_targets(data)) <= set(TOY)
        assert mistakes(toy, data) == []


VALID = """
# nothing but a comment
---
lr: 1
anything: [{goes: here}]
---
defaults: [_self_, {opt: adam}, override hydra/launcher: slurm]
hydra: {run: {dir: x}}
_target_: toy.Adam
lr: 1e-3
---
defaults: [{opt: adam}]
opt: {_append_: {betas: [1]}, _delete_: [a.b], lr: 5, not_a_parameter: null}
---
_target_: unknown.target
anything: {_target_: toy.Adam, lr: "1e-3"}
defaults: []
---
deep: {er: [[{_target_: toy.Adam, schedule: Schedule.COSINE}], {_target_: toy.Adam, schedule: toy.Schedule.COSINE}]}
---
_target_: toy.Adam
lr: ${..x}
betas: ${oc.env:BETAS}
schedule: ???
precision: ${a}
---
_target_: toy.train
_partial_: true
_convert_: all
_recursive_: false
optimizers: [{_target_: my.Own, x: 1}, "${.0}", "???"]
reduce: {_target_: toy.mean, _call_: false}
steps: {_target_: builtins.int, _args_: [3]}
tags: {a: b, c: 1}
_append_: {optimizers: [{_target_: toy.SGD}]}
_delete_: optimizers.0
_replace_: {optimizers.0: {_target_: toy.SGD}}
---
_target_: toy.train
optimizers: {_target_: builtins.list, _args_: [[{_target_: toy.SGD, _buildable_: fiddle.Config}]]}
tags: {_target_: collections.OrderedDict, _args_: [[[a, b]]]}
---
{_target_: toy.Adam, _args_: [0.1, [0.9, 0.95]], precision: bf16}
---
{_target_: toy.train, optimizers: [{_target_: toy.SGD, nesterov: yes, momentum: 1, lr: .inf}], steps: 3.0}
---
{_target_: toy.train, optimizers: [{}]}
"""


@pytest.mark.parametrize("text", VALID.split("---\n"))
def test_valid_files(toy: dict[str, Any], text: str) -> None:
    assert mistakes(toy, load(text)) == []


EDITOR = {
    "b": "on",
    "i": "1_000",
    "f": "1:30.5",
    "wait": "1:30",
    "data": "aGk=",
    "path": "2026",
    "word": "yes",
    "oi": "0b1",
}


def test_what_an_editor_reads_as_a_text(made: dict[str, Any]) -> None:
    """An editor's YAML (1.2) reads texts where ours (1.1) reads booleans, numbers and bytes."""
    data = {"_target_": f"{T}.typed", **EDITOR}
    assert mistakes(made, data) == []
    plain = "\n".join(f"{key}: {'!!binary ' if key == 'data' else ''}{value}" for key, value in data.items())
    assert mistakes(made, load(plain)) == []
    WORKSPACE.read_tree(load(plain), ALLOW)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(recipes())
def test_what_is_written_is_valid(recipe: Any) -> None:
    try:
        data = to_data(WORKSPACE.captured(recipe), WORKSPACE.signature_of)
    except CaptureError:
        return
    found = schema(file_targets(data), WORKSPACE.signature_of, lambda target: {})
    assert mistakes(found, data) == []
    assert mistakes(found, {"some": {"where": [data]}}) == []
    assert mistakes(found, load(dump(data))) == []


texts = st.sampled_from(
    (
        *TRICKY,
        "GREEN",
        "Color.RED",
        "False",
        "3",
        "+7",
        "0b1_0",
        "1_0.5e-3",
        "infinity",
        "a.b",
        "-1 days, 0:00:01.5",
        "٣",
    )
)
plain_values = st.recursive(
    st.one_of(
        atoms, texts, st.just({"_target_": f"{T}.double"}), st.just({"_target_": f"{T}.double", "_call_": False})
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(texts.filter(lambda key: key[:1] != "_"), st.integers(-3, 3)), inner, max_size=3),
    ),
    max_leaves=4,
)


@settings(max_examples=laws.tries(400))
@given(st.sampled_from(ANNOTATIONS), plain_values)
@example(tuple[()], [])
@example(dict[int, str], {0: "a", True: "b", "2": "c"})
def test_what_the_loader_accepts_is_valid(annotation: Any, value: Any) -> None:
    spec = parse(annotation)
    if loads(spec, value):
        assert mistakes(of_type(spec), {"_target_": "x.f", "p": value}) == []


def loads(spec: TypeSpec, value: Any) -> bool:
    """Whether ``reading`` accepts a value for a parameter."""
    signature = Signature("x.f", {"p": Parameter("p", spec)})
    problems = Problems()
    from_data({"_target_": "x.f", "p": value}, {"x.f": signature}.get, problems)
    return not problems


NO_DATA = object()


def as_data(tree: Tree) -> Any:
    """Write a tree as a file has it without any explicit form."""
    if isinstance(tree, Seq) and tree.kind == "list":
        items = [as_data(item) for item in tree.items]
        return NO_DATA if NO_DATA in items else items
    if isinstance(tree, Map):
        return {key: as_data(item) for key, item in tree.items}
    big = isinstance(tree, int) and tree.bit_length() > 5000  # no message can show it
    return tree if isinstance(tree, (type(None), bool, int, float, str, bytes)) and not big else NO_DATA


def test_the_table_of_conversions_is_valid() -> None:
    cases = [(parse(annotation), as_data(value)) for annotation, value, _ in TABLE]
    for spec, value in cases:
        if value is not NO_DATA:
            assert mistakes(of_type(spec), {"_target_": "x.f", "p": value}) == [], (spec.text, value)


# What JSON Schema cannot tell: 1.0 is 1 to it, an editor shows bytes as text, nan and too many seconds are numbers.
BEYOND_JSON = ("bool<-1.0", "bytes<-'x'", *(f"timedelta<-{value}" for value in ("nan", "inf", "1e+300")))


def test_the_table_of_mistakes_is_invalid() -> None:
    seen = 0
    for annotation, tree, _ in WRONG:
        spec, value = parse(annotation), as_data(tree)
        if value is NO_DATA or f"{spec.text}<-{value!r}" in (*BEYOND_JSON, "timedelta<-'99999999999 days'"):
            continue
        seen += 1
        assert not loads(spec, value)
        found = mistakes(of_type(spec), {"_target_": "x.f", "p": value})
        assert [path.partition(".")[0] for path, _ in found][:1] == ["p"], (spec.text, value)
    assert seen > 40


# What is not -------------------------------------------------------------------------------------------------------

# (file, path of the error, a word of its message)
BROKEN = [
    ("{_target_: toy.Adam, lrr: 1}", "", "lrr"),
    ("{_target_: toy.Adam, lr: fast}", "lr", "fast"),
    ("{_target_: toy.Adam, lr: null}", "lr", "None"),
    ("{_target_: toy.Adam, lr: [1]}", "lr", "[1]"),
    ("{_target_: toy.Adam, lr: {a: 1}}", "lr", "_target_"),
    ("{_target_: toy.Adam, schedule: LINEAR}", "schedule", "LINEAR"),
    ("{_target_: toy.Adam, schedule: 1}", "schedule", "1"),
    ("{_target_: toy.Adam, precision: fp16}", "precision", "fp16"),
    ("{_target_: toy.Adam, betas: [0.9]}", "betas", "too short"),
    ("{_target_: toy.Adam, betas: [0.9, 0.9, 0.9]}", "betas", "0.9"),
    ("{_target_: toy.Adam, betas: [0.9, x]}", "betas.1", "x"),
    ("{_target_: toy.Adam, betas: 0.9}", "betas", "0.9"),
    ("{_target_: toy.Adam, _args_: [1, [1, 2], COSINE, fp32, 5]}", "_args_", "5"),
    ("{_target_: toy.Adam, _args_: [fast]}", "_args_.0", "fast"),
    ("{_target_: toy.Adam, _args_: 5}", "_args_", "5"),
    ("{_target_: toy.Adam, _partial_: 3}", "_partial_", "3"),
    ("{_target_: toy.Adam, _buildable_: run.Config}", "_buildable_", "run.Config"),
    ("{_target_: toy.Adam, _call_: false, lr: 1}", "", "lr"),
    ("{_target_: 5}", "_target_", "5"),
    ("{_target_: ''}", "_target_", "''"),
    ("{a: {b: [{c: {_target_: toy.Adam, lrr: 1}}]}}", "a.b.0.c", "lrr"),
    ("{_target_: toy.train, optimizers: [{_target_: toy.SGD}, {_target_: toy.Adam, lrr: 1}]}", "optimizers.1", "lrr"),
    ("{_target_: toy.train, optimizers: [{_target_: toy.SGD, nesterov: maybe}]}", "optimizers.0.nesterov", "maybe"),
    ("{_target_: toy.train, optimizers: [{_target_: toy.SGD, nesterov: 2}]}", "optimizers.0.nesterov", "2"),
    ("{_target_: toy.train, optimizers: [5]}", "optimizers.0", "5"),
    ("{_target_: toy.train, optimizers: {_target_: toy.SGD, a: 1}}", "optimizers", "a"),
    ("{_target_: toy.train, optimizers: [], steps: 1.5}", "steps", "1.5"),
    ("{_target_: toy.train, optimizers: [], reduce: mean}", "reduce", "mean"),
    ("{_target_: toy.train, optimizers: [], tags: [a]}", "tags", "['a']"),
    ("{_target_: toy.train, optimizers: [], tags: {a: {b: c}}}", "tags.a", "_target_"),
    ("{_target_: toy.train, optimizers: [], tags: {a: null}}", "tags.a", "None"),
    (
        "{_target_: toy.train, optimizers: [], _append_: {optimizers: [{_target_: toy.SGD, x: 1}]}}",
        "_append_.optimizers.0",
        "x",
    ),
    (
        "{_target_: toy.train, optimizers: [{_target_: toy.SGD}], _replace_: {steps: {_target_: toy.SGD, x: 1}}}",
        "_replace_.steps",
        "x",
    ),
    ("{_target_: toy.train, optimizers: [], _append_: [optimizers]}", "_append_", "optimizers"),
    ("{_target_: toy.train, optimizers: [], _delete_: {optimizers: 0}}", "_delete_", "optimizers"),
    (f"{{_target_: {T}.untyped, a: {{_target_: toy.SGD, y: 1}}}}", "a", "y"),  # a target without a definition
    ("{x: {_target_: builtins.tuple, _args_: [[{_target_: toy.SGD, y: 1}]]}}", "x._args_.0.0", "y"),
    (f"{{_target_: {T}.contained, pair: [x, a]}}", "pair.0", "x"),
    (f"{{_target_: {T}.contained, pair: [1, {{_target_: {T}.half, y: 2}}]}}", "pair.1", "y"),
    (f"{{_target_: {T}.contained, paths: [a, [b]]}}", "paths.1", "['b']"),
    (f"{{_target_: {T}.contained, colors: {{a: BLUE}}}}", "colors.a", "BLUE"),
    (f"{{_target_: {T}.contained, by_int: {{x: a}}}}", "by_int", "x"),
    (f"{{_target_: {T}.contained, nested: {{a: [[1], [x]]}}}}", "nested.a.1.0", "x"),
    (f"{{_target_: {T}.typed, wait: soon}}", "wait", "soon"),
    (f"{{_target_: {T}.typed, word: c}}", "word", "c"),
    (f"{{_target_: {T}.typed, word: 4}}", "word", "4"),
    (f"{{_target_: {T}.typed, data: 5}}", "data", "5"),
    (f"{{_target_: {T}.typed, day: 2020-01-01}}", "day", "2020-01-01"),
    (f"{{_target_: {T}.typed, oc: RED_}}", "oc", "RED_"),
    (f"{{_target_: {T}.typed, i: '1e3'}}", "i", "1e3"),
    (f"{{_target_: {T}.typed, i: '007'}}", "i", "007"),
    (f"{{_target_: {T}.int_keywords, a: 1, b: x}}", "b", "x"),
    (f"{{_target_: {T}.positional, a: 1, _args_: [1, b, c]}}", "_args_.2", "c"),
    (f"{{_target_: {T}.positional, _args_: [1, b, 1, true]}}", "_args_.3", "True"),
    (
        f"{{_target_: {T}.Plain, child: {{_target_: {T}.Plain, child: {{_target_: {T}.Plain, chidl: 1}}}}}}",
        "child.child",
        "chidl",
    ),
]


@pytest.mark.parametrize(("text", "path", "word"), BROKEN, ids=[case[0][:70] for case in BROKEN])
def test_broken_files(toy: dict[str, Any], text: str, path: str, word: str) -> None:
    data = load(text)
    found = mistakes(toy, data)
    assert {where for where, _ in found} == {path}, found
    assert any(word in message for _, message in found), found
    with pytest.raises(RecipeError):
        WORKSPACE.read_tree(apply_edits(data), ALLOW)


def test_a_typo_is_named_and_nothing_else(toy: dict[str, Any]) -> None:
    found = mistakes(toy, load("{a: [{_target_: toy.train, optimizers: [{_target_: toy.Adam, lrr: 1}], stepps: 1}]}"))
    text = "Additional properties are not allowed ('{}' was unexpected)"
    assert found == [("a.0", text.format("stepps")), ("a.0.optimizers.0", text.format("lrr"))]


def test_hydras_keys_stand_at_the_root_only(toy: dict[str, Any]) -> None:
    text = "{defaults: [a], hydra: {}, _target_: toy.Adam}"
    assert mistakes(toy, load(text)) == []
    assert [path for path, _ in mistakes(toy, {"x": load(text)})] == ["x"]
    assert [path for path, _ in mistakes(toy, {"defaults": "a"})] == ["defaults"]
    assert [path for path, _ in mistakes(toy, {"_target_": "toy.Adam", "defaults": None})] == ["defaults"]
    assert [path for path, _ in mistakes(toy, [1])] == [""]


def test_without_a_signature_anything_goes(toy: dict[str, Any]) -> None:
    found = schema(["no.such", "toy.SGD"], lambda name: None if name == "no.such" else live(name), docs)
    assert mistakes(found, load("{_target_: no.such, a: {_target_: toy.SGD}}")) == []
    assert [path for path, _ in mistakes(found, load("{_target_: no.such, a: {_target_: toy.SGD, b: 1}}"))] == ["a"]
    assert mistakes(schema([], live, docs), load("{_target_: toy.SGD, b: 1}")) == []


def test_a_signature_under_another_name_counts_under_the_one_asked_for() -> None:
    found = schema(["my.alias"], {"my.alias": Signature("real.name", {})}.get, lambda target: {})
    assert mistakes(found, {"_target_": "my.alias"}) == []
    assert len(mistakes(found, {"_target_": "my.alias", "a": 1})) == 1


# The targets of a file ---------------------------------------------------------------------------------------------


def test_the_targets_of_a_file() -> None:
    text = """
defaults: [{_target_: no.no}]
hydra: {sweeper: {_target_: no.no}}
_target_: b.b
a: [{_target_: a.a, x: {_target_: b.b}}]
ref: {_target_: no.no, _call_: false}
value: {_target_: datetime.timedelta, _args_: [1]}
pairs: {_target_: builtins.tuple, _args_: [[{_target_: c.c}]]}
call: {_target_: datetime.timedelta, days: 1}
late: {_target_: "${x}"}
odd: {_target_: [1]}
_append_: {a: [{_target_: d.d}]}
"""
    assert file_targets(load(text)) == ["b.b", "a.a", "c.c", "datetime.timedelta", "d.d"]
    assert file_targets(None) == file_targets([]) == file_targets({"a": 1}) == []
    assert file_targets({"a": {"hydra": {"_target_": "x.y"}}}) == ["x.y"]


# With real NeMo ----------------------------------------------------------------------------------------------------

NEMO_RECIPES = """
llm.llama3_8b.pretrain_recipe llm.llama3_8b.finetune_recipe llm.llama3_70b.pretrain_recipe
llm.llama3_70b.finetune_recipe llm.mixtral_8x7b.pretrain_recipe llm.mixtral_8x7b.finetune_recipe
llm.mistral_7b.pretrain_recipe llm.gemma2_9b.pretrain_recipe llm.nemotron3_8b.pretrain_recipe
llm.qwen2_7b.finetune_recipe llm.t5_220m.pretrain_recipe llm.starcoder2_7b.pretrain_recipe
llm.deepseek_v3.pretrain_recipe llm.gpt3_175b.pretrain_recipe
""".split()

# In a process of its own, as in test_nemo.
VALIDATE_RECIPES = """
import json, sys
from pathlib import Path
import jsonschema
import nemo_partial_hydra as nph
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from nemo_partial_hydra.recipes.names import resolve
from nemo_partial_hydra.dialect.json_schema import file_targets, schema
from nemo_partial_hydra.signatures.introspect import parameter_docs
from nemo_partial_hydra.dialect.yaml import load
from tests.support import nemo_recipes

def errors(data):
    made = schema(file_targets(data), WORKSPACE.signature_of, lambda target: parameter_docs(resolve(target)))
    jsonschema.Draft7Validator.check_schema(made)
    json.dumps(made, allow_nan=False)
    validator = jsonschema.Draft7Validator(made)
    found = lambda: [[".".join(map(str, e.absolute_path)), e.message[:300]] for e in validator.iter_errors(data)]
    return found

bad, typos, seen = {}, {}, []
wanted = sys.argv[2:]
for recipe in nemo_recipes.recipes():
    if recipe.name not in wanted:
        continue
    data = load(nph.to_yaml(recipe.make()))
    found = errors(data)
    seen.append(recipe.name)
    bad[recipe.name] = found()
    data["optim"]["config"]["wieght_decay"] = 1
    typos[recipe.name] = found()
for file in sorted((Path(sys.argv[1]) / "conf").rglob("*.yaml")):
    bad[file.name] = errors(load(file.read_text()))()
print("RESULT", json.dumps({"bad": bad, "typos": typos, "seen": seen}))
"""


@pytest.mark.nemo
def test_nemos_recipes_and_the_shipped_files_are_valid(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", VALIDATE_RECIPES, str(ROOT), *NEMO_RECIPES]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    result = json.loads(lines[0].removeprefix("RESULT "))
    assert {name: found for name, found in result["bad"].items() if found} == {}
    assert {"import.yaml", "llama_tiny.yaml"} <= set(result["bad"])
    assert len(result["seen"]) >= 12, result["seen"]
    for found in result["typos"].values():
        assert [path for path, _ in found] == ["optim.config"]
        assert "'wieght_decay' was unexpected" in found[0][1]
