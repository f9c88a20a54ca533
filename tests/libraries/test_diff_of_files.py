"""``nemo-hydra diff`` of a library's files, where nothing of what they name is installed."""

from __future__ import annotations

from pathlib import Path

from tests.support.recipes import exported, nemo_hydra


def test_a_default_is_known_from_the_snapshot_at_the_top_of_the_library(tmp_path: Path) -> None:
    library = exported(tmp_path)
    (tmp_path / "recipes_a.py").unlink()
    file = next(file for file in sorted(library.rglob("*.yaml")) if "layers: 9" in file.read_text())
    other = file.with_name("other.yaml")
    other.write_text(file.read_text().replace("layers: 9", "# the default"))
    done = nemo_hydra(tmp_path, "diff", str(other), str(file), "--allow", "recipes_a")
    assert done.code == 0, done.err
    assert done.out.split() == ["~", "net.layers", "2", "->", "9"], done.out
