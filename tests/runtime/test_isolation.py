"""Two apps in one process: one after the other, interleaved, in threads and in spawned processes.

None finds a trace of the other: names that it allows, snapshots and files that it has read, its libraries, the keys of
its config, its recipe, what was registered while it ran.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.registry import REGISTRY
from nemo_partial_hydra.composition.root_keys import RootKeys
from nemo_partial_hydra.composition.yaml_files import ServedFiles
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from nemo_partial_hydra.signatures.snapshot import save
from tests.support.apps import VERSION_BASE, App, Done

TARGET = "def f(a: int = 1, b: int = 2) -> tuple[str, int, int]:\n    return __name__, a, b\n"


def recipe(target: str, **arguments: object) -> dict[str, object]:
    return {"_target_": target, "_partial_": True, **arguments}


def refused(target: str) -> bool:
    """Whether a name is refused where this is asked."""
    try:
        nph.run(recipe(target))
    except nph.PolicyError:
        return True
    return False


def seen() -> tuple[bool, bool]:
    """Say which of the two apps' names are allowed where this is asked."""
    return not refused("nph_alpha.f"), not refused("nph_beta.f")


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, App]]:
    """Two apps, each with a module and a config of its own; both modules can be imported."""
    made = []
    for name in ("nph_alpha", "nph_beta"):
        conf = {"config": f"job:\n  _target_: {name}.f\n  _partial_: true\n  a: 3\n"}
        made.append(App(tmp_path / name, conf, modules={name: TARGET}))
        monkeypatch.syspath_prepend(tmp_path / name)
    WORKSPACE.forget()
    yield made[0], made[1]
    WORKSPACE.forget()
    for name in ("nph_alpha", "nph_beta", "shop"):
        sys.modules.pop(name, None)


def run(app: App, *args: str, call: Callable[[DictConfig], Any] | None = None, **settings: Any) -> Done:
    """Run an app under ``nph.main``, which allows its own module."""
    return app.inline(*args, allow=(app.folder.name,), call=call, **settings)


def composed(app: App) -> DictConfig:
    with initialize_config_dir(str(app.conf), **VERSION_BASE):
        return compose("config")


# One after the other -----------------------------------------------------------------------------------------------


def test_what_one_app_allows_the_next_does_not(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    found: list[tuple[bool, bool]] = []
    assert run(alpha, call=lambda cfg: found.append(seen())).code == 0
    assert run(beta, call=lambda cfg: found.append(seen())).code == 0
    assert found == [(True, False), (False, True)]


def test_a_file_that_one_app_may_read_the_next_may_not(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    alpha.write("shared/part/one.yaml", "_target_: nph_alpha.f\na: 5\n")
    words = (f"hydra.searchpath=[{alpha.folder}/shared]", "+part=one")
    assert run(alpha, *words, call=lambda cfg: cfg.part.b).result == "2"
    done = run(beta, *words)
    assert done.code == 3
    assert "'nph_alpha.f' is not in an allowed package" in done.err


def test_a_snapshot_of_one_app_says_nothing_to_the_next(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    text = '{"format": 1, "packages": {"nph_ghost": null}, "types": {"int": "int"}, "docs": {}, "targets": '
    save(text + '{"nph_ghost.f": {"parameters": [["size", "int", 4]]}}}', alpha.conf / "signatures.json")
    for app in apps:
        app.write("conf/ghost.yaml", "job: {_target_: nph_ghost.f, _partial_: true}\n")
    listed = [app.inline("--cfg-paths", allow=("nph_ghost",), config_name="ghost") for app in (alpha, beta)]
    assert [done.code for done in listed] == [0, 0]
    assert "job.size" in listed[0].out
    assert "job.size" not in listed[1].out
    assert "the parameters of nph_ghost.f are not listed" in listed[1].err


def test_a_library_of_one_app_is_none_of_the_next(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    alpha.write("lib/part/one.yaml", "_target_: nph_alpha.f\n")
    entry = manifest.Entry("f()", "", "")
    alpha.write("lib/library.json", manifest.encode(manifest.Manifest("lib", recipes={"part/one": entry})))
    words = ("--library", str(alpha.folder / "lib"))
    assert run(alpha, *words, "+part=one", call=lambda cfg: cfg.part.a).result == "1"
    assert run(beta, "+part=one", call=lambda cfg: cfg.part).result == "one", "a value: there is no such group"


def test_the_recipe_and_the_root_of_one_app_are_not_those_of_the_next(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    alpha.write("conf/two.yaml", "first: {_target_: nph_alpha.f, a: 1}\nsecond: {_target_: nph_alpha.f, a: 2}\n")
    done = alpha.inline(allow=("nph_alpha",), config_name="two", recipe="second")
    assert done.result == "('nph_alpha', 2, 2)", done.err
    noted: list[bool] = []
    assert run(beta, call=lambda cfg: noted.append(session.workspace().of(RootKeys).is_value("second"))).code == 0
    assert noted == [False]
    assert not session.workspace().of(RootKeys).is_value("second")


def test_what_is_registered_while_an_app_runs_is_an_option_of_the_next_only(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    known: list[bool] = []

    def register(cfg: DictConfig) -> None:
        nph.store(recipe("nph_alpha.f"), group="nph_part", name="late")
        known.append("nph_part/late" in REGISTRY.names())

    try:
        assert run(alpha, call=register).code == 0
        assert run(beta, call=lambda cfg: known.append("nph_part/late" in REGISTRY.names())).code == 0
    finally:
        REGISTRY.entries.pop("nph_part/late", None)
    assert known == [False, True]


def test_after_an_app_has_ended_its_config_is_built_as_before(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    kept: list[DictConfig] = []
    assert run(alpha, call=kept.append).code == 0
    assert nph.run(kept[0]) == ("nph_alpha", 3, 2)
    assert run(beta, call=lambda cfg: refused("nph_alpha.f")).result == "True"


# Interleaved -------------------------------------------------------------------------------------------------------


def test_an_app_inside_another_one_is_its_own(apps: tuple[App, App]) -> None:
    alpha, _ = apps
    found: list[Any] = []

    def outer(cfg: DictConfig) -> None:
        found.append(seen())
        with session.running(session.Session(("nph_beta",))):
            found.append(seen())
        found.append((seen(), nph.run(cfg)))

    assert run(alpha, call=outer).code == 0
    assert found == [(True, False), (False, True), ((True, False), ("nph_alpha", 3, 2))]


def test_apps_that_take_turns(apps: tuple[App, App]) -> None:
    """Each is left when the other one still runs: what is left then is the other one's."""
    alpha, beta = apps
    first, second = session.Session(("nph_alpha",)), session.Session(("nph_beta",))
    with contextlib.ExitStack() as one, contextlib.ExitStack() as other:
        one.enter_context(session.running(first))
        ours = composed(alpha)
        assert seen() == (True, False)
        other.enter_context(session.running(second))
        theirs = composed(beta)
        assert seen() == (False, True)
        with pytest.raises(nph.PolicyError):
            nph.run(ours)
        one.close()
        assert session.current() is second
        assert nph.run(theirs) == ("nph_beta", 3, 2)
    assert session.current() is None
    assert seen() == (False, False)
    assert nph.run(ours, allow=["nph_alpha"]) == ("nph_alpha", 3, 2)


def test_what_was_learnt_belongs_to_the_app(apps: tuple[App, App]) -> None:
    alpha, _ = apps
    sessions = [session.Session(("nph_alpha",)), session.Session(("nph_beta",))]
    with session.running(sessions[0]):
        composed(alpha)
        files = session.workspace().of(ServedFiles)
        assert session.workspace().of(ServedFiles) is files
        assert session.workspace().signatures.known("nph_alpha.f") is not None
    with session.running(sessions[1]):
        assert session.workspace().of(ServedFiles) is not files
        assert session.workspace().signatures.known("nph_alpha.f") is None


# Threads -----------------------------------------------------------------------------------------------------------


def test_apps_in_threads_at_the_same_time(apps: tuple[App, App]) -> None:
    both = threading.Barrier(2)

    def app(name: str) -> list[tuple[bool, bool]]:
        with session.running(session.Session((name,))):
            both.wait(10)
            found = [seen()]
            with ThreadPoolExecutor(1) as pool:  # of its own: what runs there belongs to it
                found.append(pool.submit(copy_context().run, seen).result())
            both.wait(10)
        return found

    with ThreadPoolExecutor(2) as pool:
        alpha, beta = pool.map(app, ("nph_alpha", "nph_beta"))
    assert alpha == [(True, False)] * 2
    assert beta == [(False, True)] * 2
    assert seen() == (False, False)


def test_a_thread_of_the_apps_function_finds_its_settings(apps: tuple[App, App]) -> None:
    alpha, _ = apps
    found: list[Any] = []

    def call(cfg: DictConfig) -> None:
        thread = threading.Thread(target=lambda: found.append(nph.run(cfg)))
        thread.start()
        thread.join()

    assert run(alpha, call=call).code == 0
    assert found == [("nph_alpha", 3, 2)]


def test_a_thread_of_an_app_inside_another_one_finds_the_inner_one(apps: tuple[App, App]) -> None:
    outer, inner = session.Session(("nph_alpha",)), session.Session(("nph_beta",))
    with session.running(outer), session.running(inner), ThreadPoolExecutor(1) as pool:
        assert pool.submit(seen).result() == (False, True)


def test_a_thread_that_was_there_before_the_app_is_none_of_its_own(apps: tuple[App, App]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: None).result()
        with session.running(session.Session(("nph_alpha",))):
            assert pool.submit(seen).result() == (False, False)


# Processes ---------------------------------------------------------------------------------------------------------


def _in_child(path: list[str], app: Path) -> tuple[tuple[bool, bool], str]:
    """Run an app in a spawned process; return what was allowed before it ran, and what it printed."""
    sys.path[:] = path
    return seen(), run(App(app, {}), call=lambda cfg: seen()).result


def test_apps_in_spawned_processes(apps: tuple[App, App]) -> None:
    alpha, beta = apps
    beta_config = (beta.conf / "config.yaml").read_text()
    found: list[Any] = []

    def call(cfg: DictConfig) -> None:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(_in_child, (sys.path, beta.folder)))
        found.append(seen())

    assert run(alpha, call=call).code == 0
    assert (beta.conf / "config.yaml").read_text() == beta_config
    assert found == [((False, False), "(False, True)"), (True, False)]
