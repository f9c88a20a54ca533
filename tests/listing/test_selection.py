"""``--depth``, ``--search``, ``--filter`` and how they narrow a listing together; the same of the callback."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.listing.selection import Selection
from tests.listing.test_cfg_paths import PLAIN
from tests.support.apps import App, Done


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def printed(done: Done) -> list[dict[str, Any]]:
    """Return the records that were printed as JSON."""
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def listed(app: App, *args: str) -> dict[str, dict[str, Any]]:
    return {record["path"]: record for record in printed(app.inline("--cfg-paths=json", *args))}


def test_a_level_is_shown_and_what_is_below_counted(app: App) -> None:
    whole = listed(app)
    one = listed(app, "--depth", "1")
    assert list(one) == [path for path in whole if "." not in path]
    assert {path: record["below"] for path, record in one.items() if record["below"]} == {
        path: sum(other.startswith(f"{path}.") for other in whole)
        for path in one
        if any(other.startswith(f"{path}.") for other in whole)
    }
    assert sum(1 + record["below"] for record in one.values()) == len(whole)
    assert {**one["model"], "below": 0} == whole["model"]


def test_levels_count_from_the_package(app: App) -> None:
    found = listed(app, "-p", "model", "--depth=1")
    assert list(found) == ["model", "model.config", "model.opt", "model.**kwargs"]
    assert [record["below"] for record in found.values()] == [0, 4, 0, 0]
    assert set(listed(app, "-p", "model.config", "--depth", "1")) == set(listed(app, "-p", "model.config"))
    hydras = listed(app, "-p", "hydra", "--depth", "1")
    assert all(path.count(".") == 1 for path in hydras if hydras[path]["type"] != "config group")
    assert hydras["hydra.job"]["below"] > 5


def test_no_level_is_deeper_than_the_config(app: App) -> None:
    assert listed(app, "--depth", "100") == listed(app)


@pytest.mark.parametrize(
    "args", [("--filter", "*.lr"), ("--set-only",), ("--search", "net"), ("--filter", "*s*", "--set-only")]
)
def test_what_is_counted_is_what_was_asked_for(app: App, args: tuple[str, ...]) -> None:
    whole = listed(app, *args)
    for depth in ("1", "2"):
        cut = listed(app, *args, "--depth", depth)
        own = [path for path in cut if path in whole]
        assert len(own) + sum(record["below"] for record in cut.values()) == len(whole)
        assert all(record["below"] for path, record in cut.items() if path not in whole), "or nothing is below it"


def test_a_table_and_a_tree_say_the_number(app: App) -> None:
    assert "conf/config.yaml:11; 8 paths below" not in app.inline("--cfg-paths").out
    table = app.inline("--cfg-paths", "--depth", "1").out.splitlines()
    (row,) = [line for line in table if line.startswith("model ")]
    assert row.endswith("; 7 paths below")
    assert "model: Optional[Model] = Model  (7 paths below)" in app.inline("--cfg-paths=tree", "--depth", "1").out
    assert (
        app.inline("--cfg-paths", "-p", "model", "--filter", "*.layers", "--depth", "1").out.count("1 path below") == 1
    )


def test_a_sweep_keeps_jobs_apart_that_differ_further_down(app: App) -> None:
    jobs = json.loads(app.inline("-m", "--cfg-paths=json", "--depth", "1", "model.config.layers=3,4,3").out)
    assert [job["job"] for job in jobs] == [0, 1]


def test_a_text_is_found_in_path_type_and_doc_in_any_case(tmp_path: Path) -> None:
    module = '''
    import dataclasses

    @dataclasses.dataclass
    class Part:
        """A part.

        Parameters
        ----------
        speed
            How FAST it warms up.
        colour
            Of its paint.
        """

        speed: int = 1
        colour: str = "red"


    def build(part: Part | None = None, warm: bool = False, other: int = 0) -> None:
        pass
    '''
    app = App(
        tmp_path,
        {"config": "_target_: parts.build\npart: {_target_: parts.Part}\n"},
        script="import nemo_partial_hydra as nph\nmain = nph.app('conf', 'config', allow=['parts'])\n"
        "if __name__ == '__main__':\n    main()\n",
    )
    app.write("parts.py", module)
    app.made = app.files()
    for text, paths in {
        "WARM": ["part.speed", "warm"],
        "part]": ["part"],
        "Colour": ["part.colour"],
        "part.c": ["part.colour"],
    }.items():
        done = app.run("--cfg-paths", "--search", text)
        assert done.code == 0, done.err
        head, *rows, last = done.out.splitlines()
        assert head.startswith("PATH")
        assert [row.split()[0] for row in rows] == paths
        assert last == f"{len(paths)} of 5 paths with '{text}' in path, type or doc"


def test_the_last_line_goes_where_it_spoils_no_data(app: App) -> None:
    for format, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        done = app.inline(f"--cfg-paths={format}", "--search", "lr")
        assert [record["path"] for record in load(done.out)] == ["optimizers.0.lr", "optimizers.1.lr", "opt.lr"]
        assert done.err.startswith("3 of ")
    assert app.inline("--cfg-paths=tree", "--search", "lr").out.splitlines()[-1].startswith("3 of ")
    of_two = app.inline("--cfg-paths", "-p", "optimizers", "--filter", "*.lr", "--search", "1.lr").out
    assert of_two.splitlines()[-1] == "1 of 2 paths with '1.lr' in path, type or doc"


def test_a_sweep_is_searched_as_a_whole(app: App) -> None:
    done = app.inline("-m", "--cfg-paths", "opt=sgd,adam", "-p", "opt", "--search", "betas")
    assert done.code == 0, done.err
    assert "opt.betas.0" in done.out
    assert done.out.splitlines()[-1].startswith("3 of ")
    assert done.out.splitlines()[-1].endswith(" in 2 jobs with 'betas' in path, type or doc")


def test_they_stand_anywhere_on_the_line(app: App) -> None:
    parts = [("--cfg-paths=json",), ("--depth", "1"), ("--search=lr",), ("opt.lr=3",)]
    outs = {app.inline(*itertools.chain.from_iterable(order)).out for order in itertools.permutations(parts)}
    assert len(outs) == 1
    assert [record["below"] for record in json.loads(outs.pop())] == [1, 2]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--depth", "0"), "--depth 0: expected how many levels to show, 1 or more"),
        (("--depth", "x"), "--depth x: expected how many levels to show"),
        (("--depth=-1",), "--depth -1: expected how many levels"),
        (("--depth", "-1"), "--depth -1: expected how many levels"),
        (("--depth=1.5",), "--depth 1.5: expected how many levels"),
        (("--depth=",), "--depth '': expected how many levels"),
        (("--depth", "9" * 5000), "expected how many levels"),
        (("--depth",), "--depth needs a value"),
        (("--search", ""), "--search '': expected a text to look for"),
        (("--search", "  "), "--search '  ': expected a text to look for"),
        (("--search",), "--search needs a value"),
        (("--search", "--set-only"), "--search needs a value"),
        (("--search", "momentun"), "a part of a word is enough; did you mean 'opt.momentum'?"),
        (("--search", "layers", "-p", "opt", "--set-only"), "more are searched without --package opt and --set-only"),
        (("--search", "no where"), "--search 'no where': it is in none of "),
        (("--search", "lr", "--filter", "nope.*"), "--filter 'nope.*': no path matches"),
    ],
)
def test_a_mistake_is_one_message_with_the_way_out(app: App, args: tuple[str, ...], message: str) -> None:
    done = app.inline("--cfg-paths", *args)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not app.left()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("--filter", "momentum"),
            "--filter momentum: no path matches; '*' stands for any text: --filter '*momentum*'",
        ),
        (("--filter", "*.momentun"), "--filter '*.momentun': no path matches; did you mean 'opt.momentum'?"),
        (("--filter", "*.momentum", "--set-only"), "--filter '*.momentum': no path that is set matches"),
    ],
)
def test_a_filter_that_nothing_matches_says_so(app: App, args: tuple[str, ...], message: str) -> None:
    done = app.inline("--cfg-paths=json", *args)
    assert (done.code, done.out) == (0, "[]\n")
    assert message in done.err
    wider = message.rpartition("--filter ")[2].strip("'")
    if wider.startswith("*") and wider.endswith("*"):
        assert listed(app, "--filter", wider)


@pytest.mark.matrix
def test_the_callback_has_the_same_settings(app: App) -> None:
    app.write("plain.py", PLAIN)
    app.made = app.files()

    def done(*settings: str) -> Done:
        texts = [f"hydra.callbacks.cfg_paths.{text}" for text in settings]
        return app.run("hydra/callbacks=cfg_paths", *texts, script="plain.py")

    assert {record["path"]: record["below"] for record in printed(done("format=json", "depth=1"))}["model"] > 0
    found = done("search=HIDDEN")
    assert found.code == 0, found.err
    assert "model.config.hidden" in found.out
    assert found.out.splitlines()[-1].endswith("with 'HIDDEN' in path, type or doc")
    for text, message in {
        "depth=0": "hydra.callbacks.cfg_paths.depth=0: expected how many levels",
        "depth=x": "hydra.callbacks.cfg_paths.depth",
        "search=''": "hydra.callbacks.cfg_paths.search='': expected a text",
        "search=nowhere": "hydra.callbacks.cfg_paths.search=nowhere: it is in none of",
        "package=modle": "hydra.callbacks.cfg_paths.package=modle: there is no node 'modle'",
    }.items():
        wrong = done(text)
        assert wrong.code != 0
        assert message in wrong.err
        assert "ran" not in wrong.out
    narrow = done("search=nowhere", "set_only=true", "filter='*l*'")
    assert "hydra.callbacks.cfg_paths.filter='*l*' and hydra.callbacks.cfg_paths.set_only=true" in narrow.err
    assert not app.left()


names = st.sampled_from("abc")
trees: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({}), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=20
)


def flat(tree: dict[str, Any], path: str = "") -> list[PathInfo]:
    """Return the records of a tree of names, parents before children."""
    out = []
    for name, inner in tree.items():
        here = f"{path}.{name}" if path else name
        out += [PathInfo(here, "int", set=len(here) % 2 == 0), *flat(inner, here)]
    return out


@given(
    trees, st.integers(1, 4), st.booleans(), st.sampled_from([None, "*a*", "*.b"]), st.sampled_from([None, "c", "B."])
)
def test_no_path_is_lost_at_any_depth(
    tree: dict[str, Any], depth: int, set_only: bool, glob: str | None, text: str | None
) -> None:
    records = flat(tree)
    whole = Selection(filter=glob, search=text, set_only=set_only).of(records).records
    found = Selection(filter=glob, search=text, set_only=set_only, depth=depth).of(records).records
    asked = {info.path for info in whole}
    assert [info.path for info in found if info.path in asked] == [
        info.path for info in whole if info.path.count(".") < depth
    ]
    for info in found:
        below = [path for path in asked if path.startswith(f"{info.path}.")]
        assert info.below == (len(below) if info.path.count(".") + 1 == depth else 0)
    assert sum(info.below + (info.path in asked) for info in found) == len(asked)
