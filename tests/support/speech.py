"""Config classes as NeMo's speech models have them: with fields ``_target_``, and with configs of OmegaConf in them.

Their annotations are no texts: OmegaConf does not resolve them.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf


class Decoder:
    """What a decoder's config is for."""

    def __init__(self, width: int = 1) -> None:
        self.width = width


@dataclass
class DecoderConfig:
    _target_: str = "tests.support.speech.Decoder"
    width: int = 1


@dataclass
class Confidence:
    name: str = "entropy"
    alpha: float = 0.33


@dataclass
class Greedy:
    """It makes a config of OmegaConf of what it is given."""

    confidence: Any = field(default_factory=Confidence)
    preserve: bool = False

    def __post_init__(self) -> None:
        given = self.confidence
        self.confidence = OmegaConf.structured(given if isinstance(given, DictConfig) else Confidence(**vars(given)))


class Riva(DictConfig):
    """A config of OmegaConf that is a class of its own."""

    def __init__(self) -> None:
        super().__init__({"beam": 4})


@dataclass
class Beam:
    riva: Any = field(default_factory=Riva)
    size: int = 1


@dataclass
class Keeps:
    """It keeps what it is given."""

    config: Any = None


@dataclass
class Model:
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    greedy: Greedy = field(default_factory=Greedy)
    beam: Beam = field(default_factory=Beam)
    labels: list[str] | None = None
    manifest: str = "???"
