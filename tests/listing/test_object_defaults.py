"""What lies below a default object is listed with its own defaults, and each listed override of it takes effect."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.error_text import explain
from nemo_partial_hydra.listing.completion import values
from nemo_partial_hydra.listing.record import PathInfo
from tests.support.apps import VERSION_BASE, App
from tests.support.overriding import check_every_path

HERE = "tests.support.deep."
ALLOW = ("tests",)


@pytest.fixture(autouse=True)
def allowed(fresh_workspace: None) -> None:
    from nemo_partial_hydra.runtime import session

    session.workspace().allow.add("tests")


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(tmp_path)
    app.write("conf/deep.yaml", f"_target_: {HERE}train\nnet: {{_target_: {HERE}Net, partial: {{name: n}}}}\n")
    app.write("conf/ends.yaml", f"_target_: {HERE}Left\n")
    return app


def listed(app: App, *overrides: str, name: str = "deep") -> dict[str, PathInfo]:
    config = app.compose(*overrides, name=name, allow=ALLOW)
    return {info.path: info for info in nph.paths(config, allow=ALLOW)}


def test_what_is_below_is_unset_and_has_its_own_default(app: App) -> None:
    found = listed(app)
    heads = found["net.lambda_.heads"]
    assert (heads.value, heads.default, heads.set, heads.kind, heads.override) == (
        5,
        5,
        False,
        "default",
        "net.lambda_.heads=5",
    )
    assert (found["net.att.heads"].value, found["net.att.rope.base"].value) == (4, 10000)
    assert (found["net.many.1.heads"].value, found["net.named.b.base"].value) == (2, 7)
    assert found["net.att"].set is False
    assert "net.att={_target_: ...}" in str(found["net.att"].why_not)


def test_what_comes_with_a_changed_default_is_not_set_by_anybody(app: App) -> None:
    found = listed(app)
    assert (found["net.partial"].set, found["net.partial.name"].set) == (True, True)
    assert (found["net.partial.heads"].value, found["net.partial.heads"].set) == (9, False)


@pytest.mark.parametrize("name", ["deep", "ends"])
def test_every_listed_override_takes_effect(app: App, name: str) -> None:
    count = check_every_path(
        lambda texts: app.compose(*texts, name=name, allow=ALLOW),
        node=f"{HERE}Rope",
        name=f"{HERE}make_rope",
        allow=ALLOW,
    )
    assert count == {"deep": 44, "ends": 4}[name]


def test_an_object_in_itself_is_listed_once_more(app: App) -> None:
    assert list(listed(app, name="ends")) == ["x", "right", "right.y", "right.left", "right.left.x", "right.left.right"]
    assert list(listed(app, "right.left.x=4", name="ends"))[-1] == "right.left.right"


def test_no_listed_override_is_a_mark_where_an_object_could_stand(app: App) -> None:
    app.write("conf/bare.yaml", f"_target_: {HERE}train\n")
    net = listed(app, name="bare")["net"]
    assert (net.override, net.overridable) == (None, False)
    (text,) = re.findall("'(.*)'", str(net.why_not))
    assert listed(app, text, name="bare")["net"].value == {"_target_": f"{HERE}Net"}


def test_where_none_stands_the_listing_says_what_may_be_put_there(app: App) -> None:
    found = listed(app)["net.maybe"]
    assert (found.override, found.choices) == ("net.maybe=null", ({"_target_": f"{HERE}Att"},))
    config = app.compose(name="deep", allow=ALLOW)
    assert values(config, "net.maybe") == [f"{{_target_:{HERE}Att}}", "null"]


@pytest.mark.parametrize("typed", ["net.maybe.heads=3", "net.maybe.sizes=[1,2]", "net.maybe.name=x", "other.depth=4"])
def test_an_override_below_none_names_the_line_that_works(app: App, typed: str) -> None:
    with pytest.raises(Exception, match="Could not override") as caught:
        app.compose(typed, name="deep", allow=ALLOW)
    said = str(explain(caught.value))
    path, _, value = typed.partition("=")
    (line,) = re.findall("'(.*)'", said)
    after = listed(app, line)
    assert str(after[path].value).replace(" ", "") == value.replace(" ", "")


def test_an_override_below_none_of_an_unknown_name_says_so(app: App) -> None:
    with pytest.raises(Exception, match="Could not override") as caught:
        app.compose("net.maybe.head=3", name="deep", allow=ALLOW)
    assert explain(caught.value) == "net.maybe.head: Att has no parameter 'head'; did you mean 'heads'?"


def test_what_is_put_there_can_be_added_to(app: App) -> None:
    put = f"net.maybe={{_target_: {HERE}Att}}"
    with pytest.raises(Exception, match="Could not override") as caught:
        app.compose(put, "net.maybe.heads=3", name="deep", allow=ALLOW)
    assert "+net.maybe.heads=" in str(explain(caught.value))
    assert listed(app, put, "+net.maybe.heads=3")["net.maybe.heads"].value == 3


def test_a_default_that_no_override_may_name(app: App) -> None:
    """The target's own code gives it; a text adds no trust."""
    app.write(
        "shop.py",
        "import http, json\nfrom collections.abc import Callable\nfrom dataclasses import dataclass, field\n\n"
        "@dataclass(frozen=True)\nclass Inner:\n    act: Callable = len\n    many: tuple = (json.dumps, 2)\n"
        "    width: int = 2\n\n"
        "@dataclass\nclass Net:\n    act: Callable = len\n    status: http.HTTPStatus = http.HTTPStatus.OK\n"
        "    many: tuple = ({'a': len, 'b': 3}, 3)\n    plain: Inner = field(default_factory=Inner)\n"
        "    other: Inner = field(default_factory=lambda: Inner(json.dumps))\n    kind: type = dict\n    n: int = 3\n",
    )
    app.write("conf/one.yaml", "_target_: shop.Net\n")
    app.write("app.py", app_text("one"))
    found = {record["path"]: record for record in json.loads(app.run("--cfg-paths=json").out)}
    lacks = "is not allowed: nph.main(allow=["
    assert found["act"]["why_not"] == f"'builtins.len' {lacks}'builtins.len']), or another value: 'act=...'"
    assert found["many.0.b"]["why_not"] == "in a default that no override may name: see 'many'"
    assert found["plain.many"]["why_not"] == f"'json.dumps' {lacks}'json.dumps']), or another value: 'plain.many=...'"
    takes = {path for path, record in found.items() if record["override"] is not None}
    assert takes == {"plain.width", "kind", "n"}
    assert app.run("act=shop.Inner").code == 0
    for record in found.values():
        if record["override"] is not None:
            done = app.run(*shlex.split(record["override"]))
            assert done.code == 0, done.err
    app.write("app.py", app_text("one", "shop", "builtins.len", "json.dumps", "http.HTTPStatus.OK"))
    allowed = {record["path"]: record for record in json.loads(app.run("--cfg-paths=json").out)}
    assert allowed["act"]["override"] == "act=builtins.len"
    for record in allowed.values():
        if record["override"] is not None:
            done = app.run(*shlex.split(record["override"]))
            assert done.code == 0, done.err


def app_text(config: str, *allow: str) -> str:
    """Return an app that runs a recipe."""
    return (
        "import nemo_partial_hydra as nph\n\n"
        f"@nph.main(config_path='conf', config_name='{config}', allow={[*(allow or ('shop',))]})\n"
        "def main(cfg):\n    print('RESULT', nph.run(cfg))\n\nmain()\n"
    )


@pytest.mark.nemo
def test_a_config_as_default_of_a_function_can_be_overridden(fresh_workspace: None) -> None:
    import nemo_run as run
    from omegaconf import OmegaConf

    from tests.support import with_config_defaults as functions
    from tests.support.deep import Point

    nph.store(run.Partial(functions.fit), name="fit")
    with initialize(config_path=None, **VERSION_BASE):
        config: Any = compose("fit")
        assert nph.build(config) == run.Partial(functions.fit)
        OmegaConf.update(config, "point.x", 7)
        OmegaConf.update(config, "points.1.y", 8)
    assert nph.build(config) == run.Partial(
        functions.fit,
        point=run.Config(Point, x=7, y=3),
        points=[run.Config(Point), run.Partial(Point, x=4, y=8)],
    )
