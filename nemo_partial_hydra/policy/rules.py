"""The lists behind the policy: what is allowed without being asked for, and what never is; with the reason of each.

May import: the standard library, and ``recipes.keys``. Names are dotted prefixes that end at module boundaries. They
were found by reading the sources of NeMo 2.7.3, nemo_run 0.11.1, megatron-core 0.15.3, Lightning 2.4, torch 2.13 and
modelopt 0.37 for calls that unpickle, import by name, start processes or download (``tools/scan_policy.py`` does it
again).
"""

from __future__ import annotations

import sys

from nemo_partial_hydra.recipes.keys import ARGS

# What recipes are made of. Of torch, nemo_run and modelopt only the parts that make models, optimizers and values:
# the rest of those packages is written to run whatever it is given.
BUILT_IN = (
    *(f"nemo.collections.{part}" for part in "llm vlm diffusion avlm speechlm common".split()),
    "nemo.lightning",
    "nemo.core.optim",
    "nemo.utils.callbacks",
    "nemo.utils.enum",
    "nemo.utils.exp_manager",
    "nemo.utils.loggers",
    "nemo.lightning.io.api.import_ckpt",
    "nemo.lightning.io.api.export_ckpt",
    *(f"nemo_run.{name}" for name in "Config Partial LocalExecutor SlurmExecutor Torchrun FaultTolerance".split()),
    *(f"nemo_run.{name}" for name in "Packager GitArchivePackager HybridPackager PatternPackager".split()),
    "nemo_run.config.Config",
    "nemo_run.config.Partial",
    "nemo_run.core.execution.local.LocalExecutor",
    "nemo_run.core.execution.slurm.SlurmExecutor",
    "nemo_run.core.execution.launcher",
    "nemo_run.core.packaging",
    "megatron",
    "lightning.fabric",
    "lightning.pytorch",
    "lightning_fabric",
    "pytorch_lightning",
    "transformer_engine",
    "modelopt.torch.distill",
    "modelopt.torch.prune",
    "modelopt.torch.quantization",
    "modelopt.torch.sparsity",
    "modelopt.torch.speculative",
    *(f"torch.{part}" for part in "nn optim amp profiler distributions special linalg fft utils.data".split()),
    *(f"torch.distributed.{part}" for part in "fsdp optim tensor device_mesh algorithms".split()),
    *(f"torch.{name}" for name in "Tensor Size device dtype Generator finfo iinfo inf nan pi strided".split()),
    *(f"torch.{name}" for name in "contiguous_format channels_last channels_last_3d preserve_format".split()),
    *(f"torch.{name}" for name in "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 short int long".split()),
    *(f"torch.{name}" for name in "float16 float32 float64 bfloat16 half float double complex32 complex64".split()),
    *(f"torch.{name}" for name in "complex128 cfloat cdouble chalf quint8 qint8 qint32".split()),
    *(f"torch.float8_{name}" for name in "e4m3fn e4m3fnuz e5m2 e5m2fnuz e8m0fnu".split()),
    *(f"torch.{name}" for name in "tensor zeros ones full empty arange linspace eye rand randn randint".split()),
    *(f"torch.{name}" for name in "relu sigmoid tanh softmax log_softmax selu celu prelu rrelu exp log sqrt".split()),
    *(f"torch.{name}" for name in "abs square sin cos add mul sub div matmul einsum cat stack mean sum".split()),
    *(f"torch.{name}" for name in "no_grad inference_mode autocast set_float32_matmul_precision".split()),
    "nemo.lightning.pytorch.optim.pytorch._param_does_not_have_wd",  # a default of its optimizers
    # Named by NeMo's own recipes for Qwen2-VL.
    "transformers.models.qwen2_vl.image_processing_qwen2_vl.Qwen2VLImageProcessor",
    "PIL.Image.Resampling",
)

PICKLE = "reads pickles, which run code"
CODE = "imports or runs what its arguments name"
SHELL = "starts processes"
FETCH = "fetches from a model hub or the network"
NATIVE = "compiles or loads native code"
SERVE = "starts a server"

_LIGHTNING: dict[str, str] = {
    "cli": CODE,
    "core.saving": PICKLE,
    "demos": FETCH,
    "serve": SERVE,
    "strategies.launchers": SHELL,
    "trainer.call": CODE,
    "utilities.argparse": CODE,
    "utilities.consolidate_checkpoint": PICKLE,
    "utilities.deepspeed": PICKLE,
    "utilities.imports": CODE,
    "utilities.migration": PICKLE,
    "utilities.testing": CODE,
    "utilities.upgrade_checkpoint": PICKLE,
}
_FABRIC: dict[str, str] = {
    "accelerators.registry": CODE,
    "cli": SHELL,
    "strategies.launchers": SHELL,
    "strategies.model_parallel": PICKLE,
    "utilities.cloud_io": PICKLE,
    "utilities.consolidate_checkpoint": PICKLE,
    "utilities.imports": CODE,
    "utilities.load": PICKLE,
    "utilities.testing": CODE,
}
_TORCH: dict[str, str] = {
    "classes": NATIVE,
    "compile": CODE,
    "compiler": CODE,
    "cuda.CUDAPluggableAllocator": NATIVE,
    "cuda.jiterator": NATIVE,
    "cuda.memory": NATIVE,
    "distributed.algorithms.join": CODE,
    "distributed.checkpoint": PICKLE,
    "distributed.distributed_c10d": PICKLE,
    "distributed.elastic": SHELL,
    "distributed.launch": SHELL,
    "distributed.launcher": SHELL,
    "distributed.nn": CODE,
    "distributed.optim.zero_redundancy_optimizer": PICKLE,
    "distributed.rpc": CODE,
    "distributed.run": SHELL,
    "export": PICKLE,
    "fx": CODE,
    "hub": FETCH,
    "jit": CODE,
    "library": NATIVE,
    "load": PICKLE,
    "multiprocessing": SHELL,
    "onnx": CODE,
    "ops": NATIVE,
    "package": PICKLE,
    "save": "writes pickles",
    "serialization": PICKLE,
    "storage": PICKLE,
    "testing": CODE,
    "utils.backend_registration": CODE,
    "utils.bottleneck": CODE,
    "utils.bundled_inputs": CODE,
    "utils.collect_env": SHELL,
    "utils.cpp_extension": NATIVE,
    "utils.data.datapipes": PICKLE,
    "utils.model_zoo": FETCH,
    "utils.tensorboard": FETCH,
}

# Inside the packages above: a prefix, and why it is refused. An allowed prefix that is as long or longer opens it.
DENIED: dict[str, str] = {
    **{f"torch.{name}": why for name, why in _TORCH.items()},
    **{f"{top}.{name}": why for top in ("lightning.pytorch", "pytorch_lightning") for name, why in _LIGHTNING.items()},
    **{f"{top}.{name}": why for top in ("lightning.fabric", "lightning_fabric") for name, why in _FABRIC.items()},
    "lightning.app": SHELL,
    "lightning.store": FETCH,
    "nemo_run.Script": SHELL,
    "nemo_run.Experiment": SHELL,
    "nemo_run.LazyEntrypoint": CODE,
    "nemo_run.SSHTunnel": SHELL,
    "nemo_run.api": CODE,
    "nemo_run.cli": CODE,
    "nemo_run.config.Script": SHELL,
    "nemo_run.core.execution.base.import_executor": CODE,
    "nemo_run.core.serialization": PICKLE,
    "nemo_run.core.tunnel": SHELL,
    "nemo_run.devspace": SHELL,
    "nemo_run.dryrun_fn": CODE,
    "nemo_run.help": CODE,
    "nemo_run.import_executor": CODE,
    "nemo_run.lazy_imports": CODE,
    "nemo_run.run": SHELL,
    "nemo.agents": SERVE,
    "nemo.core.classes": CODE,
    "nemo.core.config": CODE,
    "nemo.core.connectors": PICKLE,
    "nemo.core.optim.lr_scheduler.prepare_lr_scheduler": CODE,
    "nemo.core.optim.optimizers.parse_optimizer_args": CODE,
    "nemo.core.utils": SHELL,
    "nemo.deploy": SERVE,
    "nemo.export": PICKLE,
    "nemo.collections.asr": CODE,
    "nemo.collections.audio": CODE,
    "nemo.collections.multimodal": PICKLE,
    "nemo.collections.multimodal_autoregressive": PICKLE,
    "nemo.collections.nlp": PICKLE,
    "nemo.collections.speechlm2": PICKLE,
    "nemo.collections.tts": CODE,
    "nemo.collections.vision": CODE,
    "nemo.collections.common.data.blendable_dataset.compile_helper": NATIVE,
    "nemo.collections.common.data.lhotse": PICKLE,
    "nemo.collections.common.parts.adapter_modules": CODE,
    "nemo.collections.common.parts.mlm_scorer": FETCH,
    "nemo.collections.common.parts.multi_layer_perceptron": CODE,
    "nemo.collections.common.parts.skills_utils": SHELL,
    "nemo.collections.common.tokenizers.megatron_utils": FETCH,
    "nemo.collections.common.tokenizers.tabular_tokenizer": PICKLE,
    "nemo.collections.common.video_tokenizers": PICKLE,
    "nemo.collections.diffusion.data.prepare_energon_dataset": FETCH,
    "nemo.collections.diffusion.encoders": FETCH,
    "nemo.collections.diffusion.models.model.dynamic_import": CODE,
    "nemo.collections.diffusion.vae.autoencoder.AutoEncoder": PICKLE,
    "nemo.collections.diffusion.vae.diffusers_vae": FETCH,
    "nemo.collections.diffusion.vae.train_vae": FETCH,
    "nemo.collections.llm.api.load_connector_from_trainer_ckpt": CODE,
    "nemo.collections.llm.deploy": SERVE,
    "nemo.collections.llm.evaluation": SERVE,
    "nemo.collections.llm.gpt.data.core": PICKLE,
    "nemo.collections.llm.gpt.data.utils": PICKLE,
    "nemo.collections.llm.gpt.model.hf_llama_embedding.get_llama_bidirectional_hf_model": FETCH,
    "nemo.collections.speechlm.modules.asr_module": CODE,
    "nemo.collections.speechlm.recipes.pipeline.build_components": CODE,
    "nemo.collections.speechlm.utils.io": CODE,
    "nemo.collections.vlm.inference": FETCH,
    "nemo.collections.vlm.qwen2vl.data.task_encoder.cook_chatml_sample": PICKLE,
    "nemo.lightning.io.api": CODE,
    "nemo.lightning.io.artifact.hf_auto": FETCH,
    "nemo.lightning.io.artifact.pickle": PICKLE,
    "nemo.lightning.io.fdl_torch": CODE,
    "nemo.lightning.io.load": CODE,
    "nemo.lightning.io.load_ckpt": CODE,
    "nemo.lightning.io.load_context": CODE,
    "nemo.lightning.io.mixin": CODE,
    "nemo.utils.callbacks.s3_checkpoint_io": PICKLE,
    "nemo.utils.cloud": SHELL,
    "nemo.utils.data_utils": SHELL,
    "nemo.utils.export_utils": PICKLE,
    "nemo.utils.exp_manager.exp_manager": "writes wherever its arguments say",
    "nemo.utils.import_utils": CODE,
    "nemo.utils.model_utils": CODE,
    "nemo.utils.notebook_utils": SHELL,
    "nemo.utils.trainer_utils": CODE,
    "megatron.bridge.utils.instantiate_utils": CODE,
    "megatron.core.datasets.object_storage_utils": FETCH,
    "megatron.core.datasets.retro": CODE,
    "megatron.core.datasets.utils.compile_helpers": NATIVE,
    "megatron.core.datasets.utils_object_storage": FETCH,
    "megatron.core.dist_checkpointing": PICKLE,
    "megatron.core.export": PICKLE,
    "megatron.core.inference.text_generation_server": SERVE,
    "megatron.core.models.huggingface": FETCH,
    "megatron.core.tokenizers.text.libraries.megatron_hf_tokenizer": FETCH,
    "megatron.core.tokenizers.text.utils.build_tokenizer": FETCH,
    "megatron.core.transformer.spec_utils.build_module": CODE,
    "megatron.core.transformer.spec_utils.get_module": CODE,
    "megatron.core.transformer.spec_utils.import_module": CODE,
    "modelopt.deploy": PICKLE,
    "modelopt.onnx": NATIVE,
    "modelopt.torch.export": PICKLE,
    "modelopt.torch.opt": PICKLE,
    "modelopt.torch.quantization.plugins": CODE,
    "modelopt.torch.speculative.plugins": FETCH,
    "modelopt.torch.utils": FETCH,
    "transformer_engine.common": NATIVE,
}

# The last part of a name, whatever class or module of the packages above it stands in.
DENIED_LAST: dict[str, str] = {
    **dict.fromkeys(
        "from_pretrained push_to_hub hf_hub_download snapshot_download load_dataset load_state_dict_from_url".split(),
        FETCH,
    ),
    **dict.fromkeys(
        "load_from_checkpoint restore_from loads unpickle deserialize load_checkpoint load_state_dict_from_disk "
        "load_hparams_from_yaml from_yaml_file".split(),
        PICKLE,
    ),
    **dict.fromkeys(
        "from_config_dict from_config_file import_class import_class_by_path import_module import_executor "
        "safe_import safe_import_from instantiate instantiate_class safe_instantiate dynamic_import locate "
        "get_class get_object exec_module run_module run_path eval_str".split(),
        CODE,
    ),
    **dict.fromkeys("system popen Popen check_call check_output".split(), SHELL),
    **dict.fromkeys("load_library load_inline CDLL".split(), NATIVE),
}

# Modules of others that modules of the packages above import: a name never leads through one.
FOREIGN = frozenset(
    "boto3 cloudpickle dill fiddle fsspec fire gdown huggingface_hub hydra importlib_metadata importlib_resources "
    "invoke joblib jsonargparse jsonpickle nemo numpy omegaconf pandas paramiko pip pkg_resources psutil pydoc "
    "requests setuptools smart_open torch urllib3 wget yaml".split()
)
# Modules of those packages that are called as a module of the standard library is.
OWN_MODULES = frozenset("argparse collections enum io logging random trace types warnings".split())
# In packages that the runner allowed, where a module may be called ``platform`` or ``queue``, only these.
POWERFUL = frozenset(
    "builtins code codeop ctypes importlib marshal multiprocessing nt os pickle posix pty runpy shelve shutil socket "
    "subprocess sys".split()
)

# Arguments that turn on what the lists above keep out, and why. In ``MUST_BE_OFF`` only false and null are fine,
# in ``MUST_BE_ON`` false is not, in ``MUST_BE_UNSET`` nothing is.
MUST_BE_OFF: dict[str, str] = {
    "trust_remote_code": "runs Python code that comes with a model or data set",
    "trust_repo": "runs Python code of a repository",
    "use_kernels": "runs kernels of a model hub",
    "allow_pickle": PICKLE,
    "confirm_run_unsafe_code": "runs code that a model has written",
}
MUST_BE_ON: dict[str, str] = {"weights_only": PICKLE}
MUST_BE_UNSET: dict[str, str] = {
    "custom_pipeline": "runs Python code of a repository",
    "pickle_module": PICKLE,
}
# These are fine unless they name a repository (``owner/name``): then what is in it is fetched and run.
MUST_BE_LOCAL: dict[str, str] = dict.fromkeys(
    "attn_implementation _attn_implementation _attn_implementation_internal experts_implementation".split(),
    "runs a kernel of a model hub where it names a repository",
)
ARGUMENTS: dict[str, str] = {**MUST_BE_OFF, **MUST_BE_ON, **MUST_BE_UNSET, **MUST_BE_LOCAL}
# Arguments whose texts the called code imports: they are names like a target.
NAMING = frozenset("fsdp_unit_modules language_model_class vae_module".split())
# The same for single functions and classes of the stack, and for classes made of them, by their own names; ``ARGS``
# stands for the first positional argument where their parameters are not known.
NAMING_OF: dict[str, frozenset[str]] = {
    "ModuleSpec": frozenset({"module", ARGS}),
}
# Given as (module, name in it). Megatron imports the ``module`` of whatever it gets for a spec, so it counts in all
# that the stack is given: ``torch.nn.ParameterDict`` makes an attribute of a key.
PAIRS = frozenset({"module"})
# Keys of a dict with ``params`` by which NeMo's old configs name what is made of them.
OLD_TARGETS = frozenset({"cls", "target"})

# Hydra's own settings in a file: what they may name besides the classes of plugins, each by its whole name.
HYDRA_PARTS = frozenset(
    (
        ".".join(("hydra", "_internal", "core_plugins", "basic_launcher", "BasicLauncher")),
        ".".join(("hydra", "_internal", "core_plugins", "basic_sweeper", "BasicSweeper")),
        "hydra.experimental.callback.Callback",
        "hydra.experimental.callbacks.LogJobReturnCallback",
        "hydra.experimental.callbacks.PickleJobInfoCallback",
        "nemo_partial_hydra.composition.checks.CheckRecipe",
        "nemo_partial_hydra.listing.callback.CfgPaths",
        "rich.logging.RichHandler",
        *(f"colorlog.{name}" for name in "ColoredFormatter LevelFormatter StreamHandler TTYColoredFormatter".split()),
        *(f"colorlog.formatter.{name}" for name in "ColoredFormatter LevelFormatter TTYColoredFormatter".split()),
        *(f"logging.{name}" for name in "FileHandler Filter Formatter NullHandler StreamHandler".split()),
        *(f"logging.handlers.{kind}FileHandler" for kind in "Rotating TimedRotating Watched".split()),
        *(
            f"optuna.samplers.{kind}Sampler"
            for kind in "BruteForce CmaEs GP Grid MOTPE NSGAII NSGAIII QMC Random TPE".split()
        ),
    )
)
STDLIB = frozenset({*sys.stdlib_module_names, "builtins"})

STACK = frozenset(prefix.partition(".")[0] for prefix in BUILT_IN)
"""The top-level packages of the NeMo stack."""
