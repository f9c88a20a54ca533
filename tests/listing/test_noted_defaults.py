"""The defaults list that is noted while a config is composed is the one that Hydra makes when it is asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.composition.compose import LastDefaults, compose_run, opened
from nemo_partial_hydra.listing.paths import paths
from nemo_partial_hydra.listing.provenance import Claims, claims
from nemo_partial_hydra.runtime import session
from tests.support.recipes import write

CONFIGS = {
    "config.yaml": "seed: 1\ndefaults: [opt: sgd, model@net: small, _self_, override hydra/job_logging: none]",
    "opt/sgd.yaml": "_target_: tests.support.payloads.add\nleft: 1\n",
    "opt/adam.yaml": "defaults: [sgd]\nright: 3\n",
    "model/small.yaml": "layers: 2\n",
    "model/large.yaml": "defaults: [small, /opt@inner: adam]\nlayers: 9\n",
    "exp/fast.yaml": "# @package _global_\ndefaults: [override /opt: adam, override /model@net: large]\nseed: 7\n",
}
LINES = [
    [],
    ["seed=3"],
    ["opt=adam", "opt.right=5"],
    ["+exp=fast", "net.layers=4"],
    ["+opt@more=adam", "more.left=2", "hydra.job.chdir=false"],
    ["~opt", "hydra/job_logging=stdout", "++net.new=1"],
]


def as_data(found: Claims) -> object:
    """Spell everything that was claimed."""
    return repr(found._root), found.choices


@pytest.mark.matrix
@pytest.mark.parametrize("overrides", LINES, ids=" ".join)
@pytest.mark.parametrize("hydra", [False, True])
def test_what_is_noted_claims_what_is_computed(
    tmp_path: Path, overrides: list[str], hydra: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in CONFIGS.items():
        write(tmp_path, name, text)
    with opened(str(tmp_path)):
        config = compose_run("config", overrides, multirun=False)
        noted = claims(config, hydra=hydra)
        last = session.workspace().of(LastDefaults)
        assert last.of(config), "Hydra's config loader has another method: see compat.noting_defaults"
        assert last.of(config.copy()) is None
        monkeypatch.setattr(last, "_last", None)
        computed = claims(config, hydra=hydra)
    assert as_data(noted) == as_data(computed)


def test_a_config_is_listed_without_sources_after_hydra_has_ended(tmp_path: Path) -> None:
    write(tmp_path, "config.yaml", "seed: 1\n")
    with opened(str(tmp_path)):
        config = compose_run("config", ["seed=2"], multirun=False)
        (during,) = (info for info in paths(config) if info.path == "seed")
    (after,) = (info for info in paths(config) if info.path == "seed")
    assert (during.value, during.source) == (2, "seed=2")
    assert (after.value, after.source) == (2, None)
