"""What is known of a target: every parameter with type, default and doc, robust where Python itself gives up."""

# ruff: noqa: F821, UP006, UP007, UP035, UP045  # unresolved names and old spellings are what some of these tests are about

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
import pickle
import sys
import textwrap
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

import pytest

from nemo_partial_hydra.errors import SignatureError
from nemo_partial_hydra.recipes.names import resolves_to
from nemo_partial_hydra.recipes.tree import Map, Ref, Seq, Value
from nemo_partial_hydra.signatures.introspect import Signatures, live, parameter_docs, read
from nemo_partial_hydra.signatures.signature import REQUIRED, Signature, Unknown
from nemo_partial_hydra.signatures.types import parse, spell
from tests.support import targets as t

T = "tests.support.targets"


def signature(obj: Any) -> Signature:
    return read(obj, "x.y")


def texts(obj: Any) -> dict[str, str]:
    """Spell each parameter's type."""
    return {name: parameter.type.text for name, parameter in signature(obj).parameters.items()}


# Parameters --------------------------------------------------------------------------------------------------------


def test_every_parameter_is_there_set_or_not_in_order() -> None:
    found = signature(t.typed)
    assert list(found.parameters)[:4] == ["i", "f", "b", "s"]
    assert len(found.parameters) == 23
    assert found.known
    assert found.extra is None
    assert found.rest is None


def test_defaults_are_data() -> None:
    found = signature(t.typed).parameters
    assert found["i"].default == 0
    assert type(found["f"].default) is float
    assert found["data"].default == b""
    assert found["color"].default == Ref(f"{T}.Color.RED")
    assert found["fn"].default == Ref(f"{T}.double")
    assert found["cls"].default == Ref("builtins.int")
    assert found["wait"].default == Value("datetime.timedelta", (0, 0, 0))
    assert found["path"].default == Path(".")
    assert signature(t.contained).parameters["betas"].default == Seq((0.9, 0.999), "tuple")


def test_what_is_required_is_marked() -> None:
    found = signature(t.required).parameters
    assert found["needed"].required
    assert found["needed"].default is REQUIRED
    assert not found["optional"].required
    assert pickle.loads(pickle.dumps(found["needed"])).default is REQUIRED


def test_all_five_kinds_of_parameters() -> None:
    found = signature(t.positional)
    assert list(found.parameters) == ["a", "b", "c", "d"]
    assert [p.positional for p in found.parameters.values()] == [True, True, False, False]
    assert found.rest is not None
    assert found.rest.kind == "path"
    assert found.extra is not None
    assert found.extra.kind == "any"
    kinds = [spec.kind if spec else None for spec in map(found.type_at, range(6))]
    assert kinds == ["int", "str", "float", "path", "path", "path"]
    assert [p.name for p in found.positional] == ["a", "b", "c"]
    assert found.type_of("d") == parse(int)
    assert found.type_of("anything") == parse(Any)


def test_a_positional_only_name_may_be_a_keyword_of_kwargs() -> None:
    spec = signature(t.positional).type_of("a")
    assert spec is not None
    assert spec.kind == "any"


def test_keyword_only_parameters_take_no_positional_argument() -> None:
    assert signature(t.untyped).type_at(2) is not None
    assert signature(t.untyped).type_at(3) is None


def test_further_keywords_have_their_type() -> None:
    found = signature(t.int_keywords)
    assert found.parameters == {}
    assert found.extra == parse(int)
    assert found.type_of("x") == parse(int)
    assert signature(t.untyped).type_of("x") is None


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        (t.Optimizer, ["lr", "betas", "kind"]),
        (t.SubOptimizer, ["lr", "betas", "kind"]),
        (t.Optimizer.default, ["lr"]),
        (t.SubOptimizer.Nested, ["depth"]),
        (t.Plain, ["size", "names", "child", "where", "mode"]),
        (t.Point, ["x", "y"]),
        (functools.partial(t.required, 1), ["optional"]),
        (t.WithInitVar, ["seed", "a"]),
        (t.Hidden, ["a"]),
    ],
)
def test_functions_classes_classmethods_dataclasses_and_partials(obj: Any, names: list[str]) -> None:
    assert list(signature(obj).parameters) == names


@pytest.mark.parametrize("obj", [datetime.timedelta, dict, int, range, type])
def test_where_python_cannot_tell_the_parameters_all_is_accepted(obj: Any) -> None:
    import inspect

    found = signature(obj)
    try:
        inspect.signature(obj)
    except (ValueError, TypeError):
        assert not found.known
        assert found.parameters == {}
        assert found.type_of("days") is not None
        assert found.type_at(9) is not None


def test_no_signature_at_all() -> None:
    found = signature(datetime.timedelta)
    assert found.known or (found.extra is not None and found.rest is not None and found.extra.kind == "any")


class Awkward:
    """A callable whose signature is broken."""

    __signature__ = 5

    def __call__(self) -> None:
        pass


def test_a_broken_signature_is_an_unknown_one() -> None:
    assert not signature(Awkward()).known


# Types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "kind", "text"),
    [
        (int, "int", "int"),
        (Any, "any", "Any"),
        (object, "any", "object"),
        (None, "none", "None"),
        (bytes, "bytes", "bytes"),
        (Optional[int], "union", "Optional[int]"),
        (int | None, "union", "Optional[int]"),
        (Union[int, str], "union", "Union[int, str]"),
        (int | str | None, "union", "Optional[Union[int, str]]"),
        (List[int], "list", "List[int]"),
        (list[int], "list", "list[int]"),
        (list, "list", "list"),
        (List, "list", "List"),
        (Dict[str, List[int]], "dict", "Dict[str, List[int]]"),
        (Tuple[int, ...], "tuple", "Tuple[int, ...]"),
        (tuple[int, str], "tuple", "tuple[int, str]"),
        (Tuple[()], "tuple", None),
        (tuple, "tuple", "tuple"),
        (set[int], "set", "set[int]"),
        (frozenset[str], "frozenset", "frozenset[str]"),
        (Literal["a", 1, None], "literal", "Literal['a', 1, None]"),
        (Callable[[int], str], "callable", "Callable[[int], str]"),
        (Callable[..., Any], "callable", "Callable[..., Any]"),
        (Callable, "callable", "Callable"),
        (typing.Callable, "callable", "Callable"),
        (type[int], "type", "type[int]"),
        (type, "type", "type"),
        (t.Color, "enum", "Color"),
        (Path, "path", "Path"),
        (pathlib.PurePosixPath, "path", "PurePosixPath"),
        (datetime.timedelta, "timedelta", "timedelta"),
        (t.Optimizer, "object", "Optimizer"),
        (t.SubOptimizer.Nested, "object", "SubOptimizer.Nested"),
        (collections.OrderedDict, "dict", None),
        (typing.Sequence[int], "union", "Sequence[int]"),
        (typing.Annotated[int, "unit"], "int", "int"),
        (typing.TypeVar("X"), "any", None),
        (typing.NewType("N", int), None, None),
        (typing.Optional["Nowhere"], "union", "Optional[Nowhere]"),
        (typing.Mapping[str, int], "dict", "Mapping[str, int]"),
    ],
)
def test_an_annotation_as_data(annotation: Any, kind: str | None, text: str | None) -> None:
    spec = parse(annotation)
    assert kind is None or spec.kind == kind
    assert text is None or spec.text == text
    assert spell(annotation)
    assert pickle.loads(pickle.dumps(spec)) == spec
    hash(spec)


def test_enum_members_and_literal_values_are_choices() -> None:
    assert parse(t.Color).choices == ("RED", "GREEN", "CRIMSON")
    assert parse(t.Color).target == f"{T}.Color"
    assert parse(Literal["a", 3, t.Color.RED]).choices == ("a", 3, Ref(f"{T}.Color.RED"))


P = typing.ParamSpec("P")


@pytest.mark.parametrize(
    "annotation",
    [
        Callable[P, int],
        Callable[typing.Concatenate[int, P], int],
        typing.List["int | Nowhere"],  # type: ignore[name-defined]
        typing.Generic,
        [int],
        {"a": int},
        5,
        ...,
        typing.ClassVar[int],
        typing.Type["Nowhere"],
        typing.NoReturn,
        dataclasses.InitVar[int],
        Literal[b"x"],
        typing.Iterator[int],
        t.Options,
        typing.Protocol,
    ],
)
def test_an_exotic_annotation_is_never_an_error(annotation: Any) -> None:
    assert parse(annotation).text

    def target(x=1, y: int = 2):  # type: ignore[no-untyped-def]
        pass

    target.__annotations__["x"] = annotation
    assert texts(target)["y"] == "int"


def test_a_name_that_does_not_resolve_does_not_take_the_others_along() -> None:
    found = signature(t.unresolvable).parameters
    assert found["a"].type.kind == "any"
    assert found["a"].type.text == "OnlyForTypeCheckers"
    assert found["b"].type.kind == "int"
    assert found["c"].type.text == "Optional[Color]"


ODD_HINTS = """
from __future__ import annotations
import dataclasses

class Lazy:
    def __getattr__(self, name):
        raise ImportError(f"no backend for {name}")

lazy = Lazy()

def lazily(a: lazy.Tensor = None, b: int = 1) -> lazy.Other: ...
def dividing(a: "1/0" = None, b: int = 1): ...
def indexing(a: "{}['x']" = None, b: int = 1): ...
def calling(a: "int('x')" = None, b: int = 1): ...
def nonsense(a: "not a type at all" = None, b: int = 1): ...

@dataclasses.dataclass
class Base:
    a: lazy.Tensor = None
    b: int = 1

class Sub(Base):
    def __init__(self, c: Unknown = None, b: int = 3): ...
"""


@pytest.fixture
def odd_hints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "odd_hints_of_the_tests.py").write_text(ODD_HINTS)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    yield importlib.import_module("odd_hints_of_the_tests")
    sys.modules.pop("odd_hints_of_the_tests")


@pytest.mark.parametrize("name", ["lazily", "dividing", "indexing", "calling", "nonsense", "Base", "Sub"])
def test_an_annotation_that_raises_anything_is_only_text(odd_hints: Any, name: str) -> None:
    found = signature(getattr(odd_hints, name)).parameters
    assert found["b"].type.kind == "int"
    other = found["c" if name == "Sub" else "a"].type
    assert other.kind == "any"


def test_the_constructors_annotations_win_over_the_class_attributes() -> None:
    assert texts(t.ClassHints) == {"rate": "str", "mode": "Optional[str]"}


HOMES = {
    "home_of_base": """
        from __future__ import annotations
        import enum
        class Mode(enum.Enum):
            A = 1
        class Base:
            def __init__(self, mode: Mode = Mode.A): ...
    """,
    "home_of_sub": """
        from __future__ import annotations
        import enum
        from home_of_base import Base
        class Mode(enum.Enum):
            B = 2
        class Sub(Base):
            pass
    """,
}


def test_an_inherited_constructors_names_are_those_of_its_own_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in HOMES.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    import home_of_sub  # type: ignore[import-not-found]

    assert signature(home_of_sub.Sub).parameters["mode"].type.choices == ("A",)
    for name in HOMES:
        sys.modules.pop(name)


def test_none_as_a_default_means_optional_whatever_the_annotation_says() -> None:
    found = signature(t.implicit).parameters
    assert found["x"].type.text == "Optional[int]"
    assert found["x"].type.kinds == {"int", "none"}
    assert found["y"].type.text == "Optional[Color]"
    assert found["x"].default is None
    assert signature(t.unresolvable).parameters["a"].type.kind == "any"


def test_a_default_that_contradicts_its_annotation_is_kept_and_accepted() -> None:
    found = signature(t.contradicting).parameters
    assert found["x"].default is False
    assert found["x"].type.kinds == {"float", "bool"}
    assert found["x"].type.text == "float"
    assert found["y"].default == "auto"


# Defaults ----------------------------------------------------------------------------------------------------------


def test_a_default_factory_is_never_called() -> None:
    found = signature(t.Explosive).parameters
    assert found["a"].default == Unknown("exploding()")
    assert found["b"].default == Seq(())
    assert found["d"].default == 4
    assert isinstance(found["c"].default, Unknown)
    assert not found["c"].required


def test_factories_of_empty_containers_are_empty_containers() -> None:
    @dataclasses.dataclass
    class Empty:
        a: list[int] = dataclasses.field(default_factory=list)
        b: dict[str, int] = dataclasses.field(default_factory=dict)
        c: set[int] = dataclasses.field(default_factory=set)
        d: tuple[int, ...] = dataclasses.field(default_factory=tuple)

    defaults = [p.default for p in signature(Empty).parameters.values()]
    assert defaults == [Seq(()), Map(()), Seq((), "set"), Seq((), "tuple")]


def test_an_inherited_factory_is_never_called_either() -> None:
    @dataclasses.dataclass
    class Sub(t.Explosive):
        e: int = 5

    assert signature(Sub).parameters["a"].default == Unknown("exploding()")


@pytest.mark.parametrize("target", [t.odd_defaults, t.unshown_default, t.arrayish_default])
def test_a_default_without_a_text_form_is_unknown_and_harmless(target: Any) -> None:
    found = signature(target).parameters
    assert isinstance(found["a"].default, Unknown)
    assert not found["a"].required
    assert found["c"].default == 3


def test_a_default_that_contains_itself_is_unknown() -> None:
    loop: list[Any] = []
    loop.append(loop)

    def target(a: Any = loop) -> None: ...

    assert isinstance(signature(target).parameters["a"].default, Unknown)


@pytest.mark.nemo
def test_an_array_as_a_default() -> None:
    import numpy

    array, number = numpy.array([1, 2]), numpy.float64(0.5)

    def target(a: Any = array, b: Any = numpy.float32, c: Any = number, d: int = 1) -> None: ...

    found = signature(target).parameters
    assert isinstance(found["a"].default, Unknown)
    assert found["d"].default == 1


def test_a_long_default_is_cut() -> None:
    shout = t.Shout("x" * 500)

    def target(a: Any = shout) -> None: ...

    default = signature(target).parameters["a"].default
    assert isinstance(default, Unknown)
    assert len(default.text) <= 80


class FlagLike(enum.Flag):
    """A flag of these tests."""

    A = 1
    B = 2


def test_a_combination_of_flags_as_a_default_is_no_name_that_does_not_exist() -> None:
    def target(a: Any = FlagLike.A | FlagLike.B) -> None: ...

    default = signature(target).parameters["a"].default
    assert not (isinstance(default, Ref) and "|" in default.target)


# Docs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [t.google, t.numpydoc, t.sphinx], ids=["google", "numpy", "sphinx"])
def test_docs_in_each_style(target: Any) -> None:
    found = parameter_docs(target)
    assert found["alpha"].startswith("The first one")
    assert found["beta"] == "The second one."


def test_a_doc_of_two_lines_is_one_line() -> None:
    assert parameter_docs(t.google)["alpha"] == "The first one, which goes on."


def test_docs_of_classes_come_from_class_constructor_and_attributes() -> None:
    assert parameter_docs(t.Optimizer)["lr"] == "The learning rate."
    assert parameter_docs(t.SubOptimizer)["lr"] == "The learning rate."
    assert parameter_docs(t.Trainer)["max_steps"] == "When to stop."
    assert "units" in parameter_docs(t.Plain)["size"] or "big" in parameter_docs(t.Plain)["size"]


class Documented:
    """A class.

    Attributes:
        a: Said by the class.
    """

    def __init__(self, a: int = 1, b: int = 2) -> None:
        """Make it.

        Args:
            a: Said by the constructor.
            b: Only here.
        """


def test_the_constructor_says_more_than_the_class() -> None:
    assert parameter_docs(Documented) == {"a": "Said by the constructor.", "b": "Only here."}


class Attributed:
    """A class with texts below its attributes."""

    rate: float = 0.1
    """Said below."""

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate


class Passing(Attributed):
    def __init__(self, **options: float) -> None:
        super().__init__(**options)


class Own(Attributed):
    def __init__(self, size: int) -> None:
        super().__init__(size / 2)


def test_what_stands_below_an_attribute_is_the_doc_of_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parameter_docs(Attributed) == parameter_docs(Passing) == {"rate": "Said below."}
    monkeypatch.setattr("inspect.getsource", lambda _: pytest.fail("no text in a source can describe 'size'"))
    assert parameter_docs(Own) == {}


@pytest.mark.parametrize("target", [t.undocumented, len, datetime.timedelta, functools.partial(t.double), int])
def test_no_docs_are_no_error(target: Any) -> None:
    assert isinstance(parameter_docs(target), dict)


def test_the_docs_given_out_may_be_changed_by_who_gets_them() -> None:
    parameter_docs(t.google)["alpha"] = "changed"
    assert parameter_docs(t.google)["alpha"] != "changed"


# Where signatures come from ----------------------------------------------------------------------------------------


def test_live_reads_by_name_and_knows_what_is_no_callable() -> None:
    found = live(f"{T}.typed")
    assert found is not None
    assert found.target == f"{T}.typed"
    assert "i" in found.parameters
    assert live(f"{T}.Color.RED") is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (f"{T}.typpd", ["typpd", "did you mean 'typed'"]),
        ("nowhere_at_all.f", ["no module 'nowhere_at_all'"]),
        (f"{T}.SubOptimizer.Nestd", ["Nestd", "Nested"]),
        ("a b.c", ["not a dotted name"]),
        ("", ["not a dotted name"]),
        ("a..b", ["not a dotted name"]),
        (".a", ["not a dotted name"]),
    ],
)
def test_a_name_that_leads_nowhere_says_what_is_there(target: str, words: list[str]) -> None:
    with pytest.raises(SignatureError) as info:
        live(target)
    assert all(word in str(info.value) for word in words)


def test_a_module_that_fails_to_import_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fails_on_import_of_tests.py").write_text("raise KeyError('boom')")
    (tmp_path / "needs_missing_of_tests.py").write_text("import not_installed_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SignatureError, match=r"fails_on_import_of_tests.*KeyError.*boom"):
        live("fails_on_import_of_tests.f")
    with pytest.raises(SignatureError, match=r"needs_missing_of_tests.*not_installed_at_all"):
        live("needs_missing_of_tests.f")


LAZY = """
class Meta(type):
    def __getattribute__(cls, name):
        if name == "from_name":
            raise ImportError("\\nStandIn needs a package that is not here.\\nInstall it.")
        return super().__getattribute__(name)


class StandIn(metaclass=Meta):
    pass


def __getattr__(name):
    if name in ("later", "below"):
        raise RuntimeError(f"{name} cannot be imported")
    raise AttributeError(name)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("StandIn.from_name", "'raises_when_asked.StandIn.from_name' .*: ImportError: StandIn needs a package"),
        ("later", "'raises_when_asked.later' .*: RuntimeError: later cannot be imported$"),
        ("below.f", "'raises_when_asked.below' .*: RuntimeError: below cannot be imported$"),
        ("nothing", "'raises_when_asked' has no 'nothing'"),
    ],
)
def test_what_raises_when_it_is_asked_for_says_why(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules and classes that import when asked, as transformers' do, may raise anything then."""
    (tmp_path / "raises_when_asked.py").write_text(LAZY)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SignatureError, match=said):
        live(f"raises_when_asked.{name}")
    assert not resolves_to(f"raises_when_asked.{name}", 3)


def test_sources_are_asked_in_order_and_once() -> None:
    asked: list[str] = []

    def first(target: str) -> Signature | None:
        asked.append(target)
        return Signature(target, {}) if target == "a.b" else None

    both = Signatures(first, lambda target: Signature(target, {}, known=False) if target == "c.d" else None)
    assert both.get("a.b") is both.get("a.b")
    assert asked == ["a.b"]
    second = both.get("c.d")
    assert second is not None
    assert not second.known
    assert both.get("e.f") is None
    both.forget("a.b")
    both.get("a.b")
    assert asked.count("a.b") == 2
    both.add("e.f", t.required)
    added = both.get("e.f")
    assert added is not None
    assert list(added.parameters) == ["needed", "optional"]


@pytest.mark.nemo
def test_torch_and_lightning_hints() -> None:
    import torch

    assert parse(torch.dtype).kind == "dtype"

    tensor = torch.tensor([1, 2])

    def target(a: Any = torch.float32, b: Any = tensor) -> None: ...

    found = signature(target).parameters
    assert found["a"].default == Ref("torch.float32")
    assert isinstance(found["b"].default, Unknown)
