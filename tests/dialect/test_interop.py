"""Files that other programs write are read here, and ours by Hydra; recipes that are plain dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fiddle as fdl
import hydra.errors
import hydra.utils
import nemo_run as run
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nemo_run.cli.config import ConfigSerializer
from omegaconf import OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.dialect.interop import adopted
from nemo_partial_hydra.signatures.introspect import read
from nemo_partial_hydra.signatures.signature import Signature
from tests.support import bridge as b
from tests.support import laws
from tests.support import strategies as make
from tests.support import targets as t
from tests.support.apps import App

ALLOW = ["tests.support"]
B = "tests.support.bridge"
QUICK = settings(max_examples=laws.tries(80))

# Objects that are equal though Python compares partials by identity -----------------------------------------------


def image(value: Any) -> Any:
    """Turn an object into data by which two can be compared: types and partials included."""
    if isinstance(value, functools.partial):
        return ("partial", value.func, image(value.args), image(value.keywords))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), image(vars(value)))
    if isinstance(value, dict):
        return ("dict", [(key, image(each)) for key, each in sorted(value.items(), key=repr)])
    if isinstance(value, (list, tuple)):
        return (type(value), [image(each) for each in value])
    if type(value) in (t.Optimizer, t.Trainer):
        return (type(value), image(vars(value)))
    return (type(value), repr(value))


# nemo_run ----------------------------------------------------------------------------------------------------------


def reads_as_text(text: str) -> bool:
    """Whether OmegaConf takes for a text what PyYAML writes as one: it has more numbers, interpolations and ``???``."""
    try:
        return "${" not in text and text != "???" and type(OmegaConf.create(yaml.safe_dump([text]))[0]) is str
    except yaml.YAMLError:  # control characters
        return False


plain_texts = make.texts.filter(reads_as_text)
scalars = st.none() | st.booleans() | make.integers | make.finite | plain_texts
names = st.sampled_from("abc")
references = st.sampled_from((t.double, t.half, t.Optimizer, t.Plain))


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3).map(lambda found: dict(sorted(found.items())))  # as it writes them
        | st.builds(lambda a, c: run.Config(t.untyped, a=a, c=c), inner, inner)
        | st.builds(lambda a: run.Partial(t.untyped, a=a), inner)
        | st.builds(lambda x: run.Config(t.keywords, extra=x), inner)
    )


anything = st.recursive(scalars | references, _containers, max_leaves=8)


@given(anything, st.sampled_from((run.Config, run.Partial)))
@QUICK
def test_whatever_nemo_run_writes_is_read_as_what_it_was(value: Any, kind: Any) -> None:
    p = kind(t.untyped, a=value)
    q = nph.from_yaml(ConfigSerializer().serialize_yaml(p), allow=ALLOW)
    assert type(q) is type(p)
    assert make.difference(p, q) is None


def test_tuples_are_restored_where_the_annotation_says_so() -> None:
    p = run.Config(t.Optimizer, lr=0.5, betas=(0.5, 0.75))
    assert nph.from_yaml(ConfigSerializer().serialize_yaml(p), allow=ALLOW) == p


def test_positional_arguments_have_numbers_in_nemo_runs_files() -> None:
    p = run.Config(t.positional, 1, "x", 2.0)
    text = ConfigSerializer().serialize_yaml(p)
    assert "0: 1" in text
    assert nph.from_yaml(text, allow=ALLOW) == p


def test_an_object_at_two_places_is_read_as_two_equal_ones() -> None:
    shared = run.Config(t.Optimizer, lr=0.5)
    q = nph.from_yaml(ConfigSerializer().serialize_yaml(run.Config(t.untyped, a=shared, b=shared)), allow=ALLOW)
    assert q.a is not q.b
    assert q.a == q.b == shared


def test_what_the_command_line_of_nemo_run_exports_is_a_config_group_option(tmp_path: Path) -> None:
    entry = """
    import nemo_run as run
    import shop

    @run.cli.factory
    def adam() -> run.Config[shop.Adam]:
        return run.Config(shop.Adam, lr=0.5, act=shop.relu, betas=(0.1, 0.2))

    if __name__ == "__main__":
        run.cli.main(shop.train)
    """
    app = App(tmp_path, {"config": "defaults: [job: exported]\n"}, modules={"entry": entry})
    app.write("shop.py", (app.folder / "shop.py").read_text() + "\nimport nemo_run\nnemo_run.cli.entrypoint(train)\n")
    app.conf.joinpath("job").mkdir()
    out = app.conf / "job" / "exported.yaml"
    done = app.run("--to-yaml", str(out), "steps=7", "ratio=0.25", "name=x", script="entry.py")
    assert out.is_file(), done.err + done.out
    assert "_partial_: true" in out.read_text()
    shown = app.run("--cfg-paths=json", "job.limit=3")
    assert shown.code == 0, shown.err
    records = {each["path"]: each for each in json.loads(shown.out)}
    assert (records["job.steps"]["value"], records["job.limit"]["value"]) == (7, 3)
    assert records["job.out"]["set"] is False
    ran = app.run("job.optimizers=[{_target_: shop.SGD}]", "hydra.run.dir=.", "hydra.output_subdir=null")
    assert ran.code == 0, ran.err
    assert "('steps', 7)" in ran.result
    assert "SGD(lr=0.1" in ran.result


# Megatron-Bridge ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False], ids=["with names of enum members", "without"])
def test_a_container_that_bridge_wrote_is_made_again(named: bool) -> None:
    made = b.pretrain_config(peft={"alpha": 1.5, "on": True, "none": None})
    made.model.backend = b.Backend.flash
    made.model.scale = b.silu
    text = b.to_yaml(made, named=named)
    assert "_call_: true" in text
    assert "split_matrix" in text
    assert "flops" in text
    p = nph.from_yaml(text, allow=ALLOW)
    assert p.__fn_or_cls__ is b.ConfigContainer
    assert image(nph.run(nph.to_config(p), allow=ALLOW)) == image(made)
    assert image(fdl.build(p)) == image(made)


def test_a_bridge_file_is_a_typed_config_group_option(tmp_path: Path) -> None:
    made = b.pretrain_config()
    made.model.scale = b.silu
    app = App(tmp_path, {"config": "defaults: [recipe: bridge]\n"})
    app.write("conf/recipe/bridge.yaml", b.to_yaml(made))
    line = ["recipe.model.num_layers=9", "recipe.model.backend=flash", "recipe.optimizer.betas.0=0.5"]
    found: list[Any] = []
    done = app.inline(*line, allow=("tests",), call=lambda cfg: found.append(nph.run(cfg)))
    assert done.code == 0, done.err
    wanted = copy.deepcopy(made)
    wanted.model = b.Larger(**{**vars_of(made.model), "num_layers": 9, "backend": b.Backend.flash})
    wanted.optimizer.betas = (0.5, 0.95)
    assert image(found[0]) == image(wanted)
    wrong = app.inline("recipe.model.num_layer=9", allow=("tests",))
    assert wrong.code == 2
    assert "recipe.model.num_layer: Larger has no parameter 'num_layer'; did you mean 'num_layers'?" in wrong.err
    computed = app.inline("+recipe.model.flops=9", allow=("tests",))
    assert computed.code == 2
    assert "recipe.model.flops: Larger has no parameter 'flops'; it computes that field itself" in computed.err


def vars_of(obj: Any) -> dict[str, Any]:
    """Return the arguments of a dataclass's constructor."""
    return {f.name: getattr(obj, f.name) for f in dataclasses.fields(obj) if f.init}


def test_the_plain_texts_of_other_versions_are_read_by_their_annotations() -> None:
    q = nph.from_yaml(f"_target_: {B}.Provider\nbackend: Backend.flash\n", allow=ALLOW)
    assert q.backend is b.Backend.flash


def test_only_what_is_certain_is_adopted() -> None:
    known = {f"{B}.CoreDataset": read(b.CoreDataset, f"{B}.CoreDataset")}

    def lookup(target: str) -> Signature | None:
        return known.get(target)

    member = {"_target_": f"{B}.Backend", "_call_": True, "_args_": [5], "_name_": "auto"}
    assert adopted([member], lookup) == [{"_target_": f"{B}.Backend.auto", "_call_": False}]
    for other in (
        {**member, "x": 1},
        {**member, "_call_": False},
        {**member, "_name_": "a.b"},
        {**member, "_args_": []},
        {"_target_": "m.f", 0: 1, 2: 1},
        {"_target_": "m.f", 0: 1, "_args_": [1]},
        {0: 1},
        {"split_matrix": 1},
        {"_target_": "m.unknown", "split_matrix": 1},
        {"_target_": f"{B}.CoreDataset", "_call_": False, "split_matrix": 1},
    ):
        before = copy.deepcopy(other)
        assert adopted(other, lookup) == other == before
    data = {"_target_": f"{B}.CoreDataset", "split_matrix": [1], "split": "1"}
    assert adopted(data, lookup) == {"_target_": f"{B}.CoreDataset", "split": "1"}


# Recipes that return a container -----------------------------------------------------------------------------------


def test_a_container_is_captured_and_built_back_equal() -> None:
    made = b.pretrain_config()
    p = nph.build(nph.to_config(made), allow=ALLOW)
    assert isinstance(p, run.Config)
    for again in (fdl.build(p), nph.run(nph.to_config(made)), fdl.build(nph.from_yaml(nph.to_yaml(made), allow=ALLOW))):
        assert isinstance(again, b.ConfigContainer)
        assert image(again) == image(made)
        assert again.model.heads == 4


CONTAINER_APP = """
import nemo_partial_hydra as nph
from tests.support import bridge as b

nph.recipe(group="job", name="llama")(b.pretrain_config)
nph.store(b.pretrain_config(stages=[1, 2]), group="job", name="stored")

@nph.main(config_path=None, config_name=None)
def main(cfg):
    found = nph.run(cfg)
    print("RESULT", type(found).__name__, found.model.num_layers, found.model.backend, found.dataset.sequence_length,
          found.optimizer.betas, found.model.init_method.keywords, found.stages, found.logger)

if __name__ == "__main__":
    main()
"""


def test_a_recipe_function_that_returns_a_container_is_registered_listed_overridden_and_run(tmp_path: Path) -> None:
    app = App(tmp_path, {}, script=CONTAINER_APP)
    still = ["hydra.run.dir=.", "hydra.output_subdir=null"]
    done = app.run(
        "+job=llama",
        "job.model.num_layers=6",
        "job.model.backend=flash",
        "job.dataset.seq_length=64",
        "job.optimizer.betas.1=0.5",
        "job.model.init_method.std=0.5",
        "+job.logger.more=1",
        *still,
    )
    assert done.code == 0, done.err
    assert done.result == (
        "ConfigContainer 6 Backend.flash 64 (0.9, 0.5) {'mean': 0.0, 'std': 0.5} [] {'tags': ['x', 1, None], 'more': 1}"
    )
    assert "[1, 2]" in app.run("+job=stored", *still).result
    shown = app.run("+job=llama", "--cfg-paths=json")
    assert shown.code == 0, shown.err
    records = {each["path"]: each for each in json.loads(shown.out)}
    assert records["job.model.activation_func"]["value"] == {"_target_": f"{B}.silu", "_call_": False}
    assert records["job.model.backend"]["choices"] == ["flash", "auto"]
    assert records["job.model.scale"]["set"] is False
    assert "job.model.flops" not in records
    assert records["job.train.mode"]["choices"] == ["a", "b"]
    wrong = app.run("+job=llama", "job.train.mode=c")
    assert wrong.code == 2
    assert "job.train.mode: expected Literal['a', 'b']" in wrong.err


TORCH = """
class dtype:
    def __init__(self, name):
        self.name = name
    def __repr__(self):
        return "torch." + self.name

bfloat16, float32 = dtype("bfloat16"), dtype("float32")
"""


def test_a_dtype_is_kept_by_its_name(tmp_path: Path) -> None:
    """``torch.bfloat16`` is known by its repr only; a stand-in of that kind is made here."""
    (tmp_path / "torch.py").write_text(TORCH)
    code = """
import dataclasses, torch
import nemo_partial_hydra as nph
import mine
made = mine.Precision(params=torch.bfloat16)
assert nph.run(nph.to_config(made)) == made
text = nph.to_yaml(made)
config = nph.to_config(made)
config.params = 'torch.float32'
assert nph.run(config).params is torch.float32
for form in ('{_target_: torch.float32, _call_: false}', 'torch.float32', 'float32'):
    assert nph.from_yaml(f'_target_: mine.Precision\\nparams: {form}\\n').params is torch.float32
print(text)
"""
    (tmp_path / "mine.py").write_text(
        "import dataclasses, torch\n@dataclasses.dataclass\nclass Precision:\n    params: torch.dtype = torch.float32\n"
        "    maybe: torch.dtype | None = None\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "params: bfloat16" in done.stdout or "_target_: torch.bfloat16" in done.stdout


@dataclasses.dataclass
class Lazy:
    """A default without a text form; a list and a dict that nobody gives."""

    fn: Any = lambda: 1
    other: Any = None
    seen: list[int] = dataclasses.field(init=False, default_factory=list)
    more: dict[str, int] = dataclasses.field(init=False, default_factory=dict)


def test_a_default_without_a_text_form_is_left_out_another_value_is_an_error() -> None:
    p = nph.build(nph.to_config(Lazy(other=1)))
    assert fdl.ordered_arguments(p) == {"other": 1}
    assert fdl.build(p) == Lazy(other=1)
    with pytest.raises(nph.CaptureError, match="fn: a lambda"):
        nph.to_config(Lazy(fn=lambda: 2))


def test_what_was_changed_after_it_was_made_is_not_lost() -> None:
    changed = Lazy()
    changed.seen.append(1)
    with pytest.raises(nph.CaptureError, match="Lazy"):
        nph.to_config(run.Config(t.untyped, a=changed))


# Hydra reads ours --------------------------------------------------------------------------------------------------

hydra_texts = make.texts.filter(lambda text: "${" not in text and text != "???")
hydra_scalars = st.none() | st.booleans() | make.integers.filter(lambda i: abs(i) < 2**63) | make.finite | hydra_texts


def _hydra_containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.builds(lambda a, c: run.Config(b.Bag, value=a, other=c), inner, inner)
        | st.builds(lambda a: run.Partial(b.Bag, other=a), inner)
    )


hydra_values = st.recursive(hydra_scalars, _hydra_containers, max_leaves=8)


def instantiate(text: str) -> Any:
    """Let Hydra make the objects; 1.4 wants to be told which targets it may call."""
    known = inspect.signature(hydra.utils.instantiate).parameters
    more = {"_execution_whitelist_": "tests.*"} if "_execution_whitelist_" in known else {}
    return hydra.utils.instantiate(OmegaConf.create(text), _convert_="all", **more)


@given(hydra_values, st.booleans())
@QUICK
@example([None, [[]], {}], True)
def test_hydra_makes_of_our_yaml_what_fiddle_makes_of_the_recipe(value: Any, partial: bool) -> None:
    p = (run.Partial if partial else run.Config)(b.Bag, value=value)
    assert image(instantiate(nph.to_yaml(p))) == image(fdl.build(p))


def test_hydra_does_not_know_the_rest() -> None:
    """If Hydra learns these, docs/interop.md has to say so."""
    text = nph.to_yaml(run.Config(b.Bag, value=t.double))
    with pytest.raises((hydra.errors.InstantiationException, TypeError), match="_call_"):
        instantiate(text)
