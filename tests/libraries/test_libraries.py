"""Recipe libraries in an app: found by entry point, search path and --library; clashes, damage, names at the root."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from nemo_partial_hydra.libraries import library
from tests.support.apps import App
from tests.support.recipes import APP, exported, install, nemo_hydra, python, write

pytestmark = pytest.mark.matrix

SMALL = "Net(layers=1, hidden=8, mode=<Mode.FAST: 1>, kind='a')"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an app, its recipe module and the library made from it."""
    folder = tmp_path_factory.mktemp("made")
    exported(folder)
    write(folder, "app.py", APP)
    return folder


def copied(made: Path, tmp_path: Path) -> Path:
    """Copy the folder, for a test that changes it."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_directory_by_its_option(made: Path) -> None:
    done = python(made, "app.py", "--library", "lib", "+pretrain=recipes_a", "pretrain.net.mode=SLOW")
    assert done.result == "Net(layers=4, hidden=8, mode=<Mode.SLOW: 2>, kind='a') 3 1 .", done.err
    done = python(made, "app.py", "--library=lib", "+experiment=big", "experiment.net.kind=c")
    assert done.code == 2
    assert "experiment.net.kind: expected Literal['a', 'b'], got 'c'" in done.err, done.err


def test_by_the_search_path(made: Path) -> None:
    done = python(made, "app.py", "hydra.searchpath=[lib]", "+pretrain=recipes_a", "pretrain.steps=7")
    assert done.result == "Net(layers=4, hidden=8, mode=<Mode.FAST: 1>, kind='a') 7 1 .", done.err
    done = python(made, "app.py", "hydra.searchpath=[lib]", "+pretrain=recipes_a", "pretrain.stepz=7")
    assert "pretrain.stepz: train has no parameter 'stepz'; did you mean 'steps'?" in done.err


def test_in_a_package_of_the_app_by_the_search_path(made: Path, tmp_path: Path) -> None:
    """As a team has it in its repository; export writes no ``__init__.py`` into a library."""
    folder = copied(made, tmp_path)
    write(folder, "ours/__init__.py", "")
    (folder / "lib").rename(folder / "ours" / "library")
    chosen = ["+pretrain=recipes_a", "pretrain.stepz=7"]
    said = "pretrain.stepz: train has no parameter 'stepz'; did you mean 'steps'?"
    assert said in python(folder, "app.py", "hydra.searchpath=[pkg://ours.library]", *chosen).err
    write(folder, "conf/app.yaml", "hydra:\n  searchpath:\n    - pkg://ours.library\n")
    write(folder, "app.py", APP.replace("main(allow", "main(config_path='conf', config_name='app', allow"))
    done = python(folder, "app.py", *chosen)
    assert (said in done.err, "Warning" in done.err) == (True, False), done.err
    assert python(folder, "app.py", *chosen[:1]).result.startswith("Net(layers=4, hidden=8"), done.err


def test_by_an_entry_point_of_an_installed_package(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    site = install(folder / "lib", tmp_path / "site", "our_recipes")
    done = python(folder, "app.py", "+model=small_model", path=(site,))
    assert done.result == SMALL, done.err
    listed = nemo_hydra(folder, "library", path=(site,))
    assert listed.code == 0, listed.err
    assert "recipes_a (our_recipes 1.0): 4 recipes" in listed.out
    assert "nemo (shipped, nemo" in listed.out


def test_an_entry_point_that_leads_nowhere_is_said(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    site = install(folder / "lib", tmp_path / "site", "our_recipes")
    (site / "our_recipes" / "recipes").rename(site / "our_recipes" / "moved")
    assert python(folder, "app.py", "--help", path=(site,)).code == 0
    listed = nemo_hydra(folder, "library", path=(site,))
    assert listed.code == 2
    assert "our_recipes 1.0: its entry point names 'our_recipes:recipes', which is no directory" in listed.err


def test_only_the_chosen_option_is_read(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    write(folder, "lib/experiment/big.yaml", "a: [\n")
    assert python(folder, "app.py", "--library", "lib", "+model=small_model").result == SMALL
    done = python(folder, "app.py", "--library", "lib", "+experiment=big")
    assert done.code == 2
    assert re.search(r"experiment/big\.yaml, line \d+, column \d+", done.err), done.err


@pytest.mark.parametrize(
    "args",
    [
        ["--library", "lib", "--library", "other"],
        ["hydra.searchpath=[lib,other]"],
        ["--library", "lib", "hydra.searchpath=[other]"],
    ],
)
def test_two_libraries_with_an_option_of_the_same_name(made: Path, tmp_path: Path, args: list[str]) -> None:
    folder = copied(made, tmp_path)
    assert nemo_hydra(folder, "export", "recipes_a", "-o", "other", "--name", "team_b").code == 0
    done = python(folder, "app.py", *args, "+model=small_model")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "'model/small_model' is in 2 libraries: " in done.err, done.err
    assert "recipes_a (" in done.err
    assert "team_b (" in done.err
    assert done.result == ""


def test_clashes_are_listed(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    write(folder, "lib/pretrain/llama3_8b.yaml", "_target_: recipes_a.train\n_partial_: true\n")
    done = nemo_hydra(folder, "library", "--library", "lib")
    assert done.code == 2
    assert "'pretrain/llama3_8b' is in 2 libraries: recipes_a (--library) at " in done.err
    assert "nemo (shipped) at " in done.err


def test_a_library_takes_the_place_of_one_of_its_name(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    assert nemo_hydra(folder, "export", "recipes_a", "-o", "lib", "--name", "nemo").code == 0
    text = "_target_: recipes_a.train\n_partial_: true\nnet: {_target_: recipes_a.Net}\n"
    write(folder, "lib/pretrain/llama3_8b.yaml", text)
    done = python(folder, "app.py", "--library", "lib", "+pretrain=llama3_8b")
    assert done.result.startswith("Net(layers=2"), done.err
    assert "llama3_70b" not in python(folder, "app.py", "--library", "lib", "--help").out


def test_the_apps_own_configs_go_first(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    write(folder, "app.py", APP.replace("main(allow", "main(config_path='conf', config_name='config', allow"))
    write(folder, "conf/config.yaml", "defaults: [{model: llama3_8b}]\n")
    write(folder, "conf/model/llama3_8b.yaml", "_target_: recipes_a.Net\nlayers: 5\n")
    assert "layers=5" in python(folder, "app.py").result
    assert (
        "_target_: nemo.collections.llm.gpt.model.gemma.GemmaModel"
        in python(folder, "app.py", "model=gemma_2b", "--cfg", "job").out
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--library"], "--library needs a directory"),
        (["--library", "nope"], "--library: 'nope' is no directory"),
        (["--library", "empty"], "--library: 'empty' is no recipe library: it has no library.json"),
        (["--library", "half"], "half/library.json: damaged or half-written"),
        (["--library", "newer"], "was written by a newer version"),
        (["--library", "lib", "+model=smal_model"], "did you mean 'small_model'?"),
        (["--library", "lib", "+modle=small_model"], "modle"),
    ],
)
def test_wrong_libraries(made: Path, tmp_path: Path, args: list[str], message: str) -> None:
    folder = copied(made, tmp_path)
    (folder / "empty").mkdir()
    write(folder, "half/library.json", '{"format": 1, "recipes')
    write(folder, "newer/library.json", '{"format": 2}')
    done = python(folder, "app.py", *args)
    assert (done.code, message in done.err, "Traceback" in done.err) == (2, True, False), done.err


def test_a_recipe_that_is_gone(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    (folder / "lib/model/small_model.yaml").unlink()
    done = python(folder, "app.py", "--library", "lib", "+model=small_model")
    assert done.code == 2
    assert "recipes_a (--library): the file " in done.err
    assert "is missing; export the library again" in done.err
    assert nemo_hydra(folder, "library", "--library", "lib").code == 2
    assert nemo_hydra(folder, "check", "lib").code == 2


def test_a_snapshot_of_a_newer_format(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    write(folder, "lib/signatures.json", '{"format": 99}')
    done = python(folder, "app.py", "--library", "lib", "+model=small_model")
    assert done.code == 2
    assert "signatures.json was written by a newer version (format 99, this one reads 1)" in done.err


def test_a_plain_hydra_app_has_the_libraries_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        "plain.py",
        "import hydra\nimport nemo_partial_hydra as nph\n\n"
        "@hydra.main(version_base=None, config_path=None)\n"
        "def main(cfg):\n"
        "    print('RESULT', [p.value for p in nph.paths(cfg) if p.path == 'model.config.num_layers'])\n\n"
        "main()\n",
    )
    done = python(tmp_path, "plain.py", "+model=llama3_70b", "model.config.num_layers=4")
    assert done.result == "[4]", done.err


def test_other_apps_have_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        "plain.py",
        "import hydra\n\n@hydra.main(version_base=None, config_path=None)\ndef main(cfg):\n    print(cfg)\n\nmain()\n",
    )
    done = python(tmp_path, "plain.py", "+model=llama3_70b")
    assert "{'model': 'llama3_70b'}" in done.out, done.err


def test_names_at_the_root_stay_values(tmp_path: Path) -> None:
    """Libraries have groups ``data``, ``log`` and ``resume``; an app's own keys of these names choose nothing there."""
    targets = "def work(data=None, log='x', resume=True):\n    return data, log, resume\n"
    app = App(
        tmp_path,
        {"config": "_target_: work.work\n_partial_: true\n", "other": "defaults: [_self_]\nlog: 3\n"},
        modules={"work": targets},
    )
    assert app.run("log=5", "resume=null", "data=[1,2]").result == "([1, 2], 5, None)"
    assert app.run("-m", "log=5,6").out.count("RESULT") == 2
    assert app.run("log=default_log").result == "(None, 'default_log', True)"


def test_a_recipe_of_a_library_at_the_root(tmp_path: Path) -> None:
    app = App(tmp_path, {"config": "defaults: [{pretrain@_global_: llama3_8b}]\n"})
    listed = json.loads(app.run("--cfg-paths=json", "resume=null", "trainer.max_steps=7").out)
    values = {record["path"]: record["value"] for record in listed}
    assert values["resume"] is None
    assert values["trainer.max_steps"] == 7
    listed = json.loads(app.run("--cfg-paths=json", "+model=llama3_70b").out)
    assert {r["path"]: r["value"] for r in listed}["model.config"]["_target_"].endswith("Llama3Config70B")


def test_check_says_what_is_wrong(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    done = nemo_hydra(folder, "check", "lib")
    assert done.code == 3
    assert "refused: recipes_a: model/small_model:" in done.err
    assert "4 recipes: 4 refused" in done.out
    done = nemo_hydra(folder, "check", "lib", "--allow", "recipes_a")
    assert (done.code, done.out) == (0, "4 recipes: 4 fine\n"), done.err
    write(folder, "lib/model/wrong.yaml", "_target_: recipes_a.Net\nlayers: many\nhiden: 3\n")
    write(folder, "lib/model/open.yaml", "_target_: recipes_a.train\n_partial_: true\nnet: ???\n")
    done = nemo_hydra(folder, "check", "lib", "--allow", "recipes_a", "--json")
    assert done.code == 2
    found = {record["path"]: record for record in json.loads(done.out)}
    assert found["model/wrong"]["state"] == "invalid"
    assert "layers: expected int, got 'many'" in found["model/wrong"]["problem"]
    assert "hiden" in found["model/wrong"]["problem"]
    assert (found["model/open"]["state"], found["model/open"]["open"]) == ("fine", ["net"])


def test_what_was_made_from_another_version_says_so(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    manifest = folder / "lib" / "library.json"
    manifest.write_text(manifest.read_text().replace('"distributions": {}', '"distributions": {"hydra_core": "0.9"}'))
    here = re.escape(importlib.metadata.version("hydra-core"))
    listed = nemo_hydra(folder, "library", "--library", "lib").out
    assert re.search(
        rf"^recipes_a \(--library, hydra_core 0\.9\): 4 recipes\n  hydra_core {here} is installed: ", listed
    )
    records = json.loads(nemo_hydra(folder, "library", "--library", "lib", "--json").out)
    assert list(records[0]["installed_otherwise"]) == ["hydra_core"]
    done = nemo_hydra(folder, "check", "lib", "--allow", "recipes_a")
    assert done.code == 0
    said = rf"recipes_a was made from hydra_core 0\.9, and checked against hydra_core {here}, which is installed"
    assert re.fullmatch(f"4 recipes: 4 fine\n{said}\n", done.out), done.out


def test_check_reads_an_apps_config_directory(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    write(folder, "conf/config.yaml", "defaults: [{pretrain: llama3_8b}]\npretrain: {trainer: {max_steps: 5}}\n")
    write(folder, "conf/net/deep.yaml", "_target_: recipes_a.Net\nlayers: 50\n")
    done = nemo_hydra(folder, "check", "conf", "--allow", "recipes_a")
    assert (done.code, done.out) == (0, "2 recipes: 2 fine\n"), done.err
    write(folder, "conf/config.yaml", "defaults: [{pretrain: llama3_8b}]\npretrain: {trainer: {max_steps: x}}\n")
    done = nemo_hydra(folder, "check", "conf", "--allow", "recipes_a")
    assert done.code == 2
    assert "expected int, got 'x'" in done.err
    assert nemo_hydra(folder, "check", "nowhere").code == 2


def test_the_library_of_an_app_is_listed_by_group(made: Path) -> None:
    done = nemo_hydra(made, "library", "pretrain", "--library", "lib")
    assert "recipes_a                                    Pretrain a small net.  (recipes_a)" in done.out, done.out
    wrong = nemo_hydra(made, "library", "pretran")
    assert wrong.code == 2
    assert "there is no group 'pretran'; did you mean 'pretrain'?" in wrong.err
    records = json.loads(nemo_hydra(made, "library", "--json").out)
    assert [record["name"] for record in records] == ["nemo"]
    assert len(records[0]["recipes"]) == len(library.Library(library.SHIPPED, "").options())


def test_completion_offers_a_librarys_options(made: Path) -> None:
    line = {"COMP_LINE": "python app.py +model=llama3_"}
    done = python(made, "app.py", "-sc", "query=bash", env=line)
    assert "+model=llama3_70b" in done.out.split(), done.out + done.err
    # The shell's script runs the app without its arguments; what has been typed is in COMP_LINE.
    line = {"COMP_LINE": "python app.py --library lib +model=small_"}
    done = python(made, "app.py", "-sc", "query=bash", env=line)
    assert "+model=small_model" in done.out.split(), done.out + done.err
    line = {"COMP_LINE": "python app.py --library lib +experiment=big experiment.net.mode="}
    done = python(made, "app.py", "-sc", "query=bash", env=line)
    assert "experiment.net.mode=SLOW" in done.out.split(), done.out + done.err
