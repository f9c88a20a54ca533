"""What an app, or the process, allows and knows: the policy, the signatures, the libraries, its own objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.errors import ConfigError, PolicyError, SignatureError
from nemo_partial_hydra.libraries import library, manifest
from nemo_partial_hydra.libraries.catalog import Catalog, Named
from nemo_partial_hydra.libraries.library import Library, Point
from nemo_partial_hydra.policy.policy import Policy
from nemo_partial_hydra.runtime.signature_store import SignatureStore
from nemo_partial_hydra.runtime.workspace import Workspace
from nemo_partial_hydra.signatures.signature import opaque_signature
from nemo_partial_hydra.signatures.snapshot import NAME

T = "tests.support.targets"
SNAPSHOT = """{"format": 1, "packages": {"nph_ghost": null}, "types": {"int": "int"}, "docs": {"size": "how much"},
"targets": {"nph_ghost.f": {"parameters": [["size", "int", 4]]}}}"""


# The policy --------------------------------------------------------------------------------------------------------


def test_what_the_runner_grants_is_asked_for_each_time() -> None:
    granted = ["mine"]
    policy = Policy(lambda: granted)
    assert {"mine"} == policy.prefixes() - Policy().prefixes()
    granted.append("ours")
    assert {"mine", "ours", "more"} == policy.prefixes(["more"]) - Policy().prefixes()
    with pytest.raises(PolicyError):
        policy.check_names([((), "theirs.f")])


def test_policies_of_one_process_share_what_live_objects_made_trusted_and_nothing_else() -> None:
    process = Policy()
    one, other = Policy(lambda: ["one"], process), Policy(lambda: ["other"], process)
    one.trust_live("live.module.f")
    assert {"live", "live.module.f"} <= other.prefixes() & process.prefixes()
    assert "one" not in other.prefixes() | process.prefixes()


def test_the_packages_of_installed_libraries_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Workspace().policy.prefixes()
    monkeypatch.setattr("nemo_partial_hydra.runtime.workspace.points", lambda: (Point("theirs:lib", "theirs 1.0"),))
    assert Workspace().policy.prefixes() - before == {"theirs"}


# The libraries -----------------------------------------------------------------------------------------------------


def made(folder: Path, name: str, *options: str) -> Named:
    """Write a library, and return how a user names it."""
    entries = {option: manifest.Entry("f()", "", "") for option in options}
    for option in options:
        (folder / f"{option}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{option}.yaml").write_text("a: 1\n")
    (folder / manifest.NAME).write_text(manifest.encode(manifest.Manifest(name, recipes=entries)))
    return ((str(folder), "--library"),)


def test_a_catalog_follows_what_is_named(tmp_path: Path) -> None:
    named: list[Named] = [()]
    catalog = Catalog(lambda: named[0])
    assert [each.folder for each in catalog.in_use()] == [library.SHIPPED]
    assert catalog.in_use() is catalog.in_use()
    named[0] = made(tmp_path / "lib", "lib", "part/one")
    assert [each.name for each in catalog.in_use()] == ["lib", "nemo"]
    assert catalog.is_group("part")
    assert catalog.below("part") == (set(), {"one"})
    assert catalog.the_one("part/one") == Library(str(tmp_path / "lib"), "--library")
    assert catalog.the_one("part/two") is None
    named[0] = made(tmp_path / "other", "nemo", "part/one")
    assert [each.folder for each in catalog.in_use()] == [str(tmp_path / "other")], "it takes the shipped one's place"


# The signatures ----------------------------------------------------------------------------------------------------


def test_a_store_reads_the_snapshots_in_use(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(SNAPSHOT)
    store, other = SignatureStore(list), SignatureStore(list)
    store.use(str(tmp_path))
    signature = store.get("nph_ghost.f")
    assert signature is not None
    assert list(signature.parameters) == ["size"]
    assert store.docs("nph_ghost.f") == {"size": "how much"}
    assert not other.covers("nph_ghost.f")
    with pytest.raises(SignatureError):
        other.get("nph_ghost.f")
    assert other.docs("nph_ghost.f") == {}
    other.use_also(store)
    assert other.get("nph_ghost.f") == signature
    store.forget()
    assert not store.covers("nph_ghost.f")


def test_a_damaged_snapshot_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    store = SignatureStore(list)
    store.use(str(tmp_path))
    with pytest.raises(ConfigError, match=NAME):
        store.get("nph_ghost.f")


# All of it ---------------------------------------------------------------------------------------------------------


def test_a_workspace_has_one_object_of_a_class() -> None:
    one, other = Workspace(), Workspace()

    class Part:
        def __init__(self, workspace: Workspace) -> None:
            self.workspace = workspace

    assert one.of(Part) is one.of(Part)
    assert one.of(Part).workspace is one
    assert other.of(Part) is not one.of(Part)


def test_what_was_captured_outside_of_an_app_holds_in_it_and_not_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = pytest.importorskip("nemo_run")
    from tests.support import targets

    process = Workspace()
    app = Workspace(base=process)
    process.captured(run.Config(targets.Plain))
    app.captured(run.Partial(targets.untyped, a=1))
    for workspace in (process, app):
        assert {f"{T}.Plain", f"{T}.untyped"} <= workspace.policy.prefixes()
        monkeypatch.setattr(workspace.signatures, "recorded", opaque_signature)
    assert app.written_for(f"{T}.Plain") is None
    assert app.written_for(f"{T}.untyped") is None
    assert process.written_for(f"{T}.untyped") == opaque_signature(f"{T}.untyped")
    process.remember(app, trusted=False)
    assert process.written_for(f"{T}.untyped") is None
    other = Workspace(base=process)
    monkeypatch.setattr(other.signatures, "recorded", opaque_signature)
    assert other.written_for(f"{T}.Plain") is None
    assert other.written_for(f"{T}.untyped") == opaque_signature(f"{T}.untyped")


def test_the_process_remembers_an_app_that_has_ended_and_another_app_does_not(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(SNAPSHOT)
    process = Workspace()
    ended, other = Workspace(["nph_ghost", ""], base=process), Workspace(base=process)
    ended.signatures.use(str(tmp_path))
    process.remember(ended, trusted=False)
    with pytest.raises(PolicyError):
        process.approved("nph_ghost.f")
    process.remember(ended, trusted=True)
    assert process.approved("nph_ghost.f") == ended.approved("nph_ghost.f")
    with pytest.raises(PolicyError):
        other.approved("nph_ghost.f")
    process.forget()
    with pytest.raises(PolicyError):
        process.approved("nph_ghost.f")
