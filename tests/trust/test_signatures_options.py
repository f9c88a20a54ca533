"""``--signers`` and ``NPH_SIGNERS``, and ``nemo-hydra sign``: what is asked for, and what is wrong with it."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.jobs import openssh, signers
from tests.support.sweeps import ROOT
from tests.trust.keys import Store, keygen

LINE = "expected PRINCIPAL [OPTIONS] KEYTYPE KEY"


def plain(store: Store) -> str:
    return f"team-a {store.keys['team-a'].public}"


# What is written into the file of signers, what is said of it, and the nearest text that is one.
FILES: dict[str, tuple[Callable[[Store], str], str, Callable[[Store], str]]] = {
    "empty": (lambda store: "", "names no signer", plain),
    "comments only": (lambda store: "# team-a\n\n", "names no signer", lambda store: f"# team-a\n\n{plain(store)}\n"),
    "a public key without a name": (
        lambda store: store.keys["team-a"].public, f"line 1: is no signer: {LINE}", plain
    ),
    "a name without a key": (lambda store: f"{plain(store)}\nteam-b\n", f"line 2: is no signer: {LINE}", plain),
    "a key that is cut off": (lambda store: plain(store)[:-40], "line 1: is no signer", plain),
    "a key of another kind": (
        lambda store: plain(store).replace("ssh-ed25519", "ssh-rsa"), "line 1: is no signer",
        lambda store: f"team-a {store.keys['team-a'].public}\nteam-a {store.keys['team-a-rsa'].public}\n",
    ),
    "a quote that is not closed": (
        lambda store: f'team-a namespaces="x {store.keys["team-a"].public}', "line 1: is no signer",
        lambda store: f'team-a namespaces="nemo-*" {store.keys["team-a"].public}',
    ),
    "a private key": (
        lambda store: store.keys["team-a"].path.read_text(), "line 1: is no signer",
        lambda store: f'"team a" {store.keys["team-a"].public}',
    ),
    "a word too many": (
        lambda store: f"team-a namespaces=* x {store.keys['team-a'].public}", "line 1: is no signer",
        lambda store: f"\t{plain(store)}  \r\n",
    ),
    "NUL bytes": (lambda store: "\0" * 100, "line 1: is no signer", lambda store: f"\n\n{plain(store)}\n\n"),
    "a file that is no list": (lambda store: "x" * (5 << 20), "has more than 4,194,304 bytes", plain),
}  # fmt: skip


@pytest.mark.parametrize("title", FILES)
def test_a_file_of_signers_is_read_whole_or_refused(
    title: str, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong, said, right = FILES[title]
    store.sign()
    store.signers.write_text(wrong(store))
    assert store.run() == 2
    message = capfd.readouterr().err
    assert f"Error: --signers {store.signers}" in message
    assert said in message
    assert message.count("\n") == 1
    assert store.ran() == []
    store.signers.write_text(right(store))
    assert store.run() == 0, capfd.readouterr().err


def test_one_that_cannot_be_read_is_named(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    assert store.run("--signers", str(store.folder / "gone")) == 2
    assert f"--signers {store.folder}/gone: cannot be read: No such file" in capfd.readouterr().err
    assert store.run("--signers", str(store.keys.folder)) == 2
    assert f"--signers {store.keys.folder}: cannot be read: Is a directory" in capfd.readouterr().err
    assert store.ran() == []


def test_the_signers_do_not_lie_where_they_are_asked_about(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    inside = store.directory / "signers"
    inside.write_bytes(store.signers.read_bytes())
    assert store.run("--signers", str(inside)) == 2
    assert f"--signers {inside}: lies in {store.directory}" in capfd.readouterr().err
    link = store.folder / "link"
    link.symlink_to(inside)
    assert store.run("--signers", str(link)) == 2
    assert store.ran() == []
    beside = store.folder / "jobs-signers"
    inside.rename(beside)
    assert store.run("--signers", str(beside)) == 0


@pytest.mark.parametrize("verb", ["run", "submit", "retry", "check"])
def test_an_empty_name_is_an_error(verb: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    """A variable of a script that is not set must not mean that nobody need sign."""
    store.sign()
    line = [verb, str(store.directory)]
    assert cli.main([*line, "--signers", ""]) == 2
    assert "--signers: is empty" in capfd.readouterr().err
    store.monkeypatch.setenv("NPH_SIGNERS", "")
    assert cli.main(line) == 2
    assert "NPH_SIGNERS: is empty" in capfd.readouterr().err
    assert store.ran() == []


def test_the_environment_asks_and_the_flag_wins(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    others = store.folder / "others"
    others.write_text(f"team-c {store.keys['team-c'].public}\n")
    unset = ["run", str(store.directory), "--allow", "tests.support.payloads"]
    store.monkeypatch.setenv("NPH_SIGNERS", str(others))
    assert cli.main(unset) == 3
    assert f"not signed by one of {others}" in capfd.readouterr().err
    store.monkeypatch.setenv("NPH_SIGNERS", str(store.signers))
    assert cli.main([*unset, "--signers", str(others)]) == 3
    assert store.ran() == []
    assert cli.main(unset) == 0
    store.monkeypatch.setenv("NPH_SIGNERS", str(store.folder / "gone"))
    assert cli.main([*unset, "--force"]) == 2
    assert f"NPH_SIGNERS {store.folder}/gone: cannot be read" in capfd.readouterr().err
    assert cli.main([*unset, "--force", "--signers", str(store.signers)]) == 0


def test_signing_again_replaces_ones_own_and_keeps_those_of_others(store: Store) -> None:
    for name in ("team-a", "team-c", "team-a"):
        assert store.sign(name) == 0
    found = openssh.signatures(store.signature(1).read_bytes())
    assert [each.fingerprint for each in found] == [f"key {store.keys[n].fingerprint}" for n in ("team-c", "team-a")]
    assert {each.namespace for each in found} == {openssh.NAMESPACE}
    for name in ("team-a", "team-c"):
        store.accepts(f"{name} {store.keys[name].public}")
        assert store.run("--force") == 0
    store.signature(1).write_text("damaged")
    assert store.sign() == 0
    assert len(openssh.signatures(store.signature(1).read_bytes())) == 1


def test_ssh_keygen_reads_what_is_written(store: Store) -> None:
    store.sign()
    arguments = ("-I", "team-a", "-f", store.signers, "-s", store.signature(0))
    said = keygen("-Y", "verify", "-n", openssh.NAMESPACE, *arguments, content=store.job(0).read_bytes())
    assert said.startswith(b'Good "nemo-partial-hydra" signature for team-a with ED25519 key SHA256:')


def test_one_job_is_signed_alone(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    assert store.sign(directory=store.sweep.jobs[1].directory) == 0
    assert f"signed 1 job with key {store.keys['team-a'].fingerprint}" in capfd.readouterr().out
    assert not store.signature(0).exists()
    assert store.run(directory=store.sweep.jobs[1].directory) == 0


def test_what_was_changed_after_freezing_is_not_signed(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.change(1, "steps: 2", "steps: 3")
    assert store.sign() == 3
    assert f"{store.job(1)}: the recipe is not the one that was frozen" in capfd.readouterr().err
    assert not store.signature(0).exists()
    store.change(1, "steps: 3", "steps: 2")
    assert store.sign() == 0


def test_a_link_in_the_place_of_the_signature_is_replaced_not_followed(store: Store) -> None:
    victim = store.folder / "victim"
    victim.write_text("mine")
    store.signature(1).symlink_to(victim)
    assert store.sign() == 0
    assert victim.read_text() == "mine"
    assert not store.signature(1).is_symlink()
    assert store.run() == 0


@pytest.mark.root
def test_jobs_of_somebody_else_are_not_signed_where_they_lie(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    os.chown(store.sweep.jobs[1].directory, 12345, 12345)
    assert store.sign() == 3
    assert f"{store.sweep.jobs[1].directory}: belongs to user 12345" in capfd.readouterr().err
    os.chown(store.sweep.jobs[1].directory, 0, 0)
    assert store.sign() == 0


def public_alone(store: Store) -> Path:
    """Return the public part of a key whose private one is elsewhere."""
    path = store.folder / "alone.pub"
    path.write_text(store.keys["team-a"].public)
    return path


def locked(store: Store) -> Path:
    path = store.folder / "locked"
    if not path.exists():
        keygen("-q", "-t", "ed25519", "-N", "a secret", "-f", path)
    return path


KEYS: dict[str, tuple[Callable[[Store], Path], str]] = {
    "a key that is not there": (lambda store: store.folder / "gone", "there is no such file"),
    "a directory": (lambda store: store.folder, "there is no such file"),
    "no key": (lambda store: store.signers, "nothing was signed: "),
    "a public key that no agent holds": (public_alone, "no ssh-agent holds it"),
    "a key with a passphrase, without a terminal": (locked, "load the key into an ssh-agent"),
}


@pytest.mark.parametrize("title", KEYS)
def test_a_key_that_cannot_be_used_is_named(title: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    path, said = KEYS[title]
    store.monkeypatch.setenv("DISPLAY", ":99")  # no window is opened either
    store.monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    began = time.monotonic()
    assert cli.main(["sign", str(store.directory), "--key", str(path(store))]) == 2
    message = capfd.readouterr().err
    assert f"--key {path(store)}: " in message
    assert said in message
    assert time.monotonic() - began < 30
    assert not store.signature(0).exists()
    assert store.sign() == 0


def test_a_key_of_an_ssh_agent_signs(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    socket = store.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
            time.sleep(0.01)
        store.monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(store.keys["team-a"].path)], check=True, capture_output=True)
        assert cli.main(["sign", str(store.directory), "--key", str(public_alone(store))]) == 0
    finally:
        agent.terminate()
        agent.wait()
    assert store.run() == 0, capfd.readouterr().err


def test_on_a_terminal_the_passphrase_is_asked_once(store: Store) -> None:
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(ROOT)
        os.execv(sys.executable, [
            sys.executable, "-m", "nemo_partial_hydra.cli", "sign", str(store.directory), "--key", str(locked(store))
        ])  # fmt: skip
    shown = b""
    while b"Enter passphrase" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"a secret\n")
    try:
        while part := os.read(terminal, 1000):
            shown += part
    except OSError:  # it has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    assert shown.count(b"Enter passphrase") == 1
    assert b"signed 2 jobs" in shown
    store.accepts(f"team-a {' '.join(Path(f'{locked(store)}.pub').read_text().split()[:2])}")
    assert store.run() == 0


def fake(store: Store, body: str) -> None:
    """Put another ssh-keygen on PATH."""
    folder = store.folder / "bin"
    folder.mkdir()
    (folder / "ssh-keygen").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "ssh-keygen").chmod(0o755)
    store.monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("verb", ["sign", "run"])
def test_where_there_is_no_ssh_keygen_the_package_is_named(
    verb: str, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    store.sign()
    store.monkeypatch.setenv("PATH", str(store.folder))
    line = [verb, str(store.directory)]
    more = ["--key", str(store.keys["team-a"].path)] if verb == "sign" else store.given()
    assert cli.main([*line, *more]) == 2
    assert "package openssh-client" in capfd.readouterr().err
    assert cli.main(["run", str(store.directory), "--allow", "tests.support.payloads"]) == 0, "nobody asked for it"


@pytest.mark.parametrize("verb", ["sign", "run"])
def test_one_that_is_too_old_is_named(verb: str, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    fake(store, "echo 'ssh-keygen: illegal option -- Y' >&2; exit 1")
    more = ["--key", str(store.keys["team-a"].path)] if verb == "sign" else store.given()
    assert cli.main([verb, str(store.directory), *more]) == 2
    assert re.search(r"/bin/ssh-keygen knows no 'ssh-keygen -Y [\w-]+': .* OpenSSH 8\.3", capfd.readouterr().err)
    assert store.ran() == []


def test_one_that_does_not_answer_is_not_waited_for(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    store.sign()
    fake(store, "exec sleep 60")
    store.monkeypatch.setattr(signers, "SECONDS", 0.2)
    store.monkeypatch.setattr(openssh, "SECONDS", -1.5)
    assert store.run() == 2
    assert "has checked nothing within 0.2 s" in capfd.readouterr().err
    assert store.sign() == 2
    assert "nothing was signed within" in capfd.readouterr().err
    assert store.ran() == []


def test_one_that_only_says_yes_is_not_believed_by_its_exit_code(store: Store) -> None:
    store.sign()
    fake(store, "exit 0")
    assert store.run() == 3


def test_no_shell_reads_any_name(keys: object, weird_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPH_SIGNERS", raising=False)
    store = Store(weird_tmp_path, keys, monkeypatch)  # type: ignore[arg-type]
    key = weird_tmp_path / "-oProxyCommand=$(touch broken) 'k'"
    keygen("-q", "-t", "ed25519", "-N", "", "-f", key)
    store.accepts(f'"-r x;$(touch broken)" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}')
    assert cli.main(["sign", str(store.directory), "--key", str(key)]) == 0
    monkeypatch.chdir(weird_tmp_path)
    assert cli.main(["run", "jobs", *store.given("--signers", "signers")]) == 0
    assert not list(weird_tmp_path.rglob("broken"))
    assert shlex.quote(str(key)) != str(key)
