"""Every listed override takes effect: over the tests' app, over made trees, over NeMo's own recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize

import nemo_partial_hydra as nph
from tests.support.apps import VERSION_BASE, App
from tests.support.overriding import check_every_path


def test_every_path_of_the_app_can_be_overridden_as_listed(tmp_path: Path) -> None:
    app = App(tmp_path)
    count = check_every_path(lambda texts: app.compose(*texts), node="shop.SGD", name="shop.relu", allow=("shop",))
    assert count > 25


LLM = (
    "llama3_8b llama3_70b llama31_405b mixtral_8x7b nemotron3_8b gemma2_2b qwen2_7b t5_220m mamba2_130m "
    "deepseek_v3 qwen3_30b_a3b hyena_1b"
)


@pytest.mark.nemo
@pytest.mark.parametrize("name", LLM.split())
def test_every_path_of_a_nemo_recipe_can_be_overridden_as_listed(name: str, fresh_workspace: None) -> None:
    from nemo.collections import llm

    module = getattr(llm, name, None)
    if module is None:
        pytest.fail(f"nemo.collections.llm has no {name}")
    nph.store(module.pretrain_recipe(), name=name)

    def composed(texts: Any) -> Any:
        with initialize(config_path=None, **VERSION_BASE):
            return compose(name, overrides=list(texts))

    # Every bool is turned round, one of those among them that the policy has an eye on.
    count = check_every_path(
        composed, node="torch.nn.Identity", name="torch.nn.functional.gelu", allow=("trust_remote_code",)
    )
    assert count > 300
