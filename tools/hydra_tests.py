"""Brings Hydra's own tests, which only its source archive has, to ``.venvs/hydra-tests/<version>``.

``tests/app/test_hydras_tests.py`` runs them. Nothing of them is kept in the repository, and running them needs no
network: the version matrix fetches them when it makes an environment that is to run them.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venvs" / "hydra-tests"
_VERSION = "from importlib.metadata import version; print(version('hydra-core'))"


def folder(version: str) -> Path:
    """Return the directory that holds the tests of a version of Hydra, if they were fetched."""
    return HOME / version


def fetch(python: Path) -> str | None:
    """Fetch the tests of the Hydra that an environment has; return why they cannot be had, or None."""
    asked = subprocess.run([str(python), "-c", _VERSION], capture_output=True, text=True, check=False)
    version = asked.stdout.strip()
    if asked.returncode:
        return "hydra-core is not installed there"
    if folder(version).is_dir():
        return None
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME) as made:
        # pip reads the archive's metadata, for which it makes a small environment of its own.
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
        command = [*pip, "--no-deps", "--no-binary", "hydra-core", "--dest", made, f"hydra-core=={version}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        archives = list(Path(made).glob("*.tar.gz"))
        if done.returncode or not archives:
            return f"pip download hydra-core=={version}: {done.stderr.strip()[-500:]}"
        unpacked = Path(made) / "unpacked"
        unpacked.mkdir()
        with tarfile.open(archives[0]) as archive:
            for member in archive.getmembers():
                path = Path(member.name)
                if member.isfile() and path.parts[1:-1] == ("tests",) and path.suffix == ".py":
                    content = archive.extractfile(member)
                    if content is not None:
                        (unpacked / path.name).write_bytes(content.read())
        if not folder(version).exists():
            unpacked.rename(folder(version))
    return None
