"""Classes whose objects remember their constructor's arguments, as NeMo's, dataclasses, attrs and pydantic do."""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
import math
import pathlib
from typing import Any, NamedTuple

import attrs
import fiddle

pydantic: Any = importlib.import_module("pydantic")  # which the linter's environment has not


class IOMixin:
    """NeMo's ``nemo.lightning.io.IOMixin`` in short: of a family of classes the first that is made is tracked."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        track(cls)
        return object.__new__(cls)

    def io_init(self, **kwargs: Any) -> Any:
        """Return what is remembered."""
        return fiddle.Config(type(self), **kwargs)


def track(cls: Any) -> None:
    """Wrap a constructor, unless a base class has it wrapped already (as NeMo does)."""
    if getattr(cls, "__wrapped_init__", False):
        return
    original = cls.__init__

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        given = {}
        for name, value in inspect.signature(original).bind_partial(self, *args, **kwargs).arguments.items():
            if name == "self" or value.__class__.__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
                continue
            kept = getattr(value, "__io__", value)
            if dataclasses.is_dataclass(kept) and not isinstance(kept, type):
                fields = {field.name: getattr(kept, field.name) for field in dataclasses.fields(kept) if field.init}
                kept = fiddle.Config(type(kept), **fields)
            given[name] = kept
        self.__io__ = self.io_init(**given)
        original(self, *args, **kwargs)

    cls.__init__ = wrapped
    cls.__wrapped_init__ = True


class Kind(enum.Enum):
    """Kinds."""

    GPT = "gpt"
    BERT = "bert"


@dataclasses.dataclass
class LayerConfig(IOMixin):
    """A config that computes what is left out, as Megatron's ``TransformerConfig`` does."""

    num_layers: int = 32
    hidden_size: int = 64
    heads: int = 8
    ffn_hidden_size: int | None = None
    init_std: float | None = None
    names: list[str] = dataclasses.field(default_factory=list)
    kind: Any = Kind.GPT

    def __post_init__(self) -> None:
        if self.ffn_hidden_size is None:
            self.ffn_hidden_size = 4 * self.hidden_size
        if self.init_std is None:
            self.init_std = 0.02 / math.sqrt(2 * self.num_layers)
        if self.hidden_size % self.heads:
            raise ValueError("hidden_size must be divisible by heads")


@dataclasses.dataclass
class DeepConfig(LayerConfig):
    """A config of a config's family."""

    depth: int = 1


@dataclasses.dataclass
class OptimConfig:
    """A plain dataclass."""

    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)


class Optim(IOMixin):
    """An optimizer's module."""

    def __init__(self, config: OptimConfig, scale: float = 1.0) -> None:
        self.config = config
        self.scale = scale


class Model(IOMixin):
    """A model, as NeMo's ``GPTModel``: what is left out becomes an object of its own."""

    def __init__(self, config: LayerConfig, optim: Optim | None = None, tokenizer: Any = None) -> None:
        self.config = config
        self.optim = optim or Optim(OptimConfig(lr=0.25))
        self.tokenizer = tokenizer


class Reader(IOMixin):
    """An object that only reads its argument."""

    def __init__(self, config: LayerConfig) -> None:
        self.depth = config.num_layers


class Data(IOMixin):
    """A data module: it normalises, derives and keeps things under other names."""

    def __init__(
        self,
        root: Any = None,
        sizes: Any = (1,),
        batch: int = 4,
        options: Any = None,
        seed: int = 1,
        double: int = 2,
        secret: int = 7,
        tokenizer: Any = None,
        **kwargs: Any,
    ) -> None:
        self.root = pathlib.Path(root or "/cache")
        self.sizes = list(sizes)
        self.batch = batch
        self.options = options or {}
        self._seed = seed
        self.double = 2 * double
        self.__hidden = secret
        self.tokenizer = tokenizer or Vocabulary()
        self.kwargs = kwargs

    @property
    def seed(self) -> int:
        """The seed."""
        return self._seed

    def hidden(self) -> int:
        """Return what nobody sees."""
        return self.__hidden


class Vocabulary:
    """An object that cannot say how it was made."""

    def __init__(self) -> None:
        self.words = ["a", "b"]


class Strategy(IOMixin):
    """A strategy, which gets its environment from a trainer."""

    def __init__(self, size: int = 1, environment: Any = None) -> None:
        self.size = size
        self.environment = environment


class Trainer(IOMixin):
    """A trainer: it copies what it gets, and gives it back through a property only."""

    def __init__(self, strategy: Any = None, steps: Any = None, callbacks: Any = None) -> None:
        if isinstance(strategy, Strategy) and strategy.environment is None:
            strategy.environment = Vocabulary()
        self.__state = {"strategy": strategy}
        self.steps = -1 if steps is None else steps
        self.callbacks = [*(callbacks or []), Vocabulary()]

    @property
    def strategy(self) -> Any:
        """The strategy."""
        return self.__state["strategy"]


class Explosive(IOMixin):
    """An object that cannot be made a second time."""

    made = 0

    def __init__(self, a: int = 1, b: Any = None) -> None:
        type(self).made += 1
        if type(self).made > 1:
            raise OSError("there is one already")
        self.a = a
        self.b = b or [1]


class Odd:
    """A value that is equal to nothing and says so loudly."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    __hash__ = None  # type: ignore[assignment]


class Holder(IOMixin):
    """An object that keeps its arguments as they are."""

    def __init__(self, a: Any = None, b: Any = 1, c: Any = math.nan) -> None:
        self.a = a
        self.b = b
        self.c = c


# Data classes ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A frozen dataclass."""

    a: int = 1
    b: Any = None


@dataclasses.dataclass
class Slotted:
    """A dataclass with slots."""

    __slots__ = ("a", "b")
    a: int
    b: Any


@dataclasses.dataclass
class Seeded:
    """A dataclass whose argument with a default is not kept."""

    seed: dataclasses.InitVar[int] = 3
    a: int | None = None

    def __post_init__(self, seed: int) -> None:
        if self.a is None:
            self.a = seed * 10
        self.noise = seed * 100


@dataclasses.dataclass
class Total:
    """A dataclass with a field that is computed."""

    a: int = 1
    b: int = 2
    total: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.total = self.a + self.b


@dataclasses.dataclass
class Doubled:
    """A dataclass that makes something else of its argument, each time."""

    size: int = 1

    def __post_init__(self) -> None:
        self.size *= 2


@dataclasses.dataclass
class Stamped:
    """A dataclass with a field that is another one each time."""

    a: int = 1
    stamp: int = dataclasses.field(default=0, init=False)

    def __post_init__(self) -> None:
        self.stamp = id(object()) ^ id(self)
        self.where = pathlib.Path(str(self.a))
        self.items = [self.a]


@dataclasses.dataclass
class Cached:
    """A dataclass with a cached property."""

    a: int = 1

    @functools.cached_property
    def twice(self) -> int:
        """Twice a."""
        return 2 * self.a


@dataclasses.dataclass
class Appending:
    """A dataclass that changes what it is given."""

    items: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if 0 not in self.items:
            self.items.append(0)


@dataclasses.dataclass(init=False)
class AnyKeyword:
    """A dataclass with a constructor of its own that takes any keyword."""

    a: int = 1

    def __init__(self, a: int = 1, **more: Any) -> None:
        self.a = a
        for name, value in more.items():
            setattr(self, name, value)


@attrs.define
class Attrs:
    """A class of attrs, with a private name, a converter and an attribute that is no argument."""

    a: int = 1
    _hidden: int = 2
    where: pathlib.Path = attrs.field(default=pathlib.Path("x"), converter=pathlib.Path)
    other: int = attrs.field(default=5, alias="another")
    made: int = attrs.field(init=False, default=9)
    items: list[int] = attrs.field(factory=list)


@attrs.frozen
class FrozenAttrs:
    """A frozen class of attrs."""

    a: int
    child: Any = None


# A model of pydantic with an attribute that is no field.
_SECRET = {"__annotations__": {"_secret": int}, "_secret": 4, "__module__": __name__}
Pydantic: Any = pydantic.create_model(
    "Pydantic",
    __base__=type("Keeping", (pydantic.BaseModel,), _SECRET),
    __module__=__name__,
    a=(int, 1),
    b=(list[int], []),
    c=(int, pydantic.Field(3, alias="cc")),
    child=(Any, None),
)


class Point(NamedTuple):
    """A named tuple."""

    x: Any = 1
    y: Any = 2


class Taught(Point):
    """A named tuple that can hold more."""


class Everything:
    """An object that has every attribute, as stand-ins and proxies have."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __getattr__(self, name: str) -> Any:
        return self


def train(**objects: Any) -> Any:
    """Return what it is given."""
    return objects
