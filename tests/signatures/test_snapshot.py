"""Signatures kept in a file: exact both ways, the same text every time, readable errors, nothing imported."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import importlib.util
import inspect
import json
import math
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nemo_partial_hydra import raw
from nemo_partial_hydra.errors import SignatureError
from nemo_partial_hydra.recipes.capture import capture_default
from nemo_partial_hydra.recipes.tree import BUILDABLES, Call, Link, Map, Opaque, Ref, Seq, Value
from nemo_partial_hydra.signatures import snapshot, snapshot_json
from nemo_partial_hydra.signatures.distributions import Package, read_packages
from nemo_partial_hydra.signatures.introspect import Signatures, docs_of, parameter_docs, read
from nemo_partial_hydra.signatures.signature import REQUIRED, Parameter, Signature, Unknown
from nemo_partial_hydra.signatures.snapshot import Snapshot, encode, load, save
from nemo_partial_hydra.signatures.types import ANY, TypeSpec, parse
from tests.support import laws
from tests.support import strategies as make
from tests.support import targets as t

T = "tests.support.targets"
INT = TypeSpec("int", "int")


def reread(*signatures: Signature) -> Snapshot:
    return Snapshot(json.loads(encode(signatures, {}, {})), "x.json")


def with_default(default: Any, spec: TypeSpec = ANY) -> Signature:
    return Signature("a.b", {"x": Parameter("x", spec, default)})


def default_of(found: Signature | None) -> Any:
    assert found is not None
    return found.parameters["x"].default


def assert_exact(found: Signature | None, expected: Signature) -> None:
    """Compare types too: ``repr`` tells ``1`` from ``True`` and ``1.0``, and it does not ask whether nan equals nan."""
    assert repr(found) == repr(expected)
    assert found is not None
    assert list(found.parameters) == list(expected.parameters)


# Both ways ---------------------------------------------------------------------------------------------------------

anything = st.characters() | st.characters(categories=["Cs"])  # halves of characters too
wild_text = st.text(anything, max_size=6) | make.texts
idents = st.from_regex(r"[a-z]{1,4}(\.[A-Z][a-z]{0,3}){0,2}", fullmatch=True)
kinds = st.sampled_from("any none bool int float str bytes path timedelta callable type dtype object".split())
choices = make.atoms | wild_text | st.builds(Ref, idents)


def _compound(inner: st.SearchStrategy[TypeSpec]) -> st.SearchStrategy[TypeSpec]:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    containers = st.sampled_from("union list tuple set frozenset dict".split())
    return st.builds(TypeSpec, containers, wild_text, some, variadic=st.booleans())


specs = st.recursive(
    st.builds(TypeSpec, kinds, wild_text, target=st.just("") | idents)
    | st.builds(TypeSpec, st.just("literal"), wild_text, choices=st.lists(choices, max_size=3).map(tuple))
    | st.builds(TypeSpec, st.just("enum"), wild_text, choices=st.lists(idents).map(tuple), target=idents)
    | st.just(TypeSpec("tuple", "tuple[()]")),
    _compound,
    max_leaves=5,
)
keys = make.keys | wild_text


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3).map(tuple)
    pairs = st.lists(st.tuples(keys, inner), max_size=3).map(tuple)
    names = st.dictionaries(wild_names, inner, max_size=2)
    return (
        st.builds(Seq, several, st.sampled_from("list tuple set frozenset".split()))
        | st.builds(Map, pairs, st.sampled_from(("dict", "OrderedDict")))
        | st.builds(Call, idents, names, several, st.sampled_from(BUILDABLES))
    )


wild_names = st.text(max_size=4)
trees = st.recursive(
    make.leaves.map(capture_default) | wild_text | st.builds(Link, st.lists(keys, max_size=3).map(tuple)),
    _nested,
    max_leaves=6,
)
defaults = st.just(REQUIRED) | st.builds(Unknown, wild_text) | trees


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    names = draw(st.lists(st.text(min_size=1, max_size=5), max_size=4, unique=True))
    parameters = {
        name: Parameter(name, draw(specs), draw(defaults), draw(st.booleans()), draw(st.booleans())) for name in names
    }
    return Signature(draw(idents), parameters, draw(st.none() | specs), draw(st.none() | specs), draw(st.booleans()))


@given(st.lists(signatures(), max_size=3, unique_by=lambda signature: signature.target), st.randoms())
@settings(max_examples=laws.tries(60), suppress_health_check=[HealthCheck.too_slow])
def test_every_signature_comes_back_exactly_and_their_order_changes_nothing(all_of: list[Signature], rng: Any) -> None:
    text = encode(all_of, {}, {})
    text.encode("ascii")
    found = Snapshot(json.loads(text), "x.json")
    assert tuple(found.targets) == tuple(sorted(signature.target for signature in all_of))
    for signature in all_of:
        assert_exact(found.get(signature.target), signature)
    shuffled = list(all_of)
    rng.shuffle(shuffled)
    assert encode(shuffled, {}, {}) == text
    again = [found.get(name) for name in found.targets]
    assert encode([signature for signature in again if signature], {}, {}) == text


@given(trees)
@example(math.nan)
@example(-math.inf)
@example(-0.0)
@example(1.0)
@example(True)
@example(2**64)
@example(-(2**64))
@example("\ud83d\ude00")
@example("\U0001f600")
@example(b"\x00\xff")
@example(pathlib.PurePosixPath("/a"))
@example(pathlib.PureWindowsPath("C:\\a"))
@example(pathlib.Path("/a/\udcff"))
@example(Value("builtins.complex", (math.nan, -0.0)))
@example(Seq((Map(((1, 1), (True, 2), (1.0, 3), (None, Seq((), "set"))), "OrderedDict"),), "tuple"))
def test_every_default_comes_back_exactly(default: Any) -> None:
    assert_exact(reread(with_default(default)).get("a.b"), with_default(default))


def test_a_long_integer_comes_back_though_python_refuses_to_write_it_in_decimal() -> None:
    for number in (10**5000, -(10**5000)):
        assert default_of(reread(with_default(number)).get("a.b")) == number


def test_types_that_are_equal_to_python_are_told_apart() -> None:
    one, true, real = (TypeSpec("literal", "L", choices=(choice,)) for choice in (1, True, 1.0))
    assert one == true == real
    both = Signature("a.b", {"x": Parameter("x", one), "y": Parameter("y", true)}, real)
    assert_exact(reread(both).get("a.b"), both)


def test_a_text_that_looks_like_a_numbered_type_is_told_apart() -> None:
    texts = [("int", "int"), ("any", "int"), ("str", "int"), ("str", "int #2"), ("any", "int #2"), ("any", "")]
    made = {str(i): Parameter(str(i), TypeSpec(kind, text)) for i, (kind, text) in enumerate(texts)}
    assert_exact(reread(Signature("a.b", made)).get("a.b"), Signature("a.b", made))


def test_an_opaque_default_becomes_the_text_of_one() -> None:
    opaque = capture_default(raw(object()))
    assert isinstance(opaque, Opaque)
    for default in (opaque, Seq((1, opaque))):
        assert default_of(reread(with_default(default)).get("a.b")) == Unknown("raw(<object>)")


LIVE = {
    f"{T}.{name}": obj
    for name, obj in vars(t).items()
    if callable(obj) and getattr(obj, "__module__", "") == T and not name.startswith("_")
}


def test_every_real_signature_comes_back_exactly() -> None:
    assert len(LIVE) > 30
    found = [read(obj, name) for name, obj in LIVE.items()]
    again = reread(*found)
    for signature in found:
        assert again.get(signature.target) == signature
        assert_exact(again.get(signature.target), signature)


def test_all_five_kinds_of_parameters_come_back() -> None:
    found = reread(read(t.positional, "p")).get("p")
    assert found is not None
    assert [p.name for p in found.parameters.values() if p.positional] == ["a", "b"]
    assert [p.name for p in found.parameters.values() if p.keyword_only] == ["d"]
    assert found.parameters["a"].default is REQUIRED
    assert found.extra == ANY
    assert found.rest is not None
    assert found.rest.kind == "path"


# The text ----------------------------------------------------------------------------------------------------------


def test_the_text_is_what_a_person_would_compare() -> None:
    wanted = read(t.keywords, f"{T}.keywords")
    docs = {f"{T}.keywords": {"x": "The é.", "": "Take any."}}
    text = encode([wanted], docs, {"tests": None, "a": Package("A", "1")})
    assert text == (
        '{\n"format": 1,\n'
        '"packages": {\n  "a": {"distribution": "A", "version": "1"},\n  "tests": null\n},\n'
        '"types": {\n  "Any": "any",\n  "int": "int"\n},\n'
        '"docs": {\n\n},\n'
        '"targets": {\n'
        '"tests.support.targets.keywords": {\n'
        '  "extra": "Any",\n'
        '  "docs": {\n    "": "Take any.",\n    "x": "The \\u00e9."\n  },\n'
        '  "parameters": [\n    ["x", "int", 1]\n  ]\n'
        "}\n}\n}\n"
    )


def test_one_more_parameter_is_one_more_line() -> None:
    old, new = (encode([Signature("a.b", {n: Parameter(n, INT) for n in names})], {}, {}) for names in ("ab", "acb"))
    assert set(new.splitlines()) - set(old.splitlines()) == {'    ["c", "int"],'}
    assert len(new.splitlines()) == len(old.splitlines()) + 1


def test_a_type_is_spelled_once_and_as_the_annotation_is() -> None:
    spec = parse(inspect.signature(t.contained, eval_str=True).parameters["either"].annotation)
    many = {name: Parameter(name, spec) for name in "abc"}
    data = json.loads(encode([Signature("a.b", many)], {}, {}))
    assert [row[1] for row in data["targets"]["a.b"]["parameters"]] == [spec.text] * 3
    assert "Iterable[int]" in json.loads(encode([read(t.contained, "a")], {}, {}))["targets"]["a"]["parameters"][-1]


def test_an_empty_snapshot_can_be_read() -> None:
    assert list(reread().targets) == []


# Docs --------------------------------------------------------------------------------------------------------------


def test_docs_are_one_line_each_and_the_first_line_of_the_target() -> None:
    assert docs_of(t.google) == {
        "": "Do it the Google way.",
        "alpha": "The first one, which goes on.",
        "beta": "The second one.",
    }
    assert docs_of(t.undocumented) == {}


def test_what_dataclass_writes_as_a_docstring_is_none() -> None:
    bare = dataclasses.make_dataclass("Bare", ["x"])
    assert bare.__doc__
    assert bare.__doc__.startswith("Bare(")
    assert docs_of(bare) == {}
    assert docs_of(t.Plain)[""] == "A plain dataclass."


def test_docs_come_back() -> None:
    docs = {name: docs_of(obj) for name, obj in LIVE.items()}
    found = Snapshot(json.loads(encode([read(obj, name) for name, obj in LIVE.items()], docs, {})), "x.json")
    for name, obj in LIVE.items():
        assert found.doc(name) == docs[name]
        assert {key: text for key, text in found.doc(name).items() if key} == parameter_docs(obj)
    assert found.doc("not.there") == {}
    with pytest.raises(TypeError):
        found.doc(f"{T}.google")["x"] = "y"  # type: ignore[index]


@given(
    st.dictionaries(
        st.sampled_from(["a.f", "a.g", "a.h", "b.f"]),
        st.dictionaries(st.sampled_from(["", "x", "y", "more"]), st.sampled_from(["One.", "Two."])),
    )
)
def test_docs_that_targets_share_come_back_for_each_as_they_were(docs: dict[str, dict[str, str]]) -> None:
    wanted = [Signature(name, {p: Parameter(p, INT) for p in "xy"}) for name in ("a.f", "a.g", "a.h", "b.f")]
    found = Snapshot(json.loads(encode(wanted, docs, {})), "s")
    assert {name: found.doc(name) for name in found.targets} == {s.target: docs.get(s.target, {}) for s in wanted}


def test_docs_that_targets_share_are_written_once() -> None:
    wanted = [Signature(name, {"x": Parameter("x", INT)}) for name in "abc"]
    text = encode(wanted, {"a": {"x": "One."}, "b": {"x": "One."}, "c": {"x": "Two."}}, {})
    assert text.count("One.") == 1
    assert json.loads(text)["targets"]["c"]["docs"] == {"x": "Two."}


# Files -------------------------------------------------------------------------------------------------------------

TEXT = encode([read(t.mixed, f"{T}.mixed"), read(t.typed, f"{T}.typed")], {f"{T}.typed": {"": "Doc."}}, {"tests": None})
ZIPPED = gzip.compress(TEXT.encode(), mtime=0)


@pytest.mark.parametrize("name", [snapshot.NAME, f"{snapshot.NAME}.gz"])
def test_what_is_saved_can_be_loaded(weird_tmp_path: Path, name: str) -> None:
    save(TEXT, weird_tmp_path / name)
    found = load(weird_tmp_path / name)
    assert tuple(found.targets) == (f"{T}.mixed", f"{T}.typed")
    assert_exact(found.get(f"{T}.typed"), read(t.typed, f"{T}.typed"))
    assert load(str(weird_tmp_path / name)).doc(f"{T}.typed") == {"": "Doc."}
    assert os.listdir(weird_tmp_path) == [name]


def test_a_compressed_file_is_always_the_same_bytes(weird_tmp_path: Path) -> None:
    save(TEXT, weird_tmp_path / "a.json.gz")
    save(TEXT, weird_tmp_path / "b.gz")
    data = (weird_tmp_path / "a.json.gz").read_bytes()
    assert data == (weird_tmp_path / "b.gz").read_bytes()
    assert data[3:8] == bytes(5)  # no name of a file, no time
    assert len(data) < len(TEXT) / 2


def test_a_saved_file_can_be_read_by_those_whom_the_umask_allows(weird_tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        save(TEXT, weird_tmp_path / "a.json")
    finally:
        os.umask(old)
    assert (weird_tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("fails", ["replace", "fsync"])
def test_a_failing_save_leaves_the_old_file_whole_and_nothing_else(
    weird_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    save(TEXT, weird_tmp_path / "a.json")
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        save("other", weird_tmp_path / "a.json")
    assert (weird_tmp_path / "a.json").read_text() == TEXT
    assert os.listdir(weird_tmp_path) == ["a.json"]


def test_the_path_may_be_a_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(TEXT, "a.json")
    assert len(load("a.json").targets) == 2
    with pytest.raises(SignatureError, match=r"^b\.json: there is no such file$"):
        load("b.json")


def refused(path: Path, data: bytes) -> str:
    """Load what is no snapshot; return the message without the path that it starts with."""
    path.write_bytes(data)
    with pytest.raises(SignatureError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text[len(str(path)) :].removeprefix(":").strip()


DAMAGED: list[tuple[bytes, str]] = [
    (b"", "line 1, column 1: no JSON"),
    (TEXT[: TEXT.index('"types"') + 9].encode(), "line 6, column "),
    (b'{"format": 1,\n "x": }', "line 2, column 7: no JSON"),
    (b"\xff\xfe", "no JSON ('utf-8'"),
    (b"[" * 100_000, "no JSON ("),
    (ZIPPED[:-20], "the compressed data is damaged or half-written"),
    (ZIPPED[:5], "the compressed data is damaged or half-written"),
    (ZIPPED[:40] + b"xxxx" + ZIPPED[44:], "the compressed data is damaged or half-written"),
    (ZIPPED[:-8] + b"xxxxxxxx", "the compressed data is damaged or half-written (CRC"),
    (b"[]", "this is no snapshot of signatures: it is [], expected an object"),
    (b"null", "this is no snapshot of signatures: it is missing"),
    (b"{}", "this is no snapshot of signatures: format is missing"),
    (b'{"format": true}', "this is no snapshot of signatures: format is true, expected a whole number"),
    (b'{"format": 0}', "this is no snapshot of signatures: there is no format 0"),
    (b'{"format": 1}', "this is no snapshot of signatures: packages is missing"),
    (b'{"format": 1, "packages": {}, "types": []}', "this is no snapshot of signatures: types is [], expected an"),
    (b'{"format": 1, "packages": {}, "types": {}}', "this is no snapshot of signatures: docs is missing"),
    (b'{"format": 1, "packages": {}, "types": {}, "docs": {}}', "this is no snapshot of signatures: targets is mis"),
    (
        b'{"format": 1, "types": {}, "docs": {}, "targets": {}, "packages": {"a": {"version": "1"}}}',
        "this is no snapshot of signatures: the distribution of the package 'a' is missing",
    ),
    (
        b'{"format": 1, "types": {}, "docs": {}, "targets": {}, '
        b'"packages": {"a": {"distribution": "", "version": "1"}}}',
        "this is no snapshot of signatures: the package 'a' has a distribution without a name",
    ),
    (b'{"format": 2}', "was written by a newer version (format 2, this one reads 1): update nemo_partial_hydra"),
]


@pytest.mark.parametrize(("data", "text"), DAMAGED)
def test_a_damaged_file_is_one_readable_error_that_names_it(tmp_path: Path, data: bytes, text: str) -> None:
    assert refused(tmp_path / "s.json", data).startswith(text)


def test_a_file_that_cannot_be_read_is_a_readable_error(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(SignatureError, match="cannot be read: Not a directory"):
        load(Path(__file__) / "x.json")


def test_a_file_that_is_too_large_is_refused_and_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "LIMIT", 2**20)
    bomb = gzip.compress(b" " * (64 * 2**20), 1)
    assert len(bomb) < 2**20
    assert refused(tmp_path / "b.gz", bomb).startswith("more than 1 MB")
    assert refused(tmp_path / "b", b" " * (2**20 + 1)).startswith("more than 1 MB")
    assert refused(tmp_path / "c", b" " * 2**20).startswith("line 1, column")


# Parts that are broken ---------------------------------------------------------------------------------------------


def broken(target: Any, types: Any = None) -> str:
    data = {"format": 1, "packages": {}, "types": types or {"int": "int"}, "docs": {}, "targets": {"a.b": target}}
    made = Snapshot(data, "s")
    with pytest.raises(SignatureError) as error:
        made.get("a.b")
    text = str(error.value)
    assert text.startswith("s: the signature of 'a.b' is broken: ")
    with pytest.raises(SignatureError):  # what is broken is not taken for known the second time
        made.get("a.b")
    return text.removeprefix("s: the signature of 'a.b' is broken: ")


BROKEN: list[tuple[Any, str]] = [
    ([], "it is [], expected an object"),
    ({}, "parameters is missing"),
    ({"parameters": {}}, "parameters is {}, expected a list"),
    ({"parameters": ["x"]}, '"x" is no parameter'),
    ({"parameters": [["x"]]}, '["x"] is no parameter'),
    ({"parameters": [[1, "int"]]}, '[1, "int"] is no parameter'),
    ({"parameters": [["x", 3]]}, "the name of a type is 3, expected a text"),
    ({"parameters": [["x", "float"]]}, "the type 'float' is not in the file"),
    ({"parameters": [], "known": 0}, "known is 0, expected true or false"),
    ({"parameters": [], "extra": 0}, "the name of a type is 0"),
    ({"parameters": [], "positional": "a"}, 'positional is "a", expected a list'),
]
BROKEN_DEFAULTS: list[tuple[Any, str]] = [
    ({}, "{} is no value"),
    ({"a": 1, "b": 2}, '{"a": 1, "b": 2} is no value'),
    ({"lambda": 1}, '{"lambda": 1} is no value'),
    ([{"unknown": "x"}], '{"unknown": "x"} is no value'),
    ({"unknown": 1}, "it is 1, expected a text"),
    ({"ref": 1}, "it is 1, expected a text"),
    ({"tuple": 1}, "it is 1, expected a list"),
    ({"dict": [[1]]}, "[[1]] is no list of pairs"),
    ({"dict": [[[1], 1]]}, "[1] is no plain value"),
    ({"bytes": "x"}, "non-hexadecimal"),
    ({"int": "x"}, "invalid literal"),
    ({"float": "x"}, "could not convert"),
    ({"value": []}, "[] is no value of the standard library"),
    ({"value": ["datetime.timedelta", "x"]}, '["datetime.timedelta", "x"] is no value of the standard library'),
    ({"value": ["decimal.Decimal", 1]}, '["decimal.Decimal", 1] is no value of the standard library'),
    ({"call": ["os.system", "x", [], []]}, '["os.system", "x", [], []] is no call'),
    ({"call": []}, "[] is no call"),
    ({"PosixPath": 1}, "it is 1, expected a text"),
]
BROKEN_TYPES: list[tuple[Any, str]] = [
    (3, "the type 't' is 3, expected an object"),
    ({}, "the kind of 't' is missing"),
    ({"kind": "list", "args": "t"}, 'args is "t", expected a list'),
    ({"kind": "list", "args": ["u"]}, "the type 'u' is not in the file"),
    ({"kind": "list", "args": ["t"]}, "maximum recursion depth"),
    ({"kind": "union"}, "the type 't' has no members"),
    ({"kind": "enum", "choices": [1]}, "the type 't' has no names of members"),
    ({"kind": "any", "variadic": 1}, "variadic is 1"),
    ({"kind": "any", "text": 1}, "text is 1"),
    ({"kind": "any", "target": 1}, "target is 1"),
]


@pytest.mark.parametrize(("target", "text"), BROKEN)
def test_a_broken_target_is_an_error_that_names_it(target: Any, text: str) -> None:
    assert broken(target).startswith(text)


@pytest.mark.parametrize(("default", "text"), BROKEN_DEFAULTS)
def test_a_broken_default_is_an_error_that_names_the_target(default: Any, text: str) -> None:
    assert broken({"parameters": [["x", "int", default]]}).startswith(text)


@pytest.mark.parametrize(("body", "text"), BROKEN_TYPES)
def test_a_broken_type_is_an_error_that_names_the_target(body: Any, text: str) -> None:
    assert broken({"parameters": [["x", "t"]]}, {"t": body}).startswith(text)


def test_a_broken_target_leaves_the_others_alone() -> None:
    data = json.loads(TEXT)
    data["targets"][f"{T}.mixed"] = 3
    made = Snapshot(data, "s")
    assert made.get(f"{T}.typed") is not None
    with pytest.raises(SignatureError, match=r"mixed' is broken"):
        made.get(f"{T}.mixed")


@pytest.mark.parametrize("docs", [3, {"x": 1}, {"x": ["a"]}])
def test_broken_docs_are_an_error_that_names_the_target(docs: Any) -> None:
    targets = {"a.b": {"parameters": [], "docs": docs}}
    made = Snapshot({"format": 1, "packages": {}, "types": {}, "docs": {}, "targets": targets}, "s")
    with pytest.raises(SignatureError, match=r"^s: the docs of 'a\.b' are broken: "):
        made.doc("a.b")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from((1.5, "", "int", "x", "a.b", "call", "union")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from((*snapshot_json._READERS, "unknown", "kind", "args")), inner, max_size=2)
    ),
    max_leaves=6,
)
RICH = json.loads(
    encode(
        [read(obj, f"{T}.{obj.__name__}") for obj in (t.positional, t.typed, t.odd_defaults, t.google)],
        {f"{T}.google": docs_of(t.google)},
        {"tests": None, "a": Package("b", "1")},
    )
)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield data, key
        yield from _places(data[key])


def attempt(found: Snapshot, target: str) -> tuple[str, Signature | None]:
    try:
        assert found.doc(target) is not None
        return "", found.get(target)
    except SignatureError as error:
        return str(error), None


PLACES = len(list(_places(RICH)))


@given(st.integers(0, PLACES - 1), json_values)
@settings(max_examples=laws.tries(300))
def test_whatever_is_wrong_in_a_file_is_one_of_our_errors(place: int, value: Any) -> None:
    data = copy.deepcopy(RICH)
    holder, key = list(_places(data))[place]
    holder[key] = value
    try:
        found = Snapshot(data, "s")
    except SignatureError:
        return
    for target in found.targets:
        problem, signature = attempt(found, target)
        assert (signature is None) is (target in problem)
        if signature is not None:
            hash(tuple(parameter.type for parameter in signature.parameters.values()))
            encode([signature], {}, {})


# What is installed here --------------------------------------------------------------------------------------------


def install(
    folder: Path, name: str, version: str, files: dict[str, str], *, top: str | None = None, listed: bool = True
) -> None:
    """Put a distribution into a folder: its files, their list, and its name and version."""
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    record = [*(files if listed else ()), f"{info.name}/METADATA", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in record))
    if top is not None:
        (info / "top_level.txt").write_text(f"{top}\n")


BOOM = "raise AssertionError('a package was imported')\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder, "nph-one", "1.2", {"nph_one/__init__.py": BOOM, "nph_one/a/b.py": BOOM, "nph_alone.py": BOOM})
    install(folder, "nph-core", "3", {"nph_shared/core/__init__.py": BOOM, "nph_shared/core/x.py": BOOM})
    install(folder, "nph-more", "4", {"nph_shared/more.py": BOOM})
    install(folder, "nph-edit", "5", {"nph_edit/__init__.py": BOOM}, top="nph_edit", listed=False)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_packages_are_read_from_what_is_installed(site: Path) -> None:
    (site / "nph_app.py").write_text(BOOM)
    names = "nph_one.a.b.C nph_one.f nph_alone.C.make nph_app.f nph_edit.x.f builtins.dict".split()
    assert read_packages(names) == {
        "nph_one": Package("nph-one", "1.2"),
        "nph_alone": Package("nph-one", "1.2"),
        "nph_app": None,
        "nph_edit": None,
        "builtins": None,
    }


def test_of_a_namespace_that_distributions_share_each_module_has_its_own(site: Path) -> None:
    (site / "nph_shared/own.py").write_text(BOOM)
    assert read_packages(["nph_shared.core.x.C"]) == {"nph_shared": Package("nph-core", "3")}
    names = "nph_shared.core.x.C nph_shared.core.f nph_shared.more.C.make nph_shared.own.f".split()
    assert read_packages(names) == {
        "nph_shared.core.x": Package("nph-core", "3"),
        "nph_shared.core": Package("nph-core", "3"),
        "nph_shared.more": Package("nph-more", "4"),
        "nph_shared.own": None,
    }


def test_a_package_of_the_same_name_as_an_installed_one_is_not_it(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NeMo installs ``tests``, ``examples`` and ``scripts``: names that an app has too."""
    (tmp_path / "app/nph_one").mkdir(parents=True)
    (tmp_path / "app/nph_one/__init__.py").write_text(BOOM)
    monkeypatch.syspath_prepend(str(tmp_path / "app"))
    assert read_packages(["nph_one.a.b.C"]) == {"nph_one": None}


def taken(*targets: str) -> Snapshot:
    """Take a snapshot of targets here."""
    return Snapshot(json.loads(encode([Signature(name, {}) for name in targets], {}, read_packages(targets))), "s")


def test_what_is_installed_as_it_was_read_is_usable(site: Path) -> None:
    made = taken("nph_one.f", "nph_shared.core.f", "nph_shared.more.f")
    assert made.packages["nph_one"] == Package("nph-one", "1.2")
    for target in made.targets:
        assert made.usable(target)
        assert made.difference(target) is None
    assert "nph_one" not in sys.modules


def test_what_is_installed_editable_is_read_live(site: Path) -> None:
    """Its files change while its version does not."""
    made = taken("nph_edit.f")
    assert not made.usable("nph_edit.f")
    assert made.difference("nph_edit.f") is None


def test_what_is_absent_is_usable(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "nph_app.py").write_text(BOOM)
    made = taken("nph_one.f", "nph_shared.core.f", "nph_app.f")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    for target in made.targets:
        assert made.usable(target)
        assert made.difference(target) is None


def test_another_version_is_not_usable_and_named(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = taken("nph_one.f", "nph_shared.core.f")
    install(tmp_path / "new", "nph-one", "1.3", {"nph_one/__init__.py": BOOM})
    monkeypatch.syspath_prepend(str(tmp_path / "new"))
    assert not made.usable("nph_one.f")
    assert made.difference("nph_one.f") == "nph-one 1.3 is installed, the snapshot was read from 1.2"
    assert made.usable("nph_shared.core.f")


def test_a_package_that_is_there_without_its_distribution_is_not_usable(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = taken("nph_one.f")
    (tmp_path / "source/nph_one").mkdir(parents=True)
    (tmp_path / "source/nph_one/__init__.py").write_text(BOOM)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "source"), *(p for p in sys.path if p != str(site))])
    assert not made.usable("nph_one.f")
    text = "'nph_one' is here, but not from nph-one 1.2, from which the snapshot was read"
    assert made.difference("nph_one.f") == text


def test_a_namespace_without_the_part_in_question_is_no_obstacle(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = taken("nph_shared.core.f", "nph_shared.more.f")
    install(tmp_path / "new", "nph-more", "4.1", {"nph_shared/more.py": BOOM})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "new"), *(p for p in sys.path if p != str(site))])
    assert made.usable("nph_shared.core.f")
    assert made.difference("nph_shared.core.f") is None
    assert not made.usable("nph_shared.more.f")


def test_a_package_of_no_distribution_is_usable_only_where_it_is_absent() -> None:
    made = taken("__main__.f", "builtins.dict", f"{T}.typed")
    assert set(made.packages.values()) == {None}
    for target in (*made.targets, "__main__.g"):
        assert not made.usable(target)
        assert made.difference(target) is None
    assert made.usable("nph_nowhere.f")


def test_a_module_without_a_spec_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nph_odd", type(sys)("nph_odd"))
    with pytest.raises(ValueError, match="__spec__"):
        importlib.util.find_spec("nph_odd")
    assert not taken("nph_odd.f").usable("nph_odd.f")


def test_a_verdict_is_reached_once_a_package(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = taken("nph_one.f", "nph_one.a.b.C")
    asked: list[str] = []
    real = importlib.util.find_spec

    def counted(name: str) -> Any:
        asked.append(name)
        return real(name)

    monkeypatch.setattr(importlib.util, "find_spec", counted)
    for target in (*made.targets, *made.targets):
        assert made.usable(target)
        assert made.difference(target) is None
    assert asked == ["nph_one"]  # the top-level name only: below it something would be imported


# Use ---------------------------------------------------------------------------------------------------------------


def test_a_signature_is_decoded_when_it_is_asked_for_and_once() -> None:
    made = Snapshot(json.loads(TEXT), "s")
    assert made._signatures == {}
    assert made.get(f"{T}.typed") is made.get(f"{T}.typed")
    assert list(made._signatures) == [f"{T}.typed"]
    assert made.get("not.there") is None


def test_a_snapshot_is_a_source_of_signatures() -> None:
    made = Snapshot(json.loads(TEXT), "s")
    assert Signatures(made.get).get(f"{T}.typed") == read(t.typed, f"{T}.typed")


def test_reading_imports_no_target_and_no_large_package(tmp_path: Path) -> None:
    save(TEXT, tmp_path / "s.json")
    code = f"""
import sys
from nemo_partial_hydra.signatures.snapshot import load
found = load({str(tmp_path / "s.json")!r})
assert found.get({T + ".typed"!r}) and found.doc({T + ".typed"!r}) and not found.usable({T + ".typed"!r})
print([name for name in ({T!r}, "hydra", "omegaconf", "fiddle", "yaml", "docstring_parser") if name in sys.modules])
"""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[]\n", "")
