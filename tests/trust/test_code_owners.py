"""Code is taken from directories that the runner or root owns and nobody else may write to, or that the runner names.

Directories are looked at as they really are: their owners, who may write to them, and every directory and link on the
way. The tests run as root, who is a user like others here; some start a process as another user.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_partial_hydra.cli import main as cli
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths, sweep_paths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.ownership import NO_TRUST, Trust
from nemo_partial_hydra.launchers import records
from tests.conftest import left_out
from tests.support.apps import ROOT, Done
from tests.support.jobs import START, frozen
from tests.trust.test_code_imports import EVIL

pytestmark = pytest.mark.root

OTHER, ANOTHER = 4242, 4243
LOCAL = "hydra/launcher=submitit_apptainer_local"


@pytest.fixture
def base() -> Iterator[Path]:
    """Return a directory that other users may enter; those of pytest are closed."""
    made = Path(tempfile.mkdtemp(prefix="nph-code-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def code_in(folder: Path) -> Path:
    """Make a directory with a module that says where it is from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.py").write_text(EVIL.replace("'a'", "'a+'") + "def own():\n    return __file__\n")
    return folder


def given(path: Path, uid: int = 0, gid: int = 0, mode: int | None = None) -> None:
    os.chown(path, uid, gid)
    if mode is not None:
        path.chmod(mode)


# ---------------------------------------------------------------- one directory


def _foreign(base: Path) -> Path:
    given(code_in(base / "code"), OTHER)
    return base / "code"


def _mode(mode: int, gid: int = 0) -> Callable[[Path], Path]:
    def make(base: Path) -> Path:
        given(code_in(base / "code"), 0, gid, mode)
        return base / "code"

    return make


def _parent(uid: int = 0, gid: int = 0, mode: int = 0o755, depth: int = 1) -> Callable[[Path], Path]:
    def make(base: Path) -> Path:
        folder = code_in(base / "above" / "between" / "code") if depth == 2 else code_in(base / "above" / "code")
        given(base / "above", uid, gid, mode)
        return folder

    return make


def _link(uid: int = 0, *, parent: int = 0o755, target: Callable[[Path], Path] | None = None) -> Callable[[Path], Path]:
    def make(base: Path) -> Path:
        (base / "links").mkdir()
        (base / "links" / "code").symlink_to((target or _mode(0o755))(base))
        os.lchown(base / "links" / "code", uid, uid)
        (base / "links").chmod(parent)
        return base / "links" / "code"

    return make


def _link_above(base: Path) -> Path:
    """A link to the directory above, which lies where everybody may write."""
    code_in(base / "open" / "real" / "code")
    (base / "open").chmod(0o777)
    (base / "way").symlink_to(base / "open" / "real")
    return base / "way" / "code"


def _loop(base: Path) -> Path:
    (base / "a").symlink_to(base / "b")
    (base / "b").symlink_to(base / "a")
    return base / "a"


def _file(base: Path) -> Path:
    (base / "file").write_text("")
    return base / "file"


PAIRS: dict[str, tuple[Callable[[Path], Path], str | None]] = {
    "somebody else's": (_foreign, "belongs to user 4242"),
    "root's": (_mode(0o755), None),
    "for everybody": (_mode(0o777), "may be written to by everybody"),
    "for everybody, sticky": (_mode(0o1777), "may be written to by everybody"),
    "readable for all": (_mode(0o555), None),
    "for a group of others": (_mode(0o775, OTHER), "may be written to by the group 4242"),
    "for a group that has a name": (_mode(0o2775, 100), "may be written to by the group users"),
    "of a group that may not write": (_mode(0o755, OTHER), None),
    "for its owner's own group": (_mode(0o775), None),
    "below somebody else's": (_parent(OTHER), "above, which belongs to user 4242"),
    "two below somebody else's": (_parent(OTHER, depth=2), "above, which belongs to user 4242"),
    "below a closed one": (_parent(mode=0o700), None),
    "below one for everybody": (_parent(mode=0o777), "above, which may be written to by everybody"),
    "below a sticky one for everybody": (_parent(mode=0o1777), None),
    "below a sticky one of somebody else": (_parent(OTHER, mode=0o1777), "above, which belongs to user 4242"),
    "below one for a group": (_parent(gid=OTHER, mode=0o775), "above, which may be written to by the group 4242"),
    "a link to a good one": (_link(), None),
    "a link to somebody else's": (_link(target=_foreign), "belongs to user 4242"),
    "somebody else's link": (_link(OTHER, parent=0o1777), "links/code, which belongs to user 4242"),
    "a link in a sticky directory": (_link(parent=0o1777), None),
    "a link where everybody may write": (_link(parent=0o777), "links, which may be written to by everybody"),
    "a link on the way": (_link_above, "open, which may be written to by everybody"),
    "links in a circle": (_loop, "cannot be looked at"),
    "a file": (_file, "is no directory"),
    "nothing": (lambda base: base / "nothing", "cannot be looked at: No such file"),
    "with dots": (lambda base: _foreign(base) / ".." / "code", "belongs to user 4242"),
    "good with dots": (lambda base: _mode(0o755)(base) / ".." / "code", None),
}


@pytest.mark.parametrize("name", PAIRS)
def test_whose_code_it_is(base: Path, name: str) -> None:
    make, said = PAIRS[name]
    found = NO_TRUST.finding(str(make(base)))
    assert (found is None) == (said is None), found
    assert (said or "") in (found or "")


@pytest.mark.parametrize("text", ["/a\0b", "\ud800", "/" + "a" * 5000, "/dev/null", "/proc/self/mem"])
def test_what_is_no_path_is_no_error(text: str) -> None:
    assert NO_TRUST.finding(text) is not None


def test_an_access_list_that_lets_others_write(base: Path) -> None:
    """With one, the group's bits are those of everybody whom it names."""
    import struct

    folder = _mode(0o755)(base)
    entries = [
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, OTHER),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    ]
    data = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    assert NO_TRUST.finding(str(folder)) is None
    try:
        os.setxattr(folder, "system.posix_acl_access", data)
    except OSError:
        left_out("this file system has no access lists")
    assert "may be written to by the group" in str(NO_TRUST.finding(str(folder)))


@pytest.mark.parametrize(
    ("named", "covered"), [(".", True), ("..", True), ("../code", True), ("../cod", False), ("sub", False)]
)
def test_what_is_named_is_trusted_with_all_below_it(base: Path, named: str, covered: bool) -> None:
    folder = _foreign(base)
    (base / "cod").mkdir()
    (folder / "sub").mkdir()
    trust = Trust.of([str(folder / named)])
    assert (trust.finding(str(folder)) is None) == covered
    assert trust.finding("/proc/1/nothing") is not None


@pytest.mark.parametrize("text", ["", "missing", "/dev/null", "a\0b"])
def test_only_a_directory_can_be_trusted(text: str) -> None:
    with pytest.raises(UsageError, match=r"--trust-code .*: there is no such directory"):
        Trust.of([text])


# ---------------------------------------------------------------- in the job


def python_of_all() -> str:
    """Return an interpreter that every user may run: this one may lie in a closed home directory."""
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    return found if found is not None else left_out("there is no Python that another user could run")


def start(paths: JobPaths, base: Path, *arguments: str, uid: int = 0) -> Done:
    """Run a job as a user."""
    python = python_of_all() if uid else sys.executable
    shutil.copytree(Path(yaml.__file__).parent, base / "lib" / "yaml", dirs_exist_ok=True)
    done = subprocess.run(
        [python, "-S", str(START), str(paths.directory), "--attempt", "1", "--allow", "own", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(base / "lib"), "MARK": str(base / "mark"),
             "PYTHONDONTWRITEBYTECODE": "1"},
        user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in ("links in a circle", "a file", "nothing")])
def test_a_job_looks_once_more_before_it_imports(base: Path, name: str) -> None:
    make, said = PAIRS[name]
    folder = make(base)
    paths = frozen(base / "0", {"_target_": "own.own", "_partial_": True})
    done = start(paths, base, f"--code={folder}")
    assert done.code == (0 if said is None else 3), done.err
    assert (base / "mark").exists() == (said is None)
    if said is not None:
        assert said in done.err
        assert f"--trust-code {os.path.abspath(folder)}" in done.err
        error = states.read_status(paths).error
        assert error is not None
        assert said in error["message"]
        frozen(base / "1", {"_target_": "own.own", "_partial_": True})
        assert start(JobPaths(base / "1"), base, f"--code={folder}", f"--trust-code={folder}").code == 0


@pytest.mark.parametrize(
    ("owner", "runner", "fine"),
    [(0, OTHER, True), (OTHER, OTHER, True), (ANOTHER, OTHER, False), (OTHER, 0, False), (0, 0, True)],
)
def test_who_runs_it_counts(base: Path, owner: int, runner: int, fine: bool) -> None:
    folder = code_in(base / "code")
    given(folder, owner, owner)
    given(folder / "own.py", owner, owner)
    paths = frozen(base / "0", {"_target_": "own.own", "_partial_": True})
    for path in (paths.directory, paths.job):
        os.chown(path, runner, runner)
    (base / "mark").touch()
    (base / "mark").chmod(0o666)
    done = start(paths, base, f"--code={folder}", uid=runner)
    assert done.code == (0 if fine else 3), done.err
    assert bool((base / "mark").read_text()) == fine


INSIDE: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "somebody else's module": ("own.py", {"uid": OTHER}, "own.py: belongs to user 4242"),
    "a module for everybody": ("own.py", {"mode": 0o666}, "own.py: may be written to by everybody"),
    "a module for a group": ("own.py", {"gid": OTHER, "mode": 0o664}, "own.py: may be written to by the group 4242"),
    "a module for all to read": ("own.py", {"mode": 0o644}, None),
    "a package for everybody": ("pack", {"mode": 0o777}, "pack: may be written to by everybody"),
    "somebody else's package": ("pack", {"uid": OTHER}, "pack: belongs to user 4242"),
    "a package's file": ("pack/__init__.py", {"uid": OTHER}, "pack/__init__.py: belongs to user 4242"),
    "a module deep inside": ("pack/deep/part.py", {"uid": OTHER}, "pack/deep/part.py: belongs to user 4242"),
    "a namespace deep inside": ("pack/deep", {"mode": 0o777}, "pack/deep: may be written to by everybody"),
    "compiled files for everybody": (
        "pack/__pycache__",
        {"mode": 0o777},
        "__pycache__: may be written to by everybody",
    ),
    "another file": ("data.txt", {"uid": OTHER, "mode": 0o666}, None),
    "a module that is not imported": ("other.py", {"uid": OTHER}, None),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_in_a_good_directory_is_looked_at_too(base: Path, name: str) -> None:
    file, change, said = INSIDE[name]
    folder = code_in(base / "code")
    (folder / "own.py").write_text("def own():\n    import pack.deep.part\n    return 'own'\n")
    (folder / "pack/deep").mkdir(parents=True)
    (folder / "pack/__pycache__").mkdir()
    for each in ("pack/__init__.py", "pack/deep/part.py", "data.txt", "other.py"):
        (folder / each).write_text("")
    given(folder / file, **change)
    paths = frozen(base / "0", {"_target_": "own.own", "_partial_": True})
    done = start(paths, base, f"--code={folder}")
    assert (done.code == 0) == (said is None), done.err
    assert (said or "") in done.err
    again = frozen(base / "1", {"_target_": "own.own", "_partial_": True})
    assert start(again, base, f"--code={folder}", f"--trust-code={base}").code == 0


# ---------------------------------------------------------------- submit and retry


def job_of(base: Path, app: Any, target: str = "own.own") -> Path:
    """Freeze a job that names a directory of an app."""
    paths = frozen(base / "jobs" / "0", {"_target_": target, "_partial_": True})
    spelled = json.dumps(app, ensure_ascii=True)  # which YAML reads as well
    text = paths.job.read_text().replace("app: null\n", f"app: {spelled}\n")
    paths.job.chmod(0o644)
    paths.job.write_text(text)
    return base / "jobs"


def submit(jobs: Path, *arguments: str) -> int:
    return cli.main(["submit", str(jobs), LOCAL, "--allow", "own", *arguments])


@pytest.fixture
def here(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the runner's own, where commands are called."""
    (base / "here").mkdir()
    monkeypatch.chdir(base / "here")
    monkeypatch.setenv("MARK", str(base / "mark"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return base / "here"


@pytest.mark.parametrize(
    "name", ["somebody else's", "for everybody", "below somebody else's", "a link to somebody else's"]
)
def test_code_of_others_is_not_submitted(base: Path, here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, said = PAIRS[name]
    folder = make(base)
    jobs = job_of(base, str(folder))
    assert submit(jobs) == 3
    err = capsys.readouterr().err
    assert f"{folder}: " in err
    assert str(said) in err
    assert "'own' is found nowhere else" in err
    assert f"--trust-code {folder}" in err
    assert not sweep_paths(jobs).submissions.exists()
    assert not (base / "mark").exists()


@pytest.mark.parametrize("trust", [False, True])
def test_own_code_and_code_that_is_trusted_is_submitted(base: Path, here: Path, trust: bool) -> None:
    folder = _foreign(base) if trust else _mode(0o755)(base)
    jobs = job_of(base, str(folder))
    assert submit(jobs, *(["--trust-code", str(base)] if trust else [])) == 0
    assert read_result(JobPaths(jobs / "0", jobs)) == str(folder / "own.py")
    kept = records.read_settings(sweep_paths(jobs).submission(1))
    assert (kept.code, kept.trust_code) == ((str(folder),), (str(folder),) if trust else ())


def test_code_of_others_that_no_job_needs_is_left_out(
    base: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _foreign(base)
    for name in ("sitecustomize.py", "tests.py", "json.py"):
        (folder / name).write_text(EVIL)
    jobs = job_of(base, str(folder), "tests.support.payloads.report")
    assert submit(jobs, "--allow", "tests") == 0
    assert f"Note: {folder}: belongs to user 4242, so no module in there is found" in capsys.readouterr().err
    assert records.read_settings(sweep_paths(jobs).submission(1)).code == ()
    assert str(folder) not in read_result(JobPaths(jobs / "0", jobs))["path"]
    assert not (base / "mark").exists()


@pytest.mark.parametrize(
    ("app", "code"),
    [
        ("/", 0), ("//", 0), ("/..", 0), ("relative", 0), (".", 0), ("", 0), ("~", 0), ("~root", 0), ("$HOME", 0),
        ("/tmp/a\nb", 0), ("/tmp/\u001b[31m", 0), ("/tmp", 0), ("/proc", 0), ("/dev/null", 0), ("/" + "a" * 300, 2),
        ("/no/such/directory", 2), ("/etc/passwd", 0), ("a" * 100_000, 0), (None, 0), (["/tmp"], 2), ({"a": 1}, 2),
        (7, 2),
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_a_job_says_its_app_is(
    base: Path, here: Path, app: Any, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = job_of(base, app, "tests.support.payloads.report")
    assert submit(jobs, "--allow", "tests", "--dry-run") == (2 if isinstance(app, (list, dict, int)) else 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert len(err) < 2000
    assert "--code=/ " not in out
    assert "--code=\n" not in out
    if code and app is not None and isinstance(app, str):
        assert submit(jobs, "--allow", "tests") == code
        assert "is gone" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["none", "owner", "trusted"])
def test_retry_looks_at_the_code_again(base: Path, here: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _mode(0o755)(base)
    (folder / "own.py").write_text("raise LookupError\n")
    jobs = job_of(base, str(folder))
    assert submit(jobs) == 1
    code_in(folder)
    if change != "none":
        os.chown(folder, OTHER, 0)
    more = ["--trust-code", str(folder)] if change == "trusted" else []
    assert cli.main(["retry", str(jobs), *more]) == (3 if change == "owner" else 0)
    assert (f"{folder}: belongs to user 4242" in capsys.readouterr().err) == (change == "owner")
    assert (base / "mark").exists() == (change != "owner")


# ---------------------------------------------------------------- run, and the commands that read files


@pytest.mark.parametrize(
    "name", ["root's", "below a sticky one for everybody", "somebody else's", "for everybody", "below somebody else's"]
)
def test_run_takes_the_current_directory_only_if_it_is_ones_own(
    base: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said = PAIRS[name]
    folder = make(base)
    (folder / "sitecustomize.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MARK", str(base / "mark"))
    jobs = job_of(base, None)
    assert cli.main(["run", str(jobs), "--allow", "own"]) == (0 if said is None else 3)
    err = capsys.readouterr().err
    assert (base / "mark").exists() == (said is None)
    if said is not None:
        assert f"--trust-code {folder}" in err
        assert not (jobs / "0" / "attempts").exists(), "it costs no attempt"
        assert cli.main(["run", str(jobs), "--allow", "own", "--trust-code", "."]) == 0
    assert "sitecustomize" not in (base / "mark").read_text()


def test_run_leaves_out_a_directory_that_no_job_needs(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _foreign(base)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    jobs = job_of(base, None, "tests.support.payloads.report")
    assert cli.main(["run", str(jobs), "--allow", "tests"]) == 0
    assert f"Note: {folder}: belongs to user 4242" in capsys.readouterr().err
    assert str(folder) not in read_result(JobPaths(jobs / "0", jobs))["path"]


def command(words: list[str], cwd: Path, env: Mapping[str, str]) -> Done:
    line = [
        sys.executable,
        "-c",
        "import sys; sys.path.remove(''); from nemo_partial_hydra.cli.main import main; sys.exit(main())",
    ]
    done = subprocess.run(
        [*line, *words], cwd=cwd, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("verb", ["diff", "schema", "snapshot", "export"])
@pytest.mark.parametrize("beside", ["conf", "current"])
@pytest.mark.parametrize("whose", ["mine", "another's", "trusted"])
def test_modules_beside_a_file_are_imported_only_if_they_are_ones_own(
    base: Path, here: Path, verb: str, beside: str, whose: str
) -> None:
    folder = code_in(base / "app")
    for name in ("colorsys", "sitecustomize", "hydra", "yaml"):
        (folder / f"{name}.py").write_text(EVIL)
    (folder / "own.py").write_text(
        (folder / "own.py").read_text()
        + "import nemo_partial_hydra as nph\n@nph.recipe\ndef made():\n    return nph.partial(own)\n"
    )
    file = folder / ("conf/a.yaml" if beside == "conf" else "a.yaml")
    file.parent.mkdir(exist_ok=True)
    file.write_text("_target_: own.own\n")
    if whose != "mine":
        os.chown(folder, OTHER, 0)
    words = {
        "diff": ["diff", str(file), str(file)],
        "schema": ["schema", str(file)],
        "snapshot": ["snapshot", str(file), "--out", str(here / "s.json")],
        "export": ["export", "own", "--out", str(here / "lib")],
    }[verb]
    more = ["--trust-code", str(folder)] if whose == "trusted" else []
    cwd = folder if beside == "current" or verb == "export" else here
    done = command([*words, *more], cwd, {"MARK": str(base / "mark")})
    marks = (base / "mark").read_text().split() if (base / "mark").exists() else []
    if whose == "another's":
        assert done.code == 3, done.out + done.err
        assert (
            f"{folder}: belongs to user 4242, so no code in there is run, and 'own' is found nowhere else" in done.err
        )
        assert marks == []
    else:
        assert "belongs to" not in done.err
        assert {Path(mark).name for mark in marks} == {"own.py"}
