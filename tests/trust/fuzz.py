"""A fuzzer of everything that reads texts: the shipped library, recorded jobs and storms, changed byte by byte.

``python -m tests.trust.fuzz --seconds 600`` looks for a text that raises anything but a ``RecipeError``, or takes too
much; it prints each, and writes it into ``--keep DIR``. What it finds becomes a case of ``test_bounds``. The same
``--seed`` makes the same texts.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nemo_partial_hydra.errors import ExitCode

from .readers import GOOD, READERS, attempt
from .storms import PLAIN, RECIPES, REFERENCES, VALUES

ROOT = Path(__file__).resolve().parents[2]
LIBRARY, RECORDED = ROOT / "nemo_partial_hydra" / "nemo_library", ROOT / "tests" / "golden" / "v0.1"
_LARGEST = 200_000  # bytes of a text that is changed
_SMALL = 2_000  # of a storm
_TOKENS = (
    *rb"""_target_ _args_ _partial_ _append_ _delete_ _replace_ _call_ defaults hydra ${ } ${oc.env: ${.. ??? null true
    { [ ] " ' \ \u 0x 1e999 -1 99999999999999999999 .nan builtins.bytes.fromhex os.system [] {} NaN
    !!python/name:os.system "format":1 "state":"running" "pid":-1 "slurm":{"job":"1"} "attempt":1e9""".split(),
    *(b"- ", b": ", b"\n", b"  ", b"&a ", b"*a", b"<<: ", b"!!binary ", b"!!set ", b"!!omap ", b"\xff", b"\x00"),
    *(b"\xef\xbb\xbf", b"# @package _global_\n", b"--- ", b"? ", b"| ", b"> "),
)


def corpus() -> dict[str, list[bytes]]:
    """Return what is changed, for each reader."""
    shipped = [path.read_bytes() for path in sorted(LIBRARY.rglob("*.yaml"))]
    recorded = {path.name: path.read_bytes() for path in sorted(RECORDED.rglob("*")) if path.is_file()}
    small = [make(_SMALL) for table in (PLAIN, REFERENCES, RECIPES) for make in table.values()]
    recipes = [*shipped, *small, *(make(_SMALL) for make in VALUES.values())]
    found: dict[str, list[bytes]] = {}
    for reader in READERS:
        own = [text for name, text in recorded.items() if name.partition(".")[0] == reader.partition(".")[0]]
        found[reader] = (
            [*own, *small] if reader.endswith(".json") or reader in ("claim", "notice") else [*own, *recipes]
        )
    return found


def changed(text: bytes, others: Sequence[bytes], choose: random.Random) -> bytes:
    """Return a text with a few changes: bytes, tokens, parts that are repeated, cut out, or another text's."""
    data = bytearray(text[:_LARGEST])
    for _ in range(choose.choice((1, 1, 2, 4, 8, 16))):
        at = choose.randrange(len(data) + 1)
        length = choose.choice((1, 2, 8, 64, 512))
        kind = choose.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] = choose.randrange(256)
        elif kind == 1:
            data[at:at] = choose.choice(_TOKENS)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = bytes(data[at : at + length]) * choose.choice((1, 2, 30, 300))
        elif kind == 4:
            other = choose.choice(others)
            begin = choose.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + length]
        elif kind == 5:
            data[at : at + length] = choose.choice(_TOKENS)
        else:
            data[at:at] = choose.choice(_TOKENS) * choose.choice((2, 20, 200, 2_000))
        del data[2 * _LARGEST :]
    return bytes(data)


def wrong(answer: str) -> bool:
    """Whether an answer is none that a reader may give."""
    return not answer.startswith(GOOD)


def _tried(name: str, texts: Sequence[bytes]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return attempt(READERS[name], Path(folder), texts)


def search(seconds: float, seed: int, keep: Path | None = None) -> int:
    """Try texts for so long; return how many were answered wrongly."""
    choose, texts, end = random.Random(seed), corpus(), time.monotonic() + seconds
    tried = found = 0
    while time.monotonic() < end:
        name = choose.choice(list(READERS))
        batch = [changed(choose.choice(texts[name]), texts[name], choose) for _ in range(20)]
        answers = [_tried(name, batch)]
        if wrong(answers[0]):  # which of them?
            answers = [_tried(name, [text]) for text in batch]
        tried += len(batch)
        for text, answer in zip(batch, answers, strict=False):
            if wrong(answer):
                found += 1
                digest = hashlib.sha256(text).hexdigest()[:12]
                print(f"{name}: {digest}: {answer}\n  {text[:300]!r}", flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{name.replace(' ', '-')}-{digest}").write_bytes(text)
    print(f"{tried} texts were read or refused, {found} were not (seed {seed})")
    return found


def storms(size: int = 10_000_000) -> int:
    """Try each storm on each reader, in that size; return how many were answered wrongly."""
    found = 0
    for name in READERS:
        for storm, make in {**PLAIN, **REFERENCES, **RECIPES}.items():
            answer = _tried(name, [make(size)])
            if wrong(answer):
                found += 1
                print(f"{name}: {storm}: {answer}", flush=True)
    return found


def main() -> int:
    """Look for so many seconds, or at all storms."""
    parser = argparse.ArgumentParser(description="Look for texts that a reader answers wrongly.")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write what is found into this directory")
    parser.add_argument("--storms", action="store_true", help="try the storms in ten megabytes each instead")
    given = parser.parse_args()
    if given.storms:
        return ExitCode.FAILED if storms() else ExitCode.DONE
    return ExitCode.FAILED if search(given.seconds, given.seed, given.keep) else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
