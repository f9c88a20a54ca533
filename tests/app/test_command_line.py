"""An app's command line is read once; Hydra gets its part of it unchanged, whatever the order."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.app.command_line import CommandLine, Flag
from nemo_partial_hydra.app.known_flags import (
    CONFIG_DIR,
    CONFIG_NAME,
    CONFIG_PATH,
    FLAGS,
    LIBRARY,
    MAYBE,
    NOTHING,
    VALUE,
    named,
)
from nemo_partial_hydra.errors import UsageError
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
    more = parse("--depth", "2", "a=1", "--cfg-paths", "--search", "a b=1")
    assert (more.listing, more.arguments()) == ({"format": "table", "depth": "2", "search": "a b=1"}, ["a=1"])
    assert parse("--package=x", "--cfg-paths").listing == {"format": "table", "package": "x"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--library"], "--library needs a directory"),
        (["a=1", "-cd"], "-cd needs a directory"),
        (["--cfg-paths", "--filter"], "--filter needs a value"),
        (["--cfg-paths", "--depth"], "--depth needs a value"),
        (["--search", "-m", "--cfg-paths"], "--search needs a value"),
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


def hydras_parser() -> Any:
    return importlib.import_module("hydra.main").get_args_parser()


def meant(parse: Callable[[list[str]], Any], words: list[str]) -> dict[str, Any] | str:
    """Return what Hydra's parser makes of some words, or how it ends."""
    with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        try:
            return dict(vars(parse(words)))
        except SystemExit as ended:
            return f"exit code {ended.code}"


def test_the_table_of_flags_is_that_of_hydras_parser() -> None:
    actions = [action for action in hydras_parser()._actions if action.option_strings]
    theirs = {frozenset(action.option_strings): action.nargs for action in actions}
    hydras = [flag for flag in FLAGS if not flag.ours]
    nargs = {NOTHING: 0, VALUE: None, MAYBE: "?"}
    assert {frozenset(filter(None, (flag.name, flag.short))): nargs[flag.takes] for flag in hydras} == theirs


SPELLINGS = [
    *("-m", "--multirun", "--mul", "-r", "--run", "--ru", "--re", "-h", "--he", "--h", "--hydra-help", "--hy"),
    *("--cfg=job", "-c=job", "-cjob", "--cf=hydra", "--cfg=nope", "--resolve", "--res", "-sc", "-s", "--shell-comp"),
    *("--package=a.b", "-pa.b", "-p=a", "--pack=x", "-mpmodel", "-rm", "-mx", "-x", "--nope", "--nope=1", "--conf=1"),
    *("--config-name=a", "-cn=a", "-cna", "--config-n=b", "-cp=conf", "--config-path=conf", "--experimental-rerun=a=1"),
    *("--info=all", "-i=defaults", "-iplugins", "--in=searchpath", "--info=nope", "--vers", "--version=1", "--set=1"),
]
WITH_VALUE = [("--cfg", "job"), ("-c", "all"), ("--pack", "a"), ("-p", "a=1"), ("-cn", "x"), ("--config-name", "~y")]
WITH_VALUE += [("-cp", "z"), ("--exp", "outputs/a=1/x"), ("-mp", "model"), ("--info", "config"), ("-i", "all")]
OVERRIDES = ["a=1", "a=1,2", "+b=2", "~c", "++d={x: 1}", "model=a", "-1", "-1.5", "", "-", "- a b", "-x y", "a", "k=-m"]


@given(
    st.lists(st.sampled_from([*[(word,) for word in SPELLINGS], *WITH_VALUE, *[(word,) for word in OVERRIDES]])),
    st.lists(st.sampled_from(["a=1", "-m", "--cfg=job"]), max_size=2),
)
def test_hydra_means_the_same_by_what_it_gets_in_whatever_order(parts: list[tuple[str, ...]], after: list[str]) -> None:
    words = [word for part in parts for word in part]
    expected = meant(hydras_parser().parse_intermixed_args, [word for word in words if word not in after])
    words = [word for word in words if word not in after]
    if after and not isinstance(expected, str):
        expected["overrides"] = [*expected["overrides"], *after]
    got = meant(hydras_parser().parse_args, parse(*words, *(["--", *after] if after else [])).arguments_to_run())
    assert got == expected


@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ("--lib=x", Flag(LIBRARY, "x", ("--lib=x",), True)),
        ("--cfg-p=json", Flag("--cfg-paths", "json", ("--cfg-p=json",), True)),
        ("--fil=x", Flag("--filter", "x", ("--fil=x",))),
        ("--config-d=x", Flag(CONFIG_DIR, "x", ("--config-d=x",), True)),
    ],
)
def test_ours_may_be_shortened_to_what_no_other_begins_with(word: str, flag: Flag) -> None:
    assert list(parse(word).flags) == [flag]
    assert named("--cf=job")[0].name == "--cfg"  # as without us
    assert named("--s=1")[0].name == "--shell-completion"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--filter", "*.lr"], r"--filter \*.lr says which paths are listed: add --cfg-paths"),
        (["--search=lr"], "--search=lr says which paths are listed: add --cfg-paths"),
        (["--depth", "2"], "--depth 2 says which paths are listed: add --cfg-paths"),
        (["--set-only", "a=1"], "--set-only says which paths are listed: add --cfg-paths"),
        (["-p", "model"], "-p model says what of the config is shown: add --cfg job, or --cfg-paths"),
        (["-mp", "model"], "-p model says what of the config is shown"),
        (["--resolve"], "--resolve says how the config is shown: add --cfg job"),
    ],
)
def test_a_flag_that_means_nothing_alone_names_the_one_that_is_missing(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(*words).refuse_idle()


@pytest.mark.parametrize(
    "words",
    [
        ["--cfg-paths", "--filter", "*.lr", "--set-only", "-p", "model", "--depth=2", "--search=lr"],
        ["--cfg", "job", "-p", "model", "--resolve"],
        ["--info", "-p", "model"],
        ["--help", "--resolve"],
    ],
)
def test_with_it_they_mean_something(words: list[str]) -> None:
    parse(*words).refuse_idle()


def test_a_format_of_the_listing_is_a_part_of_its_flag() -> None:
    with pytest.raises(UsageError, match="write --cfg-paths=json"):
        parse("--cfg-paths", "json")


@pytest.mark.parametrize(
    ("words", "sweep"),
    [(["hydra.mode=MULTIRUN"], True), (["hydra.mode=MULTIRUN", "-r"], True), (["hydra.mode=RUN"], False)],
)
def test_the_mode_among_the_overrides_says_whether_it_is_a_sweep(words: list[str], sweep: bool) -> None:
    assert parse(*words).multirun is sweep
    assert parse(*words, "-m").multirun


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


@pytest.mark.usefixtures("fresh_workspace")  # what others have registered would be its own words
@pytest.mark.parametrize(
    ("typed", "own", "of_libraries"),
    [
        ("", ["experiment=", "model.", "opt=", "optimizers.", "hydra"], False),
        ("+", ["+experiment=", "+opt="], False),
        ("~", [], False),
        ("-m ratio=1 ", ["experiment=", "opt="], False),
        ("o", ["opt=", "optimizers."], False),
        ("pre", [], True),
        ("+pre", [], True),
        ("pretrain", [], True),
    ],
)
def test_an_apps_own_words_complete_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, own: list[str], of_libraries: bool
) -> None:
    monkeypatch.setenv("COMP_LINE", f"python app.py {typed}")
    found = App(tmp_path).inline("-sc", "query=bash").out.split()
    assert set(own) <= set(found)
    pretrain = [word for word in found if word.lstrip("+~").startswith("pretrain")]
    assert bool(pretrain) == of_libraries
