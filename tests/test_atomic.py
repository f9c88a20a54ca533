"""Files written atomically: the old content or the new, under any name, and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.atomic import replace_file, write_atomic
from nemo_partial_hydra.errors import JobError


def test_a_file_is_made_and_replaced(weird_tmp_path: Path) -> None:
    file = weird_tmp_path / "it's; a $(file)\n.json"
    write_atomic(file, "ä")
    write_atomic(file, b"\xff", mode=0o444)
    assert file.read_bytes() == b"\xff"
    assert file.stat().st_mode & 0o777 == 0o444
    assert os.listdir(weird_tmp_path) == [file.name]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", "x")
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
    write_atomic(file, "old")
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(JobError, match="cannot be written: No space left on device"):
        write_atomic(file, "new", mode=0o600)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, b"new", mode=0o600)
    assert file.read_text() == "old"
    assert os.listdir(weird_tmp_path) == ["a"]


def test_what_is_recorded_elsewhere_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    write_atomic(tmp_path / "a", "x", durable=False)
    assert not synced
    write_atomic(tmp_path / "a", "y")
    assert len(synced) == 1


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "other").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()
