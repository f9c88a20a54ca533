"""Plain-Python targets with every kind of signature that recipes meet; they need no package but fiddle's absence.

Everything here is public and importable by name, so a recipe in a test can name it in YAML as
``tests.support.targets.<name>``.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import pathlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Dict, List, Literal, NamedTuple, Optional, Set, Tuple, TypedDict, Union

if TYPE_CHECKING:
    from nowhere_to_be_found import OnlyForTypeCheckers  # type: ignore[import-not-found]


class Color(enum.Enum):
    """An enum with plain values and an alias."""

    RED = 1
    GREEN = 2
    CRIMSON = 1


class Other(enum.Enum):
    """An enum with a member of the same name as one of ``Color``."""

    RED = 1


class Flavour(str, enum.Enum):
    """An enum whose members are texts too."""

    SWEET = "sweet"
    SOUR = "sour"


class Level(enum.IntEnum):
    """An enum whose members are integers too."""

    LOW = 1
    HIGH = 2


class Bits(enum.Flag):
    """A flag; combinations of members have no name of their own."""

    A = 1
    B = 2


class Shape(enum.Enum):
    """An enum without members: only subclasses have some."""


class Round(Shape):
    """A subclass of an enum."""

    CIRCLE = "circle"


Odd = enum.Enum("Odd", {"a-b": 1, "plain": 2})  # a member that is no identifier


# Functions and classes as values -----------------------------------------------------------------------------------


def double(x: float = 1.0) -> float:
    """Return twice the value."""
    return 2 * x


def _private_helper(x: float = 1.0) -> float:
    return x


def half(x: float = 1.0) -> float:
    """Return half of the value."""
    return x / 2


# Annotated parameters ----------------------------------------------------------------------------------------------


def typed(
    i: int = 0,
    f: float = 0.5,
    b: bool = False,
    s: str = "text",
    data: bytes = b"",
    path: pathlib.Path = pathlib.Path("."),
    pure: pathlib.PurePosixPath = pathlib.PurePosixPath("/x"),
    wait: datetime.timedelta = datetime.timedelta(0),
    color: Color = Color.RED,
    flavour: Flavour = Flavour.SWEET,
    level: Level = Level.LOW,
    word: Literal["a", "b", 3, True, None] = "a",
    fn: Callable[[float], float] = double,
    cls: type = int,
    day: datetime.date = datetime.date(2020, 1, 1),
    key: Optional[uuid.UUID] = None,
    oi: Optional[int] = None,
    os: Optional[str] = None,
    of: Optional[float] = None,
    op: Optional[pathlib.Path] = None,
    oc: Optional[Color] = None,
    ow: Optional[datetime.timedelta] = None,
    ofn: Optional[Callable[..., Any]] = None,
) -> None:
    """Take one value of each simple type."""


def contained(
    ints: List[int] = [],  # noqa: B006  # a mutable default, as recipes have them
    floats: Sequence[float] = (),
    pair: Tuple[int, str] = (1, "a"),
    betas: Tuple[float, ...] = (0.9, 0.999),
    names: Set[str] = frozenset(),  # type: ignore[assignment]
    frozen: frozenset[int] = frozenset(),
    paths: Optional[List[pathlib.Path]] = None,
    colors: Dict[str, Color] = {},  # noqa: B006
    by_int: Dict[int, str] = {},  # noqa: B006
    nested: Dict[str, List[Tuple[int, ...]]] = {},  # noqa: B006
    waits: Tuple[datetime.timedelta, ...] = (),
    either: Union[List[int], Tuple[str, ...], None] = None,
    set_or_list: Union[List[int], Set[str], None] = None,
    anything: Any = None,
    mapping: Optional[Mapping[str, Any]] = None,
    many: Iterable[int] = (),
) -> None:
    """Take containers of each kind."""


def mixed(
    number: Union[int, str] = 1,
    text: Union[str, int] = "1",
    where: Union[str, pathlib.Path] = "here",
    colour: Union[Color, str] = Color.RED,
    flag: Union[bool, int] = True,
    real: Union[float, None, str] = None,
    call: Union[str, Callable[..., Any], None] = None,
) -> None:
    """Take unions, in which several members could read the same text."""


def untyped(a=1, b=None, c=(1, 2), *, d=None):  # type: ignore[no-untyped-def]
    """Take anything."""


def keywords(x: int = 1, **kwargs: Any) -> None:
    """Take any further keyword."""


def int_keywords(**kwargs: int) -> None:
    """Take further keywords that must be integers."""


def positional(a: int, b: str = "b", /, c: float = 1.0, *rest: pathlib.Path, d: int = 4, **more: Any) -> None:
    """Take parameters of all five kinds."""


def required(needed: int, optional: str = "o") -> None:
    """Need one argument."""


def implicit(x: int = None, y: Color = None) -> None:  # type: ignore[assignment]
    """Say ``None`` where the annotation does not."""


def contradicting(x: float = False, y: int = "auto") -> None:  # type: ignore[assignment]
    """Have defaults that contradict their own annotations, as NeMo's T5 does."""


def unresolvable(a: OnlyForTypeCheckers = None, b: int = 2, c: Optional[Color] = None) -> None:
    """Have one annotation that cannot be resolved here; the others can."""


class Unwritable:
    """An object that cannot say how it was made and whose ``repr`` raises."""

    def __init__(self, a: int) -> None:
        self.kept = a

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Arrayish:
    """Like a numpy array: its ``==`` gives an object that has no truth value."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __hash__(self) -> int:
        return id(self)


class Vague:
    """An object that cannot say how it was made."""

    def __init__(self, a: int) -> None:
        self.kept = a

    def step(self) -> int:
        """Do something."""
        return self.kept


class Refusing:
    """An object whose pickling raises an error of its own."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __reduce__(self) -> Any:
        import pickle

        raise pickle.PicklingError("not me")


def odd_defaults(a: Any = Vague(1), b: Any = lambda: 1, c: int = 3) -> None:
    """Have defaults that have no text form."""


def unshown_default(a: Any = Unwritable(1), c: int = 3) -> None:
    """Have a default whose repr raises."""


def arrayish_default(a: Any = Arrayish(1), c: int = 3) -> None:
    """Have a default whose comparison has no truth value."""


def needs_function(fn: Callable[..., Any], other: Any = None) -> Any:
    """Take a function."""
    return fn


# Classes -----------------------------------------------------------------------------------------------------------


class Optimizer:
    """A plain class.

    Args:
        lr: The learning rate.
        betas: Two decay rates.
    """

    def __init__(self, lr: float = 1e-3, betas: Tuple[float, float] = (0.9, 0.999), kind: Color = Color.RED) -> None:
        self.lr = lr
        self.betas = betas
        self.kind = kind

    @classmethod
    def default(cls, lr: float = 0.1) -> Optimizer:
        """Make one."""
        return cls(lr)


class SubOptimizer(Optimizer):
    """A subclass that inherits its constructor and its classmethod."""

    class Nested:
        """A class inside a class."""

        def __init__(self, depth: int = 0) -> None:
            self.depth = depth


class Trainer:
    """A class that takes other recipes.

    Parameters
    ----------
    optimizers : list of Optimizer
        What to step with.
    max_steps : int
        When to stop.
    """

    def __init__(
        self,
        optimizers: Optional[List[Optimizer]] = None,
        optimizer: Optional[Optimizer] = None,
        max_steps: int = -1,
        callbacks: Sequence[Any] = (),
        extra: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.optimizers = optimizers
        self.optimizer = optimizer
        self.max_steps = max_steps
        self.callbacks = callbacks
        self.extra = extra


class ClassHints:
    """A class whose attributes have other types than the arguments of the same name."""

    rate: int
    mode: Color

    def __init__(self, rate: str = "slow", mode: Optional[str] = None) -> None:
        pass


@dataclasses.dataclass
class Plain:
    """A plain dataclass.

    Attributes:
        size: How big it is.
    """

    size: int = 1
    """Its size in units."""
    names: List[str] = dataclasses.field(default_factory=list)
    child: Optional[Plain] = None
    where: pathlib.Path = pathlib.Path("a")
    mode: Color = Color.GREEN


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A frozen dataclass."""

    a: int = 1
    b: Tuple[int, ...] = (1, 2)


def exploding() -> Any:
    """Raise when called: a default factory must never be."""
    raise AssertionError("a default factory was called")


@dataclasses.dataclass
class Explosive:
    """A dataclass with a default factory that raises."""

    a: Any = dataclasses.field(default_factory=exploding)
    b: List[int] = dataclasses.field(default_factory=list)
    c: Dict[str, int] = dataclasses.field(default_factory=lambda: {"x": 1})
    d: int = 4


@dataclasses.dataclass
class Mutating:
    """A dataclass that changes a field after it was made."""

    steps: int = 1

    def __post_init__(self) -> None:
        self.steps += 1


@dataclasses.dataclass
class WithInitVar:
    """A dataclass that forgets one of its arguments."""

    seed: dataclasses.InitVar[int]
    a: int = 1

    def __post_init__(self, seed: int) -> None:
        self.a = self.a + seed


@dataclasses.dataclass
class Hidden:
    """A dataclass with a field that the constructor does not take."""

    a: int = 1
    b: int = dataclasses.field(default=0, init=False)


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: float = 0.5


class Shout(str):
    """A subclass of str: it is no plain text."""


class Options(TypedDict, total=False):
    """A typed dict."""

    a: int
    b: str


def takes_options(options: Optional[Options] = None, shape: Optional[Shape] = None, any_enum: Any = None) -> None:
    """Take a typed dict and a member of any subclass of an enum."""


# Documented targets ------------------------------------------------------------------------------------------------


def google(alpha: int = 1, beta: str = "x") -> None:
    """Do it the Google way.

    Args:
        alpha: The first one,
            which goes on.
        beta (str): The second one.
    """


def numpydoc(alpha: int = 1, beta: str = "x") -> None:
    """Do it the NumPy way.

    Parameters
    ----------
    alpha : int
        The first one.
    beta : str, optional
        The second one.
    """


def sphinx(alpha: int = 1, beta: str = "x") -> None:
    """Do it the Sphinx way.

    :param alpha: The first one.
    :param beta: The second one.
    :type beta: str
    """


def undocumented(alpha: int = 1) -> None:
    pass


# Targets whose results show what they were given -------------------------------------------------------------------


@dataclasses.dataclass
class Recorded:
    """What a recording target was called with."""

    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]


def record(*args: Any, **kwargs: Any) -> Recorded:
    """Return the arguments."""
    return Recorded(args, kwargs)


Ordered = collections.OrderedDict
