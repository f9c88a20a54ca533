"""What a user sees when something is wrong: one message, an exit code, no traceback, nothing left behind."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nemo_partial_hydra as nph
from tests.support.apps import CONF, SCRIPT, App, Done

TRAIN = "_target_: shop.train\n_partial_: true\n"
USAGE, REFUSED = 2, 3


@pytest.fixture(scope="module")
def one_app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"))


@pytest.fixture
def app(one_app: App) -> Iterator[App]:
    """Give every test the same app, without what another test's run has left."""
    yield one_app
    one_app.clean()


def check(app: App, done: Done, *parts: str, code: int = USAGE) -> None:
    """Check a refused run: its code, each part of its message, and that it left nothing."""
    for part in parts:
        assert part in done.err
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "CheckRecipe" not in done.err, "the user did not write this override"
    assert "Warning" not in done.err
    assert not done.result, "the app's function ran"
    assert app.left() == set()


OVERRIDES: list[tuple[str, list[str]]] = [
    ("stepz=3", ["Error: stepz: train has no parameter 'stepz'; did you mean 'steps'?"]),
    ("optimizers.1.lrr=3", ["optimizers.1.lrr: Adam has no parameter 'lrr'; did you mean 'lr'?"]),
    ("model.config.layer=3", ["model.config.layer: Net has no parameter 'layer'; did you mean 'layers'?"]),
    ("steps=abc", ["Error: steps: expected int, got 'abc'"]),
    ("steps=1.5", ["steps: expected int, got 1.5"]),
    ("steps=null", ["steps: expected int, got None"]),
    ("ratio=true", ["ratio: expected float, got True"]),
    ("tags=3", ["tags: expected dict[str, Any], got 3"]),
    ("model=3", ["model: expected Model", "got 3"]),
    ("deadline=soon", ["deadline: expected timedelta", "0:30:00", "'soon'"]),
    ("model.config.sizes=[1,x]", ["model.config.sizes.1: expected int, got 'x'"]),
    ("optimizers.0={_target_: shop.SGD, lr: x}", ["optimizers.0.lr: expected float, got 'x'"]),
    ("optimizers=[{_target_: shop.SGD, lr: x}]", ["optimizers.0.lr: expected float, got 'x'"]),
    ("optimizers=[{_target_: shop.SGD, lrr: 1}]", ["optimizers.0.lrr: SGD has no parameter 'lrr'; did you mean 'lr'?"]),
    ("optimizers.1.mode=SLW", ["optimizers.1.mode: expected Mode (FAST, SLOW), did you mean 'SLOW'?, got 'SLW'"]),
    ("optimizers.1.kind=c", ["optimizers.1.kind: expected Literal['a', 'b'], got 'c'"]),
    ("optimizers.1.act=relu", ["optimizers.1.act: expected Callable", "dotted name", "'relu'"]),
    ("optimizers.5.lr=1", ["optimizers.5: index 5 is out of range: the list has 2 elements"]),
    ("optimizers.x.lr=1", ["optimizers", "x"]),
    ("optimizers.1.betas.2=0.1", ["optimizers.1.betas.2: index 2 is out of range: the list has 2 elements"]),
    ("optimizers.1.betas=[0.1]", ["optimizers.1.betas: expected tuple[float, float] with 2 elements, got 1"]),
    ("optimizers.1.betas.0=x", ["optimizers.1.betas.0: expected float, got 'x'"]),
    ("+opt.foo=3", ["opt.foo: SGD has no parameter 'foo'"]),
    ("++opt.foo=3", ["opt.foo: SGD has no parameter 'foo'"]),
    ("+foo=3", ["foo: train has no parameter 'foo'"]),
    ("+model.heads=x", ["model.heads: expected int, got 'x'"]),
    ("model.heads=3", ["model.heads: Model has no parameter 'heads'", "+model.heads="]),
    ("+opt.lr=4", ["opt.lr", "++opt.lr=4"]),
    ("~nope", ["nope", "does not exist"]),
    ("~opt.lr=7", ["Could not delete from config. The value of 'opt.lr' is", "and not 7"]),
    ("~opt.momentum", ["opt.momentum: nothing sets it, so there is nothing to delete"]),
    ("~opt._target_", ["opt._target_: it says what the recipe is, and cannot be deleted"]),
    ("opt=adm", ["Could not find 'opt/adm'", "adam", "did you mean 'adam'?"]),
    ("opt=null", ["opt: a config group takes the name of an option, not null", "~opt"]),
    ("+experiment=fst", ["Could not find 'experiment/fst'", "fast"]),
    ("+exp=fast", ["exp: train has no parameter 'exp'"]),
    ("opt@nope=adam", ["Could not override 'opt@nope'"]),
    ("steps", ["Error parsing override 'steps'"]),
    ("steps=[", ["no viable alternative at input '['"]),
    ("steps=${nope}", ["steps: Interpolation key 'nope' not found"]),
    ("steps=${steps}", ["steps: Recursive interpolation detected"]),
    ("name=${oc.env:NO_SUCH_VARIABLE}", ["name", "NO_SUCH_VARIABLE"]),
    ("opt={_target_: shop.Adm}", ["opt: 'shop' has no 'Adm' (from 'shop.Adm'); did you mean 'Adam'?"]),
    ("opt.lr.x=3", ["opt.lr"]),
    ("opt._target_=3", ["opt._target_: expected a dotted name, got 3"]),
    ("optimizers.0={_target_: [a]}", ["optimizers.0._target_: expected a dotted name, got ['a']"]),
    ("+_append_.steps=[1]", ["steps: expected int"]),
    ("+_delete_=[optimizers.7]", ["_delete_.optimizers.7: index 7 is out of range: 'optimizers' has 2 elements"]),
    ("+_delete_=3", ["_delete_: expected a list of paths like opts.0, got 3"]),
    ("+_replace_=[3]", ["_replace_: expected a mapping"]),
    ("+opt._append_.lr=3", ["opt._append_.lr: 'lr' is no list"]),
    ("+_delete_=[optimizerz.0]", ["there is no 'optimizerz'; did you mean 'optimizers'?"]),
    ("hydra.searchpath=nope", ["hydra.searchpath must be a list of strings. Got: nope"]),
    ("hydra.searchpath=[nope]", ["hydra.searchpath", "nope"]),
    ("hydra.searchpth=[x]", ["hydra.searchpth", "did you mean 'searchpath'?"]),
    ("hydra/launcher=nope", ["Could not find 'hydra/launcher/nope'", "basic"]),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("override", "parts"), OVERRIDES, ids=[case[0] for case in OVERRIDES])
def test_a_wrong_override(app: App, override: str, parts: list[str]) -> None:
    check(app, app.inline(override), *parts)


PAIRS: list[tuple[list[str], list[str]]] = [
    (["steps=${limit}", "limit=${steps}"], ["Recursive interpolation"]),
    (["opt.lr=${.momentum}", "+foo=3"], ["foo: train has no parameter 'foo'"]),
    (["model.opt=${opt}", "model.opt.lr=3"], ["model.opt.lr: 'model.opt' is a reference to 'opt'", "opt.lr="]),
    (["model.opt=${opt}", "++model.opt.lr=3"], ["model.opt.lr: 'model.opt' is a reference to 'opt'", "opt.lr="]),
    (["opt={_target_: shop.Adam}", "opt.mode=SLOW"], ["opt.mode", "+opt.mode="]),
    (["opt={_target_: shop.Adam}", "+opt.mode=SLW"], ["opt.mode: expected Mode (FAST, SLOW)"]),
    (["+foo=3", "+bar=4", "steps=1"], ["2 problems", "foo: train has no", "bar: train has no"]),
    (["-cn", "confg"], ["Cannot find primary config 'confg'", "config"]),
    (["--config-dir", "nope"], ["--config-dir: there is no directory 'nope'"]),
    (["--config-dir=nope"], ["--config-dir: there is no directory 'nope'"]),
    (["--config-dir"], ["--config-dir"]),
    (["--nope"], ["unrecognized arguments: --nope"]),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("args", "parts"), PAIRS, ids=[" ".join(case[0]) for case in PAIRS])
def test_a_wrong_command_line(app: App, args: list[str], parts: list[str]) -> None:
    check(app, app.inline(*args), *parts)


REFERENCE = f"{TRAIN}opt: ${{model.opt}}\nmodel: {{_target_: shop.Model, opt: {{_target_: shop.SGD}}}}\n"
FILES: list[tuple[str, str, str, list[str]]] = [
    ("duplicate", "config", f"{TRAIN}steps: 3\nsteps: 4\n", ["config.yaml, line 4, column 1: duplicate key 'steps'"]),
    ("in an option", "opt/sgd", "_target_: shop.SGD\nlr: 1\nlr: 2\n", ["opt/sgd.yaml, line 3", "duplicate key 'lr'"]),
    (
        "python tag",
        "config",
        f"{TRAIN}name: !!python/object/apply:os.system [ls]\n",
        ["config.yaml, line 3", "refused"],
    ),
    ("unknown tag", "config", f"{TRAIN}name: !foo 3\n", ["config.yaml, line 3", "the tag '!foo' is refused"]),
    (
        "target no text",
        "config",
        f"{TRAIN}opt: {{_target_: 3}}\n",
        ["config.yaml: opt._target_: expected a dotted name, got 3"],
    ),
    ("root target no text", "config", "_target_: 3\n", ["config.yaml: _target_: expected a dotted name, got 3"]),
    ("unknown name", "config", f"{TRAIN}stepz: 3\n", ["config.yaml: stepz: train has no", "did you mean 'steps'?"]),
    ("wrong type", "opt/sgd", "_target_: shop.SGD\nlr: x\n", ["opt/sgd.yaml: lr: expected float, got 'x'"]),
    (
        "bad enum",
        "config",
        f"{TRAIN}opt: {{_target_: shop.Adam, mode: FST}}\n",
        ["opt.mode: expected Mode (FAST, SLOW)"],
    ),
    ("tuple", "config", f"{TRAIN}opt: {{_target_: shop.Adam, betas: [1]}}\n", ["opt.betas", "with 2 elements, got 1"]),
    ("no such name", "config", f"{TRAIN}opt: {{_target_: shop.Adm}}\n", ["opt: ", "'shop' has no 'Adm'", "'Adam'?"]),
    ("no such name there", "opt/sgd", "_target_: shop.SG\n", ["opt: ", "'shop' has no 'SG'", "did you mean 'SGD'?"]),
    ("module missing", "config", f"{TRAIN}opt: {{_target_: shop.no.X}}\n", ["opt: ", "'shop' has no 'no'"]),
    (
        "missing argument",
        "config",
        "_target_: shop.need\n_partial_: true\n",
        ["size: need requires it (int); set size="],
    ),
    ("missing below", "config", "job: {_target_: shop.need, _partial_: true}\n", ["job.size: need requires it (int)"]),
    ("marked missing", "config", "_target_: shop.need\n_partial_: true\nsize: ???\n", ["size", "int", "required"]),
    ("cycle", "config", f"{TRAIN}name: ${{name}}\n", ["name: Recursive interpolation detected"]),
    ("unknown key", "config", f"{TRAIN}name: ${{nope}}\n", ["name: Interpolation key 'nope' not found"]),
    ("alias loop", "config", f"{TRAIN}name: &a [*a]\n", ["config.yaml, line 3", "a reference loop"]),
    ("half written", "config", f"{TRAIN}steps: [1, 2", ["config.yaml, line ", "expected ',' or ']'"]),
    ("no mapping", "config", "- a\n- b\n", ["config.yaml: a config file is a mapping, got a list"]),
    ("no mapping either", "config", "3\n", ["config.yaml: a config file is a mapping or a list, got 3"]),
    ("control character", "config", f"{TRAIN}name: \0\n", ["config.yaml", "unacceptable character"]),
    ("bad defaults", "config", f"defaults: 3\n{TRAIN}", ["config", "defaults"]),
    ("a number for a default", "config", f"defaults: [3]\n{TRAIN}", ["config.yaml: defaults: Unsupported type: int"]),
    ("two keys", "config", f"defaults: [{{a: b, c: d}}]\n{TRAIN}", ["config.yaml: defaults: Too many keys in default"]),
    (
        "override before a list",
        "config",
        f"defaults: [{{override opt: [sgd]}}, {{opt: [sgd, adam]}}, _self_]\n{TRAIN}",
        ["in config: 'override opt' stands before 'opt' in the defaults list; overrides must be at its end"],
    ),
    ("unknown default", "config", f"defaults: [_self_, {{opt: nope}}]\n{TRAIN}", ["'opt/nope'", "adam", "sgd"]),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "text", "parts"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_wrong_file(tmp_path: Path, name: str, text: str, parts: list[str]) -> None:
    app = App(tmp_path, {**CONF, name: text})
    done = app.inline()
    check(app, done, *parts)


@pytest.mark.parametrize("override", ["opt.lr=3", "++opt.lr=3", "+opt.lrr=3", "~opt.lr"])
def test_an_override_below_a_reference_names_the_place_to_override(tmp_path: Path, override: str) -> None:
    app = App(tmp_path, {"config": REFERENCE})
    check(app, app.inline(override), "'opt' is a reference to 'model.opt'", "override model.opt.lr")
    assert app.called("model.opt.lr=3")["opt"].lr == 3


def test_a_missing_module_is_named_with_its_place(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": f"{TRAIN}opt: {{_target_: no_such_module.X}}\n"})
    done = app.inline(allow=("shop", "no_such_module"))
    check(app, done, "opt: ", "no module 'no_such_module' is installed here")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    app = App(tmp_path)
    (app.conf / "opt/sgd.yaml").write_bytes(b"\xff\xfe\x00abc")
    check(app, app.inline(), "opt/sgd.yaml", "utf-8")


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(tmp_path)
    target = app.conf / "opt/sgd.yaml"
    target.chmod(0)
    if os.geteuid() == 0:  # root reads every file: what it would have been told stands in for the file's mode
        from nemo_partial_hydra.dialect import yaml

        def refuse(path: str, *args: Any, **kwargs: Any) -> Any:
            if str(path) == str(target):
                raise PermissionError(13, "Permission denied", str(path))
            return open(path, *args, **kwargs)

        monkeypatch.setattr(yaml, "open", refuse, raising=False)
    check(app, app.inline(), "opt/sgd.yaml", "Permission denied")


def test_several_recipes_are_listed(tmp_path: Path) -> None:
    one, other = "{_target_: shop.train, _partial_: true}", "{_target_: shop.need, _partial_: true, size: 1}"
    app = App(tmp_path, {"config": f"a: {one}\nb: {other}\n"})
    done = app.inline()
    assert (done.code, done.result) == (USAGE, "")
    assert "the config has several recipes (a, b); say which one with nph.main(recipe='a')" in done.err
    assert "Traceback" not in done.err
    assert app.inline(recipe="b").result == "1 red"


def test_no_recipe(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "a: 1\n"})
    done = app.inline()
    assert (done.code, done.result) == (USAGE, "")
    assert "the config has no recipe: neither its root nor a top-level node has _target_" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("recipe", ["a", "nope"])
def test_the_recipe_that_main_names_is_missing(tmp_path: Path, recipe: str) -> None:
    app = App(tmp_path, {"config": "a: 1\nb: {_target_: shop.SGD}\n"})
    check(app, app.inline(recipe=recipe), f"'{recipe}' is no recipe")


POLICY = [
    ("os.system", "nph.main(allow=['os.system'])"),
    ("subprocess.Popen", "nph.main(allow=['subprocess.Popen'])"),
    ("builtins.eval", "nph.main(allow=['builtins.eval'])"),
    ("somebody.train", "nph.main(allow=['somebody'])"),
    ("shop._hidden", "allow=['shop._hidden']"),
    ("shop.enum.Enum", "allow=['enum.Enum']"),
    ("torch.load", "allow=['torch.load']"),
]


@pytest.mark.parametrize(("target", "line"), POLICY)
@pytest.mark.parametrize("where", ["file", "override"])
def test_the_policy_refuses(tmp_path: Path, target: str, line: str, where: str) -> None:
    text = f"{{_target_: {target}}}"
    app = App(tmp_path, {"config": TRAIN + (f"opt: {text}\n" if where == "file" else "")})
    done = app.inline() if where == "file" else app.inline(f"opt={text}")
    check(app, done, f"'{target}'", line, *(["opt"] if target != "shop.enum.Enum" else []), code=REFUSED)


def test_all_refusals_at_once(tmp_path: Path) -> None:
    conf = f"{TRAIN}opt: {{_target_: os.system}}\nmodel: {{_target_: shop.Model, opt: {{_target_: os.popen}}}}\n"
    app = App(tmp_path, {"config": conf})
    check(app, app.inline(), "2 targets are refused", "opt: 'os.system'", "model.opt: 'os.popen'", code=REFUSED)


def test_nothing_refused_is_imported(tmp_path: Path) -> None:
    app = App(
        tmp_path,
        {"config": f"{TRAIN}opt: {{_target_: evil.Bad}}\n"},
        script=SCRIPT.replace("nph.main(", "nph.main(allow=['shop'], "),
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/evil.py").write_text("open('imported', 'w').close()\n")
    app.made = app.files()
    done = app.run(env={"PYTHONPATH": f"{app.environment()['PYTHONPATH']}{os.pathsep}{tmp_path / 'elsewhere'}"})
    check(app, done, "'evil.Bad' is not in an allowed package", code=REFUSED)


# Registration


def test_a_name_registered_twice(fresh_workspace: None) -> None:
    import functools

    nph.store(functools.partial(print), group="opt", name="one")
    with pytest.raises(
        nph.RegistrationError, match=r"the recipe 'opt/one' is registered twice: at .*:\d+ and at .*:\d+"
    ):
        nph.store(functools.partial(print), group="opt", name="one")


@pytest.mark.parametrize("name", ["a b", "a=b", "a,b", "a/b", "${x}", "a@b", "~a"])
def test_an_impossible_name(fresh_workspace: None, name: str) -> None:
    with pytest.raises(nph.RegistrationError, match="cannot name a config group option"):
        nph.recipe(group="opt", name=name)(dict)


def test_a_factory_that_gives_no_recipe(app: App, fresh_workspace: None) -> None:
    @nph.recipe(group="opt")
    def bad() -> Any:
        return lambda: None

    check(app, app.inline("opt=bad"), "the recipe 'opt/bad' (registered at tests.composition.test_error_text:")


def test_a_factory_that_fails(app: App, fresh_workspace: None) -> None:
    @nph.recipe(group="opt")
    def bad() -> Any:
        return ast.literal_eval("{")  # its last lines are of others

    line = bad.__code__.co_firstlineno + 2
    here = "tests.composition.test_error_text"
    message = f"Error: the recipe 'opt/bad' (registered at {here}:{line - 2}): its factory raised SyntaxError: '{{' was"
    for arguments in (["opt=bad"], ["opt=bad", "--cfg-paths"], ["-m", "opt=adam,bad"]):
        check(app, app.inline(*arguments), message, f"(at {here}:{line})")


def test_a_factory_that_lacks_a_package(app: App, fresh_workspace: None) -> None:
    @nph.recipe(group="opt")
    def bad() -> Any:
        raise ModuleNotFoundError("No module named 'fiddle'", name="fiddle")

    check(app, app.inline("opt=bad"), "making it needs fiddle, which is not here; pip install")


def test_a_recipe_with_a_value_that_has_no_text_form(app: App, fresh_workspace: None) -> None:
    import functools

    nph.store(functools.partial(dict, values=[lambda: None]), group="opt", name="bad")
    message = "the recipe 'opt/bad' (registered at tests.composition.test_error_text:"
    check(app, app.inline("opt=bad"), message, "values.0")


# Sweeps


def test_all_bad_jobs_of_a_sweep_are_named(app: App) -> None:
    done = app.inline("-m", "steps=1,x,y", "opt=sgd,adam")
    check(
        app,
        done,
        "steps: expected int, got 'x'\n  in steps=x opt=sgd; steps=x opt=adam\n",
        "steps: expected int, got 'y'\n  in steps=y opt=sgd; steps=y opt=adam\n",
    )
    assert "Launching" not in done.out


SWEEPS: list[tuple[list[str], list[str]]] = [
    (["opt=sgd,nope"], ["'opt/nope'", "in opt=nope"]),
    (["opt=sgd,adam", "opt.momentum=1"], ["opt.momentum: Adam has no parameter 'momentum'", "opt=adam"]),
    (["steps=1,2", "stepz=1"], ["stepz: train has no parameter 'stepz'"]),
    (["steps=interval(1,3)"], ["a grid sweep needs discrete values"]),
    (["+_append_.optimizers=[{_target_: shop.SGD}],[{_target_: shop.SGD, lrr: 1}]"], ["optimizers.2.lrr: SGD has no"]),
    (
        ["+_delete_=[optimizers.1],[optimizers.2]"],
        ["optimizers.2: index 2 is out of range", "in +_delete_=[optimizers.2]"],
    ),
    (["steps=1,${nope}"], ["steps", "Interpolation key 'nope' not found"]),
    (["opt._target_=shop.SGD,shop.Adm"], ["'shop' has no 'Adm'", "in opt._target_=shop.Adm"]),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("args", "parts"), SWEEPS, ids=[" ".join(case[0]) for case in SWEEPS])
def test_a_wrong_sweep_launches_nothing(app: App, args: list[str], parts: list[str]) -> None:
    done = app.inline("-m", *args)
    check(app, done, *parts)
    assert "Launching" not in done.out


def test_a_refused_job_of_a_sweep(app: App) -> None:
    done = app.inline("-m", "opt._target_=shop.SGD,os.system")
    check(app, done, "os.system", "in opt._target_=os.system", code=REFUSED)


# Whole processes


def test_a_mistake_in_a_process_of_its_own(app: App) -> None:
    check(
        app, app.run("optimizers.1.lrr=3"), "Error: optimizers.1.lrr: Adam has no parameter 'lrr'; did you mean 'lr'?\n"
    )


@pytest.mark.parametrize("override", ["steps=abc", "+foo=3"])
def test_full_error_shows_the_stack(app: App, override: str) -> None:
    done = app.run(override, env={"HYDRA_FULL_ERROR": "1"})
    assert "Traceback (most recent call last)" in done.err
    assert override.partition("=")[0].lstrip("+") in done.err
    assert done.code != 0
    assert app.left() == set()


FAILING = {"config": "_target_: shop.fail\n_partial_: true\n"}


def test_the_payloads_own_exception(tmp_path: Path) -> None:
    done = App(tmp_path, FAILING).run("message=boom")
    assert done.code == 1
    assert "LookupError: boom" in done.err
    for line in ("app.py", "shop.py", "in fail", "raise LookupError(message)"):
        assert line in done.err
    assert "site-packages/hydra" not in done.err, "Hydra's frames are not the user's"
    assert "HYDRA_FULL_ERROR" not in done.err or "Set the environment variable" in done.err


def test_the_apps_own_exception_of_hydras_kind_is_no_usage_error(tmp_path: Path) -> None:
    script = SCRIPT.replace("result = nph.run(cfg)", "import os; print(os.environ.get('HYDRA_FULL_ERROR')); cfg.nope")
    done = App(tmp_path, script=script).run()
    assert (done.code, done.out.strip()) == (1, "None")
    assert "nope" in done.err
    assert "app.py" in done.err


def test_interrupt(tmp_path: Path) -> None:
    wait = "import signal\n\ndef wait():\n    print('ready', flush=True)\n    signal.pause()\n"
    app = App(tmp_path, {"config": "_target_: waiting.wait\n_partial_: true\n"}, modules={"waiting": wait})
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=app.folder,
        env=app.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "Interrupted."


def test_interrupt_of_a_sweep_starts_no_further_job(tmp_path: Path) -> None:
    wait = "import signal\n\ndef wait(job=0):\n    print('ready', flush=True)\n    signal.pause()\n"
    app = App(tmp_path, {"config": "_target_: waiting.wait\n_partial_: true\n"}, modules={"waiting": wait})
    process = subprocess.Popen(
        [sys.executable, "app.py", "-m", "job=1,2", "hydra/hydra_logging=none", "hydra/job_logging=none"],
        cwd=app.folder,
        env=app.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nope=1", "nope: there is no 'nope'; to add it: +nope=1\n"),
        ("nope='a b'", "nope: there is no 'nope'; to add it: \"+nope='a b'\"\n"),
        ("d={a: 5}", "d.a: there is no 'a'; to add it: '+d={a:"),
        ("d.a=[1]", "d.a: there is no 'a'; to add it: '+d.a=[1]'\n"),
    ],
)
def test_what_is_added_is_named_with_its_value(tmp_path: Path, override: str, said: str) -> None:
    app = App(tmp_path, {"config": "d: {b: 1}\n"})
    check(app, app.inline(override), f"Error: {said}")


@pytest.mark.matrix
def test_a_file_of_another_ending_is_named_where_hydra_refuses_it(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "x: 1\n", "db/a": "y: 1\n"})
    app.write("conf/db/b.yml", "y: 2\n")
    done = app.inline("+db=b")
    assert done.code == USAGE
    assert "Could not find 'db/b'" in done.err or done.err.startswith("Error: db/b.yml: Unsupported config file"), (
        done.err
    )


def test_a_dict_where_assertions_are_off(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "steps: 1\nd: {b: 1}\n"})
    done = app.run("--cfg", "job", "d={b: 5}", env={"PYTHONOPTIMIZE": "1"})
    if done.code:  # which Hydra 1.3 cannot read then
        assert done.err.startswith(
            "Error: Hydra reads a dict on the command line only where Python's assertions are on"
        )
        done = app.run("--cfg", "job", "d.b=5", env={"PYTHONOPTIMIZE": "1"})
    assert (done.code, "b: 5" in done.out) == (0, True), done.err


def test_a_resolver_that_only_the_apps_function_registers(tmp_path: Path) -> None:
    script = """
    from omegaconf import OmegaConf

    import nemo_partial_hydra as nph


    @nph.main("conf", "config")
    def main(cfg):
        OmegaConf.register_new_resolver("double", lambda x: 2 * x)
        print(nph.run(cfg))


    main()
    """
    done = App(tmp_path, {"config": "_target_: shop.relu\n_partial_: true\nx: ${double:2}\n"}, script=script).run()
    says = "x: ${double:2}: there is no resolver 'double' yet; register it where the module is imported"
    assert (done.code, done.out, says in done.err) == (2, "", True), done.err
