"""Apptainer in a directory of its own, on a Debian that does not have it.

Debian has it only in its newest releases, whose programs need a newer glibc than this machine's.  So it is unpacked
beside a glibc of its own and patched to load that one; the machine's libc stays as it is.  Standard library only.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster.host import Apt, LabError, digest, run

PACKAGES = ("apptainer/sid", "libc6/trixie", "libseccomp2/trixie", "libsqlite3-0/trixie")
LIBC = "ld-linux-x86-64 libc libm libpthread libdl libresolv librt libnss_dns libnss_files libseccomp libsqlite3"
SOURCE = Path(__file__).read_bytes()  # a change here has it made again


def install(prefix: Path, apt: Apt) -> Path:
    """Make ``prefix`` a working Apptainer, once; give its executable."""
    executable = prefix / "bin" / "apptainer"
    stamp, wanted = prefix / "stamp", digest(SOURCE, PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return executable
    debs = apt.download(*PACKAGES)
    shutil.rmtree(prefix, ignore_errors=True)
    unpacked = prefix / "unpacked"
    unpacked.mkdir(parents=True)
    for deb in sorted(debs.glob("*.deb")):
        run("dpkg-deb", "-x", deb, unpacked)
    libraries = unpacked / "usr/lib/x86_64-linux-gnu"
    glibc = prefix / "glibc"
    glibc.mkdir()
    for name in LIBC.split():
        [library] = [file for file in libraries.glob(f"{name}.so.?") if not file.name.endswith(".a")]
        shutil.copy(library, glibc / library.name)  # what a link leads to
    for part in ("bin", "etc", "var"):
        source = unpacked / ("usr/bin" if part == "bin" else part)
        shutil.copytree(source, prefix / part, symlinks=True)
    shutil.copytree(libraries / "apptainer", prefix / "lib/x86_64-linux-gnu/apptainer", symlinks=True)
    for part in ("var", "etc"):  # the starter takes the folder above its own for the prefix
        (prefix / "lib" / part).symlink_to(f"../{part}")
    for program in (executable, prefix / "lib/x86_64-linux-gnu/apptainer/bin/starter"):
        loader = glibc / "ld-linux-x86-64.so.2"
        run("patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", glibc, program)
    _configure(prefix / "etc/apptainer/apptainer.conf")
    shutil.rmtree(unpacked)
    run(executable, "version")
    stamp.write_text(wanted)
    return executable


def _configure(file: Path) -> None:
    """Let root in a container have no capabilities, as a user has none.

    With the default, all, every exec fails where root itself lacks one, as in many containers and virtual machines.
    """
    text = file.read_text()
    old = "root default capabilities = full"
    if old not in text:
        raise LabError(f"{file} does not say {old!r}: this Apptainer is of a kind the lab does not know")
    file.write_text(text.replace(old, "root default capabilities = no"))
