"""Takes the pictures of the site: of what the build makes from a real sweep and a real listing.

    python -m tools.docs_pictures     # into docs/_pictures, which is in no commit

They are taken again when anything changes that could show in them; what they were taken of is in ``taken_of.txt``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import browser
from tools.docs_pages import PICTURES, ROOT

STAMP = "taken_of.txt"
SHOWN = ("nemo_partial_hydra", "hydra_plugins", "examples/results", "examples/pretrain")
TAKEN_BY = ("tools/docs_pictures.py", "tools/browser.py", "tools/explorer_picture.py")
ENDS = {".py", ".yaml", ".gz"}
WIDTH = 1200


class PictureError(Exception):
    """A picture cannot be taken; the message says why."""


@dataclass(frozen=True)
class Page:
    """A page to take pictures of.

    Attributes
    ----------
    name : of its pictures: ``NAME-light.png`` and ``NAME-dark.png``.
    file : the page, below the folder in which the commands ran.
    height : how much of it is shown, in pixels from its top or from the fragment.
    fragment : where on it.
    typed : what is typed into its search.
    """

    name: str
    file: str
    height: int
    fragment: str = ""
    typed: str = ""


SWEEP = (
    "sweep.py", "-m", "optim.lr=0.01,0.03,0.1,0.3,1.1", "optim.momentum=0,0.5",
    "hydra/launcher=submitit_apptainer_local", "hydra.launcher.detach=false", "hydra.sweep.dir=line",
)  # fmt: skip
PAGES = (
    Page("report", "results/report.html", 565),
    Page("report-jobs", "results/report.html", 780, "#search"),
    Page("paths", "pretrain/paths.html", 560, typed="steps"),
)
EXPLORER = "explorer"
EXPLORE = """
from pathlib import Path
from tools.explorer_picture import take
words, keys = ["trainer.max_steps=100"], ["slash", *"steps", "enter", *["down"] * 9]
take(Path("pretrain.py"), Path("explorer.svg"), (110, 28), words=words, keys=keys)
"""
NAMES = (*(page.name for page in PAGES), EXPLORER)


def make(folder: Path = PICTURES) -> list[str]:
    """Take the pictures that are missing or old; return what there is to say about it.

    Raises
    ------
    PictureError
        If a command that makes a page fails.
    browser.BrowserError
        If there is no browser, and none can be installed.
    """
    stamp = folder / STAMP
    now = _shown()
    names = [f"{page.name}-{scheme}.png" for page in PAGES for scheme in ("light", "dark")] + [f"{EXPLORER}.svg"]
    if stamp.is_file() and stamp.read_text() == now and all((folder / name).is_file() for name in names):
        return ["pictures: as they were"]
    folder.mkdir(exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="nph-") as work:
        _make_pages(Path(work))
        shutil.copy(Path(work, "pretrain", f"{EXPLORER}.svg"), folder)  # for which nobody needs a browser
        browser.install()
        with browser.browsing() as window:
            for page in PAGES:
                for scheme in ("light", "dark"):
                    window.look(WIDTH, page.height, dark=scheme == "dark")
                    window.open(Path(work, page.file), page.fragment)
                    if page.typed:
                        window.driver.find_element("css selector", "input[type=search]").send_keys(page.typed)
                    (folder / f"{page.name}-{scheme}.png").write_bytes(window.driver.get_screenshot_as_png())
    stamp.write_text(now)
    return [f"pictures: {len(names)} taken"]


def _make_pages(work: Path) -> None:
    """Run a sweep of which one job fails, write its report, list a recipe and look through it."""
    for name in ("results", "pretrain"):
        ignored = shutil.ignore_patterns("outputs", "multirun", "out", "*.html", "__pycache__")
        shutil.copytree(ROOT / "examples" / name, work / name, ignore=ignored)
    python = sys.executable
    _run([python, *SWEEP], work / "results", codes=(0, 1))
    _run([python, "-m", "nemo_partial_hydra.cli", "report", "line", "--out", "report.html"], work / "results")
    listing = _run([python, "pretrain.py", "--cfg-paths=html", "trainer.max_steps=100"], work / "pretrain")
    (work / "pretrain" / "paths.html").write_text(listing, encoding="utf-8")
    _run([python, "-c", EXPLORE], work / "pretrain")


def _run(command: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NPH_CACHE": "0"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise PictureError(f"{' '.join(command[1:])} ends with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _shown() -> str:
    """Return the digest of all that could show in a picture."""
    digest = hashlib.sha256()
    for file in _files():
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest() + "\n"


def _files() -> Iterator[Path]:
    yield from (ROOT / name for name in TAKEN_BY)
    for name in SHOWN:
        yield from sorted(file for file in (ROOT / name).rglob("*") if file.suffix in ENDS)


if __name__ == "__main__":
    try:
        print("\n".join(make()))
    except (PictureError, browser.BrowserError) as error:
        sys.exit(f"pictures: {error}")
