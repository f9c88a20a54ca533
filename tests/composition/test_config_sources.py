"""Our three config sources pass the tests that Hydra ships for whoever writes one.

Hydra's suite expects one tree of configs: here it is made as files, for the sources that read files, and as registered
recipes, for the one that has no files.  What cannot hold for a source stands in ``CANNOT`` with its reason; if it holds
after all, pytest's strict ``xfail`` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigSource
from hydra.test_utils.config_source_common_tests import ConfigSourceTestSuite

import nemo_partial_hydra as nph
from hydra_plugins.nemo_partial_hydra.sources import RecipeFiles, RecipeLibraries, RegisteredRecipes
from nemo_partial_hydra.runtime import session
from tests.support import targets

pytestmark = pytest.mark.matrix

CONFIGS = {
    "config_without_group": "group: false\n",
    "config_with_unicode": "group: 数据库\n",
    "config_with_defaults_list": "defaults:\n  - dataset: imagenet\nkey: value\n",
    "primary_config": "primary: true\n",
    "primary_config_with_non_global_package": "# @package foo\nprimary: true\n",
    "dataset": "dataset_yaml: true\n",
    "dataset/imagenet": "name: imagenet\npath: /datasets/imagenet\n",
    "dataset/cifar10": "name: cifar10\npath: /datasets/cifar10\n",
    "optimizer/adam": "type: adam\nlr: 0.1\nbeta: 0.01\n",
    "optimizer/nesterov": "type: nesterov\nlr: 0.001\n",
    "level1/level2/nested1": "l1_l2_n1: true\n",
    "level1/level2/nested2": "l1_l2_n2: true\n",
    "configs_with_defaults_list/global_package": "# @package _global_\ndefaults:\n  - foo: bar\nx: 10\n",
    "configs_with_defaults_list/group_package": "# @package _group_\ndefaults:\n  - foo: bar\nx: 10\n",
    "package_test/none": "foo: bar\n",
    "package_test/explicit": "# @package a.b\nfoo: bar\n",
    "package_test/global": "# @package _global_\nfoo: bar\n",
    "package_test/group": "# @package _group_\nfoo: bar\n",
    "package_test/group_name": "# @package foo._group_._name_\nfoo: bar\n",
    "package_test/name": "# @package _name_\nfoo: bar\n",
}
"""The configs that the suite expects, by config path."""

CONTENT = "its content is a recipe with a target, which the suite's configs are not; see the tests at the end"
CANNOT = {
    (RegisteredRecipes, r"test_source_load_config\[(?!dataset/not_found)"): CONTENT,
    (RegisteredRecipes, r"test_package_behavior\["): CONTENT,
}
"""The tests of the suite that a source cannot pass, as patterns of their names, and why."""

SOURCES = {RecipeFiles: "nph-file://", RecipeLibraries: "nph-library://", RegisteredRecipes: "nph://"}


def package_of(text: str) -> str | None:
    """Return the package that the header of a config names."""
    return text.partition("\n")[0].removeprefix("# @package ") if text.startswith("#") else None


@pytest.fixture(params=SOURCES, ids=lambda source: source.__name__)
def type_(request: pytest.FixtureRequest) -> type[ConfigSource]:
    source: type[ConfigSource] = request.param
    test = request.node.name.replace(f"[{source.__name__}-", "[").replace(f"-{source.__name__}]", "]")
    for (kind, pattern), why in CANNOT.items():
        if kind is source and re.match(pattern, test):
            request.applymarker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=why))
    return source


@pytest.fixture
def path(type_: type[ConfigSource], tmp_path: Path, fresh_workspace: None) -> Iterator[str]:
    """Make the configs and give the path that a source finds them at."""
    for name, text in CONFIGS.items():
        if type_ is RegisteredRecipes:
            group, _, option = name.rpartition("/")
            nph.store(targets.Plain(), group=group, name=option, package=package_of(text))
        else:
            file = tmp_path / f"{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    folder = ((str(tmp_path), "the test"),) if type_ is RecipeLibraries else ()
    with session.running(session.Session(libraries=folder)):
        yield f"{SOURCES[type_]}{tmp_path if type_ is RecipeFiles else ''}"


class TestHydrasSuite(ConfigSourceTestSuite):
    """Each test takes a source's class and a path that it makes one with."""


def test_hydra_finds_the_sources(type_: type[ConfigSource]) -> None:
    assert type_.__name__ in {found.__name__ for found in Plugins.instance().discover(ConfigSource)}


@pytest.mark.parametrize("type_", [RegisteredRecipes])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_registered_recipe_has_its_package_and_its_parameters(
    type_: type[ConfigSource], path: str, name: str
) -> None:
    loaded = type_(provider="foo", path=path).load_config(name)
    assert loaded.header["package"] == package_of(CONFIGS[name])
    assert (loaded.config["_target_"], loaded.config["size"]) == (f"{targets.__name__}.Plain", 1)


@pytest.mark.parametrize("wrong", ["", "dataset", "nope", "dataset/nope", "dataset/imagenet.foo", "dataset/imagenet/x"])
def test_what_is_no_config_is_said_not_to_be_found(type_: type[ConfigSource], path: str, wrong: str) -> None:
    source = type_(provider="foo", path=path)
    if wrong != "dataset":  # which is an option as well as a group
        with pytest.raises(ConfigLoadError, match="Config not found"):
            source.load_config(wrong)
