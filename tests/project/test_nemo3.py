"""Beside NeMo 3.0.0, which has speech models and no LLM recipes (``make nemo3``).

Their config classes, an app over a speech model's config as people write it, and the library that was made from 2.7.3.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.apps import ROOT
from tests.support.recipes import nemo_hydra, python, write

pytestmark = pytest.mark.nemo3

APP = """
import nemo_partial_hydra as nph

@nph.main(config_path="conf", config_name="ctc", allow=["nemo.collections.asr.modules"])
def main(cfg):
    from nemo.collections.asr.models import EncDecCTCModel

    model = EncDecCTCModel(cfg=cfg.model)
    print("RESULT", type(model.encoder).__name__, len(model.encoder.layers), model.cfg.optim.lr)

if __name__ == "__main__":
    main()
"""
CTC = """
# As in NeMo's examples/asr/conf, small.
labels: [" ", a, b, c]
model:
  sample_rate: 16000
  labels: ${labels}
  preprocessor:
    _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor
    sample_rate: ${model.sample_rate}
    features: 64
  encoder:
    _target_: nemo.collections.asr.modules.ConformerEncoder
    feat_in: ${model.preprocessor.features}
    n_layers: 2
    d_model: 32
  decoder:
    _target_: nemo.collections.asr.modules.ConvASRDecoder
    feat_in: ${model.encoder.d_model}
    num_classes: 4
    vocabulary: ${model.labels}
  optim:
    name: adamw
    lr: 0.001
"""
RECIPES = '''
"""Recipes of a team that trains speech models."""
import nemo_run as run
from nemo.collections.asr.models.configs import EncDecCTCModelConfig

import nemo_partial_hydra as nph


def describe(config: EncDecCTCModelConfig, times: int = 1) -> str:
    greedy = config.model.decoding.greedy
    return f"{config.name} {config.model.encoder._target_} {type(greedy.confidence_method_cfg).__name__}" * times


@nph.recipe(group="speech", name="ctc")
def ctc() -> run.Partial:
    """A CTC model's config."""
    recipe = run.Partial(describe)
    recipe.config = EncDecCTCModelConfig(name="small", exp_manager=None)
    return recipe
'''
TRAIN = """
import nemo_partial_hydra as nph

main = nph.app(allow=["speech_team", "nemo.collections.asr", "nemo.core.config"])

if __name__ == "__main__":
    main()
"""
ALLOWED = ("--allow", "speech_team", "--allow", "nemo.collections.asr", "--allow", "nemo.core.config")
EVERY = """
import collections, dataclasses, importlib, json, pkgutil
import fiddle
import nemo.collections.asr, nemo.collections.common, nemo.core
import nemo_partial_hydra as nph

found = {}
for package in (nemo.core, nemo.collections.asr, nemo.collections.common):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        try:
            members = vars(importlib.import_module(module.name))
        except BaseException:  # what needs packages that NeMo does not install
            continue
        for kind in members.values():
            if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__.startswith("nemo."):
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
bad, count = {}, 0
for name, kind in sorted(found.items()):
    try:
        made = kind()
    except Exception:  # it needs arguments
        continue
    count += 1
    ways = {"yaml": lambda p: nph.from_yaml(nph.to_yaml(p)), "config": lambda p: nph.build(nph.to_config(p))}
    for way, back in ways.items():
        try:
            again = fiddle.build(back(made))
            if type(again) is not kind or again != made:
                bad[f"{name} {way}"] = "differs"
        except Exception as error:
            bad[f"{name} {way}"] = f"{type(error).__name__}: {error}"
print("RESULT", json.dumps({"found": len(found), "count": count, "bad": bad}))
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write(tmp_path, "app.py", APP)
    write(tmp_path, "conf/ctc.yaml", CTC)
    return tmp_path


@pytest.fixture
def team(tmp_path: Path) -> Path:
    write(tmp_path, "speech_team.py", RECIPES)
    write(tmp_path, "train.py", TRAIN)
    return tmp_path


def test_each_config_class_that_can_be_made_survives_both_round_trips(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", EVERY)
    lines = [line for line in done.out.splitlines() if line.startswith("RESULT ")]
    assert lines, done.err[-3000:]
    result = json.loads(lines[0].removeprefix("RESULT "))
    assert result["bad"] == {}
    assert result["count"] >= 127


def test_an_app_over_a_models_config_makes_the_model(app: Path) -> None:
    done = python(app, "app.py", "model.encoder.n_layers=3", "model.optim.lr=0.01")
    assert done.code == 0, done.err[-3000:]
    assert "RESULT ConformerEncoder 3 0.01" in done.out


def test_its_modules_are_listed_with_all_that_they_take(app: Path) -> None:
    done = python(app, "app.py", "--cfg-paths=json", "model.encoder.n_layers=3")
    assert done.code == 0, done.err[-3000:]
    found = {record["path"]: record for record in json.loads(done.out)}
    assert found["model.encoder.n_layers"]["value"] == 3
    assert found["model.encoder.dropout"]["value"] == 0.1
    assert found["model.preprocessor.window_size"]["value"] == 0.02


def test_a_mistake_is_said_before_a_model_is_made(app: Path) -> None:
    done = python(app, "app.py", "model.encoder.n_layrs=3")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "model.encoder.n_layrs: ConformerEncoder has no parameter 'n_layrs'; did you mean 'n_layers'?" in done.err


def test_what_is_not_allowed_is_refused(app: Path) -> None:
    write(app, "app.py", APP.replace(', allow=["nemo.collections.asr.modules"]', ""))
    done = python(app, "app.py")
    assert done.code == 3
    assert "allow=['nemo.collections.asr.modules.ConformerEncoder']" in done.err


def test_a_library_of_speech_recipes(team: Path) -> None:
    """Made with NeMo 3, then used where none of it can be imported."""
    exported = nemo_hydra(team, "export", "speech_team", "--out", "library")
    assert exported.code == 0, exported.err[-3000:]
    checked = nemo_hydra(team, "check", "library", *ALLOWED)
    assert (checked.code, checked.out) == (0, "1 recipes: 1 fine\n"), checked.err
    words = ["+speech=ctc", "speech.config.model.decoding.greedy.confidence_method_cfg.alpha=0.5"]
    without = ["-m", "tests.support.without", "train.py", "--library", "library"]
    listed = python(team, *without, *words, "--cfg-paths", "--filter", "*.confidence_method_cfg.alpha")
    assert listed.code == 0, listed.err
    frozen = python(team, *without, *words, "-m", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert frozen.code == 0, frozen.err
    recipe = yaml.safe_load((team / "jobs" / "0" / "job.yaml").read_text())["recipe"]
    assert recipe["config"]["model"]["decoding"]["greedy"]["confidence_method_cfg"]["alpha"] == 0.5
    ran = nemo_hydra(team, "run", "jobs", *ALLOWED)
    assert ran.code == 0, ran.err[-3000:]
    result = json.loads((team / "jobs" / "0" / "result.json").read_text())["result"]
    assert result == "small nemo.collections.asr.modules.ConvASREncoder DictConfig"


def test_the_shipped_library_says_that_another_version_is_installed(tmp_path: Path) -> None:
    listed = nemo_hydra(tmp_path, "library")
    assert listed.out.startswith(
        "nemo (shipped, nemo-toolkit 2.7.3): 493 recipes\n"
        "  nemo-toolkit 3.0.0 is installed: a recipe that does not fit it is refused where it would run\n"
    )


def test_a_recipe_of_it_is_refused_with_both_versions(tmp_path: Path) -> None:
    write(tmp_path, "app.py", "import nemo_partial_hydra as nph\n\nnph.app()()\n")
    done = python(tmp_path, "app.py", "+pretrain=llama3_8b")
    assert (done.code, "Traceback" in done.err) == (3, False)
    assert "nemo-toolkit 3.0.0 is installed, the snapshot was read from 2.7.3: what is installed counts" in done.err
    assert "'nemo.collections' has no 'llm'" in done.err
    assert "(snapshot: nemo-toolkit 2.7.3, here 3.0.0)" in done.err


def test_a_check_of_it_counts_what_does_not_fit(tmp_path: Path) -> None:
    """It ends without a traceback whatever modules raise, and says what it compared."""
    done = nemo_hydra(tmp_path, "check")
    assert (done.code, "Traceback" in done.err) == (2, False)
    said = "nemo was made from nemo-toolkit 2.7.3, and checked against nemo-toolkit 3.0.0, which is installed"
    assert said in done.out.splitlines()
    assert "493 recipes: " in done.out


def test_the_package_imports_none_of_it() -> None:
    code = "import sys, nemo_partial_hydra; print([name for name in ('nemo', 'torch', 'hydra') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
