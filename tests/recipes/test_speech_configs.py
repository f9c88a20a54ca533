"""Config classes of NeMo's speech models as recipes: fields named ``_target_``, and configs of OmegaConf in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiddle
import nemo_run as run
import pytest
from omegaconf import DictConfig, OmegaConf

import nemo_partial_hydra as nph
from nemo_partial_hydra.errors import CaptureError
from nemo_partial_hydra.signatures.introspect import read
from tests.support import speech

ALLOW = ["tests"]


def again(obj: Any) -> list[Any]:
    """Make an object of what another one was captured as, through YAML and through a config."""
    return [
        fiddle.build(nph.from_yaml(nph.to_yaml(obj), allow=ALLOW)),
        fiddle.build(nph.build(nph.to_config(obj))),
    ]


def test_a_config_for_a_class_stays_a_config() -> None:
    for made in again(speech.DecoderConfig(width=3)):
        assert type(made) is speech.DecoderConfig
        assert made == speech.DecoderConfig(width=3)


def test_one_for_another_class_than_its_own_is_refused() -> None:
    with pytest.raises(CaptureError, match=r"^decoder\._target_: the argument name '_target_' has a meaning"):
        nph.to_yaml(speech.Model(decoder=speech.DecoderConfig(_target_="a.B")))


def test_nemo_run_sets_the_field_of_an_instance_that_it_is_given() -> None:
    recipe = run.Partial(speech.Keeps, config=speech.DecoderConfig(width=3))
    assert "_target_" in recipe.config.__arguments__
    again = nph.from_yaml(nph.to_yaml(recipe), allow=ALLOW)
    assert fiddle.build(again)().config == speech.DecoderConfig(width=3)


def test_such_a_field_is_no_path() -> None:
    config = nph.to_config(run.Config(speech.DecoderConfig))
    assert [info.path for info in nph.paths(config)] == ["width"]
    config.width = 5
    assert fiddle.build(nph.build(config)) == speech.DecoderConfig(width=5)
    assert read(speech.DecoderConfig, "x").positional == ()  # the first position is that field's


def test_a_config_of_omegaconf_is_what_it_was_made_of() -> None:
    model = speech.Model(labels=["a"], greedy=speech.Greedy(speech.Confidence("max", 0.5)))
    assert isinstance(model.greedy.confidence, DictConfig)
    model.greedy.confidence.alpha = 0.75
    text = nph.to_yaml(model)
    assert "  confidence:\n    _target_: tests.support.speech.Confidence\n    name: max\n    alpha: 0.75\n" in text
    for made in again(model):
        assert made == model
        assert OmegaConf.get_type(made.greedy.confidence) is speech.Confidence
        assert type(made.beam.riva) is speech.Riva
        assert made.manifest == "???"


def test_its_parts_are_paths() -> None:
    config = nph.to_config(speech.Model())
    assert {"greedy.confidence.alpha", "beam.size", "decoder.width"} <= {info.path for info in nph.paths(config)}
    config.greedy.confidence.alpha = 0.5
    assert fiddle.build(nph.build(config)).greedy.confidence.alpha == 0.5


def _changed() -> speech.Beam:
    beam = speech.Beam()
    beam.riva.beam = 8
    return beam


@pytest.mark.parametrize(
    "obj",
    [
        speech.Keeps(OmegaConf.create({"a": 1})),
        speech.Keeps(OmegaConf.create([1])),
        speech.Keeps(OmegaConf.structured(speech.Confidence)),
        replace(speech.Greedy(), confidence=OmegaConf.structured(speech.Confidence(name="${oc.env:HOME}"))),
        replace(speech.Greedy(), confidence=OmegaConf.structured(speech.Confidence(name="${nowhere}"))),
        _changed(),
    ],
    ids=["dict", "list", "structured", "reference", "open", "changed"],
)
def test_one_that_nothing_makes_again_is_refused(obj: Any) -> None:
    with pytest.raises(CaptureError, match=r"(DictConfig|ListConfig|Riva) object, which cannot say how it was made"):
        nph.to_yaml(obj)
