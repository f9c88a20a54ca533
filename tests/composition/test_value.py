"""A composed config is a value: copied, pickled, merged or sent to another process, it means the same."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import nemo_partial_hydra as nph
from tests.support.apps import App

# The group comes after what the file itself says: its typed node brings a default list, which Hydra merges over the
# file's own.
NET = "_target_: shop.Net\n"
LISTS = "defaults: [_self_, {net@config: net}]\n_target_: shop.Model\nconfig: {layers: 2, sizes: SIZES}\n"


def app_of(folder: Path, sizes: str) -> App:
    return App(folder, {"config": LISTS.replace("SIZES", sizes), "net/net": NET})


def sizes(config: Any) -> Any:
    return nph.build(config, allow=["shop"]).config.sizes


def through_pickle(config: DictConfig) -> Any:
    return pickle.loads(pickle.dumps(config))


WAYS: dict[str, Callable[[DictConfig], Any]] = {
    "as it is": lambda config: config,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": through_pickle,
    "pickle of a copy": lambda config: through_pickle(copy.deepcopy(config)),
    "merge": lambda config: OmegaConf.merge(config, {"config": {"hidden": 5}}),
    "merge over an empty one": lambda config: OmegaConf.merge({}, config),
    "masked copy": lambda config: OmegaConf.masked_copy(config, ["_target_", "config"]),
}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("text", "expected"),
    [("[1, 2, 3]", [1, 2, 3]), ("['${config.layers}', 4]", [2, 4]), ("[]", []), ("[1, '${.0}']", [1, 1])],
)
def test_a_list_of_a_file_is_in_every_copy(tmp_path: Path, text: str, expected: list[int]) -> None:
    config = app_of(tmp_path, text).compose()
    assert {name: sizes(way(config)) for name, way in WAYS.items()} == dict.fromkeys(WAYS, expected)


READER = """
import pickle, sys
sys.path[:0] = [{folder!r}, {root!r}]
import nemo_partial_hydra as nph
from tests.support.apps import App
from tests.composition.test_value import app_of, sizes
from pathlib import Path

other = app_of(Path({folder!r}), "[7, 7, 7]").compose()
assert sizes(other) == [7, 7, 7]
for line in sys.stdin.read().split():
    config = pickle.loads(bytes.fromhex(line))
    print(sizes(config))
print(sizes(other))
"""


@pytest.mark.matrix
def test_it_means_the_same_in_a_process_that_composed_another_app_first(tmp_path: Path) -> None:
    configs = []
    for name, text in (("a", "[1, 2, 3]"), ("b", "[4]")):
        (tmp_path / name).mkdir()
        configs.append(app_of(tmp_path / name, text).compose())
    (tmp_path / "c").mkdir()
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", READER.format(folder=str(tmp_path / "c"), root=root)],
        input="\n".join(pickle.dumps(config).hex() for config in configs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["[1, 2, 3]", "[4]", "[7, 7, 7]"], done.stderr
    assert [sizes(config) for config in configs] == [[1, 2, 3], [4]]


def test_of_two_files_the_one_that_hydra_merges_last_sets_a_list(tmp_path: Path) -> None:
    files = {
        "config": "defaults: [first, second, _self_, {net@config: net}]\n_target_: shop.Model\n",
        "first": "config: {sizes: [1]}\n",
        "second": "config: {sizes: [2, 2]}\n",
        "net/net": NET,
    }
    assert sizes(App(tmp_path, files).compose()) == [2, 2]
