"""Where a factory's recipe stands in a library: its config group, and the name of its option.

May import: the standard library only. A factory that was registered says it itself; the others get NeMo's own names:
``llama3_8b.model`` is ``model/llama3_8b``, as on NeMo's command line ``model=llama3_8b``, and
``precision.mixed_precision.bf16_mixed`` is ``precision/bf16_mixed``. ``llama3_8b_pretrain_config`` is
``pretrain_config/llama3_8b``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemo_partial_hydra.errors import UsageError

from .factories import Factory

KINDS = (
    "model",
    "trainer",
    "tokenizer",
    "pretrain",
    "finetune",
    "sft",
    "data",
    "optim",
    "log",
    "resume",
    "strategy",
    "callbacks",
    "peft",
)
"""What a factory makes, where its name says it: ``model()``, ``bert_trainer()``, ``default_log()``."""

KNOWN = {"lora": "peft", "dora": "peft", "flux_mock_datamodule": "data"}
"""Factories whose names do not say what they make."""


def place(module: str, function: str) -> tuple[str, str]:
    """Return the config group and option of a factory.

    Parameters
    ----------
    module : the module that defines it, like ``nemo.collections.llm.recipes.llama3_8b``.
    function : its name, like ``pretrain_recipe``.
    """
    *folders, last = module.split(".")
    kind = function.removesuffix("_recipe")
    head, _, tail = kind.rpartition("_")
    if tail == "config":  # llama3_8b_pretrain_config
        option, _, group = head.rpartition("_")
        if option and group in KINDS:
            return f"{group}_config", option  # NeMo's own library has pretrain/llama3_8b
    if function in KNOWN:
        return KNOWN[function], function
    if kind in KINDS:
        return kind, last
    if head and tail in KINDS:
        return tail, kind
    if "performance" in kind:  # a pretraining or finetuning recipe, tuned
        return kind.replace("_recipe_", "_"), last
    if kind not in (function, last.removesuffix("_recipe")):
        return kind, last
    if folders[-1:] == ["recipes"] and kind != function:
        return folders[-2] if len(folders) > 1 else last, kind
    return folders[-1] if folders and folders[-1] not in ("recipes", "collections") else last, kind


def places(factories: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the group and option of each factory (module, function); no two share one.

    Where several would, the one whose function is named most shortly keeps it, and the others get longer options.
    """
    out: dict[tuple[str, str], tuple[str, str]] = {}
    taken: set[tuple[str, str]] = set()
    for module, function in sorted(factories, key=lambda each: (len(each[1]), each)):
        group, option = place(module, function)
        parents = module.split(".")
        candidates = [option, f"{parents[-1]}_{function}"]
        candidates += ["_".join([*parents[cut:], function]) for cut in range(len(parents) - 2, -1, -1)]
        found = next((name for name in candidates if (group, name) not in taken), None)
        if found is None:
            raise ValueError(f"{module}.{function} is given twice")
        taken.add((group, found))
        out[module, function] = (group, found)
    return out


def config_paths(factories: Sequence[Factory]) -> dict[Factory, str]:
    """Return the config path of each factory's recipe.

    Raises
    ------
    UsageError
        If two have the same.
    """
    free = [factory for factory in factories if factory.option is None]
    names = places((factory.module, factory.function) for factory in free)
    out: dict[Factory, str] = {}
    owners: dict[str, Factory] = {}
    for factory in factories:
        group, option = factory.group or "", factory.option or ""
        if factory.option is None:
            group, option = names[factory.module, factory.function]
        path = f"{group}/{option}" if group else option
        if path in owners:
            raise UsageError(
                f"'{path}' would be both {owners[path].name} and {factory.name}: "
                "register one under another name with @nph.recipe(group=, name=)"
            )
        owners[path] = factory
        out[factory] = path
    return out
