"""Container images made on this machine, without a registry: Debian packages unpacked, then packed by Apptainer.

An image is made again only when its recipe here changes.  Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.host import Apt, LabError, digest, run

SOURCE = Path(__file__).read_bytes()  # how an image is made is part of what it is made from
MOUNTED = "proc sys dev tmp var/tmp root home mnt opt run etc".split()


@dataclass(frozen=True)
class Recipe:
    """What an image holds: the packages of a Debian release with all they depend on."""

    name: str
    release: str
    packages: tuple[str, ...]

    @property
    def stamp(self) -> str:
        return digest(SOURCE, self.release, self.packages)


# The runner's own needs and no more: an interpreter and PyYAML.
PYTHON = Recipe("python", "bookworm", ("python3", "python3-yaml", "bash", "coreutils"))
# The same with another minor version of Python.
OTHER_PYTHON = Recipe("other-python", "trixie", ("python3", "python3-yaml", "bash", "coreutils"))
# No Python at all, but the libraries that an interpreter and the wheels bound into it load.
SYSTEM = Recipe(
    "system",
    "bookworm",
    tuple(
        "bash coreutils libc-bin libstdc++6 libgomp1 zlib1g libssl3 libffi8 libbz2-1.0 liblzma5 libsqlite3-0"
        " libreadline8 libncursesw6 libtinfo6 libuuid1 libcrypt1 libnsl2 libexpat1 libgdbm6 libdb5.3".split()
    ),
)
RECIPES = {recipe.name: recipe for recipe in (PYTHON, OTHER_PYTHON, SYSTEM)}


def build(recipe: Recipe, folder: Path, apptainer: Path, apt: Apt) -> Path:
    """Give the image of ``recipe`` in ``folder``, made if it is not there."""
    image, stamp = folder / f"{recipe.name}.sif", folder / f"{recipe.name}.stamp"
    if image.exists() and stamp.exists() and stamp.read_text() == recipe.stamp:
        return image
    debs = apt.closure(recipe.release, recipe.packages)
    root = folder / f"{recipe.name}.rootfs"
    shutil.rmtree(root, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    _unpack(debs, root)
    made = folder / f"{recipe.name}.new.sif"
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    env = {"APPTAINER_TMPDIR": str(scratch), "APPTAINER_CACHEDIR": str(scratch)}
    quick = "-comp gzip -Xcompression-level 1"
    run(apptainer, "--quiet", "build", "--force", "--mksquashfs-args", quick, made, root, env=env, timeout=300)
    os.replace(made, image)
    stamp.write_text(recipe.stamp)
    shutil.rmtree(root)
    return image


def _unpack(debs: Path, root: Path) -> None:
    (root / "usr").mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    for deb in sorted(debs.glob("*.deb")):
        run("dpkg-deb", "-x", deb, root)
    for name in MOUNTED:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("resolv.conf", "hosts", "localtime"):  # where Apptainer binds the machine's own
        if not (root / "etc" / name).exists():
            (root / "etc" / name).write_text("")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\n")
    if not (root / "usr/bin/sh").exists():  # a link that the package's script would make
        (root / "usr/bin/sh").symlink_to("bash")
    if (root / "usr/bin/python3").exists():
        (root / "usr/bin/python").symlink_to("python3")
    for name in ("doc", "man", "locale", "info", "perl", "zoneinfo"):
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    run("ldconfig", "-r", root)


@dataclass(frozen=True)
class Bound:
    """An image and what has to be bound into it for the environment of a virtual environment on this machine."""

    image: Path
    binds: tuple[str, ...]
    python: Path

    def command(self, apptainer: Path, *words: str) -> list[str]:
        """Give the command that runs the environment's Python in the image."""
        options = [word for bind in self.binds for word in ("--bind", bind)]
        return [str(apptainer), "exec", *options, str(self.image), str(self.python), *words]


def bound(image: Path, venv: Path) -> Bound:
    """Bind a virtual environment and the interpreter it points to, read-only, each at its own place.

    Raises
    ------
    LabError
        There is no such environment, or its interpreter is the system's, which the image does not have.
    """
    python = venv / "bin" / "python"
    if not python.exists():
        raise LabError(f"no virtual environment at {venv}: make test makes it")
    options = dict(line.split(" = ", 1) for line in (venv / "pyvenv.cfg").read_text().splitlines() if " = " in line)
    # The path that it was made with, and where that path's links lead.
    prefixes = {Path(options["home"]).parent, python.resolve().parent.parent}
    if Path("/usr") in prefixes:
        raise LabError(f"{venv} is made from the system's Python; the image needs one outside /usr to bind")
    return Bound(image, _readonly((venv, *sorted(prefixes))), python)


def _readonly(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(f"{path}:{path}:ro" for path in paths)
