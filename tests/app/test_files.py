"""Hydra's files under ``nph.main``: what they may hold, and what it gives, is what plain Hydra does with them."""

from __future__ import annotations

import datetime
import importlib
import textwrap
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.compat import follows_references
from tests.support.apps import CONF, SCRIPT, App

pytestmark = pytest.mark.matrix

LISTED = {
    **CONF,
    "config": """
        defaults:
          - _self_
          - optimizers: both
        _target_: shop.train
        _partial_: true
        """,
    "optimizers/both": "- _target_: shop.SGD\n  lr: 0.5\n- _target_: shop.Adam\n",
    "optimizers/one": "- _target_: shop.Adam\n",
    "optimizers/wrong": "- _target_: shop.Adam\n  lrr: 1\n",
    "optimizers/refused": "- _target_: os.system\n",
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("listed"), LISTED)


@pytest.mark.parametrize(
    ("overrides", "shown"),
    [
        ([], "[SGD(lr=0.5, momentum=0.0, nesterov=False), Adam(lr=0.001"),
        (["optimizers.0.lr=2", "optimizers.1.mode=SLOW"], "[SGD(lr=2, momentum=0.0, nesterov=False), Adam("),
        (["optimizers=one"], "[Adam(lr=0.001"),
        (["+_append_.optimizers=[{_target_: shop.SGD}]", "optimizers=one"], "SGD(lr=0.1"),
    ],
    ids=str,
)
def test_an_option_may_be_a_list_of_recipes(listed: App, overrides: list[str], shown: str) -> None:
    done = listed.inline(*overrides)
    assert done.code == 0, done.err
    assert shown in done.result


@pytest.mark.parametrize(
    ("option", "code", "text"),
    [
        ("wrong", 2, "optimizers/wrong.yaml: 0.lrr: Adam has no parameter 'lrr'; did you mean 'lr'?"),
        ("refused", 3, "optimizers/refused.yaml: 0: 'os.system'"),
        ("nope", 2, "there is both, one, refused, wrong"),
    ],
)
def test_what_is_wrong_in_a_list_is_said(listed: App, option: str, code: int, text: str) -> None:
    done = listed.inline(f"optimizers={option}")
    assert done.code == code
    assert text in done.err


def test_the_elements_of_a_list_are_listed(listed: App) -> None:
    done = listed.inline("--cfg-paths=json", "--filter", "optimizers.*.lr")
    assert done.code == 0, done.err
    assert '"path": "optimizers.1.lr"' in done.out
    assert '"override": "optimizers.0.lr=0.5"' in done.out


ODD = {
    "nothing": "",
    "comments": "# nothing\n# else\n",
    "a key": "hello\n",
    "a list": "[1, {a: 2}]\n",
    "no defaults": "defaults: []\na: 1\n",
    "numbers as keys": "1: one\n2: {3: x}\n",
    "an anchor": "x: &a {q: 1}\ny: {<<: *a, z: 2}\n",
    "a document's head": "---\na: 1\n",
    "a package": "# @package over.there\na: 1\n",
    "a spaced package": "\n\n#   @package   over.there  \na: 1\n",
    "the global package": "# @package _global_\na: 1\n",
    "the group's package": "# @package _group_\na: 1\n",
    "a package after a value": "a: 1\n# @package over.there\n",
    "relative defaults": "defaults: [plain, ../other/plain@beside, _self_]\na: 2\n",
    "absolute defaults": "defaults: [/other/plain@_here_, _self_]\na: 2\n",
    "a keyword": "defaults: [{/other@_global_: plain}, _self_]\na: 2\n",
    "optional": "defaults: [{optional /nope: x}, {optional /other@seen: plain}]\na: 2\n",
    "several": "defaults: [{/other@seen: [plain, second]}]\n",
    "_self_ between": "defaults: [plain, _self_, /other/second@_here_]\na: 2\nb: 2\n",
    "no _self_": "defaults: [plain]\na: 2\n",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_a_file_gives_what_plain_hydra_makes_of_it(tmp_path: Path, text: str) -> None:
    conf = {
        "config": "defaults: [{side: plain}, {odd: null}, {other@mixed: '${side}'}, _self_]\nsteps: 1\n",
        "odd/plain": "a: 1\n",
        "side/plain": "s: 1\n",
        "other/plain": "a: 9\nb: 9\n",
        "other/second": "b: 8\nc: 8\n",
    }
    app = App(tmp_path, conf)
    (app.conf / "odd/it.yaml").write_text(text)
    for options in ("it", "[it,plain]", "[plain,it]"):
        if options != "it" and not text.startswith(("a", "#", "\n", "d")):
            continue  # a list and a mapping do not merge, in Hydra neither
        typed, plain = (_data(app, f"odd={options}", typed=typed) for typed in (True, False))
        assert typed == plain


def _data(app: App, *overrides: str, typed: bool) -> Any:
    """Return what a config holds, or why there is none: Hydra 1.4 takes no ``..`` in a defaults list."""
    try:
        return OmegaConf.to_container(app.compose(*overrides, typed=typed), resolve=True)
    except HydraException as error:
        return str(error)


PLACED = {
    "config": """
        defaults: [_self_, {opt@recipe.opt: sgd}]
        paths: {root: "${hydra:runtime.output_dir}", name: "${hydra:job.name}"}
        steps: 4
        recipe:
          _target_: shop.train
          _partial_: true
          steps: ${steps}
          out: ${paths.root}/ck
          name: ${paths.name}
          tags: ${paths}
          model: {_target_: shop.Model, opt: "${recipe.opt}"}
        """,
    "opt/sgd": CONF["opt/sgd"],
}


@pytest.mark.parametrize("line", [[], ["-m", "steps=1,2", "hydra.sweep.dir=out"]], ids=["run", "sweep"])
def test_what_hydra_knows_only_in_the_job_may_be_reached_through_other_values(tmp_path: Path, line: list[str]) -> None:
    app = App(tmp_path, PLACED)
    done = app.inline(*(line or ["hydra.run.dir=here"]))
    assert done.code == 0, done.err
    where = f"{app.folder}/out/1" if line else f"{app.folder}/here"
    assert f"('out', PosixPath('{where}/ck'))" in done.result
    assert "('name', 'apps')" in done.result


def test_references_resolve_to_whatever_they_name(tmp_path: Path) -> None:
    app = App(tmp_path, {})
    whole: dict[str, Any] = {"b": 3, "c": [1], "d": {"e": 1}}
    for named, expected in {"${a.b}": 3, "${a.c}": [1], "${a.d}": {"e": 1}, "${a}": whole}.items():
        app.write(
            "conf/config.yaml", f"a: {{b: 3, c: [1], d: {{e: 1}}}}\nm: {{_target_: shop.Model, opt: '{named}'}}\n"
        )
        config = app.compose()
        assert OmegaConf.to_container(config, resolve=True)["m"]["opt"] == expected  # type: ignore[index,call-overload]
        OmegaConf.resolve(config)
        assert config.m.opt == expected
        assert not OmegaConf.is_interpolation(config.m, "opt")
    done = app.inline("--cfg", "job", "--resolve")
    assert done.code == 0, done.err
    assert "opt:\n    b: 3\n" in done.out


def test_a_target_may_have_a_parameter_named_defaults(tmp_path: Path) -> None:
    module = "def train(steps: int = 1, defaults: int = 2) -> tuple[int, int]:\n    return steps, defaults\n"
    app = App(tmp_path / "app", {"config": "_target_: other.train\n"}, modules={"other": module})
    assert app.run("steps=3").result == "(3, 2)"


def test_what_a_file_sets_at_another_ones_recipe_is_worded_like_an_override(tmp_path: Path) -> None:
    app = App(tmp_path, {**CONF, "experiment/bad": "# @package _global_\nopt: {momentm: 3}\n"})
    done = app.inline("+experiment=bad")
    assert done.code == 2
    assert "In 'experiment/bad': opt.momentm: SGD has no parameter 'momentm'; did you mean 'momentum'?" in done.err


FURTHER = {
    "config": "defaults: [{model: m}, _self_]\n_target_: shop.train\n_partial_: true\n",
    "model/m": "defaults: [{block: small}, _self_]\n_target_: shop.Model\nheads: 2\n",
    "model/plain": "_target_: shop.Model\nheads: 3\n",
    "model/block/small": "_target_: shop.Net\nlayers: 1\n",
    "model/block/big": "_target_: shop.Net\nlayers: 9\n",
    "more/global": "# @package _global_\nmodel: {width: 5}\n",
    "more/below": "# @package model\nwidth: 6\n",
    "more/wrong": "# @package _global_\nmodel: {width: wide}\n",
    "more/mistyped": "# @package _global_\nmodel: {opt: {_target_: shop.SGD, lrr: 1}}\n",
}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ([], "{'heads': 2, 'block': Net(layers=1,"),
        (["model/block=big"], "{'heads': 2, 'block': Net(layers=9,"),
        (["model.block.layers=4"], "{'heads': 2, 'block': Net(layers=4,"),
        (
            ["+more=global"],
            "{'heads': 2, 'block': Net(layers=1, hidden=8, sizes=[], activation=<class 'shop.SGD'>), 'width': 5}",
        ),
        (["+more=below", "model.width=7", "model=plain"], "{'heads': 3, 'width': 7}"),
        (["+more=[global,below]", "~model.heads", "model=plain"], "{'width': 6}"),
        (["+model/block@model.other=big", "model=plain"], "{'heads': 3, 'other': Net(layers=9,"),
    ],
    ids=str,
)
def test_files_give_a_target_further_keywords(tmp_path: Path, line: list[str], shown: str) -> None:
    """A nested group, an overlay, a package: where a target takes any keyword, each of Hydra's ways adds one."""
    app = App(tmp_path, {**FURTHER})
    done = app.inline(*line)
    assert done.code == 0, done.err
    assert shown in done.result


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            ["model.widht=3"],
            "model.widht: Model has no parameter 'widht'; it takes further keywords with +model.widht=",
        ),
        (["model={widht: 3}"], "model.widht: Model has no parameter 'widht'"),
        (["+more=wrong"], "model.width: expected int, got 'wide'"),
        (["+more=mistyped"], "SGD has no parameter 'lrr'; did you mean 'lr'?"),
    ],
    ids=str,
)
def test_the_command_line_says_that_a_keyword_is_a_further_one(tmp_path: Path, line: list[str], text: str) -> None:
    done = App(tmp_path, {**FURTHER}).inline(*line)
    assert done.code == 2
    assert text in done.err


@pytest.mark.parametrize("target", ["Model", "Net"])
def test_a_file_with_a_defaults_list_keeps_its_order(tmp_path: Path, target: str) -> None:
    """Whether the target takes further keywords or not: a node stands where the file has it, and keeps what it sets."""
    files = {
        "config": f"defaults: [_self_, {{side: late}}]\nlr: 1\nmodel: {{_target_: shop.{target}}}\nlast: 2\n",
        "side/late": "x: 1\n",
    }
    app = App(tmp_path, files)
    assert list(app.compose()) == ["lr", "model", "last", "side"]


REFERS = {
    "config": """
        defaults: [{opt: adam}, _self_]
        backup: ${opt}
        recipe: {_target_: shop.train, _partial_: true, opt: "${opt}"}
        """,
    "root": "defaults: [_self_]\n_target_: shop.train\n_partial_: true\nmodel: {_target_: shop.Net}\nopt: ${model}\n",
    "opt/adam": CONF["opt/adam"],
}


@pytest.mark.parametrize("sign", ["", "++"])
@pytest.mark.parametrize(
    ("name", "key", "place", "target"),
    [
        ("config", "backup.lr", "backup", "opt.lr"),
        ("config", "backup.eps", "backup", "opt.eps"),
        ("config", "recipe.opt.betas.0", "recipe.opt", "opt.betas.0"),
        ("root", "opt.layers", "opt", "model.layers"),
    ],
)
def test_overriding_below_a_reference_of_a_file(
    tmp_path: Path, sign: str, name: str, key: str, place: str, target: str
) -> None:
    done = App(tmp_path, REFERS).inline("-cn", name, f"{sign}{key}=3")
    assert done.code == 2
    assert f"{key}: '{place}' is a reference to '{target.partition('.')[0]}'; override {target}= instead" in done.err


@pytest.mark.parametrize("sign", ["", "++"])
def test_a_dict_or_a_list_takes_the_place_of_a_reference(tmp_path: Path, sign: str) -> None:
    app = App(tmp_path, REFERS)
    done = app.run(f"{sign}recipe.opt={{_target_: shop.SGD, lr: 3}}", "+recipe.limit=4", "backup=[1]")
    assert done.code == 0, done.err
    assert "('limit', 4)" in done.out
    assert "('opt', SGD(lr=3" in done.out
    shown = app.run("--cfg", "job", "backup=[1]")
    assert "backup:\n- 1\n" in shown.out


@pytest.mark.parametrize(
    "edit", ["+_replace_={recipe.opt: 3}", "+_delete_=[recipe.opt]", "+_append_.recipe.optimizers=[1]"]
)
def test_edits_of_what_is_no_recipe(tmp_path: Path, edit: str) -> None:
    app = App(tmp_path, REFERS)
    done = app.inline(edit)
    assert done.code == 2
    name = edit[1:].partition("=")[0].partition(".")[0]
    assert (
        f"there is no recipe to edit; for the one at 'recipe' write +recipe.{name}..., with paths below it" in done.err
    )
    assert app.inline("+recipe._delete_=[opt]", "+opt._delete_=[lr]").code == 0


def test_a_sweep_of_dicts_over_a_reference_works_or_is_refused_by_name(tmp_path: Path) -> None:
    done = App(tmp_path, REFERS).run("-m", "recipe.opt={_target_: shop.SGD, lr: 3},{_target_: shop.SGD, lr: 2}")
    if follows_references():
        assert done.code == 0, done.err
        assert "SGD(lr=3" in done.out
    else:
        assert done.code == 2
        assert "recipe.opt: a file has a reference here" in done.err


def test_a_parameter_of_the_recipe_that_is_looked_for_beside_it(tmp_path: Path) -> None:
    app = App(tmp_path, PLACED)
    wrong = app.inline("ratio=0.75")
    assert wrong.code == 2
    assert "ratio: there is no 'ratio' here; did you mean recipe.ratio? To add one here: +ratio=..." in wrong.err
    assert "('ratio', 0.75)" in app.inline("recipe.ratio=0.75").result
    beside = app.inline("+ratio=0.75")
    assert beside.code == 0, "the app's function may read it"
    assert "Note: 'ratio' is added beside the recipe, which does not get it" in beside.err
    assert "the recipe's is recipe.ratio=0.75" in beside.err


@pytest.mark.parametrize("override", ["+seed=3", "+recipe.model.heads=3", "recipe.ratio=1"])
def test_nothing_is_said_of_keys_that_are_no_parameters_of_the_recipe(tmp_path: Path, override: str) -> None:
    done = App(tmp_path, PLACED).inline(override)
    assert (done.code, "Note" in done.err) == (0, False), done.err


def test_a_key_beside_the_recipe_that_the_config_refers_to_is_read(tmp_path: Path) -> None:
    done = App(tmp_path, PLACED).inline("+ratio=0.75", "recipe.ratio=${ratio}")
    assert (done.code, "Note" in done.err) == (0, False), done.err
    assert "('ratio', 0.75)" in done.result


def test_a_frozen_job_refuses_what_nobody_would_read(tmp_path: Path) -> None:
    app = App(tmp_path, PLACED)
    done = app.inline("-m", "+ratio=0.75", "hydra/launcher=freeze", "hydra.sweep.dir=out")
    assert done.code == 2
    assert "the recipe's is recipe.ratio=0.75; a frozen job runs nothing but the recipe" in done.err
    assert not (app.folder / "out").exists()


LAUNCHES = {**CONF, "experiment/sent": "# @package _global_\ndefaults: [{override /hydra/launcher: freeze}]\n"}


def test_a_launcher_that_a_swept_experiment_chooses(tmp_path: Path) -> None:
    app = App(tmp_path, LAUNCHES)
    swept = app.inline("-m", "+experiment=sent,fast", "hydra.sweep.dir=out")
    if hydra.__version__ < "1.4":  # there it runs with the sweep's own
        assert swept.code == 0, swept.err
        assert "Note: hydra/launcher=freeze of the job +experiment=sent is not used" in swept.err
        assert "one, chosen before its jobs: basic" in swept.err
    else:
        assert swept.code == 2
        assert "'hydra/launcher' must be selected before the sweep starts" in swept.err
    alone = app.inline("-m", "+experiment=sent", "steps=1,2", "hydra.sweep.dir=alone")
    assert (alone.code, "Note" in alone.err) == (0, False), alone.err
    assert (app.folder / "alone/1/job.yaml").is_file()


RESOLVER = """
from omegaconf import OmegaConf

OmegaConf.register_new_resolver("twice", lambda value: 2 * value)
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("launcher", ["basic", "freeze"])
def test_the_directories_of_jobs_take_every_resolver(tmp_path: Path, launcher: str) -> None:
    subdir = "${twice:${steps}}_${paths.name}_${hydra:job.num}_${hydra.job.id}_${now:%Y}_${oc.env:NONE,e}"
    app = App(tmp_path / "app", PLACED, script=RESOLVER + SCRIPT)
    with (app.conf / "config.yaml").open("a") as config:
        config.write(f"hydra:\n  sweep: {{dir: 'out', subdir: '{subdir}'}}\n")
    done = app.run("-m", "steps=1,2", f"hydra/launcher={launcher}")
    assert done.code == 0, done.err
    year = datetime.date.today().year
    found = {path.name for path in (app.folder / "out").iterdir() if path.is_dir()}
    assert found == {f"2_app_0_0_{year}_e", f"4_app_1_1_{year}_e"}


EDITED = """
_target_: shop.train
_partial_: true
steps: 5
opt: {_target_: shop.SGD, lr: 0.25}
optimizers: [{_target_: shop.SGD, lr: 3}]
model: {_target_: shop.Model, config: {_target_: shop.Net, layers: 4}}
"""
NEW = "_target_: shop.SGD, lr"
EDITS = (
    f"_replace_: {{model.opt: {{{NEW}: '${{..config.layers}}'}}}}",
    f"_replace_: {{model: {{opt: {{{NEW}: '${{...steps}}', momentum: '${{.lr}}'}}}}}}",
    "_replace_: {opt: '${.steps}'}",
    "_replace_: {model.opt: '${.config}'}",
    "_replace_: {model: {config: {layers: 9}, opt: '${.config.layers}'}}",
    "_replace_: {optimizers.0: '${..opt}'}",
    f"_append_: {{optimizers: [{{{NEW}: '${{..0.lr}}', momentum: '${{...steps}}'}}]}}",
    "_append_: {optimizers: ['${.0}', '${..opt}']}",
    "_append_: {optimizers: '${..opt}'}",
    f"_append_: {{optimizers: [{{{NEW}: 1, momentum: '${{...model.config.layers}}'}}, {{{NEW}: '${{..0.lr}}'}}]}}",
)


@pytest.mark.parametrize("place", ["", "job"])
@pytest.mark.parametrize("edit", EDITS)
def test_a_relative_reference_of_an_edit_counts_from_where_its_node_will_stand(
    tmp_path: Path, edit: str, place: str
) -> None:
    text = f"{EDITED}{edit}\n"
    app = App(tmp_path, {"config": text if not place else "job:\n" + textwrap.indent(text, "  ")})
    with app.here():
        importlib.import_module("shop")
        expected = nph.run(nph.to_config(nph.from_yaml(text, allow=["shop"])), allow=["shop"])
        for config in (app.compose(), app.compose().job if place else app.compose()):
            assert repr(nph.run(config, allow=["shop"])) == repr(expected)
