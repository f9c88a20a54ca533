"""Texts of overrides: Hydra reads back the same data, a shell hands them on, composing sets them."""

from __future__ import annotations

import enum
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from nemo_partial_hydra.listing.override_text import key_text, override, shell, value_text
from tests.support import laws
from tests.support.apps import App

pytestmark = pytest.mark.matrix

PARSER = OverridesParser.create()

NASTY = [
    *("", " ", " a ", "\t", "\n", "a\nb", "a\r\nb", "é", "日本", "😀", "\u2028", "\x7f", "\ufeff"),
    *("'", '"', "'\"", "it's", 'say "x"', "\\", "\\\\", "\\'", '\\"', "\\\\'", '\\\\"', "a\\", "a\\\\", "'\\", '"\\'),
    *("'a' and \"b\"\\", "\\\"'\\", "C:\\dir\\", "\\n", "a\\,b", "a,b", "[", "]", "[1]", "{", "}", "{a: 1}", "(", ")"),
    *("a=b", "=", ":", "a:", ": a", "a b", "#", "a #b", "!", "$", "$x", "$(x)", "`x`", "&&", ";", "~", "~x", "+x", "@"),
    *("1", "01", "-1", "+1", "1_0", "1__0", "1.", ".5", "1e-3", "-1.5E+3", "0x1f", "12:30", "2024-01-01", "1e", "1a"),
    *("true", "True", "FALSE", "yes", "on", "null", "Null", "None", "~", "inf", "-inf", "+INF", "nan", "NaN", ".nan"),
    *("nullable", "truest", "info", "???", "*", "%", "a|b", "x?", "-", "--flag", "/", ".", "..", "_"),
    *("${x}", "${.x.y}", "${oc.env:A,b}", "\\${x}", "\\\\${x}", "a${x}b", "${", "${a:'b'}", '${a:"b"}', "${a:${b}}"),
    *("glob(*)", "choice(a,b)", "range(1,3)", "interval(0,1)", "int(1)", "str(1)", "extend_list(1)", "f (x)", "a,'b'"),
]
WRITABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
PIECES = [*"\\'\"a1.e-+_ ,:=()[]{}$?*\n\té", "\\\\", "\\'", '\\"', "${", "null", "inf", "true", "\\\\\\"]
TANGLED = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
STRINGS = st.one_of(st.sampled_from(NASTY), WRITABLE, TANGLED)
LITERAL = STRINGS.map(lambda text: text.replace("${", "$ {"))  # no interpolations: OmegaConf checks their grammar


KEYS = st.one_of(
    st.sampled_from([key for key in NASTY if value_text({key: 0}) is not None]),
    st.text(st.sampled_from("a1_.-+/\\()[]{}:=, \t$%@?*|"), max_size=6).map("k".__add__),
    st.integers(),
)


def data_of(strings: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Make plain data whose dict keys can be written."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), strings),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    )


def read(text: str) -> Override | None:
    """Parse an override; None if Hydra refuses it."""
    try:
        return PARSER.parse_override(text)
    except HydraException:
        return None


def same(found: Any, expected: Any) -> bool:
    """Whether plain data is the same with its types; a repr tells 1, 1.0, True, '1', -0.0 and nan apart."""
    return repr(found) == repr(expected)


def check_value(data: Any) -> None:
    text = value_text(data)
    assert text is not None
    parsed = PARSER.parse_override(f"key={text}")
    assert same(parsed.value(), data), text
    assert parsed.type == OverrideType.CHANGE, text
    assert not parsed.is_sweep_override(), text
    # A sweeper prints what Hydra has parsed and parses it again for each job.
    again = PARSER.parse_override(f"key={parsed.get_value_element_as_str()}")
    assert same(again.value(), data), text


# Values


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        ("1", '"1"'),
        ("True", '"True"'),
        ("null", '"null"'),
        ("1e-3", '"1e-3"'),
        (1e-300, "1e-300"),
        (-0.0, "-0.0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("", '""'),
        ("bfloat16", "bfloat16"),
        ("torch.bfloat16", "torch.bfloat16"),
        ("/data/x", "/data/x"),
        ("hf://meta-llama/Llama-3.1", "hf://meta-llama/Llama-3.1"),
        ("2024-01-01", "2024-01-01"),
        ("${model.lr}", "${model.lr}"),
        ("${oc.env:A,b}", '"${oc.env:A,b}"'),
        ("???", '"???"'),
        ("a,b", '"a,b"'),
        ("it's", '"it\'s"'),
        ('say "x"', "'say \"x\"'"),
        ("C:\\dir\\", '"C:\\dir\\\\"'),
        ([1, "a", [None, "1"]], '[1,a,[null,"1"]]'),
        ({"a": 1, "b c": {"d": []}, "x.y": {}, 3: 0.5}, "{a:1,b\\ c:{d:[]},x.y:{},3:0.5}"),
    ],
)
def test_value_texts(data: Any, text: str) -> None:
    assert value_text(data) == text
    check_value(data)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_strings(text: str) -> None:
    for data in (text, [text, text, text], {"a": text, "b": [text]}):
        check_value(data)


@settings(max_examples=laws.tries(250))
@given(data=data_of(STRINGS))
def test_hydra_reads_the_same_data(data: Any) -> None:
    check_value(data)


def test_a_long_run_of_backslashes_is_looked_at_once() -> None:
    run = "\\" * 100_000  # takes a minute otherwise
    assert value_text(f"{run}a") == f'"{run}a"'
    assert value_text(run) == f'"{run}{run}"'


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        (1, 2),
        {1, 2},
        Colour.RED,
        object(),
        Path("x"),
        1j,
        pytest.param(10**5000, id="long"),
        "a\0b",
        "\ud800",
        {None: 1},
        {(1, 2): 1},
        [[b"x"]],
        {"a": {"b": ["\0"]}},
    ],
)
def test_values_without_a_text(data: Any) -> None:
    assert value_text(data) is None
    assert override(("a",), data) is None


@settings(max_examples=laws.tries(250))
@given(key=STRINGS)
def test_a_refused_dict_key_has_no_spelling(key: str) -> None:
    if value_text({key: 0}) is not None:
        check_value({key: 0})
        return
    escaped = "".join("\\" + char if char in "\\()[]{}:=, \t" else char for char in key)
    for name in (key, escaped, f"'{key}'", f'"{key}"', f" {key} ", f"\\{key}"):
        parsed = read(f"key={{{name}:0}}")
        assert parsed is None or not same(parsed.value(), {key: 0}), name


# Keys


def names(path: tuple[Any, ...]) -> bool:
    """Whether the key grammar that all versions share names a path when it is simply written down."""
    text = ".".join(map(str, path))
    parsed = read(f"{text}=1")
    if parsed is None or parsed.key_or_group != text or parsed.package is not None:
        return False
    # Only Hydra 1.4 knows brackets and escapes; a slash makes a key the name of a group.
    shared = not getattr(parsed, "is_value_path", False) and "/" not in text
    return shared and parsed.type == OverrideType.CHANGE and text != "" and text.split(".") == [str(s) for s in path]


GOOD = ["a", "a-b", "a-", "_", "a$", "$", "$a", "A1", "true", "null", "inf", "NaN", "hydra", "_args_", "e3"]
NUMBERS = ["0", "1", "10", "1_0"]
BAD = [
    *("", " ", "a b", "a ", " a", "a=b", "a'b", '"a"', "a[0]", "[0]", "a@b", "a:b", "a/b", "a.b", ".", "a.", ".a"),
    *("a\\.b", "a,b", "a{b}", "(", "é", "日本", "٣", "01", "1a", "1e3", "1_", "1__0", "-1", "-a", "+a", "~a", "a\n"),
    *("a%", "a*", "a?", "a#", "a\tb"),
]


@pytest.mark.parametrize("name", GOOD)
def test_names_that_a_key_can_hold(name: str) -> None:
    assert key_text((name,)) == name
    for path in ((name,), (name, "x"), ("x", name), ("x", 0, name, 1)):
        assert key_text(path) == ".".join(map(str, path))
        assert names(path)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_stand_in_a_dotted_key_only(name: str) -> None:
    assert key_text((name,)) is None
    assert not names((name,))
    for path in ((name, "x"), ("x", name), (0, name)):
        assert key_text(path) == ".".join(map(str, path))
        assert names(path)


@pytest.mark.parametrize("name", BAD)
def test_names_that_no_key_can_hold(name: str) -> None:
    for path in ((name,), (name, "x"), ("x", name), ("x", 0, name, 1)):
        assert key_text(path) is None
        assert not names(path)


@pytest.mark.parametrize("segment", [-1, 10**30, True, None, 1.5, ("a",), b"a", Colour.RED])
def test_segments_that_are_no_name_and_no_index(segment: Any) -> None:
    assert key_text(("x", segment)) is None
    assert override(("x", segment), 1) is None


def test_the_empty_path_has_no_key() -> None:
    assert key_text(()) is None


SEGMENTS = st.one_of(
    st.sampled_from([*GOOD, *NUMBERS, *BAD, 0, 12]), st.text(st.sampled_from("ab01_-$.é/@[]\\+~= "), max_size=4)
)


@settings(max_examples=laws.tries(250))
@given(path=st.lists(SEGMENTS, max_size=4).map(tuple))
def test_a_key_is_written_where_the_shared_grammar_names_it(path: tuple[Any, ...]) -> None:
    key = key_text(path)
    assert (key is not None) == names(path)
    assert key in (None, ".".join(map(str, path)))


# Whole overrides


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("", OverrideType.CHANGE),
        ("+", OverrideType.ADD),
        ("++", OverrideType.FORCE_ADD),
        ("~", OverrideType.DEL),
    ],
)
def test_overrides_and_their_prefixes(prefix: str, kind: OverrideType) -> None:
    text = override(("optimizers", 0, "lr"), 0.1, prefix)
    assert text == f"{prefix}optimizers.0.lr=0.1"
    parsed = PARSER.parse_override(text)
    assert (parsed.type, parsed.key_or_group, parsed.value()) == (kind, "optimizers.0.lr", 0.1)


def test_a_shell_hands_the_texts_on() -> None:
    texts = [text for value in NASTY if (text := override(("a", 0, "$b"), [value, {"k": value}])) is not None]
    assert len(texts) == len(NASTY)
    command = r"printf '%s\0' " + " ".join(map(shell, texts))
    done = subprocess.run(["bash", "-c", command.encode()], capture_output=True, check=True)
    assert done.stdout.decode().split("\0") == [*texts, ""]
    assert shell("a.b=torch.bfloat16") == "a.b=torch.bfloat16"


def composed(folder: Path, values: list[Any]) -> list[Any]:
    """Compose a plain config of fields that hold nothing, each set to one of the values."""
    fields = [f"field{number}" for number in range(len(values))]
    app = App(folder, {"config": "box:\n" + "".join(f"  {name}: null\n" for name in fields)})
    texts = [override(("box", name), value) for name, value in zip(fields, values, strict=True)]
    config = app.compose(*[text for text in texts if text is not None], typed=False)
    found: Any = OmegaConf.to_container(config, resolve=False)
    return [found["box"][name] for name in fields]


def test_composing_sets_nasty_strings(tmp_path: Path) -> None:
    plain = [text for text in NASTY if "${" not in text]
    values: list[Any] = [*plain, plain, [plain, {"a": plain}], *({key: key} for key in plain if value_text({key: 0}))]
    assert same(composed(tmp_path, values), values)


@settings(max_examples=laws.tries(8))
@given(values=st.lists(data_of(LITERAL), min_size=5, max_size=20))
def test_composing_sets_the_same_data(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    assert same(composed(tmp_path_factory.mktemp("composed"), values), values)
