"""What an error advises works: followed, it leads to success or to another error, and never round in a circle.

The messages are those of ``tests/golden/messages.txt`` about apps, and of more command lines, made from an app's paths.
An advice that no row of ``ADVICE`` can follow is a mistake too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.composition.test_error_text import FILES, OVERRIDES, PAIRS, POLICY, REFERENCE, SWEEPS, TRAIN
from tests.support.apps import CONF, App, Done

ELSEWHERE = {"config": "recipe: {_target_: shop.train, _partial_: true, steps: 4}\nextra: {a.b: 1, 7: x}\n"}
SEVERAL = "{a: {_target_: shop.SGD, _partial_: true}, b: {_target_: shop.SGD, _partial_: true}}\n"


class Case(NamedTuple):
    """An app and what is typed to it."""

    conf: Mapping[str, str]
    line: tuple[str, ...]
    allow: tuple[str, ...] = ("shop",)
    recipe: str | None = None

    def replaced(self, wrong: str, *right: str) -> Case:
        """Return the case with other words in the place of the override of a path."""
        out: list[str] = []
        for word in self.line:
            key = word.lstrip("+~").partition("=")[0]
            out += right if f"{key}.".startswith(f"{wrong}.") or word == wrong else [word]
        return self._replace(line=tuple(out) if out != list(self.line) else (*self.line, *right))

    def text(self, path: str) -> str:
        """Return the value that was given to a path."""
        return next(
            (word.partition("=")[2] for word in self.line if re.match(rf"[+~]*{re.escape(path)}[.=]", word)), ""
        )


Follow = Callable[[Case, re.Match[str]], Case]


def _renamed(case: Case, match: re.Match[str]) -> Case:
    """Put the nearest name where the wrong one was, in the command line or in a file."""
    path, wrong, right = match["path"].rpartition(": ")[2], match["wrong"].rpartition("/")[2], match["right"]
    word = re.compile(rf"(?<![\w'])'?{re.escape(wrong)}'?(?!\w)")
    line = tuple(word.sub(right, text) if wrong in text else text for text in case.line)
    if line != case.line:
        return case._replace(line=line)
    assert any(wrong in text for text in case.conf.values()), (case, path)
    return case._replace(conf={name: text.replace(wrong, right) for name, text in case.conf.items()})


def _given(case: Case, match: re.Match[str]) -> Case:
    return case.replaced(match["path"], match["advice"].replace("...", case.text(match["path"]) or "3"))


def _added(case: Case, match: re.Match[str]) -> Case:
    return case._replace(line=(*case.line, match["advice"].replace("...", "3")))


def _instead(case: Case, match: re.Match[str]) -> Case:
    return case.replaced(match["path"], f"{match['advice']}{case.text(match['path'])}")


PATH = r"(?P<path>[^\s:]+): "
# How an advice is worded, and how it is followed.
ADVICE: tuple[tuple[str, Follow], ...] = (
    (
        rf"{PATH}[^\n]*(?:no parameter|there is no|Could not find|has no) '(?P<wrong>[^']*)'[^\n;]*; "
        r"did you mean '(?P<right>[^']*)'\?",
        _renamed,
    ),
    (
        r"(?P<path>)(?:Could not find|Cannot find [a-z ]+) '(?P<wrong>[^']*)'; did you mean '(?P<right>[^']*)'\?",
        _renamed,
    ),
    (rf"{PATH}expected [^\n]*did you mean '(?P<right>[^']*)'\?, got '(?P<wrong>[^']*)'", _renamed),
    (rf"{PATH}[^\n]*(?:to add it: |further keywords with |another target's parameters use )(?P<advice>\S+)", _given),
    (rf"{PATH}[^\n]*; set (?P<advice>\S+=\.\.\.)", _added),
    (rf"{PATH}[^\n]*; to set it: '?(?P<advice>[^'\n]*\.\.\.\}}?)'?", _given),
    (rf"{PATH}[^\n]*; to append one: '(?P<advice>[^']*)'", _given),
    (rf"{PATH}[^\n]*; to leave it out: (?P<advice>\S+)", _given),
    (rf"{PATH}[^\n]*is (?:unset|deleted) with '(?P<advice>[^']*)'", _given),
    (rf"{PATH}[^\n]*; override (?P<advice>\S+=) instead", _instead),
    (
        rf"{PATH}there is no '\w+' here; did you mean (?P<advice>[\w.]+)\?",
        lambda case, match: case.replaced(match["path"], f"{match['advice']}={case.text(match['path'])}"),
    ),
    (rf"{PATH}[^\n]*To add one here: (?P<advice>\S+)", _given),
    (
        r"(?P<path>\S+)=\S+: [^\n]*to set a value, write (?P<advice>\S+)",
        lambda case, match: case.replaced(match["path"], match["advice"]),
    ),
    (
        r"to allow it: nph\.main\(allow=\['(?P<name>[^']*)'\]\)",
        lambda case, match: case._replace(allow=(*case.allow, match["name"])),
    ),
    (
        r"say which one with nph\.main\(recipe='(?P<name>\w+)'\)",
        lambda case, match: case._replace(recipe=match["name"]),
    ),
    (
        r"remove \+ prefix: '(?P<advice>[^']*)'",
        lambda case, match: case.replaced(match["advice"].partition("=")[0], match["advice"]),
    ),
    (r"'(?P<path>[^']*)': '(?P<advice>\+\+[^']*)'", _given),
    (
        r"append to your default list use (?P<advice>\S+)",
        lambda case, match: case.replaced(match["advice"].lstrip("+").partition("=")[0], match["advice"]),
    ),
    (
        r"Did you mean to override (?P<name>\w+)\?",
        lambda case, match: case._replace(line=tuple(re.sub(r"@\w+", "", word) for word in case.line)),
    ),
    (
        r"'[+~]*(?P<path>[^'=]*)=(?P<value>[^']*)'\n1\. To use it as a list",
        lambda case, match: case.replaced(match["path"], f"{match['path']}=[{match['value']}]"),
    ),
    (r"3\. To sweep over it, add --multirun", lambda case, match: case._replace(line=(*case.line, "--multirun"))),
    (
        r"like (?P<advice>\w+=1,2,3)",
        lambda case, match: case.replaced(match["advice"].partition("=")[0], match["advice"]),
    ),
    (
        r": add (?P<first>--cfg-paths|--cfg job)",
        lambda case, match: case._replace(line=(*case.line, *match["first"].split())),
    ),
    (r"write (?P<advice>--cfg-paths=\w+)", lambda case, match: case._replace(line=(match["advice"],))),
    (
        r"to replace it, use '(?P<advice>\+_replace_\.[^']*)=\{\.\.\.\}'",
        lambda case, match: case.replaced(
            match["advice"].removeprefix("+_replace_."),
            f"{match['advice']}={case.text(match['advice'].removeprefix('+_replace_.'))}",
        ),
    ),
)
# What sounds like an advice; each must be one of the above.
SOUNDS = re.compile(
    r"did you mean|to add it|to set it|to set a value|to allow it|to append|to leave it out|to replace it"
    r"|; use |; set |; write |instead$|say which|with '\+|in the recipe it is|: add --|To append|To sweep|Either remove"
    r"|; override "
)


def advised(case: Case, message: str) -> Iterator[Case]:
    """Yield the case once for every advice of a message, followed."""
    followed = 0
    for pattern, follow in ADVICE:
        for match in re.finditer(pattern, message, re.MULTILINE):
            followed += 1
            yield follow(case, match)
    assert followed or not SOUNDS.search(message), f"nothing can follow: {message}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Done]:
    apps: dict[str, App] = {}

    def run_it(case: Case) -> Done:
        key = repr(sorted(case.conf.items()))
        if key not in apps:
            apps[key] = App(tmp_path_factory.mktemp("app"), case.conf)
        return apps[key].inline(*case.line, allow=case.allow, recipe=case.recipe)

    return run_it


def said(done: Done) -> str:
    return done.err.partition("Error: ")[2] if done.code else ""


def follow_all(run: Callable[[Case], Done], case: Case) -> int:
    """Follow every advice of a case, and those of what that leads to; return how many there were."""
    first = run(case)
    assert first.code in (0, 2, 3), first.err
    assert "Traceback" not in first.err
    assert not re.match(r"(Value|Type|Key|Recursion|Attribute|Index)Error", said(first)), first.err
    assert "nemo_partial_hydra" not in said(first)
    assert "--allow" not in said(first), "an app has no such option"
    seen, left, count = [(case, said(first))], [(case, said(first))], 0
    while left:
        now, message = left.pop()
        for after in advised(now, message):
            count += 1
            told = said(run(after))
            shown = f"{shlex.join(now.line)}\n{message}\n{shlex.join(after.line)}\n{told}"
            assert after != now, f"not followed: {shown}"
            assert told != message, f"the same again: {shown}"
            assert len(seen) < 40, shown
            if (after, told) not in seen:
                seen.append((after, told))
                left.append((after, told))
    return count


LINES = [
    *((override,) for override, _ in OVERRIDES),
    *(tuple(args) for args, _ in PAIRS),
    *(("-m", *args) for args, _ in SWEEPS),
    ("steps=1,2",),
    ("~optimizers.0",),
    ("model.config.sizes.0=3",),
    ("opt@model.config.layers=5",),
    ("optimizers.lr=1",),
    ("hydra.searchpth=[x]",),
    ("hydra.job.env_set.X=1",),
    ("-p", "model"),
    ("--filter", "x"),
    ("--set-only",),
    ("--depth", "1"),
    ("--search", "lr"),
    ("--resolve",),
    ("--cfg-paths", "json"),
    ("-r", "-m"),
    ("-sc",),
    ("-sc", "query=foo"),
    ("--cfg-paths", "--cfg", "job"),
    ("opt={_target_: shop.Adam, mode: SLOW}",),
]
CASES = [
    *(Case(CONF, line) for line in LINES),
    *(Case({**CONF, name: text}, ()) for _, name, text, _ in FILES),
    *(Case({"config": f"{TRAIN}opt: {{_target_: {target}}}\n"}, ()) for target, _ in POLICY),
    *(Case({"config": TRAIN}, (f"opt={{_target_: {target}}}",)) for target, _ in POLICY),
    *(Case({"config": REFERENCE}, (line,)) for line in ("opt.lr=3", "++opt.lr=3", "~opt.lr")),
    *(Case(ELSEWHERE, (line,)) for line in ("steps=3", "+steps=3", "extra.a.b=2", "extra.7=y", "extra.c=1", "stepz=3")),
    Case({"config": SEVERAL}, ()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{shlex.join(case.line)}" for n, case in enumerate(CASES)])
def test_an_advice_leads_to_success_or_to_another_error(run: Callable[[Case], Done], case: Case) -> None:
    follow_all(run, case)


NAMES = [
    "steps",
    "opt",
    "lr",
    "optimizers",
    "0",
    "1",
    "model",
    "config",
    "layers",
    "sizes",
    "tags",
    "betas",
    "extra",
    "x",
]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(".".join)
values = st.sampled_from(["3", "x", "null", "[1,2]", "{a: 1}", "{_target_: shop.Adam}", "1,2", "${steps}", "adam"])
words = st.builds("{}{}={}".format, st.sampled_from(["", "+", "++"]), paths, values) | paths.map("~{}".format)


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from([CONF, ELSEWHERE, {"config": REFERENCE}]), st.lists(words, min_size=1, max_size=2, unique=True))
def test_so_it_is_for_whatever_is_typed(run: Callable[[Case], Done], conf: dict[str, str], line: list[str]) -> None:
    follow_all(run, Case(conf, tuple(line)))


def test_most_advices_are_followed_by_some_case(run: Callable[[Case], Done]) -> None:
    messages = "\n\n".join(said(run(case)) for case in CASES)
    idle = [pattern for pattern, _ in ADVICE if not re.search(pattern, messages, re.MULTILINE)]
    assert len(idle) < 2, idle
