"""Composing a sweep's jobs once per distinct set of group choices gives what composing each gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.composition.compat import child_nodes, content, own_flags
from nemo_partial_hydra.composition.error_text import explain
from nemo_partial_hydra.composition.job_configs import Composer
from nemo_partial_hydra.composition.nodes import Leaf
from nemo_partial_hydra.runtime import session
from tests.support import laws
from tests.support.apps import CONF, VERSION_BASE, App

pytestmark = pytest.mark.matrix

CONFIGS = {
    **CONF,
    "config": CONF["config"]
    + """
        name: run-${steps}-${model.config.hidden}
        tags: {a: 1, b: {c: "${oc.decode:'[1,2]'}"}}
        limit: ${steps}
        """,
    "sized/of_sgd": "# @package _global_\nsteps: 11\n",
    "sized/of_adam": "# @package _global_\nsteps: 12\n",
    "sized/none": "# @package _global_\nratio: 0.75\n",
}
CONFIGS["config"] = CONFIGS["config"].replace("- opt: sgd\n", "- opt: sgd\n          - sized: of_${opt}\n")

ERRORS = (HydraException, OmegaConfBaseException, TypeError, ValueError)  # the last two Hydra lets through

OVERRIDES = (
    # values
    "steps=7",
    "steps=8",
    "ratio=1e-3",
    "limit=null",
    "name=a b",
    "name='$x'",
    "name=${ratio}",
    "optimizers.0.lr=1e-4",
    "optimizers.1.betas=[0.1,0.2]",
    "optimizers.1.betas.0=0.5",
    "optimizers=[{_target_:shop.SGD,lr:3}]",
    "model.config.hidden=32",
    "model.config.sizes=[1,2]",
    "opt.lr=0.125",
    "opt.nesterov=true",
    "opt.mode=SLOW",
    "model={config:{layers:9}}",
    "deadline='0:10:00'",
    # what is not there yet, dicts, deletion, edits
    "+tags.d=4",
    "++tags.b.c=5",
    "++steps=6",
    "+tags.new={x:1,y:[2]}",
    "tags={a:3}",
    "~tags.a",
    "+_append_.optimizers=[{_target_:shop.SGD}]",
    "+_delete_=[optimizers.0]",
    "+_replace_.opt={_target_:shop.Adam,lr:2}",
    "+model.width=3",
    # choices
    "opt=adam",
    "opt=sgd",
    "+experiment=fast",
    "sized=none",
    # Hydra's own
    "hydra.sweep.subdir=x",
    "hydra.job.name=named",
    # mistakes
    "stepz=3",
    "steps=abc",
    "optimizers.5.lr=1",
    "optimizers.x.lr=1",
    "opt=none",
    "+steps=3",
    "opt.mode=MEDIUM",
    "model.config.layers.x=1",
    "~nothing",
    "nothing@model=1",
)


@contextmanager
def sweep_of(app: App) -> Iterator[tuple[DictConfig, Any]]:
    """Give a sweep's own config and Hydra's loader, as a sweeper has them."""
    with (
        app.here(),
        session.running(session.Session(("shop",))),
        initialize_config_dir(str(app.conf), job_name="app", **VERSION_BASE),
    ):
        loader = GlobalHydra.instance().config_loader()
        yield loader.load_configuration("config", [], RunMode.MULTIRUN), loader


def described(node: Any) -> Any:
    """Describe a node and all below it: values as written, types, flags, and where a leaf's value is from."""
    if isinstance(node, (DictConfig, ListConfig)):
        below = [(key, described(child)) for key, child in child_nodes(node)]
        held = content(node) if not below else None
        flags = [name for name in own_flags(node) if not name.startswith("nph_given:")]
        return type(node).__name__, OmegaConf.get_type(node), held if isinstance(held, str) else None, flags, below
    more = (node.state, node.exact, node.first, node.spec) if isinstance(node, Leaf) else ()
    return type(node).__name__, content(node), more


def stock(config: DictConfig, loader: Any, number: int, lines: list[str]) -> Any:
    """Compose one job as Hydra's own launchers do; describe it, or its error."""
    try:
        made = loader.load_sweep_config(config, lines)
    except ERRORS as error:
        return explain(error) or str(error)
    with read_write(made.hydra), open_dict(made.hydra):
        made.hydra.job.num, made.hydra.job.id = number, str(number)
    return described(made), _resolved(made)


def _resolved(config: DictConfig) -> Any:
    """Return what the recipe's values come to, interpolations followed."""
    out = {}
    for key in config:
        if key != "hydra":
            value = config[key]
            out[key] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    return out


def ours(composer: Composer, number: int, lines: list[str]) -> Any:
    """Compose one job as the recipe sweeper does; describe it, or its error."""
    try:
        with composer.job(number, lines) as made:
            return described(made), _resolved(made)
    except ERRORS as error:
        return explain(error) or str(error)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"), CONFIGS)


@pytest.fixture(scope="module")
def opened(app: App) -> Iterator[tuple[DictConfig, Any]]:
    with sweep_of(app) as found:
        yield found


JOBS = st.lists(st.lists(st.sampled_from(OVERRIDES), min_size=0, max_size=4, unique=True), min_size=1, max_size=4)


@settings(
    max_examples=laws.tries(15),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # the failing job is in the message already
)
@given(constant=st.lists(st.sampled_from(OVERRIDES[:34]), max_size=2, unique=True), jobs=JOBS, order=st.booleans())
def test_composing_once_is_composing_each(
    opened: tuple[DictConfig, Any], constant: list[str], jobs: list[list[str]], order: bool
) -> None:
    config, loader = opened
    full = [[*constant, *job] if order else [*job, *constant] for job in jobs]
    composer = Composer(config, loader, full)
    for number, job in enumerate([*full, *full]):
        assert ours(composer, number, job) == stock(config, loader, number, job), job


@pytest.mark.parametrize("text", OVERRIDES)
def test_each_override_alone(opened: tuple[DictConfig, Any], text: str) -> None:
    config, loader = opened
    jobs = [[text], ["steps=1"], [text]]
    composer = Composer(config, loader, jobs)
    for number, job in enumerate(jobs):
        assert ours(composer, number, job) == stock(config, loader, number, job), job


class Counting:
    """Hydra's loader, which counts how often it composes."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.composed = 0

    def load_sweep_config(self, config: DictConfig, lines: list[str]) -> DictConfig:
        self.composed += 1
        made: DictConfig = self.loader.load_sweep_config(config, lines)
        return made

    def get_group_options(self, *args: Any, **kwargs: Any) -> list[str]:
        found: list[str] = self.loader.get_group_options(*args, **kwargs)
        return found


def test_one_composition_for_each_set_of_choices(opened: tuple[DictConfig, Any]) -> None:
    config, loader = opened
    grid = [
        [f"steps={n}", f"opt={opt}", "name=x", f"opt.lr={lr}"]
        for n in range(5)
        for opt in ("sgd", "adam")
        for lr in (1, 2)
    ]
    counting = Counting(loader)
    composer = Composer(config, counting, grid)
    for number, job in enumerate(grid):
        with composer.job(number, job) as made:
            assert made.hydra.overrides.task == job
            assert (made.steps, made.opt.lr) == (number // 4, number % 2 + 1)
    assert counting.composed == 2


def test_cached_resolvers_are_asked_for_each_job(opened: tuple[DictConfig, Any]) -> None:
    config, loader = opened
    calls: list[int] = []

    def count() -> int:
        calls.append(1)
        return len(calls)

    OmegaConf.register_new_resolver("nph_test_count", count, replace=True, use_cache=True)
    jobs = [["name=n${nph_test_count:}", f"steps={n}"] for n in range(3)]
    composer = Composer(config, loader, jobs)
    seen = []
    for number, job in enumerate(jobs):
        with composer.job(number, job) as made:
            seen.append((made.name, made.name))
    assert seen == [("n1", "n1"), ("n2", "n2"), ("n3", "n3")]
