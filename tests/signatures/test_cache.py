"""The user's cache of signatures: what is kept is what was read, as long as all that it came from is the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nemo_partial_hydra.signatures import cache, introspect, process_start
from nemo_partial_hydra.signatures.cache import Learnt, SignatureCache
from tests.support import targets

CALLABLES = sorted(
    name
    for name, obj in vars(targets).items()
    if callable(obj) and getattr(obj, "__module__", None) == targets.__name__ and not name.startswith("_")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NPH_CACHE", "1")
    monkeypatch.setenv("NPH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(process_start, "_BEGIN", 1 << 62)  # as if all modules had been written before it began
    return tmp_path / "cache"


def learn(name: str) -> Learnt:
    obj = getattr(targets, name)
    target = f"{targets.__name__}.{name}"
    learnt = Learnt(introspect.read(obj, target), introspect.docs_of(obj), frozenset())
    made = SignatureCache()
    made.origins.look()
    made.put(learnt, [targets.__name__])
    return learnt


@pytest.mark.parametrize("name", CALLABLES)
def test_what_is_kept_is_what_was_read(folder: Path, name: str) -> None:
    """A default that has no text is kept as what Python shows of it, as in a snapshot."""
    kept = learn(name)
    found = SignatureCache().get(kept.signature.target, ())
    assert found is not None
    assert found.docs == kept.docs
    for parameter in kept.signature.parameters.values():
        other = found.signature.parameters[parameter.name]
        assert other.type == parameter.type
        assert other.required == parameter.required
    assert list(found.signature.parameters) == list(kept.signature.parameters)
    assert (found.signature.extra, found.signature.rest) == (kept.signature.extra, kept.signature.rest)


def test_what_is_there_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 20)
    (folder / "signatures").mkdir(parents=True, mode=0o700)
    mine = "notes.json"
    left_by_a_killed_process = f".{0:040x}.json.17.a"
    for number, name in enumerate([mine, left_by_a_killed_process, *(f"{number:040x}.json" for number in range(30))]):
        old = folder / "signatures" / name
        old.write_text("{}")
        os.utime(old, (number, number))
    learn("Optimizer")
    left = sorted(path.name for path in (folder / "signatures").iterdir())
    assert f"{0:040x}.json" not in left
    assert f"{29:040x}.json" in left
    assert left_by_a_killed_process not in left
    assert mine in left
    assert SignatureCache().get(f"{targets.__name__}.Optimizer", ()) is not None


def test_a_full_disk_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "replace_file", full)
    learn("Optimizer")
    assert list(SignatureCache().entries()) == []


@pytest.mark.parametrize("change", ["another version", "the same version again", "one more", "one less"])
def test_what_is_installed_counts(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    site = tmp_path / "site-packages"
    for name in ("one-1.0", "two-2.0"):
        (site / f"{name}.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    learn("Optimizer")
    target = f"{targets.__name__}.Optimizer"
    (site / "data.txt").write_text("no distribution\n")
    assert SignatureCache().get(target, ()) is not None
    if change == "another version":
        (site / "one-1.0.dist-info").rename(site / "one-1.1.dist-info")
    elif change == "the same version again":
        os.utime(site / "one-1.0.dist-info", (1, 1))
    elif change == "one more":
        (site / "three-3.0.dist-info").mkdir()
    else:
        (site / "two-2.0.dist-info").rmdir()
    assert SignatureCache().get(target, ()) is None


def test_what_was_written_after_this_process_began_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not be what was loaded."""
    monkeypatch.setattr(process_start, "_BEGIN", 0)
    learn("Optimizer")
    assert list(SignatureCache().entries()) == []


def test_it_counts_only_with_what_it_was_made_with(folder: Path) -> None:
    obj, target = targets.Optimizer, f"{targets.__name__}.Optimizer"
    made = SignatureCache()
    made.origins.look()
    made.put(Learnt(introspect.read(obj, target), {}, frozenset(("mine",))), [targets.__name__])
    assert SignatureCache().get(target, ("yours",)) is None
    assert SignatureCache().get(target, ("mine", "yours")) is not None


def test_an_entry_of_somebody_elses_is_none(folder: Path) -> None:
    learn("Optimizer")
    target = f"{targets.__name__}.Optimizer"
    (file,) = (folder / "signatures").glob("*.json")
    moved = folder / "moved.json"
    file.rename(moved)
    file.symlink_to(moved)
    assert SignatureCache().get(target, ()) is None
    file.unlink()
    os.mkfifo(file)  # nobody waits for its other end
    assert SignatureCache().get(target, ()) is None
    file.unlink()
    with moved.open("ab") as stream:
        stream.truncate(cache.LIMIT + 1)
    moved.rename(file)
    assert SignatureCache().get(target, ()) is None
