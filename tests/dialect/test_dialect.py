"""What YAML text may say: the forms that are read, the ones that are refused, scalars, and links."""

from __future__ import annotations

import io
import math
import textwrap
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.dialect.scalars import escape_interpolation, unescape_interpolation
from nemo_partial_hydra.dialect.yaml import dump, load
from nemo_partial_hydra.errors import DialectError, PolicyError, RecipeError, ValidationError
from nemo_partial_hydra.recipes.tree import Call, Link, Map, Ref, Seq, Tree, Value
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import laws
from tests.support.strategies import TRICKY

T = "tests.support.targets"
ALLOW = ("tests.support",)


def tree(text: str) -> Any:
    """Read a recipe as a tree."""
    return WORKSPACE.read_tree(load(textwrap.dedent(text)), ALLOW)


def untyped(body: str) -> Any:
    """Read a recipe of ``untyped`` with these arguments."""
    return tree(f"_target_: {T}.untyped\n" + textwrap.dedent(body))


def typed(body: str) -> Any:
    return tree(f"_target_: {T}.typed\n" + textwrap.dedent(body))


def built(text: str) -> Any:
    import nemo_partial_hydra as nph

    return nph.from_yaml(textwrap.dedent(text), allow=ALLOW)


# Forms that other programs write -----------------------------------------------------------------------------------


def test_nemo_run_style() -> None:
    """What ``nemo_run --to-yaml`` writes."""
    read = tree(
        f"""
        _partial_: true
        _target_: {T}.Trainer
        callbacks:
        - _target_: {T}.Plain
          _call_: true
        extra: {{fn: {{_call_: false, _target_: {T}.double}}}}
        optimizer:
          _args_: []
          _partial_: false
          _target_: {T}.Optimizer
        """
    )
    assert read.partial
    assert read.target == f"{T}.Trainer"
    assert read.kwargs["callbacks"].items == (Call(f"{T}.Plain"),)
    assert dict(read.kwargs["extra"].items) == {"fn": Ref(f"{T}.double")}
    assert read.kwargs["optimizer"] == Call(f"{T}.Optimizer")


def test_nemo_runs_own_yaml_is_read() -> None:
    import nemo_run as run
    from nemo_run.core.serialization.yaml import YamlSerializer

    from tests.support import targets as t

    p = run.Partial(t.Trainer, max_steps=3, optimizer=run.Config(t.Optimizer, lr=0.5), extra={"a": [1, "x"]})
    q = built(YamlSerializer().serialize(p))
    assert q == p


def test_hydra_instantiates_own_keys_change_nothing() -> None:
    assert untyped("_convert_: all\n_recursive_: false\na: 1\n") == untyped("a: 1\n")


@pytest.mark.parametrize("value", ["0", "'false'", "null", "[]", "maybe"])
def test_call_is_true_or_false(value: str) -> None:
    with pytest.raises(RecipeError, match="_call_"):
        untyped(f"_call_: {value}\n")


@pytest.mark.parametrize("value", ["1", "'true'", "null"])
def test_partial_is_true_or_false(value: str) -> None:
    with pytest.raises(RecipeError, match="_partial_"):
        untyped(f"_partial_: {value}\n")


def test_call_false_takes_no_arguments() -> None:
    with pytest.raises(ValidationError, match=r"a: .*takes no 'lr'"):
        untyped(f"a: {{_target_: {T}.Optimizer, _call_: false, lr: 1}}\n")


@pytest.mark.parametrize("key", ["_partial_", "_args_", "_call_", "_buildable_", "_append_"])
def test_a_reserved_key_without_target_is_an_error(key: str) -> None:
    with pytest.raises(ValidationError, match=f"a: '{key}' without '_target_'"):
        untyped(f"a: {{{key}: true}}\n")


@pytest.mark.parametrize("text", ["", "null", "3", "[1]", "a: 1", "text", "{}"])
def test_a_text_that_is_no_recipe_is_an_error(text: str) -> None:
    with pytest.raises(DialectError, match="_target_"):
        built(text)


def test_positional_arguments() -> None:
    read = tree(f"_target_: {T}.positional\n_args_: [1, b, 2, x, y]\nd: 5\nmore: 6\n")
    assert read.args[:3] == (1, "b", 2)
    assert [str(a) for a in read.args[3:]] == ["x", "y"]
    assert dict(read.kwargs) == {"d": 5, "more": 6}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("_args_: 3", "_args_: expected a list"),
        ("_args_: [1, 2, 3, 4]", r"_args_\.3: untyped takes 3 positional arguments at most"),
        ("_args_: [1]\na: 2", "a: given twice"),
        ("e: 2", "e: untyped has no parameter 'e'"),
        ("1: 2", "argument name 1"),
    ],
)
def test_wrong_arguments(body: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        untyped(body)


def test_all_mistakes_come_in_one_error_with_full_paths() -> None:
    with pytest.raises(ValidationError) as info:
        tree(
            f"""
            _target_: {T}.Trainer
            max_stepz: 1
            optimizers:
            - {{_target_: {T}.Optimizer, lr: fast}}
            - {{_target_: {T}.Optimizer, kind: BLUE}}
            """
        )
    lines = str(info.value).splitlines()
    assert lines[0] == "3 problems:"
    assert any("max_stepz" in line and "did you mean 'max_steps'" in line for line in lines)
    assert any("optimizers.0.lr: expected float" in line for line in lines)
    assert any("optimizers.1.kind" in line and "RED" in line for line in lines)


# Explicit forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("{_target_: builtins.tuple, _args_: [[1, 2]]}", Seq((1, 2), "tuple")),
        ("{_target_: builtins.tuple, _args_: [[]]}", Seq((), "tuple")),
        ("{_target_: builtins.set, _args_: [[a]]}", Seq(("a",), "set")),
        ("{_target_: builtins.list, _args_: [[1]]}", Seq((1,))),
        ("{_target_: builtins.frozenset, _args_: []}", Seq((), "frozenset")),
        ("{_target_: builtins.dict, _args_: [[[null, 1], [2, b]]]}", Map(((None, 1), (2, "b")))),
        ("{_target_: builtins.bytes.fromhex, _args_: ['00ff']}", b"\x00\xff"),
        ("{_target_: builtins.str, _args_: ['1']}", "1"),
        ("{_target_: builtins.float, _args_: [1]}", 1.0),
        ("{_target_: builtins.None, _call_: false}", None),
        ("{_target_: builtins.str.strip, _args_: [' ???']}", "???"),
        ("{_target_: datetime.timedelta, _args_: [1, 2, 3]}", Value("datetime.timedelta", (1, 2, 3))),
        ("!!set {a, b}", Seq(("a", "b"), "set")),
        ("!!binary AP8=", b"\x00\xff"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("!!float 1", 1.0),
        ("!!seq [1]", Seq((1,))),
    ],
)
def test_a_value_form(form: str, expected: Tree) -> None:
    read = untyped(f"a: {form}").kwargs["a"]
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    "form",
    [
        "{_target_: builtins.tuple, _args_: [[1], [2]]}",
        "{_target_: builtins.tuple, _args_: [5]}",
        "{_target_: builtins.tuple, _args_: [abc]}",
        "{_target_: builtins.tuple, _args_: [null]}",
        "{_target_: builtins.dict, _args_: [[[1, 2, 3]]]}",
        "{_target_: builtins.dict, _args_: [[1]]}",
        "{_target_: builtins.bytes.fromhex, _args_: [zz]}",
        "{_target_: builtins.int, _args_: [x]}",
        "{_target_: datetime.timedelta, _args_: [x]}",
        "{_target_: datetime.timedelta, _args_: [1e300]}",
        "{_target_: datetime.date.fromisoformat, _args_: [today]}",
        "{_target_: decimal.Decimal, _args_: [x]}",
        "{_target_: pathlib.Path, _args_: [1]}",
    ],
)
def test_a_value_form_that_makes_no_value_is_an_error_with_its_path(form: str) -> None:
    with pytest.raises(ValidationError, match=r"^a"):
        untyped(f"a: {form}")


def test_a_dict_with_a_key_that_cannot_be_one() -> None:
    with pytest.raises(ValidationError, match="a"):
        untyped("a: {_target_: builtins.dict, _args_: [[[[1], 2]]]}")


# YAML itself -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/name:os.system",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!python/tuple [1]",
        "a: !!python/module:os",
        "a: !custom 1",
        "a: !!python/object:x.y {}",
        "!!python/object/new:os.system [x]",
    ],
)
def test_python_tags_are_refused_with_file_and_line(text: str) -> None:
    with pytest.raises(DialectError, match=r"recipe\.yaml, line 2, column \d+: the tag"):
        load(f"# a comment\n{text}\n", "recipe.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 3),
        ("x:\n  a: 1\n  'a': 2\n", 3),
        ("x: {a: 1, a: 1}\n", 1),
        ("- {1: a, 1: b}\n", 1),
        ("1: a\ntrue: b\n", 2),
        ("1: a\n1.0: b\n", 2),
        ("_target_: a\n_target_: b\n", 2),
        ("x: !!set {a, a}\n", 1),
    ],
)
def test_duplicate_keys_are_refused_with_file_and_line(text: str, line: int) -> None:
    """Python's dict takes ``1``, ``1.0`` and ``True`` for one key: one of two values would be lost."""
    with pytest.raises(DialectError, match=rf"recipe\.yaml, line {line}, column \d+: duplicate key"):
        load(text, "recipe.yaml")


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "&x [[[*x]]]", "a: &x {b: [1, {c: *x}]}"])
def test_reference_loops_are_refused(text: str) -> None:
    with pytest.raises(DialectError, match=r"line 1.*reference loop"):
        load(text)


def test_aliases_and_merge_keys_are_read() -> None:
    assert load("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: *x\n") == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 3, "c": 2},
        "e": {"b": 1, "c": 2},
    }


def test_an_expansion_of_aliases_out_of_proportion_is_refused() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(DialectError, match="more than"):
        load("\n".join(lines))


def test_depth_out_of_proportion_is_refused() -> None:
    with pytest.raises(DialectError, match="levels deep"):
        load("[" * 5000 + "]" * 5000)
    assert load("[" * 100 + "]" * 100)


def read_or_refused(text: str) -> Any:
    try:
        return load(text, "f.yaml")
    except DialectError as error:
        return str(error).partition(": ")[0]  # the two parsers word a problem differently


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2.5, 1e-3, yes, 2020-01-01]\nb: !!set {x, y}\nc: &q {d: 'ä'}\ne: *q\nf: |\n  text\n",
        "",
        "a: !!int x",
        "a: 1\na: 2",
        "a: !!python/name:os.system x",
        "a: \x01",
    ],
)
def test_a_text_is_read_alike_where_pyyaml_has_no_libyaml(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_or_refused(text)
    monkeypatch.setattr("nemo_partial_hydra.dialect.yaml._EVENTS", yaml.SafeLoader)
    assert read_or_refused(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: 'x",
        "a: *nothing",
        "a: b: c",
        "\tx: 1",
        "a: !!bool maybe",
        "a: !!int ''",
        "a: !!int x",
        "a: !!float ''",
        "a: !!float x",
        "a: !!timestamp abc",
        "a: !!binary é",
        "a: 0b_",
        "a: 0x_",
        "? [1]\n: 2",
        "--- 1\n--- 2\n",
        "a: \x01",
        "%YAML 9.9\n---\na",
        "a: !!omap 3",
        "a: !!set [1]",
        "a: " + "9" * 5000,
        "a: !!null x\nb: !!bool ''",
    ],
)
def test_a_text_that_is_no_yaml_is_a_dialect_error_with_its_file(text: str) -> None:
    with pytest.raises(DialectError, match=r"^recipe.yaml"):
        load(text, "recipe.yaml")


# Scalars -----------------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.text(alphabet="0123456789.eE+-_:xXoObBabcdfinINAT", max_size=8),
    st.from_regex(r"\A[-+]?[0-9_]{1,4}(\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,3})?\Z"),
    st.from_regex(r"\A[-+]?[0-9]{1,2}(:[0-9]{1,2}){1,2}(\.[0-9]{0,2})?\Z"),
    st.sampled_from(
        [
            "1e-3",
            "1E3",
            "1e+3",
            ".5",
            "5.",
            "1_000",
            "1_0.5",
            "0x1F",
            "0b11",
            "017",
            "0o17",
            "1:30",
            "1:30:15.5",
            ".inf",
            "-.INF",
            "+.inf",
            ".nan",
            ".NaN",
            "nan",
            "inf",
            "~",
            "null",
            "NULL",
            "Null",
            "nULL",
            "true",
            "TRUE",
            "True",
            "tRUE",
            "yes",
            "no",
            "on",
            "off",
            "Y",
            "n",
            "2020-01-01",
            "2020-01-01T00:00:00Z",
            "",
            "-",
            "+",
            ".",
            "_",
            "1_",
            "_1",
            "e5",
            "1e",
            "1e5.5",
            "0",
            "-0",
            "00",
            "0.0",
            "-0.0",
            "12345678901234567890",
            "1.e3",
            ".5e3",
            ".5e+3",
            ".e3",
            "1.5e3",
            "=",
            "<<",
        ]
    ),
)


@given(NUMBERS)
@settings(max_examples=laws.tries(400))
def test_the_scalar_table_is_omegaconfs(text: str) -> None:
    try:
        expected = OmegaConf.select(OmegaConf.load(io.StringIO(f"a: {text}\n")), "a")
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, AttributeError, TypeError):
        return  # OmegaConf reads nothing here
    read = load(f"a: {text}\n")["a"]
    assert type(read) is type(expected)
    assert read == expected or (read != read and expected != expected)
    if isinstance(read, float):
        assert math.copysign(1, read) == math.copysign(1, expected)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    NUMBERS,
    st.sampled_from(TRICKY),
    st.text(max_size=12),
    st.text(alphabet=" \n\t:#-'\"\\{}[]&*!|>%@`,?=~", max_size=6),
)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars.filter(lambda k: k == k), inner, max_size=3),
)


@given(data)
@example({"a": [[[]], {}, [{}], [[1, 2], {"b": []}]]})
@example({"": "", " ": " ", "a\nb": "c\nd"})
@settings(max_examples=laws.tries(250))
def test_what_is_dumped_is_loaded_again_exactly(value: Any) -> None:
    assert _spelled(load(dump(value))) == _spelled(value)


@given(st.dictionaries(st.sampled_from("abc"), data, max_size=3))
@settings(max_examples=laws.tries(100))
def test_what_is_dumped_is_the_same_to_omegaconf(value: Any) -> None:
    """Other programs read our files: OmegaConf and plain PyYAML agree with us on what is written."""
    try:
        cfg = OmegaConf.load(io.StringIO(dump(value)))
        expected = OmegaConf.to_container(OmegaConf.create(value))
    except (OmegaConfBaseException, yaml.YAMLError, TypeError, ValueError):
        return  # an interpolation that OmegaConf's grammar does not know, or a key it does not take
    assert _spelled(OmegaConf.to_container(cfg)) == _spelled(expected)


def _spelled(value: Any) -> Any:
    """Make types, signs and ``nan`` comparable."""
    if isinstance(value, dict):
        return [(_spelled(k), _spelled(v)) for k, v in value.items()]
    if isinstance(value, list):
        return [_spelled(v) for v in value]
    return type(value).__name__, repr(value)


# Interpolation -----------------------------------------------------------------------------------------------------


@given(st.one_of(st.text(alphabet="${}\\ab.:", max_size=10), st.sampled_from(TRICKY)))
@settings(max_examples=laws.tries(300))
def test_escaped_text_is_read_back_and_means_the_same_to_omegaconf(text: str) -> None:
    escaped = escape_interpolation(text)
    assert unescape_interpolation(escaped) == text
    if text != "???":
        assert OmegaConf.create({"a": escaped})["a"] == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\${x}", "${x}"),
        (r"a\${x}b", "a${x}b"),
        (r"\\\${x}", r"\${x}"),
        (r"a\b", r"a\b"),
        ("$x", "$x"),
        ("a\\", "a\\"),
        (r"\${a:\${b}}", "${a:${b}}"),
        (r"\\", r"\\"),
    ],
)
def test_escaped_interpolations_are_text(written: str, meant: str) -> None:
    assert untyped(f"a: '{written}'").kwargs["a"] == meant


PLAIN = f"{{_target_: {T}.Plain, size: 3}}"


@pytest.mark.parametrize(
    "body",
    [
        f"a: {PLAIN}\nb: ${{a}}",
        f"a: {PLAIN}\nb: ${{.a}}",
        f"a: ${{b}}\nb: {PLAIN}",
        f"a: ${{.b}}\nb: {PLAIN}",
        f"a: {PLAIN}\nb: ${{c}}\nc: ${{a}}",
        f"a: {{x: {PLAIN}}}\nb: ${{a.x}}",
        f"a: [{PLAIN}]\nb: ${{a.0}}",
        f"a: [{PLAIN}]\nb: ${{.a.0}}",
        f"a: {{x: [1, '${{...b}}']}}\nb: {PLAIN}",
        f"a: {{x: '${{..b}}'}}\nb: {PLAIN}",
        f"a: {{_target_: {T}.untyped, a: '${{..b}}'}}\nb: {PLAIN}",
        f"a: {{_target_: builtins.tuple, _args_: [[{PLAIN}]]}}\nb: ${{a._args_.0.0}}",
        f"a: {{_target_: builtins.dict, _args_: [[[null, {PLAIN}]]]}}\nb: ${{a._args_.0.0.1}}",
        f"c: {{p: {{q: {PLAIN}}}}}\na: ${{c.p}}\nb: ${{a.q}}",
    ],
)
def test_a_link_is_the_same_object(body: str) -> None:
    q = built(f"_target_: {T}.untyped\n{body}\n")
    found: list[Any] = []
    _find(q, found)
    assert len(found) == 2
    assert found[0] is found[1]
    assert found[0].size == 3


def _find(value: Any, found: list[Any]) -> None:
    """Collect the places where a ``Plain`` stands, each dict once."""
    if getattr(getattr(value, "__fn_or_cls__", None), "__name__", "") == "Plain":
        found.append(value)
    elif hasattr(value, "__arguments__"):
        for name in ("a", "b") if "c" in value.__arguments__ else value.__arguments__:
            if isinstance(value.__arguments__.get(name), dict) and "c" in value.__arguments__:
                found.extend(value.__arguments__[name].values())
            else:
                _find(value.__arguments__.get(name), found)
    elif isinstance(value, dict):
        for item in value.values():
            _find(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _find(item, found)


@pytest.mark.parametrize("body", ["a: [1, {x: 2}]\nb: ${a}", "a: ${b}\nb: [1, {x: 2}]", "a: ${.b}\nb: {x: []}"])
def test_a_link_to_a_list_or_dict_is_the_same_list_or_dict(body: str) -> None:
    q = built(f"_target_: {T}.untyped\n{body}\n")
    assert q.a is q.b


@pytest.mark.parametrize(
    "body",
    [
        "a: ${b}\nb: ${a}",
        "a: ${a}",
        "a: ${b}\nb: ${c}\nc: ${.a}",
        "a: {x: '${a}'}",
        "a: [1, '${..a}']",
        f"a: {{_target_: {T}.untyped, a: '${{a}}'}}",
        "a: {x: '${b}'}\nb: ['${a}']",
        "a: ${b.x}\nb: {x: '${a}'}",
    ],
)
def test_a_cyclic_interpolation_is_an_error(body: str) -> None:
    with pytest.raises(RecipeError, match=r"cyclic|contains itself"):
        built(f"_target_: {T}.untyped\n{body}\n")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a: ${bee}\nb: 1", ["a: ", "'bee'"]),
        ("a: ${optimizr.lr}\nb: {x: 1}", ["optimizr.lr"]),
        ("a: ${....b}\nb: 1", ["a: ", "above"]),
        ("a: {x: 1}\nb: ${a.y}", ["b: ", "a.y"]),
        ("a: [1]\nb: ${a.3}", ["b: ", "a.3"]),
    ],
)
def test_a_link_to_nothing_is_an_error(body: str, words: list[str]) -> None:
    with pytest.raises(ValidationError) as info:
        untyped(body)
    assert all(word in str(info.value) for word in words)


@pytest.mark.parametrize("value", ["1", "1.5", "true", "null", "text", "'null'", r"'\${x}'"])
def test_a_link_to_a_scalar_is_its_value(value: str) -> None:
    read = untyped(f"a: ${{b}}\nb: {value}")
    assert read.kwargs["a"] == read.kwargs["b"]
    assert type(read.kwargs["a"]) is type(read.kwargs["b"])
    assert not isinstance(read.kwargs["a"], Link)


@pytest.mark.parametrize(
    ("body", "name", "other"),
    [
        ("s: /x\npath: ${s}", "path", "path: /x"),
        ("s: RED\ncolor: ${.s}", "color", "color: RED"),
        ("i: 90\nwait: ${i}", "wait", "wait: 90"),
        ("s: '7'\ni: ${s}", "i", "i: 7"),
    ],
)
def test_a_link_to_a_scalar_gets_the_type_of_its_own_parameter(body: str, name: str, other: str) -> None:
    read = typed(body).kwargs[name]
    wanted = typed(other).kwargs[name]
    assert read == wanted
    assert type(read) is type(wanted)


def test_a_link_to_a_scalar_is_checked_at_its_own_parameter() -> None:
    with pytest.raises(ValidationError, match="i: expected int"):
        typed("s: abc\ni: ${s}")


def test_a_link_to_an_enum_member_or_path_is_equal() -> None:
    q = built(f"_target_: {T}.untyped\na: {{_target_: {T}.Color.RED, _call_: false}}\nb: ${{a}}\n")
    assert q.a is q.b
    q = built(f"_target_: {T}.untyped\na: {{_target_: pathlib.Path, _args_: [x]}}\nb: ${{a}}\n")
    assert q.a == q.b
    assert type(q.a) is type(q.b)


def test_missing_values_are_an_error_with_type_and_path() -> None:
    with pytest.raises(ValidationError, match=r"^i: a value of type int is required"):
        typed("i: ???")


def test_policy_comes_before_validation() -> None:
    with pytest.raises(PolicyError):
        untyped("e: 1\na: {_target_: os.system}")
