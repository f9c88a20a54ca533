"""What lies in job stores is opened by ``files`` and ``folders`` only, which follow no links: others may write there.

Reads the sources of ``jobs`` and ``launchers`` for every call that opens, looks at, makes or removes something by its
path. Those that are left stand in a list, each with the reason why that path is nobody else's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.test_layers import PACKAGE, dotted, parsed

SAFE = {"jobs.files", "jobs.folders"}
CALLS = frozenset(
    "open fdopen read_text write_text read_bytes write_bytes mkdir makedirs mkfifo mknod unlink rmdir rmtree remove "
    "removedirs iterdir listdir scandir glob rglob walk fwalk touch rename renames link symlink symlink_to hardlink_to "
    "chmod chown utime exists lexists isfile isdir islink is_file is_dir is_symlink stat lstat getsize getmtime "
    "samefile readlink realpath resolve copy copyfile copytree move truncate chdir replace_file mkdtemp mkstemp".split()
)

# By module and call. Paths of the user's own are those of the app, the image, settings and the installed package.
ALLOWED = {
    "jobs.claim: Path('/proc/sys/kernel/random/boot_id').read_text": "the kernel's",
    "jobs.claim: Path(f'/proc/{pid}/stat').read_text": "the kernel's",
    "jobs.openssh: (Path(folder) / f'{name}.sig').read_bytes": "made by this process: nobody else may enter it",
    "jobs.openssh: (Path(folder) / name).write_bytes": "made by this process: nobody else may enter it",
    "jobs.openssh: os.path.isfile": "the key that the user named",
    "jobs.signers: file.unlink": "made by this process: nobody else may enter it",
    "jobs.signers: file.write_bytes": "made by this process: nobody else may enter it",
    "jobs.signers: made.copy.write_bytes": "made by this process: nobody else may enter it",
    "jobs.signers: open": "the file of signers that the user named",
    "jobs.copies: os.path.realpath": "for comparing the two directories that the user named; nothing is opened",
    "jobs.layout: root.is_dir": "the directory that the user named",
    "jobs.metadata: open": "the image that the user named",
    "jobs.metadata: os.path.isdir": "the image that the user named",
    "jobs.ownership: open": "the kernel's",
    "jobs.ownership: os.lstat": "a directory of code; nothing is opened, and links are followed one by one",
    "jobs.ownership: os.path.isdir": "a directory that the user named",
    "jobs.ownership: os.path.realpath": "for comparing with what the user named; nothing is opened",
    "jobs.ownership: os.readlink": "a directory of code; nothing is opened",
    "jobs.ownership: os.stat": "a directory of code, as it really is; nothing is opened",
    "jobs.run_here: Path(__file__).resolve": "the package's own",
    "jobs.run_here: here.glob": "names in the current directory; nothing is opened",
    "jobs.runner: os.chdir": "a directory that is held open",
    "jobs.seal: os.lstat": "the user's own key",
    "jobs.seal: os.makedirs": "the user's state directory",
    "jobs.seal: os.path.realpath": "where the directory is that the user named; nothing is opened",
    "jobs.search_path: os.path.exists": "a directory of code; nothing is opened",
    "jobs.search_path: os.path.isdir": "a directory of code; nothing is opened",
    "jobs.search_path: os.path.realpath": "for comparing with the current directory; nothing is opened",
    "jobs.start: os.path.realpath": "for comparing with sys.path; nothing is opened",
    "launchers.adoption: Path('/proc').iterdir": "the kernel's",
    "launchers.clusters.executor: Path(__file__).resolve": "the package's own",
    "launchers.clusters.executor: os.path.realpath": "for comparing with where packages are installed",
    "launchers.clusters.local.liveness: Path('/proc/uptime').read_text": "the kernel's",
    "launchers.clusters.local.liveness: Path(f'/proc/{pid}/cmdline').read_bytes": "the kernel's",
    "launchers.clusters.local.liveness: Path(f'/proc/{pid}/stat').read_text": "the kernel's",
    "launchers.clusters.slurm.executor: (self._fixed() / f'{job}_submission.sh').symlink_to": "as submitit does",
    "launchers.clusters.slurm.executor: place.mkdir": "the submission's own, or where the user has submitit's files",
    "launchers.clusters.slurm.executor: script.write_text": "the same, under a name that nobody can foresee",
    "launchers.clusters.slurm.identity: Path(path).open": "the system's, or what SLURM_CONF names",
    "launchers.clusters.slurm.preflight: open": "the kernel's: /proc/self/mounts",
    "launchers.code: os.path.exists": "a directory of code; nothing is opened",
    "launchers.container.bind: os.path.isfile": "whether the app's directory is a package; nothing is opened",
    "launchers.container.bind: os.path.realpath": "for comparing with where packages are installed",
    "launchers.export_job: (folder / SNAPSHOT).read_text": "made by mkdtemp: nobody else may enter it",
    "launchers.export_job: (folder / f'{name}.yaml').read_text": "made by mkdtemp: nobody else may enter it",
    "launchers.export_job: shutil.rmtree": "made by mkdtemp: nobody else may enter it",
    "launchers.export_job: tempfile.mkdtemp": "beside --out, which the user named",
    "launchers.launch: os.path.exists": "the image of the user's settings",
    "launchers.preflight.host: open": "the image of the user's settings",
    "launchers.preflight.host: os.listdir": "the image of the user's settings, and what is beside it",
    "launchers.preflight.host: os.path.exists": "binds of the user's settings",
    "launchers.preflight.host: os.path.isdir": "directories of the user's settings; nothing is opened",
    "launchers.preflight.host: os.path.realpath": "to find the mount that a path is on; nothing is opened",
    "launchers.send: os.path.isfile": "the image of the user's settings",
    "launchers.settings: os.stat": "the image of the user's settings",
    "launchers.worker.task: os.path.exists": "the image of the user's settings",
}


def opened() -> Iterator[tuple[str, str]]:
    """Yield each such call with its place."""
    for path in sorted([*PACKAGE.glob("jobs/*.py"), *PACKAGE.glob("launchers/**/*.py")]):
        module = dotted(path)
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call) or module in SAFE:
                continue
            said = ast.unparse(node.func)
            name = node.func.attr if isinstance(node.func, ast.Attribute) else said if said == "open" else ""
            if name in CALLS and said.partition(".")[0] not in ("files", "folders"):
                yield f"{module}: {said}", f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_nothing_else_opens_what_others_may_write() -> None:
    wrong = [f"{place}: {call.partition(': ')[2]}()" for call, place in opened() if call not in ALLOWED]
    assert not wrong, "use jobs.files or jobs.folders, or say why it is nobody else's:\n" + "\n".join(wrong)


def test_every_reason_is_needed() -> None:
    assert set(ALLOWED) == {call for call, _ in opened()}
