"""Dangerous things inside allowed packages, by name alone, and arguments that are as dangerous as a target."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from nemo_partial_hydra.errors import PolicyError, RecipeError
from nemo_partial_hydra.policy.names import refusal, within
from nemo_partial_hydra.policy.rules import ARGUMENTS, BUILT_IN, DENIED, DENIED_LAST
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import targets as t
from tests.support.evil import Modules, read

T = "tests.support.targets"


def recipe(**arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{T}.untyped", **arguments}


# Names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "torch.os.system",
        "torch.nn.modules.module.torch.load",
        "nemo.lightning.base.os.environ.update",
        "nemo.utils.exp_manager.subprocess.run",
        "nemo.utils.xyz.os.system",
        "nemo.collections.llm.api.json.loads",
        "nemo.collections.llm.gpt.data.mock.importlib.import_module",
        "nemo.lightning.io.mixin.fiddle.build",
        "megatron.core.utils.pickle.load",
        "megatron.core.parallel_state.torch.hub.load",
        "lightning.pytorch.trainer.trainer.shutil.rmtree",
        "lightning.pytorch.callbacks.yaml.unsafe_load",
        "transformer_engine.pytorch.ctypes.CDLL",
        "lightning.fabric.loggers.csv_logs.fsspec.open",
    ],
)
def test_a_name_through_a_module_of_others_is_refused_by_name_alone(name: str) -> None:
    assert refusal(name, WORKSPACE.policy.prefixes()) is not None
    before = set(sys.modules)
    with pytest.raises(PolicyError):
        WORKSPACE.policy.load(name)
    assert not {"torch", "nemo", "megatron", "lightning"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    "name",
    [
        "nemo.collections.llm.LlamaModel.from_pretrained",
        "nemo.collections.llm.GPTModel.load_from_checkpoint",
        "nemo.lightning.io.load_context",
        "nemo.lightning.io.api.load_context",
        "nemo.core.classes.common.Serialization.from_config_dict",
        "nemo.utils.model_utils.import_class_by_path",
        "nemo.collections.asr.models.ASRModel.restore_from",
        "nemo_run.Script",
        "nemo_run.run",
        "nemo_run.Experiment",
        "nemo_run.cli.main",
        "megatron.core.transformer.spec_utils.build_module",
        "megatron.core.dist_checkpointing.load",
        "lightning.pytorch.cli.instantiate_class",
        "pytorch_lightning.cli.LightningCLI",
        "modelopt.torch.opt.restore",
        "torch.compile",
        "torch.cuda.CUDAPluggableAllocator",
        "torch.utils.data.datapipes.utils.decoder.basichandlers",
        "torch.export.load",
        "transformers.AutoModel.from_pretrained",
        "huggingface_hub.snapshot_download",
    ],
)
def test_what_runs_unpickles_or_fetches_is_refused_and_the_line_given_allows_it(name: str) -> None:
    text = refusal(name, WORKSPACE.policy.prefixes())
    assert text is not None
    line = text.rpartition("--allow ")[2]
    assert refusal(name, WORKSPACE.policy.prefixes([line])) is None


@pytest.mark.parametrize(
    "name",
    [
        "nemo.collections.llm.import_ckpt",
        "nemo.collections.llm.api.import_ckpt",
        "nemo.collections.llm.pretrain",
        "nemo.collections.llm.finetune",
        "nemo.collections.llm.export_ckpt",
        "nemo.collections.llm.recipes.llama3_8b.pretrain_recipe",
        "nemo.collections.common.tokenizers.huggingface.auto_tokenizer.AutoTokenizer",
        "nemo.lightning.io.api.import_ckpt",
        "nemo.lightning.pytorch.strategies.megatron_strategy.MegatronStrategy",
        "nemo.utils.exp_manager.TimingCallback",
        "nemo_run.core.execution.local.LocalExecutor",
        "torch.optim.adam.Adam",
        "torch.nn.functional.silu",
        "torch.float8_e4m3fn",
        "torch.profiler.profile",
        "lightning.pytorch.loggers.wandb.WandbLogger",
        "megatron.core.tensor_parallel.random.checkpoint",
        "transformers.models.qwen2_vl.image_processing_qwen2_vl.Qwen2VLImageProcessor",
    ],
)
def test_what_recipes_need_is_allowed(name: str) -> None:
    assert refusal(name, WORKSPACE.policy.prefixes()) is None


def test_allowing_a_whole_package_does_not_open_what_is_denied_in_it() -> None:
    for prefix in DENIED:
        top = prefix.partition(".")[0]
        assert refusal(f"{prefix}.f", WORKSPACE.policy.prefixes([top])) is not None, prefix
        assert refusal(f"{prefix}.f", WORKSPACE.policy.prefixes([prefix])) is None, prefix


def test_the_lists_are_tidy() -> None:
    assert all(reason for reason in (*DENIED.values(), *DENIED_LAST.values(), *ARGUMENTS.values()))
    for prefix in DENIED:
        above = [other for other in DENIED if other != prefix and within(prefix, other)]
        between = [a for a in BUILT_IN if any(within(prefix, a) and within(a, other) for other in above)]
        assert not above or between, f"{prefix} is denied by {above} already"
    assert len(set(BUILT_IN)) == len(BUILT_IN)


def test_a_method_needs_an_object_and_is_no_target() -> None:
    name = "nemo_run.core.execution.slurm.SlurmExecutor.package"
    with pytest.raises(PolicyError, match="is a method"):
        WORKSPACE.policy.load(name)
    assert WORKSPACE.policy.load(name, [name]) is not None


def test_a_partial_is_what_it_calls(module: Modules) -> None:
    home = module("import functools, os\nready = functools.partial(functools.partial(os.system), 'true')\n", "aliases")
    with pytest.raises(PolicyError, match=r"another name of 'posix\.system'"):
        WORKSPACE.policy.load(f"{home}.ready", (home,))


def test_capturing_something_of_the_stack_opens_no_more_than_that_name() -> None:
    WORKSPACE.policy.trust_live("torch.random.manual_seed")
    WORKSPACE.policy.trust_live("mine.pickle.Reader")
    known = WORKSPACE.policy.prefixes()
    assert refusal("torch.random.manual_seed", known) is None
    assert refusal("torch.random.seed", known) is not None
    assert refusal("mine.pickle.Reader", known) is None
    assert refusal("mine.os.system", known) is not None
    assert refusal("mine.platform.Gpu", known) is None


# Arguments ---------------------------------------------------------------------------------------------------------

BAD = [
    ("trust_remote_code", True),
    ("trust_remote_code", "yes"),
    ("trust_remote_code", 1),
    ("trust_remote_code", {"_target_": "builtins.bool", "_args_": [True]}),
    ("trust_remote_code", [False]),
    ("trust_remote_code", "false"),  # of no type: Python takes any text for true
    ("trust_remote_code", {"_target_": f"{T}.double", "x": 1.0}),
    ("trust_repo", "true"),
    ("weights_only", False),
    ("weights_only", "off"),
    ("allow_pickle", True),
    ("pickle_module", "dill"),
    ("custom_pipeline", "somebody/repo"),
    ("confirm_run_unsafe_code", True),
]
FINE = [
    ("trust_remote_code", False),
    ("trust_remote_code", None),
    ("trust_remote_code", {"_target_": "builtins.bool", "_args_": [False]}),
    ("weights_only", True),
    ("weights_only", None),
    ("allow_pickle", 0),
    ("pickle_module", None),
    ("trust_remote_codes", True),
]


def _argument_places(name: str, value: Any) -> dict[str, Any]:
    return {
        "keyword": {"_target_": f"{T}.keywords", name: value},
        "kwargs_dict": recipe(a={"deep": [{"kwargs": {name: value}}]}),
        "pairs": recipe(a={"_target_": "builtins.dict", "_args_": [[[name, value]]]}),
        "pair_list": recipe(a=[[name, value]]),
    }


@pytest.mark.parametrize(("name", "value"), BAD)
@pytest.mark.parametrize("place", _argument_places("", ""))
def test_a_dangerous_argument_is_refused_at_any_depth_unless_it_is_allowed(name: str, value: Any, place: str) -> None:
    data = _argument_places(name, value)[place]
    with pytest.raises(PolicyError, match=rf"'{name}' is refused: it .*--allow {name}$"):
        read(data)
    assert read(data, ("tests.support", name)) is not None


@pytest.mark.parametrize(("name", "value"), FINE)
@pytest.mark.parametrize("place", _argument_places("", ""))
def test_what_switches_nothing_on_is_fine(name: str, value: Any, place: str) -> None:
    assert read(_argument_places(name, value)[place]) is not None


def test_a_dangerous_positional_argument_is_found_by_its_name(module: Modules) -> None:
    home = module("def f(name, trust_remote_code=False): ...\n")
    with pytest.raises(PolicyError, match=r"_args_\.1: this value of 'trust_remote_code'"):
        read({"_target_": f"{home}.f", "_args_": ["x", True]}, (home,))
    assert read({"_target_": f"{home}.f", "_args_": ["x", False]}, (home,))


def test_arguments_and_targets_come_in_one_report(module: Modules) -> None:
    evil = module()
    with pytest.raises(PolicyError) as info:
        read(recipe(a={"_target_": f"{evil}.f", "trust_remote_code": True}, b={"_target_": 5}))
    text = str(info.value)
    assert text.startswith("3 targets and arguments are refused:")
    assert "a.trust_remote_code: this value of" in text
    assert "b._target_: expected a dotted name, got 5" in text
    assert evil not in sys.modules


def test_an_override_and_an_interpolation_go_through_the_same_check() -> None:
    from omegaconf import OmegaConf

    from nemo_partial_hydra.composition.decode import config_to_tree

    cfg = OmegaConf.create({"on": True, "job": recipe(a={"_target_": f"{T}.keywords", "trust_remote_code": False})})
    assert config_to_tree(cfg, ("tests.support",))
    for value in (True, "${on}"):
        OmegaConf.update(cfg, "job.a.trust_remote_code", value)
        with pytest.raises(PolicyError, match=r"job\.a\.trust_remote_code: this value"):
            config_to_tree(cfg, ("tests.support",))


def test_an_edit_cannot_hide_one() -> None:
    from nemo_partial_hydra.composition.decode import config_to_tree

    for edit in ({"a.trust_remote_code": True}, {"a": {"trust_remote_code": True}}, {"a._target_": "os.system"}):
        data = recipe(a={"_target_": f"{T}.keywords"}, _replace_=edit)
        assert list(names_in(data))[2:], edit
        with pytest.raises(PolicyError):
            config_to_tree(data, ("tests.support",))


def test_a_captured_recipe_may_have_it_where_it_has_it() -> None:
    import nemo_run as run

    import nemo_partial_hydra as nph

    p = run.Partial(t.untyped, a=run.Config(t.keywords, trust_remote_code=True), b={"_target_": "os.system"})
    assert nph.build(nph.to_config(p)) == p
    WORKSPACE.captured(p)
    assert read({"_target_": f"{T}.keywords", "trust_remote_code": True})
    with pytest.raises(PolicyError):
        read({"_target_": f"{T}.untyped", "a": {"allow_pickle": True}})


@pytest.mark.parametrize(
    "argument",
    [
        {"_target_": "megatron.core.transformer.spec_utils.ModuleSpec", "module": ["os", "system"]},
        {
            "_target_": "megatron.core.transformer.spec_utils.ModuleSpec",
            "module": {"_target_": "builtins.tuple", "_args_": [["subprocess", "Popen"]]},
        },
        {"_target_": "megatron.core.transformer.spec_utils.ModuleSpec", "_args_": [["os", "system"]]},
        {"language_model_class": "os.system"},
        {"fsdp_unit_modules": ["nemo.collections.llm.X", "os.system"]},
        {"_target_": "builtins.dict", "_args_": [[["_target_", "os.system"]]]},
        {"_target_": "builtins.dict", "x": 1, "_args_": [[["_target_", "os.system"]]]},
    ],
)
def test_a_text_that_the_called_code_imports_is_a_name_too(argument: Any) -> None:
    with pytest.raises(PolicyError, match=r"os\.system|subprocess\.Popen"):
        WORKSPACE.policy.check_names(names_in(recipe(a=argument)), ("tests.support",))
    with pytest.raises(RecipeError):
        read(recipe(a=argument))


# NeMo's own recipes -----------------------------------------------------------------------------------------------


@pytest.mark.nemo
def test_every_name_in_nemos_own_recipes_is_allowed() -> None:
    """Targets, references and the references among the unset defaults, looked at as objects too."""
    from nemo_partial_hydra.recipes.capture import capture
    from nemo_partial_hydra.signatures.introspect import read as read_signature
    from tests.support import nemo_recipes

    called: dict[str, Any] = {}
    names: set[str] = set()
    for _, built in nemo_recipes.constructible():
        for _, found in names_in(capture(built, seen=called.setdefault)):
            assert isinstance(found, str), found  # NeMo's recipes have no dangerous argument
            names.add(found)
    for name, fn in called.items():
        if fn is not None:
            defaults = [parameter.default for parameter in read_signature(fn, name).parameters.values()]
            names.update(found for default in defaults for _, found in names_in(default))
    assert len(names) > 200
    refused = []
    for name in sorted(names):
        try:
            WORKSPACE.policy.load(name)
        except PolicyError as error:
            refused.append(str(error))
    assert refused == []
