"""A library of plain-Python targets as large as a NeMo recipe's, so that an app can be timed without NeMo's import.

Nodes, nesting and mix of types are those of ``llm.llama3_8b.pretrain_recipe`` in NeMo 2.7.3; together they have the
534 parameters of the project's reference recipe, 74 of them set.

May import: the standard library only.
"""

from __future__ import annotations

from pathlib import Path

NODES = (
    # path, target, parameters, how many the recipe sets beside the nodes below
    ("", "pretrain", 6, 0),
    ("model", "LlamaModel", 5, 0),
    ("model.config", "LlamaConfig", 271, 1),
    ("data", "MockData", 14, 3),
    ("trainer", "Trainer", 39, 14),
    ("trainer.strategy", "MegatronStrategy", 53, 12),
    ("trainer.strategy.ddp", "DistributedDataParallel", 25, 6),
    ("trainer.callbacks.0", "TimingCallback", 2, 0),
    ("trainer.plugins", "MixedPrecision", 27, 6),
    ("log", "Logger", 13, 3),
    ("log.ckpt", "ModelCheckpoint", 13, 6),
    ("log.tensorboard", "TensorBoardLogger", 7, 2),
    ("resume", "AutoResume", 6, 3),
    ("optim", "OptimizerModule", 5, 0),
    ("optim.config", "OptimizerConfig", 41, 14),
    ("optim.lr_scheduler", "CosineAnnealing", 7, 4),
)
PARAMETERS = sum(parameters for _, _, parameters, _ in NODES)
SET = sum(used for *_, used in NODES)

# In 20 parameters: 8 bool, 6 with None, 3 int, and one each of float, str and something OmegaConf cannot express.
KINDS = (
    ("bool", "False", "true"),
    ("Optional[int]", "None", "4"),
    ("bool", "True", "false"),
    ("int", "1", "8"),
    ("Optional[str]", "None", "text"),
    ("bool", "False", "true"),
    ("float", "0.5", "0.25"),
    ("bool", "True", "false"),
    ("Optional[float]", "None", "1.5"),
    ("int", "2", "16"),
    ("bool", "False", "true"),
    ("Optional[int]", "None", "2"),
    ("str", "'adam'", "sgd"),
    ("bool", "True", "false"),
    ("Optional[bool]", "None", "true"),
    ("int", "3", "32"),
    ("bool", "False", "true"),
    ("Union[int, str, None]", "None", "8"),
    ("bool", "True", "false"),
    ("Literal['rope', 'none']", "'rope'", "none"),
)

TARGETS = "targets"
"""The name of the module of the targets."""


def below(path: str) -> list[tuple[str, str, str]]:
    """List the nodes directly below one: name of the parameter, path of the node, target; ``callbacks`` is a list."""
    found = []
    for other, target, _, _ in NODES:
        parent, _, name = other.removesuffix(".0").rpartition(".")
        if other and parent == path:
            found.append((name, other, target))
    return found


def own(path: str, parameters: int) -> list[tuple[str, str, str, str]]:
    """List the other parameters of a node: name, type, default, a value that is not the default."""
    return [(f"option_{i}", *KINDS[i % len(KINDS)]) for i in range(parameters - len(below(path)))]


def write_targets(folder: Path) -> None:
    """Write the module of the targets."""
    lines = ["from dataclasses import dataclass", "from typing import Any, List, Literal, Optional, Union", ""]
    for path, target, parameters, _ in reversed(NODES):
        nodes = [f"{name}: Any = None" for name, _, _ in below(path)]
        fields = nodes + [f"{name}: {kind} = {default}" for name, kind, default, _ in own(path, parameters)]
        if path:
            lines += ["", "@dataclass", f"class {target}:", *(f"    {field}" for field in fields), ""]
        else:
            lines += ["", f"def {target}({', '.join(fields)}):", "    pass", ""]
    Path(folder, f"{TARGETS}.py").write_text("\n".join(lines))


def recipe_yaml(path: str = "", indent: str = "") -> str:
    """Write the recipe as YAML: what it sets and nothing else."""
    target, parameters, used = next((t, p, u) for place, t, p, u in NODES if place == path)
    lines = [f"_target_: {TARGETS}.{target}", *([] if path else ["_partial_: true"])]
    lines += [f"{name}: {value}" for name, _, _, value in own(path, parameters)[:used]]
    text = "".join(f"{indent}{line}\n" for line in lines)
    for name, other, _ in below(path):
        inner = recipe_yaml(other, indent + "  ")
        if other.endswith(".0"):
            inner = f"{indent}- {inner.removeprefix(indent + '  ')}"
        text += f"{indent}{name}:\n{inner}"
    return text


def recipe_python(path: str = "") -> str:
    """Write the recipe as a Python expression of plain objects."""
    target, parameters, used = next((t, p, u) for place, t, p, u in NODES if place == path)
    arguments = [f"{name}={_python(value)}" for name, _, _, value in own(path, parameters)[:used]]
    for name, other, _ in below(path):
        inner = recipe_python(other)
        arguments.append(f"{name}=[{inner}]" if other.endswith(".0") else f"{name}={inner}")
    head = f"{TARGETS}.{target}"
    return f"{head}({', '.join(arguments)})" if path else f"functools.partial({', '.join([head, *arguments])})"


def _python(value: str) -> str:
    if value in ("true", "false"):
        return value.capitalize()
    return value if value.replace(".", "").isdigit() else repr(value)
