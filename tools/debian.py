"""Debian packages that tests and the documentation's pictures need, installed where this is root on a Debian."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(*packages: str) -> str:
    """Install packages; do nothing elsewhere. Return the last line of what apt-get complained about, if it did."""
    said = ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return said
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-qy", "--no-install-recommends", *packages]):
        options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-unsafe-io"]
        done = subprocess.run(
            ["apt-get", *options, *words],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        said = done.stderr.strip().rpartition("\n")[2] if done.returncode else said
    return said
