"""A recipe library beside what an app has of its own: the library adds options, and takes none of the app's away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.apps import App

pytestmark = pytest.mark.matrix

SCRIPT = """
import sys
import hydra
import nemo_partial_hydra as nph
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

ConfigStore.instance().store(group="peft", name="dora", node={"of": "store"})

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    folders = [source["path"] for source in HydraConfig.get().runtime.config_sources if source["schema"] == "file"]
    print("RESULT", OmegaConf.to_container(cfg), folders[0] == sys.path[0] + "/conf")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    conf = {"config": "defaults: [_self_, {peft: mine}]\n", "peft/mine": "of: conf\n", "peft/other": "of: conf\n"}
    app = App(tmp_path / "app", conf, script=SCRIPT)
    app.write("more/peft/lora.yaml", "of: more\n")
    app.write("conf/searched.yaml", "defaults: [_self_, {peft: lora}]\nhydra: {searchpath: ['file://more']}\n")
    return app


@pytest.mark.parametrize(
    ("line", "of"),
    [
        (("--config-dir", "more", "peft=lora"), "more"),
        (("hydra.searchpath=[file://more]", "peft=lora"), "more"),
        (("-cn", "searched"), "more"),
        (("peft=dora",), "store"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_library_hides_no_option_of_the_app(app: App, line: tuple[str, ...], of: str) -> None:
    """The shipped library has ``peft=lora`` and ``peft=dora`` as well."""
    done = app.run(*line)
    assert done.code == 0, done.err
    assert f"'of': '{of}'" in done.result
    listed = app.run(*line, "--cfg-paths", "-p", "peft")
    assert "nemo_library" not in listed.out, "the listing names the file that the value comes from"
    jobs = app.run("-m", *line, "+x=1,2")
    assert jobs.code == 0, jobs.err
    assert jobs.out.count(f"'of': '{of}'") == 2


def test_an_app_finds_its_own_directory_among_the_sources(app: App) -> None:
    """Many apps read their own files so: those whose ``schema`` is ``file``."""
    assert app.run().result.endswith("True")
    jobs = app.run("-m", "+x=1,2")
    assert jobs.out.count("True") == 2, jobs.err


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("glob(*)", ["dora", "mine", "other"]),
        ("glob(*,exclude=[other,dora])", ["mine"]),
        ("glob([m*,l*])", ["mine"]),
        ("glob(lor*)", ["lora"]),
    ],
)
def test_a_glob_means_the_apps_own_options_where_it_matches_some(app: App, pattern: str, chosen: list[str]) -> None:
    done = app.run("-m", f"peft={pattern}", "hydra.sweep.dir=out")
    jobs = sorted((app.folder / "out").glob("*/.hydra/overrides.yaml"))
    assert [path.read_text() for path in jobs] == [f"- peft={name}\n" for name in chosen], done.err


def test_a_glob_without_a_match_is_a_sweep_of_no_jobs(app: App) -> None:
    done = app.run("-m", "peft=glob(nothing*)")
    assert (done.code, done.err) == (0, "")
    assert "Launching 0 jobs locally" in done.out


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("+resume=true", "'resume': True"),
        ("+trainer=3", "'trainer': 3"),
        ("+log=null", "'log': None"),
        ("++data=mnist", "'data': 'mnist'"),
        ("++log=default_log", "'log': 'default_log'"),
    ],
)
def test_the_groups_of_a_library_leave_an_app_its_keys(app: App, override: str, value: str) -> None:
    """No option is called ``true``, and Hydra takes no choice with ``++``: these are values, as without the library."""
    done = app.run(override)
    assert done.code == 0, done.err
    assert value in done.result
    jobs = app.run("-m", override, "+x=1,2")
    assert jobs.out.count(value) == 2, jobs.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("+data=mnist",), "to add a value of that name: ++data=mnist"),
        (("data=mnist",), "to add it: ++data=mnist"),
        (("dataa=mnist",), "to add it: +dataa=mnist"),
        (("peft=min",), "did you mean 'mine'?; there is "),
        (("peft=[mine,nothing]",), "Could not load 'peft/nothing'; there is 1, dora, mine, other"),
        (("-cn", "confg"), "; did you mean 'config'?; there is "),
        (("-cn", "confg"), "; searched: {folder}/conf"),
        (("-cp", "nowhere"), "the config directory '{folder}/nowhere' exists"),
        (("-cn", "circle"), "Error: Error resolving interpolation "),
        (("peft=1",), "peft=1: without quotes '1' is no text, as the name of an option is: 'peft=\"1\"'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_named_with_what_is(app: App, line: tuple[str, ...], says: str) -> None:
    app.write("conf/circle.yaml", "defaults: [_self_, {peft: '${nothing}'}]\n")
    app.write("conf/peft/1.yaml", "of: one\n")
    done = app.run(*line)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert says.format(folder=app.folder) in done.err
    if says.startswith("peft=1"):
        assert "'of': 'one'" in app.run('peft="1"').result, "the advice works"
    if "++" in says:
        assert "'data': 'mnist'" in app.run("++data=mnist").result, "the advice works"
