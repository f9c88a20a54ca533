"""Dataclasses of the shape of Megatron-Bridge's configs, and a writer that gives the same YAML as its ``to_yaml``.

Bridge itself needs CUDA builds that a test machine does not have. What its files look like: all fields of all
dataclasses but those that begin with ``_``, sorted; functions, classes and dtypes with ``_call_: false``; enum members
called with their value, newer versions name them too; partials with ``_args_``; tuples as lists.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

import yaml


class Backend(enum.Enum):
    """An enum whose values are not its names."""

    flash = 1
    auto = 5


class DType:
    """Stands for ``torch.dtype``: no callable, known by its repr only."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def silu(x: float) -> float:
    """Return what it gets."""
    return x


def normal(tensor: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Return what it gets."""
    return tensor


def layer_spec(config: Any) -> str:
    """Say for which config."""
    return type(config).__name__


@dataclass
class Provider:
    """A model provider: functions, partials, an enum, a property, a lambda nobody sets, a computed field."""

    num_layers: int = 2
    hidden_size: int = 8
    ffn_hidden_size: int | None = None
    activation_func: Callable[..., Any] = silu
    init_method: Callable[..., Any] | None = None
    layer_spec: type | Callable[..., Any] = layer_spec
    backend: Backend = Backend.auto
    rotary_base: float = 10000.0
    layout: list[list[str]] | None = None
    scale: Callable[[float], float] = lambda x: x
    flops: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Fill in what depends on other fields."""
        if self.ffn_hidden_size is None:
            self.ffn_hidden_size = 4 * self.hidden_size
        self.flops = self.num_layers * self.hidden_size

    @property
    def heads(self) -> int:
        """Say a number that no field has."""
        return self.hidden_size // 4


@dataclass
class Larger(Provider):
    """A subclass with other defaults."""

    num_layers: int = 4
    rotary_base: float = 500_000.0


@dataclass(kw_only=True)
class Train:
    """Required and optional fields."""

    micro_batch_size: int
    global_batch_size: int
    train_iters: int | None = None
    mode: Literal["a", "b"] = "a"


@dataclass
class Optimizer:
    """Fields of a deferred constructor: ``finalize`` is what computes."""

    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        """Leave it to finalize."""

    def finalize(self) -> None:
        """Compute."""
        self.lr = self.lr or 1e-3


@dataclass
class CoreDataset:
    """A dataset of the layer below."""

    sequence_length: int | None = None
    blend: tuple[list[str], list[float] | None] | None = None
    split: str | None = None
    mock: bool = field(init=False, default=False)
    split_matrix: list[tuple[float, float]] | None = field(init=False, default=None)


@dataclass
class Dataset(CoreDataset):
    """A constructor of its own, which passes on what it does not know."""

    workers: int = 2

    def __init__(self, seq_length: int | None = None, workers: int = 2, *args: Any, **kwargs: Any) -> None:
        if seq_length is not None:
            kwargs["sequence_length"] = seq_length
        CoreDataset.__init__(self, *args, **kwargs)
        self.workers = workers


@dataclass(kw_only=True)
class Base:
    """What all containers have."""

    __version__: str = "0.1.0"

    def finished(self) -> bool:
        """Say whether it can be used."""
        return True


@dataclass(kw_only=True)
class ConfigContainer(Base):
    """The top."""

    train: Train
    model: Provider | Larger
    optimizer: Optimizer
    dataset: Dataset | CoreDataset
    logger: dict[str, Any] = field(default_factory=dict)
    stages: list[int] = field(default_factory=list)
    mixed_precision: str | Optimizer | None = None
    peft: Any | None = None


def pretrain_config(**more: Any) -> ConfigContainer:
    """Return a recipe as Bridge's recipe functions do: made, then changed."""
    made = ConfigContainer(
        train=Train(micro_batch_size=1, global_batch_size=8, train_iters=100),
        model=Larger(hidden_size=16, init_method=functools.partial(normal, mean=0.0, std=0.02)),
        optimizer=Optimizer(lr=3e-4),
        dataset=Dataset(seq_length=128, split="1,1,1"),
        **more,
    )
    made.model.layout = [["embedding"], ["decoder", "loss"]]
    made.logger["tags"] = ["x", 1, None]
    return made


@dataclass
class Bag:
    """Anything: what plain Hydra is tried with."""

    value: Any = None
    other: Any = None


# The writer --------------------------------------------------------------------------------------------------------


def plain(value: Any, *, named: bool) -> Any:
    """Turn a container into the data of its file; ``named`` enums are what newer versions write."""
    if isinstance(value, enum.Enum):
        member = {"_target_": full(type(value)), "_call_": True, "_args_": [value.value]}
        return {**member, "_name_": value.name} if named else member
    if is_dataclass(value) and not isinstance(value, type):
        kept = {f.name: getattr(value, f.name) for f in fields(value) if not f.name.startswith("_")}
        return {"_target_": full(type(value)), **{name: plain(each, named=named) for name, each in kept.items()}}
    if isinstance(value, functools.partial):
        head = {"_target_": full(value.func), "_partial_": True, "_args_": list(value.args)}
        return {**head, **{name: plain(each, named=named) for name, each in value.keywords.items()}}
    if isinstance(value, (list, tuple)):
        return [plain(each, named=named) for each in value]
    if isinstance(value, dict):
        return {key: plain(each, named=named) for key, each in value.items()}
    if callable(value):
        return {"_target_": full(value), "_call_": False}
    return value


def full(obj: Any) -> str:
    """Return a dotted name."""
    return f"{obj.__module__}.{obj.__qualname__}"


def to_yaml(container: Any, *, named: bool = True) -> str:
    """Write a container."""
    return yaml.safe_dump(plain(container, named=named), default_flow_style=False)
