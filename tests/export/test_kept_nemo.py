"""Arguments of NeMo's own recipes, kept in their export."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recipes import nemo_hydra, python

pytestmark = pytest.mark.nemo

BUILDS = """
from hydra import compose, initialize_config_dir
from nemo.collections.llm.recipes import llama3_8b
import nemo_partial_hydra as nph
import sys

with initialize_config_dir(sys.argv[1], version_base=None):
    cfg = compose(overrides=["+pretrain=llama3_8b", *(f"pretrain._factory_.{text}" for text in sys.argv[2:])])
made = nph.build(cfg)
print("RESULT", made == llama3_8b.pretrain_recipe(dir="/runs", num_nodes=4), made.trainer.num_nodes, made.log.log_dir)
"""


def test_the_recipe_of_other_arguments_is_the_one_that_nemo_makes_of_them(tmp_path: Path) -> None:
    module = "nemo.collections.llm.recipes.llama3_8b"
    done = nemo_hydra(tmp_path, "export", module, "-o", "lib", "--with", "dir=/first", "--keep-arguments")
    assert "pretrain/" in done.out, done.err
    text = (tmp_path / "lib/pretrain/llama3_8b.yaml").read_text()
    for name in ("dir", "name", "num_nodes", "num_gpus_per_node"):
        assert f"_factory_.{name}}}" in text
    assert "# performance_mode is fixed: " in text
    (tmp_path / "build.py").write_text(BUILDS)
    built = python(tmp_path, "build.py", str(tmp_path / "lib"), "dir=/runs", "num_nodes=4")
    assert built.result == "True 4 /runs", built.err
