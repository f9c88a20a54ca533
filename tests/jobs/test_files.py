"""Files in directories that others may write: each trap, and beside it the honest file that must work."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.errors import JobError, RefusedError
from nemo_partial_hydra.jobs import files, folders
from nemo_partial_hydra.jobs.folders import UnsafeFile

SOMEBODY = 54321
"""The number of a user who is not there."""


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """End a test that waits for the other end of a pipe."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("it waits"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Store:
    """A directory with a job's file in it, and outside of it a file of the victim that must not change."""

    def __init__(self, folder: Path) -> None:
        self.root, self.victim = folder / "sweep", folder / "victim"
        self.folder = self.root / "0" / "attempts"
        self.file = self.folder / "err.log"
        self.folder.mkdir(parents=True)
        (self.victim / "inner").mkdir(parents=True)
        self.secret = self.victim / "secret"
        self.secret.write_text("kept")

    def unharmed(self) -> bool:
        return self.secret.read_text() == "kept" and sorted(os.listdir(self.victim)) == ["inner", "secret"]


@pytest.fixture
def store(weird_tmp_path: Path) -> Store:
    return Store(weird_tmp_path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself is too long for it
        os.close(here)


TRAPS: dict[str, Callable[[Store], object]] = {
    "a link": lambda store: store.file.symlink_to(store.secret),
    "a link to nothing": lambda store: store.file.symlink_to(store.victim / "new"),
    "a link to a directory": lambda store: store.file.symlink_to(store.victim),
    "a link to a device": lambda store: store.file.symlink_to("/dev/zero"),
    "a link to itself": lambda store: store.file.symlink_to("err.log"),
    "a named pipe": lambda store: os.mkfifo(store.file),
    "a socket": lambda store: _socket(store.file),
    "a directory": lambda store: store.file.mkdir(),
    "a device": lambda store: os.mknod(store.file, 0o666 | stat.S_IFCHR, os.makedev(1, 5)),
}
WAYS: dict[str, Callable[[Store], object]] = {  # to the file, with a link on the way
    "the directory is a link": lambda store: _away(store, store.folder),
    "the one above it is a link": lambda store: _away(store, store.folder.parent),
    "the directory is a pipe": lambda store: _instead(store, os.mkfifo),
    "the directory is a file": lambda store: _instead(store, Path.touch),
}


def _instead(store: Store, make: Callable[[Path], object]) -> None:
    store.folder.rmdir()
    make(store.folder)


def _away(store: Store, folder: Path) -> None:
    """Put a link in the place of a directory, to one like it."""
    other = store.victim / "inner" / "like"
    (other / "attempts").mkdir(parents=True)
    (other / "err.log").write_text("kept")
    (other / "attempts" / "err.log").write_text("kept")
    folder.rename(store.root / "before")
    folder.symlink_to(other)


OPENS: dict[str, Callable[[Store], Any]] = {
    "read": lambda store: files.read(store.root, store.file),
    "read_text": lambda store: files.read_text(store.root, store.file),
    "open_read": lambda store: files.open_read(store.root, store.file).close(),
    "open_log": lambda store: files.open_log(store.root, store.file).close(),
    "overwrite": lambda store: files.overwrite(store.root, store.file, b"x"),
}
MAKES: dict[str, Callable[[Store], Any]] = {
    "write": lambda store: files.write(store.root, store.file, "new"),
    "write_once": lambda store: files.write_once(store.root, store.file, b"new"),
    "make": lambda store: folders.make(store.root, store.file),
    "remove": lambda store: files.remove(store.root, store.file),
    "remove whole": lambda store: folders.remove(store.root, store.file, whole=True),
    "names": lambda store: folders.names(store.root, store.file),
}


def traps() -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.root if name == "a device" else ()) for name in TRAPS]


@pytest.mark.parametrize("trap", traps())
@pytest.mark.parametrize("name", OPENS)
def test_nothing_but_a_regular_file_is_opened(store: Store, name: str, trap: str) -> None:
    TRAPS[trap](store)
    with pytest.raises(UnsafeFile) as found:
        OPENS[name](store)
    kind = "a link" if trap.startswith("a link") else trap
    assert f"{store.file} is {kind}" in str(found.value.strerror)
    assert store.unharmed()
    assert not files.exists(store.root, store.file)


@pytest.mark.parametrize("name", OPENS)
def test_a_regular_file_is_opened(store: Store, name: str) -> None:
    store.file.write_text("old")
    OPENS[name](store)
    assert store.file.read_text() in ("old", "xld")
    assert files.exists(store.root, store.file)


@pytest.mark.parametrize("trap", traps())
def test_what_is_written_replaces_the_trap_and_does_not_follow_it(store: Store, trap: str) -> None:
    TRAPS[trap](store)
    if trap == "a directory":
        with pytest.raises(JobError, match="Is a directory"):
            files.write(store.root, store.file, "new")
    else:
        files.write(store.root, store.file, "new")
        assert files.read_text(store.root, store.file) == "new"
        assert not store.file.is_symlink()
    assert os.listdir(store.folder) == [store.file.name], "and leaves nothing beside it"
    assert store.unharmed()


@pytest.mark.parametrize("trap", traps())
def test_what_is_made_once_is_not_made_over_a_trap(store: Store, trap: str) -> None:
    TRAPS[trap](store)
    assert not files.write_once(store.root, store.file, b"new")
    assert os.listdir(store.folder) == [store.file.name]
    assert store.unharmed()


@pytest.mark.parametrize("name", [*OPENS, *MAKES])
@pytest.mark.parametrize("way", WAYS)
def test_no_directory_is_entered_through_a_link(store: Store, way: str, name: str) -> None:
    WAYS[way](store)
    with pytest.raises((UnsafeFile, JobError), match=r"is a (link|named pipe|file), "):
        {**OPENS, **MAKES}[name](store)
    assert store.secret.read_text() == "kept"
    for path in store.victim.rglob("err.log"):
        assert path.read_text() == "kept"
    assert not files.exists(store.root, store.file)


@pytest.mark.parametrize("name", ["write", "write_once", "make", "open_log"])
def test_the_directory_that_the_user_names_may_be_reached_through_links(store: Store, name: str) -> None:
    store.root.rename(store.root.parent / "real")
    store.root.symlink_to("real")
    {**OPENS, **MAKES}[name](store)
    assert os.path.lexists(store.file)


@pytest.mark.parametrize("path", ["../victim/secret", "/etc/passwd", "0/../../victim/secret", "../sweep2/x"])
def test_nothing_outside_of_the_directory_is_opened(store: Store, path: str) -> None:
    (store.root.parent / "sweep2").mkdir()
    with pytest.raises(UnsafeFile, match="outside of"):
        files.read(store.root, store.root / path)
    with pytest.raises(JobError, match="outside of"):
        files.write(store.root, store.root / path, "new")
    assert store.unharmed()


@pytest.mark.parametrize("size", [1 << 30, 1001])
def test_a_large_file_is_not_read(store: Store, size: int) -> None:
    with open(store.file, "wb") as file:
        file.truncate(size)
    with pytest.raises(UnsafeFile, match="has more than 1,000 bytes"):
        files.read(store.root, store.file, 1000)
    with files.open_read(store.root, store.file) as log:
        log.seek(size - 3)
        assert log.read() == b"\0\0\0", "as a log it may be as large as it likes"


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_a_file_of_the_right_size_is_read_whole(store: Store, size: int) -> None:
    store.file.write_bytes(b"x" * size)
    assert files.read(store.root, store.file, 1000) == b"x" * size


@pytest.mark.parametrize("name", ["open_log", "overwrite"])
def test_a_second_name_of_another_file_is_not_written(store: Store, name: str) -> None:
    store.file.hardlink_to(store.secret)
    with pytest.raises(UnsafeFile, match="has a second name"):
        OPENS[name](store)
    assert store.unharmed()
    files.write(store.root, store.file, "new")
    assert store.unharmed(), "what is replaced has its own file"


@pytest.mark.root
@pytest.mark.parametrize("name", ["open_log", "overwrite"])
def test_a_file_of_somebody_else_is_not_written(store: Store, name: str) -> None:
    store.file.write_text("old")
    os.chown(store.file, SOMEBODY, SOMEBODY)
    with pytest.raises(UnsafeFile, match=f"is user {SOMEBODY}'s"):
        OPENS[name](store)
    assert store.file.read_text() == "old"
    assert os.listdir(store.folder) == ["err.log"]
    assert files.read_text(store.root, store.file) == "old", "to be read it is as good as any"


@pytest.mark.root
def test_a_file_system_that_shows_one_owner_for_all_is_as_good(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CIFS does, or NFS where root is nobody: what this user makes there has that owner too."""
    store.file.write_text("old")
    os.chown(store.file, SOMEBODY, SOMEBODY)
    os.chown(store.folder, SOMEBODY, SOMEBODY)
    whole = os.open

    def squashed(path: Any, flags: int, *args: Any, **more: Any) -> int:
        made = whole(path, flags, *args, **more)
        if flags & os.O_CREAT:
            os.fchown(made, SOMEBODY, SOMEBODY)
        return made

    monkeypatch.setattr(os, "open", squashed)
    with files.open_log(store.root, store.file) as log:
        log.write(b" and new")
    folders.refuse_foreign(store.root, store.folder)
    assert store.file.read_text() == "old and new"


def test_a_log_is_made_and_appended_to(store: Store) -> None:
    for text in (b"one\n", b"two\n"):
        with files.open_log(store.root, store.file) as log:
            log.write(text)
            assert os.get_blocking(log.fileno())
    assert store.file.read_bytes() == b"one\ntwo\n"


def test_what_was_opened_stays_the_same_file_when_its_name_is_exchanged(store: Store) -> None:
    with files.open_log(store.root, store.file) as log, folders.folder(store.root, store.folder) as held:
        store.file.unlink()
        store.file.symlink_to(store.secret)
        log.write(b"line\n")
        store.folder.rename(store.root / "moved")
        store.folder.symlink_to(store.victim)
        log.flush()
        assert sorted(os.listdir(f"/proc/self/fd/{held}")) == ["err.log"]
    assert store.unharmed()


@pytest.mark.parametrize("error", [1, 95, 38])
def test_without_hard_links_a_file_is_made_once_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def no_link(*args: Any, **more: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", no_link)
    assert files.write_once(store.root, store.file, b"1")
    assert not files.write_once(store.root, store.file, b"2")
    assert store.file.read_bytes() == b"1"
    store.file.unlink()
    store.file.symlink_to(store.victim / "new")
    assert not files.write_once(store.root, store.file, b"3")
    assert store.unharmed()


def test_a_directory_that_may_only_be_searched_is_entered(store: Store) -> None:
    store.file.write_text("old")
    store.folder.parent.chmod(0o311)
    assert files.read_text(store.root, store.file) == "old"


def test_what_is_removed_are_links_and_not_what_they_lead_to(store: Store) -> None:
    (store.folder / "inner").mkdir()
    (store.folder / "inner" / "link").symlink_to(store.victim)
    (store.folder / "link").symlink_to(store.secret)
    os.mkfifo(store.folder / "pipe")
    folders.remove(store.root, store.folder, whole=True)
    assert not store.folder.exists()
    assert store.unharmed()


class TestWritten:
    """What is written is the old file or the new one."""

    def test_a_file_is_made_and_replaced(self, weird_tmp_path: Path) -> None:
        file = weird_tmp_path / "it's; a $(file)\n.json"
        files.write(weird_tmp_path, file, "ä")
        files.write(weird_tmp_path, file, b"\xff", mode=0o444)
        assert file.read_bytes() == b"\xff"
        assert file.stat().st_mode & 0o777 == 0o444
        assert os.listdir(weird_tmp_path) == [file.name]

    def test_a_new_file_has_the_permissions_of_any_new_file(self, tmp_path: Path) -> None:
        old = os.umask(0o027)
        try:
            files.write(tmp_path, tmp_path / "a", "x")
            files.write(tmp_path, tmp_path / "b", "x", mode=0o444)
        finally:
            os.umask(old)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
        assert (tmp_path / "b").stat().st_mode & 0o777 == 0o440

    @pytest.mark.parametrize("fails", ["fsync", "replace"])
    def test_what_cannot_be_written_leaves_the_old_file(
        self, weird_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
    ) -> None:
        def full(*args: Any, **more: Any) -> None:
            raise OSError(28, "No space left on device")

        file = weird_tmp_path / "a"
        files.write(weird_tmp_path, file, "old")
        monkeypatch.setattr(os, fails, full)
        with pytest.raises(JobError, match="cannot be written: No space left on device"):
            files.write(weird_tmp_path, file, "new", mode=0o600)
        assert file.read_text() == "old"
        assert os.listdir(weird_tmp_path) == ["a"]

    def test_what_is_recorded_elsewhere_is_not_synced(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        files.write(tmp_path, tmp_path / "a", "x", durable=False)
        assert not synced
        files.write(tmp_path, tmp_path / "a", "y")
        assert len(synced) == 1


@pytest.mark.root
class TestOwners:
    """Root acts in directories of others no more than anybody else does."""

    def test_a_directory_of_somebody_else_is_refused(self, store: Store) -> None:
        os.chown(store.folder, SOMEBODY, SOMEBODY)
        with pytest.raises(RefusedError, match=f"belongs to user {SOMEBODY}.*cp -r "):
            folders.refuse_foreign(store.root, store.folder)
        assert os.listdir(store.folder) == []
        os.chown(store.folder, 0, 0)
        os.chown(store.folder.parent, SOMEBODY, SOMEBODY)
        with pytest.raises(RefusedError, match="belongs to"):
            folders.refuse_foreign(store.root, store.folder)

    def test_what_is_above_the_named_directory_may_be_anybodys(self, store: Store) -> None:
        os.chown(store.root, SOMEBODY, SOMEBODY)
        folders.refuse_foreign(store.root, store.folder)
        with pytest.raises(RefusedError):
            folders.refuse_foreign(store.root, store.root)

    def test_a_link_of_this_user_is_a_name_of_a_directory_and_one_of_another_is_not(self, store: Store) -> None:
        link = store.root / "link"
        link.symlink_to(store.folder)
        folders.refuse_foreign(link, link)
        os.lchown(link, SOMEBODY, SOMEBODY)
        with pytest.raises(RefusedError, match="belongs to"):
            folders.refuse_foreign(link, link)


def test_a_directory_that_is_a_link_or_gone_is_refused(store: Store) -> None:
    folders.refuse_foreign(store.root, store.folder)
    with pytest.raises(JobError, match="No such file or directory"):
        folders.refuse_foreign(store.root, store.file)
    (store.root / "1").symlink_to(store.folder)
    with pytest.raises(JobError, match="is a link, which is never followed here"):
        folders.refuse_foreign(store.root, store.root / "1")
