"""One gate, at the end: what is called is approved as it is then, whatever way a value came by."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.errors import PolicyError
from nemo_partial_hydra.export import check
from tests.support import jobs, laws
from tests.support.apps import App
from tests.support.attacked import Stack, importable


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with importable(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture(autouse=True)
def _fresh(fresh_workspace: None) -> None:
    """Nothing was captured yet, so nothing is trusted yet."""


SPEC = "megatron.core.transformer.spec_utils.ModuleSpec"
SHOP = "gate_shop"
EVIL = ("evil_of_gate", "touch")
GOOD = ("megatron.core.transformer.spec_utils", "Linear")
Pair = tuple[str, str]
Data = dict[str, Any]


def train(**arguments: Any) -> Data:
    return {"_target_": f"{SHOP}.train", "_partial_": True, **arguments}


def spec(**arguments: Any) -> Data:
    return {"_target_": SPEC, **arguments}


def shape(kind: str, items: Any) -> Data:
    return {"_target_": f"builtins.{kind}", "_args_": [items]}


# By which way two harmless texts become the name of what is imported: the recipe for a pair.
WAYS: dict[str, Callable[[Pair], Data]] = {
    "a list": lambda p: train(spec=spec(module=[*p])),
    "a tuple": lambda p: train(spec=spec(module=shape("tuple", [*p]))),
    "a reference beside it": lambda p: train(spec=spec(params={"innocent": [*p]}, module="${.params.innocent}")),
    "a reference from the root": lambda p: train(others={"innocent": [*p]}, spec=spec(module="${others.innocent}")),
    "a reference to a reference": lambda p: train(
        a=[*p], b="${.a}", c="${.b}", spec=spec(module="${..c}"), more=[spec(module="${...b}")]
    ),
    "a reference through one": lambda p: train(a={"x": {"y": [*p]}}, b="${.a.x}", spec=spec(module="${..b.y}")),
    "references for its parts": lambda p: train(a=p[0], b=p[1], spec=spec(module=["${...a}", "${...b}"])),
    "a reference to a tuple": lambda p: train(a=shape("tuple", [*p]), spec=spec(module="${..a}")),
    "a reference into a list": lambda p: train(a=[1, [*p]], spec=spec(module="${..a.1}")),
    "a reference in a nested spec": lambda p: train(
        spec=spec(module={"_target_": GOOD[0] + "." + GOOD[1], "_call_": False}, submodules=spec(module="${...a}")),
        a=[*p],
    ),
    "a reference to the whole spec": lambda p: train(a=[spec(module="${..1}"), [*p]], spec="${.a.0}"),
    "a positional argument": lambda p: train(spec=spec(_args_=[[*p]])),
    "a reference as one": lambda p: train(a=[*p], spec=spec(_args_=["${...a}"])),
    "an edit that appends": lambda p: train(
        spec=spec(params={"i": [p[0]]}, module="${.params.i}"), _append_={"spec.params.i": [p[1]]}
    ),
    "an edit that appends to it": lambda p: train(spec=spec(module=[p[0]]), _append_={"spec.module": [p[1]]}),
    "an edit that replaces": lambda p: train(spec=spec(module=None), _replace_={"spec.module": [*p]}),
    "an edit that deletes": lambda p: train(spec=spec(module=["x", *p]), _delete_=["spec.module.0"]),
    "an edit that puts a spec": lambda p: train(_replace_={"spec": spec(module=[*p])}),
    "a change of a default": lambda p: train(spec={"_target_": f"{SHOP}.Layer", "spec": {"module": [*p]}}),
    "a reference in a default": lambda p: train(
        spec={"_target_": f"{SHOP}.Layer", "spec": {"module": "${..extra}"}, "extra": [*p]}
    ),
    "a spec under another name": lambda p: train(spec={"_target_": f"{SHOP}.Renamed", "module": [*p]}),
    "a class made of it": lambda p: train(spec={"_target_": f"{SHOP}.Custom", "module": [*p]}),
    "a class made of it, by position": lambda p: train(spec={"_target_": f"{SHOP}.Custom", "_args_": [[*p]]}),
    "a partial": lambda p: train(spec={**spec(module=[*p]), "_partial_": True}),
    "a partial with a reference": lambda p: train(a=[*p], spec={**spec(module="${..a}"), "_partial_": True}),
    "a dict of pairs": lambda p: train(more=shape("dict", [["k", spec(module=[*p])]])),
    "keys of a dict": lambda p: train(spec=spec(module={p[0]: 1, p[1]: 2})),
    "a list in raw strings": lambda p: train(spec=spec(module=[shape("str", p[0]), shape("str", p[1])])),
}
# What only the call itself tells: a list that another call makes.
MADE: dict[str, Callable[[Pair], Data]] = {
    "a list that a call makes": lambda p: train(spec=spec(module={"_target_": f"{SHOP}.pair", "_args_": [*p]})),
    "texts that calls make": lambda p: train(
        spec=spec(module=[{"_target_": f"{SHOP}.text", "value": part} for part in p])
    ),
    "a shared list that a call makes": lambda p: train(
        a={"_target_": f"{SHOP}.pair", "_args_": [*p]}, spec=spec(_args_=["${...a}"])
    ),
}


TREE = [way for way in WAYS if not ("class made" in way or "another" in way)]
"""What the tree tells without the objects that it names."""


def _run(data: Data) -> Any:
    return nph.run(data, allow=[SHOP])


def _build(data: Data) -> Any:
    return nph.build(data, allow=[SHOP])


def _text(data: Data) -> Any:
    return nph.from_yaml(yaml.safe_dump(data, sort_keys=False), allow=[SHOP])


def _config(data: Data) -> Any:
    return nph.run(OmegaConf.create({"job": data}), allow=[SHOP])


ENTRIES: dict[str, Callable[[Data], Any]] = {"run": _run, "build": _build, "from_yaml": _text, "config": _config}


def placed_in(entry: str, data: Data) -> Data:
    """Return the data with references from the root as they are written in a config whose recipe is ``job``."""
    text = yaml.safe_dump(data, sort_keys=False)
    return data if entry != "config" else yaml.safe_load(text.replace("${others", "${job.others"))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("way", WAYS)
def test_two_texts_are_a_name_where_they_are_used_as_one(stack: Stack, way: str, entry: str) -> None:
    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        ENTRIES[entry](placed_in(entry, WAYS[way](EVIL)))
    assert not stack.mark.exists()
    assert ENTRIES[entry](placed_in(entry, WAYS[way](GOOD))) is not None


@pytest.mark.parametrize("entry", ["run", "config"])
@pytest.mark.parametrize("way", MADE)
def test_what_a_call_makes_is_looked_at_before_the_next_one(stack: Stack, way: str, entry: str) -> None:
    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        ENTRIES[entry](MADE[way](EVIL))
    assert not stack.mark.exists()
    assert ENTRIES[entry](MADE[way](GOOD)) == "trained"


@pytest.mark.parametrize("way", [*WAYS, *MADE])
def test_the_runner_in_the_image_refuses_it_too(stack: Stack, tmp_path_factory: Any, way: str) -> None:
    from nemo_partial_hydra.dialect.edits import apply_edits
    from nemo_partial_hydra.jobs.runner import Options, run_job

    for pair, right in ((EVIL, False), (GOOD, True)):
        data = apply_edits({**WAYS, **MADE}[way](pair))
        paths = jobs.frozen(tmp_path_factory.mktemp("job") / "0", data)
        if right:
            assert run_here(functools.partial(run_job, paths, Options(allow=(SHOP,)))) == 0
        else:
            with pytest.raises(PolicyError, match=r"evil_of_gate\.touch") if way in TREE else contextlib.nullcontext():
                assert run_here(functools.partial(run_job, paths, Options(allow=(SHOP,)))) == 3
        assert not stack.mark.exists()


def run_here(call: Callable[[], int]) -> int:
    """Run a job in this process, and put back what it changes."""
    folder, handlers = os.getcwd(), {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        return call()
    finally:
        os.chdir(folder)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("way", ["a list", "a reference beside it", "a list that a call makes"])
def test_a_process_of_its_own_refuses_it_too(stack: Stack, tmp_path: Any, way: str) -> None:
    bare = jobs.bare_folder(tmp_path / "bare")
    for name in ("megatron", "gate_shop.py", "evil_of_gate.py"):
        (bare / name).symlink_to(stack.folder / name)
    for number, (pair, code) in enumerate(((EVIL, 3), (GOOD, 0))):
        paths = jobs.frozen(tmp_path / f"jobs/{number}", {**WAYS, **MADE}[way](pair))
        done = jobs.run(bare, paths, allow=SHOP)
        assert done.code == code, done.err
        assert ("evil_of_gate.touch" in done.err) is (pair is EVIL)
    assert not stack.mark.exists()


@pytest.mark.parametrize("way", [way for way in TREE if "default" not in way])
def test_what_a_job_names_is_told_before_it_is_sent(stack: Stack, tmp_path: Any, way: str) -> None:
    """As far as the tree tells: nothing is imported where jobs are sent from."""
    from nemo_partial_hydra.dialect.edits import apply_edits
    from nemo_partial_hydra.launchers.send import heads, verify

    before = set(sys.modules)

    def send(number: int, pair: Pair) -> None:
        jobs_of = [jobs.frozen(tmp_path / f"jobs/{number}", apply_edits(WAYS[way](pair)))]
        verify(jobs_of, [SHOP], heads(jobs_of))

    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        send(0, EVIL)
    send(1, GOOD)
    assert not {"megatron", SHOP} & (set(sys.modules) - before)


@pytest.mark.parametrize("way", [way for way in TREE if "edit" not in way])
def test_the_check_of_a_library_refuses_it_too(stack: Stack, tmp_path: Path, way: str) -> None:
    for pair, state in ((EVIL, check.REFUSED), (GOOD, check.FINE)):
        folder = tmp_path / state
        folder.mkdir()
        (folder / "job.yaml").write_text(yaml.safe_dump(WAYS[way](pair), sort_keys=False))
        found = check.check(*check.chosen([str(folder)], ()), [SHOP], processes=1)
        assert [verdict.state for verdict in found] == [state], found
    assert not stack.mark.exists()


@pytest.mark.parametrize("args", [(), ("--cfg", "job"), ("-m", "hydra.sweep.dir=out")], ids=" ".join)
@pytest.mark.parametrize("way", ["a list", "a reference beside it", "a reference as one", "a dict of pairs"])
def test_an_app_refuses_it_too(stack: Stack, tmp_path: Path, way: str, args: tuple[str, ...]) -> None:
    for pair, code in ((EVIL, 3), (GOOD, 0)):
        app = App(tmp_path / str(code), {"config": yaml.safe_dump(WAYS[way](pair), sort_keys=False)})
        done = app.inline(*args, allow=(SHOP,))
        assert done.code == code, done.err
        assert ("evil_of_gate.touch" in done.err) is (pair is EVIL)
    assert not stack.mark.exists()


# Resolvers ---------------------------------------------------------------------------------------------------------

RESOLVED: dict[str, Callable[[Pair], Data]] = {
    "oc.select": lambda p: {"a": [*p], "job": train(spec=spec(module="${oc.select:a}"))},
    "oc.select, default": lambda p: {"job": train(spec=spec(module="${oc.select:nothing,[" + ",".join(p) + "]}"))},
    "oc.create": lambda p: {"job": train(spec=spec(module="${oc.create:[" + ",".join(p) + "]}"))},
    "oc.dict.values": lambda p: {"a": {"x": p[0], "y": p[1]}, "job": train(spec=spec(module="${oc.dict.values:a}"))},
    "oc.dict.keys": lambda p: {"a": {p[0]: 1, p[1]: 2}, "job": train(spec=spec(module="${oc.dict.keys:a}"))},
    "a node outside": lambda p: {"a": {"b": [*p]}, "job": train(spec=spec(module="${a.b}"))},
    "names of names": lambda p: {"k": "a", "a": [*p], "job": train(spec=spec(module="${${k}}"))},
    "text of texts": lambda p: {"a": p[0], "job": train(spec=spec(module=["${a}", "${oc.decode:" + p[1] + "}"]))},
}


@pytest.mark.parametrize("call", [_run, _build])
@pytest.mark.parametrize("way", RESOLVED)
def test_resolvers_make_no_name_that_is_not_looked_at(stack: Stack, way: str, call: Callable[[Data], Any]) -> None:
    def made(pair: Pair) -> Any:
        config: Any = OmegaConf.create(RESOLVED[way](pair))
        return call(config)

    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        made(EVIL)
    assert not stack.mark.exists()
    assert made(GOOD) is not None


# Dangerous arguments, by their real values -------------------------------------------------------------------------

TOKENIZER = {"_target_": f"{SHOP}.tokenizer"}
VALUES: dict[str, tuple[Data, Data]] = {
    "a text that Python takes for true": (
        train(a={"_target_": f"{SHOP}.train", "trust_remote_code": "false"}),
        train(a={**TOKENIZER, "trust_remote_code": "false"}),  # its type makes a False of it
    ),
    "an escaped interpolation": (
        train(a={"_target_": f"{SHOP}.train", "trust_remote_code": r"\${x}"}),
        train(a={"_target_": f"{SHOP}.train", "name": r"\${x}"}),
    ),
    "a text that means missing": (
        train(a={"_target_": f"{SHOP}.train", "trust_remote_code": {"_target_": "builtins.str", "_args_": ["???"]}}),
        train(a={"_target_": f"{SHOP}.train", "trust_remote_code": {"_target_": "builtins.bool", "_args_": [False]}}),
    ),
    "a reference to true": (
        train(b=True, a={**TOKENIZER, "trust_remote_code": "${..b}"}),
        train(b=False, a={**TOKENIZER, "trust_remote_code": "${..b}"}),
    ),
    "by position": (train(a={**TOKENIZER, "_args_": ["x", True]}), train(a={**TOKENIZER, "_args_": ["x", False]})),
    "a reference by position": (
        train(b=True, a={**TOKENIZER, "_args_": ["x", "${...b}"]}),
        train(b=False, a={**TOKENIZER, "_args_": ["x", "${...b}"]}),
    ),
    "keywords in a dict behind a reference": (
        train(b={"trust_remote_code": True}, a={"_target_": f"{SHOP}.Loader", "kwargs": "${..b}"}),
        train(b={"trust_remote_code": False}, a={"_target_": f"{SHOP}.Loader", "kwargs": "${..b}"}),
    ),
    "an appended pair": (
        train(a=[], _append_={"a": [["trust_remote_code", True]]}),
        train(a=[], _append_={"a": [["trust_remote_code", False]]}),
    ),
    "an edit with a path for its key": (
        train(a={**TOKENIZER}, _replace_={"a.trust_remote_code": True}),
        train(a={**TOKENIZER}, _replace_={"a.trust_remote_code": False}),
    ),
    "an argument of a class method": (
        train(a={"_target_": f"{SHOP}.Loader.make", "allow_pickle": True}),
        train(a={"_target_": f"{SHOP}.Loader.make", "allow_pickle": False}),
    ),
    "what must stay on": (
        train(a={"_target_": f"{SHOP}.Loader", "weights_only": 0}),
        train(a={"_target_": f"{SHOP}.Loader", "weights_only": 1}),
    ),
    "an argument made anew": (
        train(a={**TOKENIZER, "trust_remote_code": True, "_buildable_": "fiddle.ArgFactory"}),
        train(a={**TOKENIZER, "trust_remote_code": False, "_buildable_": "fiddle.ArgFactory"}),
    ),
}


# A function that another one calls: in the arguments that it gets nothing is called by a name.
LOADS: Data = {**TOKENIZER, "_call_": False}
LATER: Data = {"_target_": f"{SHOP}.checkpoint", "_partial_": True}
PASSED: dict[str, Callable[[bool], Data]] = {
    "what follows": lambda on: train(a={"_target_": f"{SHOP}.checkpoint", "_args_": [LOADS, False, "owner/name", on]}),
    "a list beside it": lambda on: train(a={"_target_": f"{SHOP}.start", "function": LOADS, "args": ["a/b", on]}),
    "a tuple by position": lambda on: train(
        a={"_target_": f"{SHOP}.start", "_args_": [LOADS, shape("tuple", ["a/b", on])]}
    ),
    "a reference to a list": lambda on: train(
        b=["a/b", on], a={"_target_": f"{SHOP}.start", "function": LOADS, "args": "${..b}"}
    ),
    "called later": lambda on: train(a={**LATER, "_args_": [LOADS, None, "owner/name", on]}),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("case", PASSED)
def test_a_dangerous_argument_is_found_where_a_function_is_passed_on(stack: Stack, case: str, entry: str) -> None:
    with pytest.raises(PolicyError, match=r"this value of 'trust_remote_code' is refused"):
        ENTRIES[entry](PASSED[case](True))
    assert ENTRIES[entry](PASSED[case](False)) is not None


def test_a_dangerous_argument_is_found_where_a_partial_is_passed_on(stack: Stack) -> None:
    """Only ``nph.run`` passes a partial; a buildable of one is no function yet."""

    def recipe(on: bool) -> Data:
        later = {**LATER, "_args_": [LOADS]}
        return train(a={"_target_": f"{SHOP}.start", "function": later, "args": [None, "owner/name", on]})

    with pytest.raises(PolicyError, match=r"this value of 'trust_remote_code' is refused"):
        _run(recipe(True))
    assert _run(recipe(False)) == "trained"


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("case", VALUES)
def test_a_dangerous_argument_counts_by_its_real_value(stack: Stack, case: str, entry: str) -> None:
    attack, honest = VALUES[case]
    with pytest.raises(PolicyError, match=r"this value of '(trust_remote_code|allow_pickle|weights_only)' is refused"):
        ENTRIES[entry](attack)
    assert ENTRIES[entry](honest) is not None


def test_a_dict_that_a_call_makes_is_looked_at(stack: Stack) -> None:
    """Only ``nph.run`` makes it; a buildable holds the call, of which nothing is known before."""

    def recipe(on: bool) -> Data:
        return train(a={"_target_": f"{SHOP}.Loader", "kwargs": {"_target_": f"{SHOP}.switch", "on": on}})

    with pytest.raises(PolicyError, match=r"a\.kwargs\.trust_remote_code: this value of 'trust_remote_code'"):
        _run(recipe(True))
    assert _run(recipe(False)) == "trained"


def test_an_argument_that_is_made_anew_is_looked_at_each_time(stack: Stack) -> None:
    def recipe(pair: Pair) -> Data:
        factory = {"_target_": f"{SHOP}.pair", "_args_": [*pair], "_buildable_": "fiddle.ArgFactory"}
        return train(spec={**spec(module=factory), "_partial_": True})

    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        _run(recipe(EVIL))
    assert not stack.mark.exists()
    assert _run(recipe(GOOD)) == "trained"


# What is called ----------------------------------------------------------------------------------------------------

OBJECTS = {
    "alias": "honest_alias",
    "fixed": "honest_partial",
    "dressed": "dressed_honestly",
    "bound": "loader",
    "Inherited": "Loader",
    "maker": "make_loader",
    "instance": "loader",
    "subprocess.Popen": "cached",
    "os.system": "Loader.make",
    "pathlib.Path.write_text": "ModuleSpec",
    "evil_of_gate.touch": "honest",
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("form", ["reference", "call", "partial", "text"])
@pytest.mark.parametrize("name", OBJECTS)
def test_what_a_name_leads_to_counts(stack: Stack, name: str, form: str, entry: str) -> None:
    """Aliases, partials, decorated functions, methods, instances that can be called, class attributes."""
    forms: dict[str, Callable[[str], Any]] = {
        "reference": lambda name: {"_target_": name, "_call_": False},
        "call": lambda name: {"_target_": name},
        "partial": lambda name: {"_target_": name, "_partial_": True},
        "text": lambda name: {"_target_": f"{SHOP}.Layer", "extra": {"_target_": name, "_call_": False}},
    }
    with pytest.raises(PolicyError):
        ENTRIES[entry](train(a=forms[form](f"{SHOP}.{name}")))
    assert not stack.mark.exists()
    assert ENTRIES[entry](train(a=forms[form](f"{SHOP}.{OBJECTS[name]}"))) is not None


@pytest.mark.parametrize(
    ("attack", "honest"), [("os.system", f"{SHOP}.honest"), ("subprocess.Popen", SPEC), ("builtins.eval", "json.dumps")]
)
def test_a_function_that_a_call_finds_by_its_name_is_not_passed_on(stack: Stack, attack: str, honest: str) -> None:
    with pytest.raises(PolicyError, match=rf"a: '{SHOP}.find' gives '[\w.]+'"):
        _run(train(a={"_target_": f"{SHOP}.find", "name": attack}))
    assert _run(train(a={"_target_": f"{SHOP}.find", "name": honest})) == "trained"


def test_all_is_told_at_once_before_anything_is_called(stack: Stack) -> None:
    data = train(
        a=[*EVIL],
        spec=spec(module="${..a}"),
        more=[spec(module=["os", "system"])],
        b={**TOKENIZER, "_args_": ["x", True]},
        hook={"_target_": "subprocess.run"},
    )
    with pytest.raises(PolicyError) as info:
        _run({**data, "hook": None})
    text = str(info.value)
    assert [name for name in ("evil_of_gate.touch", "os.system") if name not in text] == []
    with pytest.raises(PolicyError, match=r"subprocess\.run"):
        _run(data)


def test_a_captured_recipe_and_raw_values_are_the_runners_own(stack: Stack) -> None:
    import gate_shop  # type: ignore[import-not-found]
    import nemo_run as run

    bag = {"trust_remote_code": True, "deep": [{"allow_pickle": True}]}
    for value in (nph.raw(bag), run.Config(dict, trust_remote_code=True), bag, [["trust_remote_code", True]]):
        recipe = run.Partial(gate_shop.train, a=run.Config(gate_shop.Loader, kwargs=value))
        assert nph.run(nph.to_config(recipe)) == "trained"
        assert nph.build(nph.to_config(recipe)) is not None


# Laws --------------------------------------------------------------------------------------------------------------

_steps = st.lists(st.sampled_from(("list", "dict", "call", "tuple", "hop", "pairs")), max_size=5)


@settings(max_examples=laws.tries(80))
@given(steps=_steps, by_position=st.booleans(), split=st.booleans(), partial=st.booleans())
def test_however_a_reference_leads_there_the_pair_is_a_name(
    stack: Stack, steps: list[str], by_position: bool, split: bool, partial: bool
) -> None:
    """The pair lies below containers and calls; references hop from there to the spec."""

    def recipe(pair: Pair) -> Data:
        held: Any = [*pair]
        path: list[str] = []
        hops = 0
        for step in steps:
            if step == "list":
                held, path = [1, held], ["1", *path]
            elif step == "dict":
                held, path = {"x": held}, ["x", *path]
            elif step == "call":
                held, path = {"_target_": f"{SHOP}.Layer", "extra": held}, ["extra", *path]
            elif step == "tuple":
                held, path = shape("tuple", [held]), ["_args_", "0", "0", *path]
            elif step == "pairs":
                held, path = shape("dict", [["k", held]]), ["_args_", "0", "0", "1", *path]
            else:
                hops += 1
        arguments: Data = {"a": held}
        name = ".".join(["a", *path])
        for index in range(hops):
            arguments[f"hop{index}"] = "${." + name + "}"
            name = f"hop{index}"
        above = "${..." if by_position or split else "${.."
        link: Any = [f"{above}{name}.0}}", f"{above}{name}.1}}"] if split else f"{above}{name}}}"
        if split and by_position:
            link = [text.replace("${...", "${....") for text in link]
        given = spec(_args_=[link]) if by_position else spec(module=link)
        return train(**arguments, spec={**given, **({"_partial_": True} if partial else {})})

    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch"):
        _run(recipe(EVIL))
    assert not stack.mark.exists()
    assert _run(recipe(GOOD)) == "trained"


# What the stack takes for a name -----------------------------------------------------------------------------------

STACK_NAMES: dict[str, tuple[Data, Data]] = {
    "an attribute made of a key": (
        {"_target_": "torch.nn.ParameterDict", "_args_": [{"module": [*EVIL], "params": {}}]},
        {"_target_": "torch.nn.ParameterDict", "_args_": [{"module": ["a", "b", "c"], "params": {}}]},
    ),
    "one of pairs": (
        {"_target_": "torch.nn.ParameterDict", "_args_": [[["module", [*EVIL]]]]},
        {"_target_": "torch.nn.ParameterDict", "_args_": [[["modules", [*EVIL]]]]},
    ),
    "an old config": (
        {"_target_": "nemo.lightning.x", "config": {"cls": ".".join(EVIL), "params": {}}},
        {"_target_": "nemo.lightning.x", "config": {"cls": ".".join(EVIL), "other": {}}},
    ),
    "an old config of pairs": (
        {"_target_": "nemo.lightning.x", "config": {"target": ".".join(EVIL), "params": {}}},
        {"_target_": "nemo.lightning.x", "config": {"target": ".".join(GOOD), "params": {}}},
    ),
    "a module of an encoder": (
        {"_target_": "nemo.collections.diffusion.models.model.DiTConfig", "vae_module": ".".join(EVIL)},
        {"_target_": "nemo.collections.diffusion.models.model.DiTConfig", "vae_module": ".".join(GOOD)},
    ),
    "a kernel of a hub": (
        {"_target_": "nemo.collections.llm.HFAutoModelForCausalLM", "attn_implementation": "evil/evil_of_gate.touch"},
        {"_target_": "nemo.collections.llm.HFAutoModelForCausalLM", "attn_implementation": "flash_attention_2"},
    ),
    "kernels of a hub, by part": (
        {"_target_": "nemo.lightning.x", "kwargs": {"attn_implementation": {"text": "sdpa", "vision": "evil/kernel"}}},
        {"_target_": "nemo.lightning.x", "kwargs": {"attn_implementation": {"text": "sdpa", "vision": "eager"}}},
    ),
    "kernels": (
        {"_target_": "nemo.lightning.x", "use_kernels": True},
        {"_target_": "nemo.lightning.x", "use_kernels": False},
    ),
}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("case", STACK_NAMES)
def test_what_the_stack_takes_for_a_name_is_one(case: str, linked: bool) -> None:
    from nemo_partial_hydra.policy.scan import names_in
    from nemo_partial_hydra.runtime.workspace import WORKSPACE

    def check(data: Data) -> None:
        if linked:
            data = {"_target_": "nemo.lightning.y", "b": data, "a": "${.b}"}
        WORKSPACE.policy.check_names(names_in(data))

    attack, honest = STACK_NAMES[case]
    with pytest.raises(PolicyError, match=r"evil_of_gate\.touch|attn_implementation|use_kernels"):
        check(attack)
    check(honest)


def test_the_tool_finds_what_takes_data_for_a_name(tmp_path: Any, capsys: Any) -> None:
    from tools.scan_policy import main

    folder = tmp_path / "megatron/core"
    folder.mkdir(parents=True)
    (folder / "found.py").write_text(
        "import importlib\n"
        "class Spec:\n    where: str\n    def make(self):\n        return importlib.import_module(self.where)\n"
        "def by_name(activation):\n    name = activation.lower()\n    return getattr(torch, name)\n"
        "def harmless(name, value):\n    return getattr(value, name)\n"
    )
    main(tmp_path, names=True)
    out = capsys.readouterr().out
    assert "megatron.core.found.Spec: where -> importlib.import_module (line 5)" in out
    assert "megatron.core.found.by_name: activation -> getattr(torch) (line 8)" in out
    assert "harmless" not in out
