"""Files written atomically: whoever reads one finds the old content or the new, never half of it.

May import: the standard library only.
"""

from __future__ import annotations

import contextlib
import os


def replace_file(path: str | os.PathLike[str], data: bytes, *, mode: int | None = None, durable: bool = True) -> None:
    """Write a file so that it is the old or the new one, never half; on a full disk the old one stays whole.

    Parameters
    ----------
    path : the file; its directory exists.
    data : its content.
    mode : its permissions; by default those of any new file.
    durable : whether it is on the disk when this returns, and so there after a power cut too.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    folder, name = os.path.split(os.fspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as stream:  # not mkstemp, whose file nobody else could read
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
