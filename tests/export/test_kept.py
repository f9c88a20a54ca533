"""``nemo-hydra export --keep-arguments``: what a factory passes through stays an argument of its exported recipe."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.dialect.edits import apply_edits
from nemo_partial_hydra.errors import ValidationError
from nemo_partial_hydra.export.kept import look, refer
from nemo_partial_hydra.signatures.introspect import read
from tests.support.apps import Done
from tests.support.recipes import exported, nemo_hydra, python, write

MODULE = '''
from __future__ import annotations
from dataclasses import dataclass, field
from pathlib import Path

import nemo_run as run


@dataclass
class Opt:
    lr: float = 0.1
    name: str = "adam"


@dataclass
class Net:
    hidden: int = 8
    nodes: int = 1
    opts: list[Opt] = field(default_factory=list)


def train(net: Net, nodes: int = 1, path: str | None = None, note: str = "", fast: bool = False, size: int = 0) -> None:
    print("RESULT", net, nodes, path, note, fast, size)


def pretrain_recipe(
    nodes: int = 1,
    lr: float = 0.5,
    path: str | None = None,
    note: str = "a",
    fast: bool = False,
    big: bool = False,
    devices: int = 8,
    unused: int = 3,
    root: str = "/runs",
    tags: list[str] | None = None,
) -> run.Partial:
    """Pretrain."""
    opts = [run.Config(Opt), run.Config(Opt, lr=lr, name=f"{root}/opt")]
    net = run.Config(Net, nodes=nodes, hidden=16 if big else 8, opts=opts)
    return run.Partial(train, net=net, nodes=nodes, path=path, note=note, fast=fast, size=devices * 2)
'''
APP = "import nemo_partial_hydra as nph\nnph.app()()\n"
FIXED = """\
# recipes_a.pretrain_recipe()
# big is fixed: net.hidden is made from it
# devices is fixed: size is made from it
# unused is fixed: nothing in the recipe is made from it
# root is fixed: net.opts.1.name is made from it
# tags is fixed: no other value of type Optional[list[str]] is known to try
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("made"), "--keep-arguments", text=MODULE).parent


@pytest.fixture
def lib(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "lib"


def run(folder: Path, *args: str) -> Done:
    write(folder, "app.py", APP)
    return python(folder, "app.py", "--library", "lib", "+pretrain=recipes_a", *args, path=(folder,))


def test_what_is_passed_through_is_kept_and_the_rest_says_why_not(lib: Path) -> None:
    text = (lib / "pretrain/recipes_a.yaml").read_text()
    assert text.startswith(FIXED)
    assert text.removeprefix(FIXED) == (
        "_target_: recipes_a.train\n_partial_: true\n"
        "_factory_:\n  nodes: 1\n  lr: 0.5\n  path: null\n  note: a\n  fast: false\n"
        "net:\n  _target_: recipes_a.Net\n  hidden: 8\n"
        '  nodes: "${.._factory_.nodes}"\n'
        "  opts:\n  - _target_: recipes_a.Opt\n  - _target_: recipes_a.Opt\n"
        '    lr: "${...._factory_.lr}"\n    name: /runs/opt\n'
        'nodes: "${._factory_.nodes}"\npath: "${._factory_.path}"\nnote: "${._factory_.note}"\n'
        'fast: "${._factory_.fast}"\nsize: 16\n'
    )


@pytest.mark.matrix
def test_they_are_set_swept_and_checked(lib: Path) -> None:
    folder = lib.parent
    assert (
        run(folder).result == "Net(hidden=8, nodes=1, opts=[Opt(lr=0.1, name='adam'), "
        "Opt(lr=0.5, name='/runs/opt')]) 1 None a False 16"
    )
    given = [f"pretrain._factory_.{text}" for text in ("nodes=4", "lr=2.5", "path=/x", "note='${b}'", "fast=yes")]
    assert (
        run(folder, "+b=c", *given).result == "Net(hidden=8, nodes=4, opts=[Opt(lr=0.1, name='adam'), "
        "Opt(lr=2.5, name='/runs/opt')]) 4 /x c True 16"
    )
    swept = run(folder, "-m", "pretrain._factory_.nodes=2,3", "pretrain.net.nodes=7")
    assert [line.split("])")[1] for line in swept.out.splitlines() if "RESULT" in line] == [
        " 2 None a False 16",
        " 3 None a False 16",
    ]
    assert swept.out.count("nodes=7") >= 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain._factory_.nodes=many", "pretrain._factory_.nodes: expected int, got 'many'"),
        ("pretrain._factory_.node=2", "pretrain._factory_.node: the factory takes no 'node'; did you mean 'nodes'?"),
        ("+pretrain._factory_.node=2", "pretrain._factory_.node: the factory takes no 'node'; did you mean 'nodes'?"),
        ("pretrain._factory_.nodes=[2]", "pretrain._factory_.nodes: expected a single value"),
        ("pretrain._factory_=2", "pretrain._factory_: expected the arguments of the factory by name"),
        ("pretrain._factory_.nodes=???", "pretrain._factory_.nodes"),
    ],
)
def test_a_mistake_is_named(lib: Path, override: str, message: str) -> None:
    done = run(lib.parent, override)
    assert done.code != 0
    assert message in done.err
    assert "Traceback" not in done.err


def test_they_are_listed_and_what_follows_them(lib: Path) -> None:
    done = run(lib.parent, "pretrain._factory_.nodes=4", "--cfg-paths=json")
    rows = {row["path"]: row for row in json.loads(done.out)}
    assert rows["pretrain._factory_.nodes"]["type"] == "int"
    assert rows["pretrain._factory_.nodes"]["value"] == 4
    assert rows["pretrain._factory_.path"]["type"] == "Optional[str]"
    assert rows["pretrain.net.nodes"]["value"] == 4
    assert "pretrain._factory_.big" not in rows


def test_an_argument_left_open_is_required(tmp_path: Path) -> None:
    exported(tmp_path, "--keep-arguments", "--with", "path=???", text=MODULE)
    done = run(tmp_path)
    assert done.code != 0
    assert (
        "pretrain._factory_.path: the factory requires it (Optional[str]); set pretrain._factory_.path=..." in done.err
    )
    assert "None" not in run(tmp_path, "pretrain._factory_.path=/x").result


@pytest.mark.matrix
def test_a_frozen_job_has_the_values(lib: Path) -> None:
    folder = lib.parent
    done = run(folder, "pretrain._factory_.nodes=4", "-m", "hydra/launcher=freeze", "hydra.sweep.dir=out")
    assert done.code == 0, done.err
    text = (folder / "out/0/job.yaml").read_text()
    assert "nodes: 4" in text
    assert "${" not in text.split("recipe:")[1]


PLAIN = """
import hydra
from hydra.utils import instantiate
import nemo_partial_hydra

@hydra.main(config_path=None, version_base=None)
def main(cfg):
    instantiate(cfg.pretrain)()

main()
"""


@pytest.mark.matrix
def test_instantiate_of_a_plain_app_passes_the_values_alone(tmp_path: Path) -> None:
    write(tmp_path, "site/ours/__init__.py", "")
    write(tmp_path, "site/ours/recipes_a.py", MODULE)
    write(tmp_path, "site/ours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    points = "[nemo_partial_hydra.recipes]\nours = ours:library\n"
    write(tmp_path, "site/ours-1.0.dist-info/entry_points.txt", points)
    site = tmp_path / "site"
    args = ("ours.recipes_a", "-o", "site/ours/library", "--keep-arguments")
    assert nemo_hydra(tmp_path, "export", *args, path=(site,)).code == 0
    write(tmp_path, "plain.py", PLAIN)
    given = ["+pretrain=recipes_a", "pretrain._factory_.nodes=4", "pretrain._factory_.lr=2.5"]
    done = python(tmp_path, "plain.py", *given, path=(site,))
    assert "nodes=4" in done.result, done.err
    assert "2.5" in done.result
    assert done.result.endswith(" 4 None a False 16")


def test_it_is_checked_and_read_outside_of_an_app(lib: Path) -> None:
    folder = lib.parent
    assert "1 fine" in nemo_hydra(folder, "check", "lib", "--allow", "recipes_a", path=(folder,)).out
    code = (
        "import nemo_partial_hydra as nph, recipes_a\n"
        "text = open('lib/pretrain/recipes_a.yaml').read()\n"
        "print('RESULT', nph.from_yaml(text, allow=['recipes_a']) == recipes_a.pretrain_recipe())\n"
    )
    assert python(folder, "-c", code, path=(folder,)).result == "True"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("nodes: 1", "nodes: x"), "_factory_.nodes: expected int, got 'x'"),
        (("nodes: 1", "nodes: [1]"), "_factory_.nodes: expected a single value"),
        (("nodes: 1", "nodes: 1\n  more: 2"), "_factory_.more: no value of the recipe is a reference to it"),
        (("  note: a\n", ""), "note: refers to 'note', which _factory_ does not have; did you mean 'nodes'?"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(lib: Path, change: tuple[str, str], message: str) -> None:
    file = lib / "pretrain/recipes_a.yaml"
    file.write_text(file.read_text().replace(*change))
    done = run(lib.parent)
    assert done.code != 0
    assert message in done.err
    assert "Traceback" not in done.err


# Laws --------------------------------------------------------------------------------------------------------------

KINDS = {"i": int, "f": float, "s": str, "b": bool}


def factory(i: int = 1, f: float = 0.5, s: str = "s", b: bool = False) -> None:
    """Take one argument of each kind."""


def _values() -> st.SearchStrategy[dict[str, Any]]:
    texts = st.text(max_size=8).filter(lambda text: text.isprintable())
    floats = st.floats(allow_nan=False, allow_infinity=False, width=16)
    kinds = {"i": st.integers(-9, 99), "f": floats, "s": texts.filter(lambda t: t != "???"), "b": st.booleans()}
    return st.fixed_dictionaries(kinds)


def _recipe(places: Any, values: dict[str, Any]) -> Any:
    """Return data in which some places hold an argument each, as a factory would."""
    if isinstance(places, str):
        from nemo_partial_hydra.dialect.scalars import escape_interpolation

        found = values[places]
        return escape_interpolation(found) if isinstance(found, str) else found
    if isinstance(places, dict):
        return {key: _recipe(value, values) for key, value in places.items()}
    return [_recipe(value, values) for value in places] if isinstance(places, list) else places


_PLACES = st.recursive(
    st.sampled_from(sorted(KINDS)) | st.none() | st.just(3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("vwxyz"), _PLACES, max_size=4), _values(), _values())
def test_a_kept_argument_gives_what_the_factory_gives(places: Any, values: Any, others: Any) -> None:
    def make(more: Mapping[str, Any]) -> Any:
        return {"_target_": "own.train", **_recipe(places, {**values, **more})}

    data = make({})
    kept = look(data, make, read(factory, "own.factory"), values)
    assert set(kept.places) | set(kept.fixed) == set(KINDS)
    assert all("nothing" in why for why in kept.fixed.values())
    written = refer(data, kept, values)
    assert apply_edits(written) == data
    if kept.places:
        from nemo_partial_hydra.dialect.scalars import escape_interpolation

        given = {n: escape_interpolation(v) if isinstance(v, str) else v for n, v in others.items() if n in kept.places}
        assert apply_edits({**written, "_factory_": given}) == make({name: others[name] for name in kept.places})


def test_arguments_that_depend_on_each_other_are_fixed() -> None:
    def make(more: Mapping[str, Any]) -> Any:
        values = {"i": 1, "f": 0.5, "s": "s", "b": False, **more}
        return {"_target_": "own.train", "a": values["s"], "b": values["b"], "i": values["i"] if not values["b"] else 1}

    kept = look(make({}), make, read(factory, "own.factory"), {})
    assert set(kept.places) == {"s", "b"}
    assert kept.fixed["i"] == "what is made from it depends on other arguments"


@pytest.mark.parametrize(
    ("name", "way", "why"),
    [
        ("i", lambda i: i or 8, "with 0 a is something else"),
        ("i", lambda i: max(i, 1), "with 0 a is something else"),
        ("i", lambda i: min(i, 1024), "with 100003 a is something else"),
        ("i", lambda i: i % 2**32, "with -1 a is something else"),
        ("f", abs, "with -1.5 a is something else"),
        ("f", lambda f: round(f, 6), "with 1e-09 a is something else"),
        ("f", lambda f: min(f, 100.0), "with 1234.56789 a is something else"),
        ("s", lambda s: s or "none", "with '' a is something else"),
        ("s", str.strip, "with ' A b ' a is something else"),
        ("s", str.lower, "with ' A b ' a is something else"),
        ("s", lambda s: s.rstrip("/"), "with '~/a//B/' a is something else"),
        ("whole", int, "with 0.0 a is something else"),
        ("maybe", lambda maybe: 7 if maybe is None else maybe, "with None a is something else"),
        ("bare", int, "with 0.0 a is something else"),
        ("i", lambda i: 1 // (i != 0) * i, None),  # of a value that it refuses the factory makes no other recipe
        ("maybe", lambda maybe: {"_target_": "builtins.None", "_call_": False} if maybe is None else maybe, None),
    ],
)
def test_a_way_that_a_factory_takes_at_the_edges_is_seen(name: str, way: Callable[[Any], Any], why: str | None) -> None:
    def factory(
        i: int = 4, f: float = 0.25, s: str = "s", whole: float = 1, maybe: int | None = 3, bare: Any = 5
    ) -> None: ...

    defaults = {"i": 4, "f": 0.25, "s": "s", "whole": 1, "maybe": 3, "bare": 5}

    def make(more: Mapping[str, Any]) -> Any:
        return {"_target_": "own.train", "a": way({**defaults, **more}[name])}

    assert look(make({}), make, read(factory, "own.factory"), {}).fixed.get(name) == why


@pytest.mark.parametrize("constant", ["${..opt}", r"\${x}", float("nan")])
def test_what_stays_the_same_is_no_change(constant: Any) -> None:
    """A reference to an object at another place, a text that looks like one, and what is not equal to itself."""

    def make(more: Mapping[str, Any]) -> Any:
        return {"_target_": "own.train", "a": {"i": 1, **more}["i"], "b": constant}

    assert look(make({}), make, read(factory, "own.factory"), {}).places == {"i": [("a",)]}


def by_mode(mode: Literal["a", "b", 3] = "a") -> None:
    """Take one of three."""


@pytest.mark.parametrize(("other", "kept"), [({}, True), ({3: 4}, False), ({"b": "a"}, False)])
def test_of_a_literal_all_choices_are_tried(other: dict[Any, Any], kept: bool) -> None:
    def make(more: Mapping[str, Any]) -> Any:
        mode = more.get("mode", "a")
        return {"_target_": "own.train", "mode": other.get(mode, mode)}

    assert bool(look(make({}), make, read(by_mode, "own.by_mode"), {}).places) is kept


def test_a_file_without_references_says_that_no_factory_makes_it() -> None:
    with pytest.raises(ValidationError, match="_factory_: no factory makes this recipe"):
        apply_edits({"_target_": "own.train", "_factory_": {"a": 1}, "a": 2})
