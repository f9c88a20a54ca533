"""Objects of ordinary classes are captured where it is exact: their attributes are their arguments, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fiddle
import nemo_run as run
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nemo_partial_hydra as nph
from nemo_partial_hydra.errors import CaptureError
from tests.support import ordinary as o

values = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.none(), st.tuples(st.integers(), st.text()))


def again(obj: Any) -> Any:
    """Make an object of what another one was captured as, through YAML and through a config."""
    recipe = run.Partial(o.train)
    recipe.callback = obj
    made = fiddle.build(nph.from_yaml(nph.to_yaml(recipe)))
    other = fiddle.build(nph.build(nph.to_config(recipe)))
    assert vars(made.keywords["callback"]).keys() == vars(other.keywords["callback"]).keys()
    return made.keywords["callback"]


@given(st.sampled_from((o.Every, o.Child)), st.integers(), st.lists(st.text(), max_size=3), values, values)
def test_what_was_captured_is_what_it_is_now(kind: Any, steps: int, names: list[str], then: Any, later: Any) -> None:
    obj = kind(steps, tuple(names), o.Every(then=then))
    obj.then.steps = later
    found = again(obj)
    assert type(found) is kind
    assert (found.steps, found.names) == (steps, tuple(names))
    assert (found.then.steps, found.then.then) == (later, then)


def test_each_of_its_arguments_is_a_path() -> None:
    recipe = run.Partial(o.train)
    recipe.callback = o.Child(5)
    config = nph.to_config(recipe)
    config.callback.steps = 8
    assert nph.run(config)[0].steps == 8
    assert {"callback.steps", "callback.names", "callback.then"} <= {info.path for info in nph.paths(config)}


def test_one_without_arguments() -> None:
    assert type(again(o.Nothing())) is o.Nothing


def _more() -> o.Every:
    obj = o.Every()
    obj.own = 3  # type: ignore[attr-defined]
    return obj


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "its constructor makes something else of it": (
        lambda: o.Doubles(3),
        "'width' is 6 and would be 12 when made again",
    ),
    "another name": (lambda: o.Renames(3), "cannot say how it was made"),
    "something of its own": (lambda: o.Keeps(3), "cannot say how it was made"),
    "an attribute that was added": (_more, "cannot say how it was made"),
    "an argument that is nowhere": (lambda: o.Forgets(3), "cannot say how it was made"),
    "its own comparison": (lambda: o.Compares(3), "cannot say how it was made"),
    "a list": (lambda: o.Slow(3), "cannot say how it was made"),
    "any arguments": (lambda: o.AnyOf(1, 2), "cannot say how it was made"),
    "a metaclass": (lambda: o.Made(3), "cannot say how it was made"),
    "a constructor that refuses": (
        lambda: o.Once(3),
        "cannot be made again of what it holds (RuntimeError: there is one",
    ),
    "what cannot be copied": (o.lock, "cannot be made again of what it holds (TypeError: cannot pickle"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_exact_is_refused(case: str) -> None:
    make, text = REFUSED[case]
    recipe = run.Partial(o.train)
    recipe.callback = make()
    with pytest.raises(CaptureError) as caught:
        nph.to_yaml(recipe)
    assert str(caught.value).startswith("callback: a ")
    assert text in str(caught.value)
    assert "run.Config(...)" in str(caught.value)
    recipe.callback = nph.raw(recipe.callback)
    nph.to_config(recipe)  # the way out that the message names


def test_a_recipe_that_was_changed_after_it_was_made() -> None:
    recipe = run.Partial(o.train, callback=[run.Config(o.Every)])
    recipe.callback.append(run.Config(o.Every, steps=7))
    recipe.callback.append(o.Child(2))
    recipe.steps = 11
    callbacks, steps = nph.run(nph.to_config(recipe))
    assert [callback.steps for callback in callbacks] == [1, 7, 2]
    assert steps == 11


def test_a_lazy_entrypoint_is_what_it_resolves_to() -> None:
    lazy = run.LazyEntrypoint(o.train, factory=o.recipe)
    lazy.steps = 4
    assert nph.to_yaml(lazy) == nph.to_yaml(lazy.resolve())
    callback, steps = nph.run(nph.to_config(lazy))
    assert (callback.steps, steps) == (9, 4)


def test_a_lazy_entrypoint_that_cannot_be_resolved_is_said() -> None:
    lazy = run.LazyEntrypoint("tests.support.ordinary.nowhere")
    with pytest.raises(CaptureError, match=r"cannot be resolved here .*: give the run.Partial that it stands for"):
        nph.to_yaml(lazy)
