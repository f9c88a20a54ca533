"""The registry of recipes: what is recorded of a registration."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition import registry


@dataclass
class Adam:
    lr: float = 1e-3


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, registry.Entry]:
    """An empty registry's entries."""
    monkeypatch.setattr(registry, "REGISTRY", registry.Registry())
    return registry.REGISTRY.entries


def line() -> int:
    """Return the line of the call."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_the_origin_is_where_the_public_function_was_called(entries: dict[str, registry.Entry]) -> None:
    nph.store(Adam(), group="optim")
    stored = line() - 1
    decorator = nph.recipe(group="optim")
    decorated = line() - 1

    @decorator
    def fast() -> Any:
        return Adam(lr=1.0)

    origins = {path: entry.origin for path, entry in entries.items()}
    assert origins == {"optim/Adam": f"{__name__}:{stored}", "optim/fast": f"{__name__}:{decorated}"}


def test_a_factory_is_registered_as_it_is_and_called_when_it_is_chosen(entries: dict[str, registry.Entry]) -> None:
    calls = []

    @nph.recipe(name="adam", package="_global_")
    def factory() -> Any:
        calls.append(1)
        return Adam()

    assert (entries["adam"].package, entries["adam"].make, calls) == ("_global_", factory, [])
    assert registry.REGISTRY.config("adam").lr == Adam().lr
    registry.REGISTRY.config("adam")
    assert calls == [1]


def test_a_second_registration_elsewhere_is_an_error(entries: dict[str, registry.Entry]) -> None:
    nph.store(Adam(), name="adam")
    with pytest.raises(nph.RegistrationError, match=r"'adam' is registered twice: at .*:\d+ and at .*:\d+"):
        nph.store(Adam(), name="adam")
