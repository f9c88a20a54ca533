"""Interpolations are resolved within bounds, and nobody else in the process notices."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.budget import CHAIN, CHARACTERS, EACH, NESTED, Resolution
from nemo_partial_hydra.composition.compat import child_nodes
from tests.support.apps import App

STORM = {"t0": "xxxx", **{f"t{i}": f"${{t{i - 1}}}${{t{i - 1}}}" for i in range(1, 31)}}


def leaves(references: int) -> dict[str, Any]:
    """Return a config with one text that leads to a number of references of references."""
    return {"x": "x", "y": "${x}", "all": "${y}" * references}


def test_what_is_found_is_what_omegaconf_finds() -> None:
    config = OmegaConf.create(
        {
            "a": {"b": [1, {"c": "${..0}"}], "ref": "${.b}"},
            "text": "${a.ref[0]} and ${oc.select:a.b.1.c}",
            "made": "${oc.create:{k:1}}",
            "values": "${oc.dict.values:n}",
            "n": {"k": "${a.b.0}"},
            "none": None,
            "through": "${${name}}",
            "name": "text",
        }
    )
    resolution = Resolution()
    for key in config:
        assert resolution.get(config, key) == config[key]
    assert resolution.get(config.a, "ref") is config.a.b
    assert resolution.select(config, "a.ref") is config.a.b
    assert resolution.select(config, "a.b.1.c") == 1
    assert resolution.select(config, "no.thing") is None
    assert resolution.select(config, "none") is None


ENDS = {
    "a key that is not there": "${nope}",
    "a key below a value": "${value.nope}",
    "a key below what is not there": "${nope.nope}",
    "a missing value": "${missing}",
    "a resolver that nobody knows": "${unknown:1}",
    "a variable that is not set": "${oc.env:NPH_NOT_SET}",
    "text around it": "a ${nope} b",
}


@pytest.mark.parametrize("length", [1, CHAIN, CHAIN + 5])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("place", ["", "deep", "deep.0"])
def test_a_chain_that_leads_nowhere_fails_as_in_omegaconf(end: str, length: int, place: str) -> None:
    above = f"{place}." if place else ""
    links = {f"k{index}": f"${{{above}k{index + 1}}}" for index in range(length)}
    chain = {**links, f"k{length}": end}
    places: dict[str, dict[str, Any]] = {"": chain, "deep": {"deep": chain}, "deep.0": {"deep": [chain]}}
    config = OmegaConf.create({"value": 1, "missing": "???", **places[place]})
    box = OmegaConf.select(config, place) if place else config
    resolution = Resolution()
    for key in ("k0", "k1", "k0"):  # what was found out for one is told of the other in its own name
        with pytest.raises(OmegaConfBaseException) as plain:
            _ = box[key]
        with pytest.raises(type(plain.value)) as found:
            resolution.get(box, key)
        for name in ("msg", "full_key", "key", "object_type"):
            assert getattr(found.value, name) == getattr(plain.value, name)
        assert str(found.value) == str(plain.value)


def test_the_config_stays_as_it_is() -> None:
    config = OmegaConf.create({"a": {"b": 1}, "c": "${a.b}", "d": "${a}"})
    before = {key: (id(node), type(node), id(node._get_parent())) for key, node in child_nodes(config)}
    assert Resolution().get(config, "c") == 1
    assert {key: (id(node), type(node), id(node._get_parent())) for key, node in child_nodes(config)} == before


def test_the_bounds() -> None:
    most = (NESTED + EACH) // 2  # each of them leads to one more
    config = OmegaConf.create(leaves(most))
    assert set(Resolution().get(config, "all")) == {"x"}
    with pytest.raises(InterpolationResolutionError, match="repeat each other"):
        Resolution().get(OmegaConf.create(leaves(most + 1)), "all")
    long = OmegaConf.create({"t": "x" * (CHARACTERS // 2), "twice": "${t}${t}"})
    with pytest.raises(InterpolationResolutionError, match="characters"):
        Resolution().get(long, "twice")


def test_all_texts_of_a_reading_share_the_bounds() -> None:
    config = OmegaConf.create({f"t{i}": "${t}" * 200 for i in range(30)} | {"t": "${x}", "x": ""})
    resolution = Resolution()
    with pytest.raises(InterpolationResolutionError):
        [resolution.get(config, f"t{i}") for i in range(30)]
    assert Resolution().get(config, "t29") == ""


@pytest.mark.parametrize("text", ["${t30}", "${oc.select:t30}", "${name.${t30}}", "${oc.dict.keys:t30}"])
def test_every_way_to_refer_is_counted(text: str) -> None:
    with pytest.raises(InterpolationResolutionError):
        Resolution().get(OmegaConf.create({**STORM, "text": text, "name": {}}), "text")


def test_a_circle_is_omegaconfs_own_error() -> None:
    with pytest.raises(InterpolationResolutionError, match="Recursive"):
        Resolution().get(OmegaConf.create({"a": "${b}", "b": "${a}"}), "a")


def test_settings_of_hydra_are_counted_too(tmp_path: Path) -> None:
    storm = "".join(f"{key}: '{value}'\n" for key, value in STORM.items())
    conf = f"recipe: {{_target_: builtins.dict, x: '${{hydra:help.template}}'}}\n{storm}"
    done = App(tmp_path, {"config": conf}).inline("hydra.help.template=${t30}")
    assert done.code == 2
    assert "repeat each other" in done.err


def test_resolvers_of_a_resolution_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPH_X", "outside")
    config = OmegaConf.create({"x": "${oc.env:NPH_X}", "y": "<${x}>"})
    assert Resolution({"oc.env": lambda name: f"mark of {name}"}).get(config, "y") == "<mark of NPH_X>"
    assert config.y == "<outside>"


@pytest.mark.matrix
def test_another_thread_resolves_what_it_likes_meanwhile(tmp_path: Path) -> None:
    """Far more references than our bounds allow, with plain OmegaConf, while apps compose, fail and freeze here."""
    texts = {"values": [leaves(150)["all"]] * 20, "x": "x", "y": "${x}", "token": "${oc.env:NPH_TOKEN,t}"}
    config = OmegaConf.create(texts)
    expected = OmegaConf.to_container(config, resolve=True)
    stop, rounds, wrong = threading.Event(), [0], list[Any]()

    def others() -> None:
        while not stop.is_set():
            try:
                if OmegaConf.to_container(config, resolve=True) != expected:
                    wrong.append("another value")
            except Exception as error:  # whatever happens to it is what the test is about
                wrong.append(error)
            rounds[0] += 1

    thread = threading.Thread(target=others)
    thread.start()
    try:
        app = App(tmp_path, {"config": "_target_: shop.train\n_partial_: true\nname: '${oc.env:NPH_TOKEN,mine}'\n"})
        storm = OmegaConf.create({"_target_": "shop.train", "name": "${t30}", **STORM})
        count = 0
        while count < 2 or rounds[0] < 2:
            job = nph.freeze(app.compose(f"steps={count}"), tmp_path / str(count), allow=["shop"])
            assert (job.recipe["steps"], job.recipe["name"]) == (count, '${oc.env:NPH_TOKEN,"mine"}')
            with pytest.raises(nph.RecipeError, match="repeat each other"):
                read(storm)
            count += 1
    finally:
        stop.set()
        thread.join()
    assert not wrong
    assert rounds[0] >= 2


def read(config: DictConfig) -> None:
    nph.build(config, allow=["shop"])
