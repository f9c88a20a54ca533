"""Files written atomically: the old content or the new, under any name, and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.atomic import replace_file


def test_a_file_is_made_and_replaced(weird_tmp_path: Path) -> None:
    file = weird_tmp_path / "it's; a $(file)\n.json"
    replace_file(file, "ä".encode())
    replace_file(file, b"\xff", mode=0o444)
    assert file.read_bytes() == b"\xff"
    assert file.stat().st_mode & 0o777 == 0o444
    assert os.listdir(weird_tmp_path) == [file.name]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("fails", ["fsync", "fchmod", "replace"])
def test_what_cannot_be_written_leaves_the_old_file(
    weird_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    file = weird_tmp_path / "a"
    replace_file(file, b"old")
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, b"new", mode=0o600)
    assert file.read_text() == "old"
    assert os.listdir(weird_tmp_path) == ["a"]


def test_what_is_recorded_elsewhere_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    replace_file(tmp_path / "a", b"x", durable=False)
    assert not synced
    replace_file(tmp_path / "a", b"y")
    assert len(synced) == 1


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "other").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()
