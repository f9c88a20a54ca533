"""Signatures of recipe libraries: any file that was changed, added, removed or renamed is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.export.signed_library import DIGESTS, SIGNATURE
from nemo_partial_hydra.libraries import manifest
from tests.trust.keys import Keys, Store

RECIPE = "_target_: nemo.lightning.Trainer\n"
Change = Callable[[Path, Store], object]
ADAM = "optim/adam.yaml"


def library(folder: Path, name: str = "ours") -> Path:
    """Write a small library."""
    entries = {}
    for option in ("optim/adam", "optim/sgd"):
        file = folder / f"{option}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"_target_: collections.OrderedDict\nname: {option}\n")
        entries[option] = manifest.Entry("x", "", manifest.digest(file.read_bytes()))
    (folder / manifest.NAME).write_text(manifest.encode(manifest.Manifest(name, recipes=entries)))
    return folder


@pytest.fixture
def ours(store: Store) -> Path:
    folder = library(store.folder / "ours")
    assert store.sign(directory=folder) == 0
    return folder


def check(folder: Path, store: Store, *more: str) -> int:
    allow = ("--allow", "collections.OrderedDict", "-j", "1")
    return cli.main(["check", str(folder), "--signers", str(store.signers), *allow, *more])


def put(name: str, text: str) -> Change:
    def change(folder: Path, store: Store) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return change


def listed(folder: Path, store: Store) -> None:
    """Change a recipe, and the list of digests with it."""
    file = folder / "optim" / "adam.yaml"
    file.write_text(RECIPE)
    old = (folder / DIGESTS).read_text()
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    lines = [line if "adam" not in line else f"{digest}  optim/adam.yaml" for line in old.splitlines()]
    (folder / DIGESTS).write_text("\n".join(lines) + "\n")


def of_another(folder: Path, store: Store) -> None:
    """Take list and signature of another library that team A has signed."""
    other = library(store.folder / "theirs", "theirs")
    store.sign(directory=other)
    for name in (DIGESTS, SIGNATURE):
        shutil.copy(other / name, folder / name)


def of_a_job(folder: Path, store: Store) -> None:
    store.sign()
    shutil.copy(store.job(0), folder / DIGESTS)
    shutil.copy(store.signature(0), folder / SIGNATURE)


def linked(folder: Path, store: Store) -> None:
    (folder / ADAM).rename(store.folder / "a")
    (folder / ADAM).symlink_to(store.folder / "a")


def restored(folder: Path, store: Store) -> None:
    linked(folder, store)
    (folder / ADAM).unlink()
    (store.folder / "a").rename(folder / ADAM)


def by_a_stranger(folder: Path, store: Store) -> None:
    (folder / SIGNATURE).unlink()
    store.sign("stranger", folder)


def again(change: Change) -> Change:
    """Sign after a change."""
    return lambda folder, store: [change(folder, store), store.sign(directory=folder)]


# The attack, what is said of it, and the nearest honest case.
PAIRS: dict[str, tuple[Change, str, Change]] = {
    "a recipe changed": (put(ADAM, RECIPE), f"changed: {ADAM}", again(put(ADAM, "_target_: x.y\n"))),
    "the manifest changed": (
        lambda folder, store: (folder / manifest.NAME).write_text(manifest.encode(manifest.Manifest("nemo"))),
        f"changed: {manifest.NAME}",
        lambda folder, store: (folder / manifest.NAME).touch(),
    ),
    "a recipe added": (
        put("optim/new.yaml", RECIPE), "added: optim/new.yaml",
        again(put("optim/new.yaml", "_target_: collections.OrderedDict\n")),
    ),
    "a hidden file added": (put(".x/y.yaml", RECIPE), "added: .x/y.yaml", again(put(".x/y.yaml", "x"))),
    "a module of Python added": (
        put("__pycache__/x.pyc", "x"), "added: __pycache__/x.pyc", again(put("x.py", "x = 1")),
    ),
    "a recipe removed": (
        lambda folder, store: (folder / ADAM).unlink(), f"removed: {ADAM}",
        lambda folder, store: shutil.copytree(folder, folder, dirs_exist_ok=True, copy_function=lambda a, b: None),
    ),
    "two recipes exchanged": (
        lambda folder, store: [
            (folder / ADAM).rename(folder / "x"), (folder / "optim/sgd.yaml").rename(folder / ADAM),
            (folder / "x").rename(folder / "optim/sgd.yaml"),
        ],
        f"changed: {ADAM}, optim/sgd.yaml",
        lambda folder, store: [(folder / ADAM).rename(folder / "x"), (folder / "x").rename(folder / ADAM)],
    ),
    "the list of digests changed with a recipe": (listed, "it was changed after team-a", lambda folder, store: None),
    "list and signature of another library": (
        of_another, f"changed: {manifest.NAME}", again(of_another),
    ),
    "list and signature of a job": (of_a_job, "is no list of a library's files", again(of_a_job)),
    "nobody has signed it": (
        lambda folder, store: (folder / SIGNATURE).unlink(), f"there is no {SIGNATURE}",
        again(lambda folder, store: (folder / SIGNATURE).unlink()),
    ),
    "the list is gone": (
        lambda folder, store: (folder / DIGESTS).unlink(), f"there is no {DIGESTS}",
        again(lambda folder, store: (folder / DIGESTS).unlink()),
    ),
    "a recipe is a link": (
        linked, f"{ADAM} is a link, which is never followed here",
        restored,
    ),
    "signed by a stranger": (
        by_a_stranger, "does not accept",
        lambda folder, store: store.sign("stranger", folder),
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", PAIRS)
def test_an_attack_on_a_library_is_refused(
    title: str, ours: Path, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    attack, said, _ = PAIRS[title]
    attack(ours, store)
    capfd.readouterr()
    assert check(ours, store) == 3
    shown = capfd.readouterr()
    assert said in shown.err
    assert str(ours) in shown.err
    assert not shown.out, "no recipe was looked at"


@pytest.mark.parametrize("title", PAIRS)
def test_the_nearest_honest_library_is_checked(
    title: str, ours: Path, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    PAIRS[title][2](ours, store)
    capfd.readouterr()
    check(ours, store)
    assert f"{ours}: signed by team-a (ED25519 key SHA256:" in capfd.readouterr().err


def test_a_copy_of_a_library_is_as_good(ours: Path, store: Store) -> None:
    copy = shutil.copytree(ours, store.folder / "copy")
    assert check(copy, store) == 0
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", DIGESTS], cwd=copy, check=True, capture_output=True)


def test_libraries_in_use_besides_are_asked_for_theirs(
    ours: Path, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    other = library(store.folder / "more", "more")
    assert check(ours, store, "--library", str(other)) == 3
    assert f"{other}: nobody has signed it" in capfd.readouterr().err


def test_installed_libraries_are_not_asked(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--signers", str(store.signers)]) == 2
    assert "name the libraries that must be signed" in capfd.readouterr().err


def test_what_cannot_be_listed_is_not_signed(ours: Path, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    before = (ours / DIGESTS).read_bytes()
    (ours / "a\nb.yaml").write_text("x")
    assert store.sign(directory=ours) == 2
    assert "a\\nb.yaml" in capfd.readouterr().err
    (ours / "a\nb.yaml").unlink()
    os.mkfifo(ours / "pipe.yaml")
    assert store.sign(directory=ours) == 2
    assert f"{ours}/pipe.yaml is a named pipe" in capfd.readouterr().err
    assert (ours / DIGESTS).read_bytes() == before


def test_neither_jobs_nor_a_library(store: Store, keys: Keys, capfd: pytest.CaptureFixture[str]) -> None:
    (store.folder / "empty").mkdir()
    assert store.sign(directory=store.folder / "empty") == 2
    assert "no job is frozen there" in capfd.readouterr().err
