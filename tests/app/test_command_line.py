"""An app's command line is read once; Hydra gets its part of it unchanged, whatever the order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nemo_partial_hydra.app.command_line import CONFIG_DIR, CONFIG_NAME, CONFIG_PATH, LIBRARY, CommandLine
from nemo_partial_hydra.app.hydra_arguments import for_hydra
from nemo_partial_hydra.errors import UsageError
from nemo_partial_hydra.runtime.session import Session
from tests.support.apps import App


def parse(*words: str) -> CommandLine:
    return CommandLine.parse(words)


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "model=a,b", "opt.lr=1"],
        ["model=a,b", "-m", "opt.lr=1"],
        ["a=1", "--config-name", "other", "~b", "-cp", "conf", "+c=2"],
        ["--config-name=other", "-cn=third", "a=1"],
        ["--cfg", "job", "--resolve", "-p", "model", "a=1"],
        ["--info", "a=1"],
        ["-i", "defaults", "a=1"],
        ["--experimental-rerun", "config.pickle"],
        ["-sc", "query=bash"],
        ["--config-name"],
        ["--no-such", "value", "a=1", "-x", "b=2", "--", "word"],
        ["name=--cfg-paths", "", "a b=c"],
    ],
)
def test_hydra_gets_back_what_is_hydras(words: list[str]) -> None:
    assert parse(*words).arguments() == words


def test_flags_and_overrides_may_be_mixed_in_any_order() -> None:
    parts: list[Sequence[str]] = [("-m",), ("a=1,2",), ("--config-name", "other"), ("--library", "lib"), ("~b",)]
    for order in itertools.permutations(parts):
        line = parse(*itertools.chain.from_iterable(order))
        assert line.multirun
        assert line.value(CONFIG_NAME) == "other"
        assert line.values(LIBRARY) == ["lib"]
        assert line.overrides == [words[0] for words in order if words[0] in ("a=1,2", "~b")]
        ours = ("--library", "lib")
        assert line.arguments() == [word for words in order if words != ours for word in words]


def test_what_is_ours_is_taken_out() -> None:
    line = parse("--library=l1", "a=1", "-cd", "d1", "--config-dir=d2", "--library", "l2", "-cd=d3")
    assert line.values(LIBRARY) == ["l1", "l2"]
    assert line.values(CONFIG_DIR) == ["d1", "d2", "d3"]
    assert line.arguments() == ["a=1"]
    assert line.listing is None


def test_the_options_of_a_listing_are_ours_only_with_it() -> None:
    words = ("-p", "model", "--filter=*.lr", "--set-only", "a=1")
    assert parse(*words).arguments() == list(words)
    line = parse("--cfg-paths=json", *words)
    assert line.listing == {"format": "json", "package": "model", "filter": "*.lr", "set_only": True}
    assert line.arguments() == ["a=1"]
    assert parse("--package=x", "--cfg-paths").listing == {"format": "table", "package": "x"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--library"], "--library needs a directory"),
        (["a=1", "-cd"], "-cd needs a directory"),
        (["--cfg-paths", "--filter"], "--filter needs a value"),
        (["--cfg-paths=tabel"], "did you mean 'table'"),
    ],
)
def test_ours_that_lack_something(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cfg", "job"], "--cfg cannot be combined with --cfg-paths"),
        (["--info=all"], "--info=all cannot be combined"),
        (["--what"], "--what cannot be combined"),
        (["-cn"], "-cn needs a value"),
    ],
)
def test_what_a_listing_refuses(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse("--cfg-paths", *words).refuse_others()


def test_what_a_listing_takes() -> None:
    line = parse("--cfg-paths", "-m", "-cn", "x", "-cp=y", "--library", "l", "-cd", "d", "-p", "z", "--set-only", "a=1")
    line.refuse_others()
    assert (line.value(CONFIG_NAME), line.value(CONFIG_PATH)) == ("x", "y")


def test_the_last_of_run_and_multirun_counts() -> None:
    assert not parse("-m", "--run").multirun
    assert parse("-r", "--multirun").multirun
    assert not parse("a=1").multirun


def test_other_overrides_take_the_places_of_those_that_were_given() -> None:
    line = parse("a=1", "-m", "b=2", "--library", "l")
    assert line.replaced(["a=3", "b=4", "c=5"]).arguments() == ["a=3", "-m", "b=4", "c=5"]
    assert line.arguments() == ["a=1", "-m", "b=2"]
    assert line.without("--multirun").arguments() == ["a=1", "b=2"]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the command lines that are read."""
    found: list[list[str]] = []
    parse = CommandLine.parse

    def counted(words: Sequence[str]) -> Any:
        found.append(list(words))
        return parse(words)

    monkeypatch.setattr(CommandLine, "parse", counted)
    return found


@pytest.mark.parametrize("more", [[], ["--cfg-paths"], ["--cfg", "job"]])
def test_arguments_are_read_once(read: list[list[str]], tmp_path: Path, more: list[str]) -> None:
    app = App(tmp_path)
    done = app.inline("optimizers.0.lr=0.5", "hydra.run.dir=out", *more)
    assert done.code == 0, done.err
    assert read == [["optimizers.0.lr=0.5", "hydra.run.dir=out", *more]]


def test_completion_reads_its_own_arguments_and_what_was_typed(
    read: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", "python app.py optimizers.1.mode=S")
    assert App(tmp_path).inline("-sc", "query=bash").out.split() == ["optimizers.1.mode=SLOW"]
    assert read == [["-sc", "query=bash"], ["optimizers.1.mode=S"]]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_an_override_below_a_swept_group_is_left_to_the_jobs(flag: str) -> None:
    words = ("opt=sgd,adam", flag, "opt.lr=1", "steps=2")
    assert for_hydra(parse(*words), Session()).arguments() == ["opt=sgd,adam", flag, "opt.lr=choice(1)", "steps=2"]
    once = ("opt=sgd", "opt.lr=1")
    assert for_hydra(parse(*once), Session()).arguments() == list(once)
