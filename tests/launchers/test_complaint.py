"""What a container complains of that does not start: lines that Apptainer 1.4 wrote, and what is made of them."""

from __future__ import annotations

import pytest

from nemo_partial_hydra.launchers.worker.complaint import complaint, setting

FAKEROOT = """\
INFO:    squashfuse not found, will not be able to mount SIF or other squashfs files
INFO:    Converting SIF file to temporary sandbox...
FATAL:   while extracting /i/python.sif: root filesystem extraction failed: extract command failed: WARNING: Skipping \
mount /etc/hosts [binds]: /etc/hosts doesn't exist in container
WARNING: Error changing the container working directory. Using '/' instead: chdir /root: no such file or directory
Parallel unsquashfs: Using 2 processors

\r[=====|     ] 2479/2666  92%
set_attributes: failed to change uid and gids on /image/root/var/local, because Operation not permitted
\r[=====/] 2666/2666 100%

created 0 hardlinks
: exit status 2"""
SUPERBLOCK = """\
FATAL:   container creation failed: mount hook function failure: mount /proc/self/fd/3->/s/rootfs error: while \
mounting image /proc/self/fd/3: kernel reported a bad superblock for squashfs image partition"""


@pytest.mark.parametrize(
    ("log", "why", "about"),
    [
        (
            FAKEROOT,
            "while extracting /i/python.sif: root filesystem extraction failed: extract command failed: "
            "set_attributes: failed to change uid and gids on /image/root/var/local, because Operation not permitted",
            "extra_args",
        ),
        (SUPERBLOCK, SUPERBLOCK.removeprefix("FATAL:   "), "image"),
        (
            'Error for command "exec": unknown flag: --no-such-option',
            'Error for command "exec": unknown flag: --no-such-option',
            "extra_args",
        ),
        ("FATAL:   stat /no/python: no such file or directory", "stat /no/python: no such file or directory", "python"),
        (
            'FATAL:   "python3": executable file not found in $PATH\nINFO:    Cleaning up image...',
            '"python3": executable file not found in $PATH',
            "python",
        ),
        ("ModuleNotFoundError: No module named 'yaml'", "ModuleNotFoundError: No module named 'yaml'", None),
        ("INFO:    Cleaning up image...", "INFO:    Cleaning up image...", None),
        ("", "", None),
    ],
)
def test_the_line_that_tells_is_shown_and_the_setting_it_is_about(log: str, why: str, about: str | None) -> None:
    found = complaint(log.split("\n"))
    assert (found, setting(found)) == (why, about)
