"""Whatever a text is, it is read or refused with one readable error, within so much CPU time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nemo_partial_hydra.dialect import scalars
from nemo_partial_hydra.errors import RecipeError
from nemo_partial_hydra.messages import Problems

from . import fuzz
from .readers import GOOD, READERS, attempt
from .storms import PLAIN, RECIPES, REFERENCES, VALUES, Storm

SIZE = 2_000_000
"""Bytes of a text; ``python -m tests.trust.fuzz --storms`` tries ten millions."""
YAML = ("recipe", "config file", "composed", "listing", "job.yaml")
"""The readers of recipes."""


@pytest.fixture
def few(request: pytest.FixtureRequest) -> bool:
    """Whether laws are tried with few examples, as in the cells of the matrix."""
    return bool(request.config.getoption("--hypothesis-profile") == "few")


def job(text: bytes) -> bytes:
    """Return the text of a job with a recipe."""
    lines = [f"format: 1\ndialect: 1\nnum: 0\nname: job\nsubdir: '0'\nhash: {'x' * 64}\ncreated: x\nuser: x"]
    lines += ["app: null\noverrides: []\ngit: null\nimage: null\npackages: {}\nrecipe:"]
    return b"\n".join([*(line.encode() for line in lines), *(b"  " + line for line in text.splitlines())])


def answered(reader: str, storms: Mapping[str, Storm], folder: Path, size: int) -> str:
    """Try storms on a reader, in one child; say which was neither read nor refused, and what came of it."""
    inside = reader == "job.yaml" and storms is not PLAIN
    texts = [job(make(size)) if inside else make(size) for make in storms.values()]
    said = attempt(READERS[reader], folder, texts)
    return "" if said.startswith(GOOD) else f"{list(storms)[int(said.rpartition(' ')[2])]}: {said}"


@pytest.mark.parametrize("reader", READERS)
def test_a_text_of_megabytes_is_read_or_refused(tmp_path: Path, reader: str, few: bool) -> None:
    assert not answered(reader, PLAIN, tmp_path, 50_000 if few else SIZE)


@pytest.mark.parametrize("reader", YAML)
@pytest.mark.parametrize("storms", [REFERENCES, RECIPES], ids=["references", "recipes"])
def test_a_recipe_of_megabytes_is_read_or_refused(
    tmp_path: Path, reader: str, storms: Mapping[str, Storm], few: bool
) -> None:
    assert not answered(reader, storms, tmp_path, 50_000 if few else SIZE)


@pytest.mark.parametrize("reader", ["recipe", "job.yaml"])
def test_no_value_of_any_form_is_more_than_refused(tmp_path: Path, reader: str, few: bool) -> None:
    assert not answered(reader, dict(list(VALUES.items())[:: 7 if few else 1]), tmp_path, 5_000)


@pytest.mark.parametrize("count", [60, 1_000])
def test_a_chain_of_references_that_leads_nowhere_is_followed_once(tmp_path: Path, count: int) -> None:
    text = "".join(f"k{i}: ${{k{i + 1}}}\n" for i in range(count)).encode()
    assert attempt(READERS["listing"], tmp_path, [text]) == "read"


def test_a_text_that_should_not_be_is_told_from_one_that_should(tmp_path: Path) -> None:
    def endless(directory: Path, content: bytes) -> None:
        while True:
            pass

    def greedy(directory: Path, content: bytes) -> bytes:
        return bytes(1 << 30)

    def careless(directory: Path, content: bytes) -> None:
        raise KeyError("name")

    said = []
    for number, reader in enumerate((endless, greedy, careless)):
        (tmp_path / str(number)).mkdir()
        said.append(attempt(reader, tmp_path / str(number), [b""], cpu=1))
    assert [word.partition(":")[0].partition(" after")[0] for word in said] == [
        "killed with SIGXCPU", "raised MemoryError", "raised KeyError",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_what_a_fuzzer_finds_in_half_a_minute_is_nothing(seed: int, few: bool) -> None:
    assert fuzz.search(3 if few else 30, seed) == 0


@pytest.mark.parametrize(
    "text",
    ["${a}" * 1_000, "a long text with ${a.b} in it, and more " * 500, r"\${HOME} in a script" * 100, "${f:${g:${h}}}"],
)
def test_what_people_write_has_no_bound(text: str) -> None:
    assert scalars.References().count(text) is None


def test_an_error_has_the_size_of_what_a_person_reads() -> None:
    one, many = str(RecipeError("x" * 10**7)), str(RecipeError("\n".join(["a mistake"] * 10**5)))
    assert (len(one) < 1_000, many.count("\n")) == (True, 100)
    assert many.endswith("... and 99900 more lines")
    assert str(RecipeError("a: a plain error\nof two lines")) == "a: a plain error\nof two lines"


def test_after_a_thousand_mistakes_nobody_looks_for_more() -> None:
    problems = Problems()
    with pytest.raises(RecipeError, match=r"^1000 problems at least:"):  # noqa: PT012
        for number in range(2_000):
            problems.add((number,), "is wrong")
