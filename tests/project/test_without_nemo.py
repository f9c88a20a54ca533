"""The login node: importing NeMo and what it is built on raises, and everything up to the run works all the same.

Twice: once where these packages are not there at all, and once where their folders are and importing them raises.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.apps import ROOT, Done
from tests.support.recipes import python, write
from tests.support.without import BLOCKED

pytestmark = pytest.mark.matrix

APP = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="config")
def main(cfg):
    from omegaconf import OmegaConf
    print("RESULT", OmegaConf.select(cfg, "pretrain.trainer.max_steps"))

if __name__ == "__main__":
    main()
"""

MINE = """
_target_: nemo.collections.llm.pretrain
_partial_: true
model: {_target_: nemo.collections.llm.LlamaModel}
"""


@pytest.fixture(params=["absent", "raising"])
def login(tmp_path: Path, request: pytest.FixtureRequest) -> LoginNode:
    """An app on a login node."""
    return LoginNode(tmp_path, request.param)


class LoginNode:
    """A folder with an app, and how commands run there."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        write(folder, "app.py", APP)
        write(folder, "conf/config.yaml", "defaults: [{pretrain: llama3_8b}]\n")
        write(folder, "conf/mine.yaml", MINE)
        self.path: tuple[Path, ...] = ()
        self.prefix: tuple[str, ...] = ("-m", "tests.support.without")
        if kind == "raising":
            for name in BLOCKED:
                write(folder, f"site/{name}/__init__.py", f"raise ImportError('{name} is imported')\n")
            self.path, self.prefix = (folder / "site",), ()

    def app(self, *args: str, env: dict[str, str] | None = None) -> Done:
        """Run the app."""
        return python(self.folder, *self.prefix, "app.py", *args, path=self.path, env=env)

    def command(self, *args: str) -> Done:
        """Run ``nemo-hydra``."""
        return python(self.folder, *self.prefix, "-m", "nemo_partial_hydra.cli", *args, path=self.path)


def test_compose_and_validate(login: LoginNode) -> None:
    assert login.app("pretrain.trainer.max_steps=7").result == "7"
    wrong = login.app("pretrain.trainer.max_stepz=7")
    assert (wrong.code, "Traceback" in wrong.err) == (2, False)
    assert "pretrain.trainer.max_stepz: Trainer has no parameter 'max_stepz'; did you mean 'max_steps'?" in wrong.err
    wrong = login.app("pretrain.trainer.max_steps=many")
    assert "pretrain.trainer.max_steps: expected int, got 'many'" in wrong.err
    wrong = login.app("pretrain.trainer.strategy.sequence_parallel=5")
    assert wrong.code == 2, wrong.err


def test_a_sweep_over_recipes(login: LoginNode) -> None:
    done = login.app("-m", "pretrain=llama3_8b,llama3_70b", "pretrain.model.config.num_layers=2,4")
    assert (done.code, done.out.count("RESULT")) == (0, 4), done.err
    wrong = login.app("-m", "pretrain=llama3_8b,llama3_70b", "pretrain.model.config.num_layer=2")
    assert (wrong.code, wrong.out.count("RESULT")) == (2, 0)
    assert "Llama3Config70B has no parameter 'num_layer'; did you mean 'num_layers'?" in wrong.err


def test_every_path_with_type_default_doc_and_place(login: LoginNode) -> None:
    done = login.app("--cfg-paths=json", "pretrain=llama3_70b")
    assert done.code == 0, done.err
    records = {record["path"]: record for record in json.loads(done.out)}
    assert len(records) > 480
    steps = records["pretrain.trainer.max_steps"]
    assert (steps["type"], steps["set"], steps["override"]) == ("int", True, "pretrain.trainer.max_steps=1168251")
    assert steps["source"] == "nemo_library/pretrain/llama3_70b.yaml"
    assert steps["line"] > 1
    layers = records["pretrain.model.config.num_layers"]
    assert (layers["type"], layers["default"], layers["set"]) == ("int", 80, False)
    assert records["pretrain.trainer.strategy.tensor_model_parallel_size"]["doc"]


def test_completion(login: LoginNode) -> None:
    line = {"COMP_LINE": "python app.py pretrain=llama3_7"}
    done = login.app("-sc", "query=bash", env=line)
    assert "pretrain=llama3_70b" in done.out.split(), done.err
    line = {"COMP_LINE": "python app.py pretrain.trainer.strategy.sequence_parallel="}
    done = login.app("-sc", "query=bash", env=line)
    assert "pretrain.trainer.strategy.sequence_parallel=true" in done.out.split(), done.err


def test_differences(login: LoginNode) -> None:
    library = ROOT / "nemo_partial_hydra" / "nemo_library" / "model"
    done = login.command("diff", str(library / "llama3_8b.yaml"), str(library / "llama3_70b.yaml"))
    assert done.code == 0, done.err
    assert "~ config.num_layers" in done.out
    done = login.command("diff", "-cd", "conf", "-cn", "config", "", "pretrain=llama3_70b", "--json")
    assert done.code == 0, done.err
    assert "pretrain.model.config.hidden_size" in {record["path"] for record in json.loads(done.out)["changed"]}


def test_an_apps_own_file_is_typed_by_the_library(login: LoginNode) -> None:
    done = login.app("-cn", "mine", "--cfg-paths=json")
    found = {record["path"] for record in json.loads(done.out)}
    assert {"model.tokenizer", "data", "trainer", "resume", "optim"} <= found


def test_check_and_library(login: LoginNode) -> None:
    done = login.command("check", "conf")
    assert (done.code, done.out) == (0, "2 recipes: 2 fine\n"), done.err
    assert login.command("library", "optim").code == 0
