"""What must be in place on the submit host and visible from the nodes: image, executable, directories.

May import: the standard library only. Each check returns messages; nothing is raised, so that all are seen at once.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Protocol

from nemo_partial_hydra.launchers.container.command import Container

_SIF = (32, b"SIF_MAGIC")
_OTHER = ((0, b"hsqs"), (1080, b"\x53\xef"))  # squashfs, ext3: what older executables build
_SIF_DATA = 112  # offset in a SIF of where its data starts and how long it is, two 64 bit numbers
_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_PRIVATE = ("/tmp", "/var/tmp", "/dev/shm", "/run")


class Node(Protocol):
    """A node of a cluster: its name there, and its host's."""

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...


def image_mistakes(container: Container) -> list[tuple[str, str]]:
    """Return what is wrong with the image: ``(setting, what)`` each."""
    image = container.image
    if image is None or "://" in image:
        return []
    path = os.path.abspath(image)
    where = "apptainer.image"
    try:
        if os.path.isdir(path):
            return [] if os.listdir(path) else [(where, f"{path}: the directory is empty: this is no sandbox image")]
        with open(path, "rb") as file:
            head = file.read(2048)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return [(where, f"{path}: there is no such image" + _beside(path))]
    except OSError as error:
        return [(where, f"{path}: cannot be read: {error.strerror}")]
    if head[_SIF[0] :].startswith(_SIF[1]):
        start, length = struct.unpack_from("<qq", head, _SIF_DATA)
        if size < start + length:
            return [(where, f"{path}: the image is cut off: it has {size} of {start + length} bytes")]
        return []
    if any(head[offset:].startswith(magic) for offset, magic in _OTHER):
        return []
    return [(where, f"{path}: this is no image: neither a SIF file, squashfs, nor a sandbox directory")]


def _beside(path: str) -> str:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return f"; there is no directory {folder} either"
    try:
        found = sorted(name for name in os.listdir(folder) if name.endswith((".sif", ".simg", ".img")))
    except OSError:
        return ""
    return f"; {folder} has {', '.join(found[:5])}" if found else ""


def executable_mistakes(container: Container, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is wrong with the executable; setup lines may bring it where it is not found here."""
    if container.image is None or lines or shutil.which(container.executable):
        return []
    if os.sep in container.executable:
        return [("apptainer.executable", f"{container.executable}: there is no such program")]
    return [("apptainer.executable", f"'{container.executable}' is not on PATH here; name its path, or the line that "
             "brings it: apptainer.setup=['module load apptainer']")]  # fmt: skip


def bind_mistakes(container: Container, code: Iterable[str], folder: str | None = None) -> list[tuple[str, str]]:
    """Return the directories that would be bound and do not exist, and that in which an app's function is called."""
    found = []
    for text in container.binds:
        for item in text.split(","):
            source = item.partition(":")[0]
            if source and not os.path.exists(source):
                found.append(("apptainer.binds", f"{source}: there is nothing to bind"))
    for layer in container.overlay:
        path = layer.removesuffix(":ro")
        if not os.path.exists(path):
            found.append(("apptainer.overlay", f"{path}: there is no such overlay"))
    if container.workdir is not None and not os.path.isdir(container.workdir):
        found.append(("apptainer.workdir", f"{container.workdir}: there is no such directory"))
    found += [
        ("code", f"{path}: the directory of the recipe's modules is gone") for path in code if not os.path.isdir(path)
    ]
    if folder is not None and not os.path.isdir(folder):
        way_out = "send the jobs from another one, and name the launcher: hydra/launcher=..."
        found.append(("folder", f"{folder}: the directory that the app was started in is gone; {way_out}"))
    return found


def directory_mistakes(directory: str) -> list[tuple[str, str]]:
    """Return why jobs could not write into the sweep's directory."""
    path = directory
    while not os.path.exists(path):
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        return [("hydra.sweep.dir", f"{path} is no directory")]
    if not os.access(path, os.W_OK | os.X_OK):
        return [("hydra.sweep.dir", f"{path}: not writable for you")]
    free = os.statvfs(path)
    if free.f_bavail == 0 or (free.f_files and not free.f_favail):
        return [("hydra.sweep.dir", f"{path}: the disk is full")]
    return []


def unseen(path: str, nodes: Sequence[Node], mounts: str) -> tuple[str, bool] | None:
    """Return why nodes cannot see a path, as far as can be told here, and whether that is sure.

    Parameters
    ----------
    path : a directory or file on the submit host.
    nodes : the nodes on which the jobs may run.
    mounts : the text of ``/proc/self/mounts``.
    """
    here = socket.gethostname().partition(".")[0]
    others = [node.name for node in nodes if (node.host or node.name).partition(".")[0] != here]
    if not others:
        return None
    kind, point = file_system(path, mounts)
    if kind in _MEMORY:
        return f"{path} is in this host's memory ({kind} on {point}): {others[0]} cannot see it", True
    if point == "/" and path.startswith(tuple(f"{folder}/" for folder in _PRIVATE)):
        return f"{path} is on this host's own disk: {others[0]} has another {path.split('/')[1]}", True
    if kind in ("overlay", "ext3", "ext4", "xfs", "btrfs", "zfs"):
        return f"{path} is on a {kind} disk ({point}): check that the nodes see it, {others[0]} for one", False
    return None


def file_system(path: str, mounts: str) -> tuple[str, str]:
    """Return the kind of the file system that a path is on, and where it is mounted."""
    full = os.path.realpath(path)
    best = ("", "/")
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = full == point or full.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[1]):
            best = (fields[2], point)
    return best
