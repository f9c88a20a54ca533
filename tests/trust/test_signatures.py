"""Signatures of jobs: each attack is refused with the place named, and the nearest honest case works."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs.openssh import MAX_BYTES, MOST
from tests.support.sweeps import ALLOW
from tests.trust.keys import Store, keygen

Change = Callable[[Store], object]


class Pair(NamedTuple):
    """An attack on a store that team A has signed whole, what is said of it, and the nearest honest case.

    ``place`` stands in the message besides the job's number, 1, unless it is about the file of signers.
    """

    attack: Change
    place: str
    honest: Change


def signed_by(store: Store, number: int, name: str, namespace: str = "nemo-partial-hydra") -> bytes:
    """Sign a job without this package."""
    return store.keys[name].signs(store.job(number).read_bytes(), namespace)


def write(store: Store, *parts: bytes, number: int = 1) -> None:
    store.signature(number).write_bytes(b"".join(parts))


def both(store: Store, *names: str) -> None:
    for name in names:
        store.sign(name)


def cut(store: Store) -> None:
    """Cut the signature off, inside of its block."""
    text = store.signature(1).read_bytes()
    data = base64.b64decode(b"".join(text.splitlines()[1:-1]))[:40]
    begin, end = text.splitlines()[0], text.splitlines()[-1]
    write(store, begin, b"\n", base64.encodebytes(data), end, b"\n")


def linked(store: Store) -> None:
    other = store.folder / "elsewhere.sig"
    store.signature(1).rename(other)
    store.signature(1).symlink_to(other)


def piped(store: Store) -> None:
    store.signature(1).unlink()
    os.mkfifo(store.signature(1))


def copied(store: Store) -> None:
    """Take a signature away and put a copy of it there."""
    text = store.signature(1).read_bytes()
    store.signature(1).unlink()
    write(store, text)


def certified(store: Store, authority: str) -> None:
    """Have team A's new key signed by an authority, and sign with the certificate."""
    key = store.folder / "id"
    keygen("-q", "-t", "ed25519", "-N", "", "-f", key)
    keygen("-q", "-s", store.keys[authority].path, "-I", "release", "-n", "release@team-a", f"{key}.pub")
    certificate = store.folder / "id-cert.pub"
    store.accepts(f"*@team-a cert-authority {store.keys['authority'].public}")
    for number in (0, 1):
        content = store.job(number).read_bytes()
        write(
            store,
            keygen("-Y", "sign", "-q", "-n", "nemo-partial-hydra", "-f", certificate, content=content),
            number=number,
        )


def then(*changes: Change) -> Change:
    """Make one change of several."""

    def change(store: Store) -> None:
        for each in changes:
            each(store)

    return change


def line(options: str, name: str = "team-a") -> Change:
    return lambda store: store.accepts(f"{name} {options} {store.keys['team-a'].public}")


PAIRS = {
    "nobody has signed it": Pair(
        lambda store: store.signature(1).unlink(),
        "there is no job.yaml.sig: nobody has signed it",
        then(lambda store: store.signature(1).unlink(), lambda store: store.sign()),
    ),
    "changed after it was signed, outside of the recipe": Pair(
        lambda store: store.change(1),
        "it was changed after team-a (key SHA256:",
        then(lambda store: store.change(1), lambda store: store.sign()),
    ),
    "one byte more": Pair(
        lambda store: store.put(1, store.job(1).read_bytes() + b"\n"),
        "it was changed after team-a",
        lambda store: store.put(1, store.job(1).read_bytes()),
    ),
    "other line ends": Pair(
        lambda store: store.put(1, store.job(1).read_bytes().replace(b"\n", b"\r\n")),
        "it was changed after team-a",
        lambda store: store.job(1).touch(),
    ),
    "a recipe of somebody else with its own hash": Pair(
        lambda store: store.put(1, store.job(0).read_bytes().replace(b"steps: 1", b"steps: 3")),
        "it was changed after team-a",
        then(
            lambda store: store.put(1, store.job(0).read_bytes()),
            lambda store: write(store, store.signature(0).read_bytes()),
        ),
    ),
    "the signature of another job": Pair(
        lambda store: write(store, store.signature(0).read_bytes()),
        "or the signature is that of something else",
        lambda store: write(store, store.signature(0).read_bytes(), store.signature(1).read_bytes()),
    ),
    "signed by a stranger": Pair(
        lambda store: write(store, signed_by(store, 1, "stranger")),
        "does not accept",
        lambda store: write(store, signed_by(store, 1, "stranger"), signed_by(store, 1, "team-a")),
    ),
    "made for git": Pair(
        lambda store: write(store, signed_by(store, 1, "team-a", "git")),
        "was made for 'git', not for 'nemo-partial-hydra'",
        lambda store: write(store, signed_by(store, 1, "team-a", "git"), signed_by(store, 1, "team-a")),
    ),
    "made for a namespace with our name in it": Pair(
        lambda store: write(store, signed_by(store, 1, "team-a", "nemo-partial-hydra-2")),
        "was made for 'nemo-partial-hydra-2'",
        lambda store: write(store, signed_by(store, 1, "team-a")),
    ),
    "a signature cut off": Pair(cut, "the file is damaged: a signature in it cannot be read", copied),
    "no base64": Pair(
        lambda store: write(store, b"-----BEGIN SSH SIGNATURE-----\nU1NI\n=A=\n-----END SSH SIGNATURE-----\n"),
        "a signature in it cannot be read",
        lambda store: write(store, store.signature(1).read_bytes().replace(b"\n", b"\r\n")),
    ),
    "an empty file of signatures": Pair(
        write,
        "it holds something else than SSH signatures",
        lambda store: write(store, store.signature(1).read_bytes(), b"\n"),
    ),
    "text before the signature": Pair(
        lambda store: write(store, b"trust me\n", store.signature(1).read_bytes()),
        "it holds something else than SSH signatures",
        lambda store: write(store, b"\n", store.signature(1).read_bytes()),
    ),
    "more signatures than are checked": Pair(
        lambda store: write(store, *[store.signature(1).read_bytes()] * (MOST + 1)),
        f"has {MOST + 1} signatures, and at most {MOST} are checked",
        lambda store: write(store, *[store.signature(1).read_bytes()] * MOST),
    ),
    "a file of signatures without end": Pair(
        lambda store: write(store, b"\n" * (MAX_BYTES + 1)),
        "has more than 65,536 bytes",
        lambda store: write(store, store.signature(1).read_bytes(), b"\n" * 60_000),
    ),
    "a link to a signature": Pair(linked, "is a link, which is never followed here", copied),
    "a pipe in its place": Pair(piped, "is a named pipe, where a file belongs", copied),
    "a directory in its place": Pair(
        then(lambda store: store.signature(1).unlink(), lambda store: store.signature(1).mkdir()),
        "is a directory", copied,
    ),
    "a stranger's certificate": Pair(
        lambda store: certified(store, "stranger"), "does not accept", lambda store: certified(store, "authority")
    ),
}  # fmt: skip
# These are about all jobs: it is the file of signers that accepts them no longer.
LISTS = {
    "the key was taken from the list": Pair(
        lambda store: store.accepts(f"team-c {store.keys['team-c'].public}"),
        "does not accept",
        lambda store: store.accepts(f"team-c {store.keys['team-c'].public}", f"a {store.keys['team-a'].public}"),
    ),
    "the key is in a comment": Pair(
        lambda store: store.accepts(f"c {store.keys['team-c'].public}", f"# team-a {store.keys['team-a'].public}"),
        "does not accept",
        lambda store: store.accepts("", "# ours", "", f"team-a {store.keys['team-a'].public} a comment", ""),
    ),
    "the key has expired": Pair(
        line('valid-before="20200101"'),
        "line 1: key has expired",
        line('valid-before="29990101"'),
    ),
    "the key is not valid yet": Pair(
        line('valid-after="29990101"'), "line 1: key is not yet valid", line('valid-after="20200101"')
    ),
    "the key may sign for git only": Pair(
        line('namespaces="git"'),
        'line 1: key is not permitted for use in signature namespace "nemo-partial-hydra"',
        line('namespaces="git,nemo-partial-hydra"'),
    ),
    "an option that ssh-keygen does not know": Pair(
        line('trust="all"'), "line 1: bad options: unknown key option", line('valid-before="29990101",namespaces="*"')
    ),
    "the key is an authority's, and has signed itself": Pair(
        line("cert-authority"), "does not accept", line("", "team-a,release@team-a")
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", PAIRS)
def test_an_attack_on_one_job_is_refused_and_nothing_runs(
    title: str, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    store.sign()
    PAIRS[title].attack(store)
    capfd.readouterr()
    assert store.run() == 3
    said = capfd.readouterr().err
    assert PAIRS[title].place in said
    assert f"{store.directory}: " in said
    assert "\n  - " in said
    assert store.ran() == []


@pytest.mark.parametrize("title", PAIRS)
def test_the_nearest_honest_case_works(title: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    PAIRS[title].honest(store)
    assert store.run() == 0, capfd.readouterr().err
    assert store.ran() == [0, 1]


@pytest.mark.parametrize("title", LISTS)
def test_who_is_not_on_the_runners_list_is_refused(title: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    LISTS[title].attack(store)
    capfd.readouterr()
    assert store.run() == 3
    said = capfd.readouterr().err
    assert LISTS[title].place in said
    assert f"{store.directory}: 2 of 2 not signed by one of {store.signers}" in said
    assert "  - 0, 1: " in said
    assert store.ran() == []


@pytest.mark.parametrize("title", LISTS)
def test_who_is_on_it_is_accepted(title: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    LISTS[title].honest(store)
    assert store.run() == 0, capfd.readouterr().err
    assert store.ran() == [0, 1]


def test_all_refusals_of_a_sweep_are_in_one_report(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        store.sweep.add("report", steps=3)
    store.sign()
    store.signature(0).unlink()
    store.signature(3).unlink()
    write(store, signed_by(store, 1, "stranger"), number=1)
    store.change(2)
    capfd.readouterr()
    assert store.run() == 3
    stranger, team = store.keys["stranger"].fingerprint, store.keys["team-a"].fingerprint
    assert capfd.readouterr().err.splitlines() == [
        f"Error: {store.directory}: 4 of 5 not signed by one of {store.signers}:",
        "  - 0, 3: there is no job.yaml.sig: nobody has signed it",
        f"  - 1: signed by key {stranger}, which {store.signers} does not accept",
        f"  - 2: it was changed after team-a (key {team}) signed it, or the signature is that of something else",
        f"Nothing was run. Whoever stands by a job signs it: nemo-hydra sign {store.directory} --key KEY",
    ]
    assert store.ran() == []


def test_who_signed_what_is_said(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    write(store, signed_by(store, 0, "team-a-rsa"), number=0)
    write(store, signed_by(store, 1, "team-a-ecdsa"), number=1)
    names = {name: store.keys[f"team-a-{name}"] for name in ("rsa", "ecdsa")}
    store.accepts(*(f"{name}@team-ä {key.public}" for name, key in names.items()))
    assert store.run() == 0
    said = capfd.readouterr().err
    for number, (name, key) in enumerate(names.items()):
        assert f"Signed by {name}@team-ä ({name.upper()} key {key.fingerprint}): 1 job: {number}\n" in said


def test_control_characters_of_a_principal_are_shown_escaped(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    store.accepts(f"\x1b]0;owned\x07team-a {store.keys['team-a'].public}")
    assert store.run() == 0
    said = capfd.readouterr().err
    assert "Signed by \\x1b]0;owned\\x07team-a" in said
    store.change(1)
    assert store.run("--force") == 3
    assert "\x1b" not in said + capfd.readouterr().err


def test_a_sweep_may_be_copied_to_another_team(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    copy = store.folder / "team b" / "copy"
    shutil.copytree(store.directory, copy)
    assert store.run(directory=copy) == 0, capfd.readouterr().err
    (copy / "0" / "job.yaml.sig").unlink()
    assert store.run("--force", directory=copy / "0") == 3
    assert f"{copy / '0'}: 1 of 1 not signed" in capfd.readouterr().err


def test_without_signers_nobody_need_sign(store: Store) -> None:
    assert cli.main(["run", str(store.directory), "--allow", ALLOW[0]]) == 0


def test_jobs_that_are_done_need_no_signature_any_more(store: Store) -> None:
    store.sign()
    assert store.run(directory=store.sweep.jobs[0].directory) == 0
    store.signature(0).unlink()
    assert store.run() == 0, "only job 1 was to be run"
    assert store.run("--force") == 3


def test_a_refusal_costs_no_attempt(store: Store) -> None:
    assert store.run() == 3
    store.sign()
    assert store.run() == 0
    assert [sorted(os.listdir(job.directory / "attempts")) for job in store.sweep.jobs] == [["1"], ["1"]]


SUBMIT = ("hydra/launcher=submitit_apptainer_local",)


def test_submit_and_retry_ask_too(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sweep.add("fail", message="no luck")
    line = [str(store.directory), *store.given()]
    store.sign()
    store.signature(0).unlink()
    for more in ((), ("--dry-run",)):
        assert cli.main(["submit", *line, *SUBMIT, *more]) == 3
        assert "  - 0: there is no job.yaml.sig" in capfd.readouterr().err
    assert not store.sweep.paths.submissions.exists()
    store.sign()
    assert cli.main(["submit", *line, *SUBMIT, "--dry-run"]) == 0
    capfd.readouterr()
    assert cli.main(["submit", *line, *SUBMIT]) == 1
    assert f"Signed by team-a (ED25519 key {store.keys['team-a'].fingerprint}): 3 jobs\n" in capfd.readouterr().err
    store.signature(0).unlink()
    signature = store.signature(2).read_bytes()
    write(store, store.signature(1).read_bytes(), number=2)
    for more in ((), ("--dry-run",)):
        assert cli.main(["retry", *line, *more]) == 3
        said = capfd.readouterr().err
        assert "1 of 1 not signed" in said
        assert "  - 2: it was changed after team-a" in said
    write(store, signature, number=2)
    assert cli.main(["retry", *line]) == 1, "job 0, which is done, need not be signed; 2 fails again"
    assert "Trying again: 2" in capfd.readouterr().out


def test_nothing_of_an_unsigned_job_is_looked_into(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    """Not even whether it can be read: a storm of references would be answered by the parser otherwise."""
    store.sign()
    store.put(1, b"a: [" * 1000)
    assert cli.main(["submit", str(store.directory), *store.given(*SUBMIT)]) == 3
    assert "  - 1: it was changed after team-a" in capfd.readouterr().err
