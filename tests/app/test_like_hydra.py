"""A differential law: made apps do under ``nph.main`` what they do under ``hydra.main``.

Equal are: the composed values and their order, the overrides, the choices, the directories and what is in them, the
jobs' numbers and names, what is printed, and whether it ended well.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support import laws
from tests.support.differential import Drawn, Runner, apps, both, difference, recipe_difference

pytestmark = pytest.mark.matrix

PARTS = 4  # that run beside each other


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("differential"))


@pytest.mark.parametrize("part", range(PARTS))
def test_an_app_is_the_same_under_both(part: int, runner: Runner) -> None:
    @settings(max_examples=laws.tries(400 // PARTS), suppress_health_check=list(HealthCheck))
    @given(apps())
    def law(drawn: Drawn) -> None:
        assert difference(*both(runner, drawn)) is None

    law()


def test_an_app_with_a_recipe_is_the_same_but_for_what_its_targets_refuse(runner: Runner) -> None:
    """What only we refuse is refused with a reason; what else is in the config is what the targets take besides."""

    @settings(max_examples=laws.tries(100), suppress_health_check=list(HealthCheck))
    @given(apps(recipes=True))
    def law(drawn: Drawn) -> None:
        assert recipe_difference(*both(runner, drawn, allow=("shop",))) is None

    law()
