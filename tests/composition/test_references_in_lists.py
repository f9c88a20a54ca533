"""References to and from elements of lists are named as the command line writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.apps import App

CONF = {
    "config": """
        _target_: shop.train
        optimizers:
          - {_target_: shop.SGD, lr: 0.5}
          - ${optimizers.0}
        model: {_target_: shop.Model, opt: "${optimizers.0}"}
        """
}


@pytest.mark.matrix
@pytest.mark.parametrize("place", ["optimizers.1", "model.opt"])
def test_an_override_below_one_names_the_element(tmp_path: Path, place: str) -> None:
    done = App(tmp_path, CONF).inline(f"{place}.lr=3")
    assert done.code == 2, done.out
    assert f"'{place}' is a reference to 'optimizers.0'; override optimizers.0.lr= instead" in done.err


@pytest.mark.matrix
def test_what_it_names_can_be_overridden(tmp_path: Path) -> None:
    done = App(tmp_path, CONF).inline("optimizers.0.lr=3")
    assert done.code == 0, done.err
    assert done.result.count("SGD(lr=3") == 3
