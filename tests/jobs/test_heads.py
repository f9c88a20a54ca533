"""The metadata of many job.yaml is read quickly, and says what YAML says or is left to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import DialectError
from nemo_partial_hydra.jobs import heads
from nemo_partial_hydra.jobs.job import Job, job_text

HASH = f"sha256:{'0' * 64}"
HEAD = f"""\
format: 1
dialect: 1
num: 3
name: app
subdir: "3"
hash: {HASH}
created: "2026-11-27T03:35:47.870Z"
user: me
app: /home/me/app
overrides:
- "optim.lr=0.0003"
- a/b
git: null
packages:
  python: "3.12.1"
"""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "null",
        "yes",
        "1e3",
        "a: b",
        "a #b",
        "- a",
        "'",
        '"',
        "\\",
        "\n  more",
        "\u2028",
        "\x85",
        "${x}",
        "&a",
        "*a",
        "#",
        "",
    ]
)


def head_of(job: Job) -> str:
    return job_text(job).partition("\nrecipe:")[0] + "\n"


def test_what_this_package_writes_is_read_without_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load(HEAD)
    assert heads.quick(HEAD) == expected
    monkeypatch.setattr(heads, "load", lambda text: pytest.fail(f"read as YAML: {text}"))
    other = HEAD.replace("num: 3", "num: 12").replace('"3"', '"12"').replace("0.0003", "grüß, [1, {a: b}] # 'x'")
    assert heads.quick(other) == load(other)
    assert heads.quick(HEAD) == expected


@given(
    st.builds(
        Job,
        st.just(HASH),
        name=TEXTS,
        num=st.integers(0, 10**6),
        subdir=TEXTS,
        overrides=st.lists(TEXTS, max_size=3),
        created=TEXTS,
        user=TEXTS,
        app=TEXTS | st.none(),
        git=st.none() | st.just({"commit": "0" * 40, "dirty": False}),
        packages=st.dictionaries(TEXTS, TEXTS, max_size=2),
        recipe=st.just({"_target_": "a.b"}),
    )
)
def test_whatever_the_values_are(job: Job) -> None:
    text = head_of(job)
    assert heads.quick(text) in (None, load(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num: 3", "num: 010"),
        ("num: 3", "num: 3 # a comment"),
        ("num: 3", "num: 3\nnum: 4"),
        ("name: app", "name: app\n  more"),
        ("name: app", 'name: "app'),
        ("name: app", "name: yes"),
        ("name: app", "name: &a app"),
        ('subdir: "3"', "subdir: 3"),
        ('subdir: "3"', "subdir: '3'"),
        ('subdir: "3"', 'subdir: "3" # a comment'),
        ("user: me", 'user: "me\noverrides: []\n"'),
        ("app: /home/me/app", "app: *a"),
        ("app: /home/me/app", "app: |\n  /home/me/app"),
        ("- a/b", "- a/b\n  more"),
        ("- a/b", "- [a/b]"),
        ("- a/b", "- 1e3"),
        ("- a/b", "-\n- c"),
        ("- a/b", '- "a\\x62"'),
        ("- a/b", "- a\x85b"),
        ("git: null", "# a comment\ngit: null"),
        ("git: null", "\ngit: null"),
        ("git: null", "git: null\nnum: 4"),
        ("git: null", "git: null\noverrides: []"),
        ("git: null", "git: null\n<<: {num: 5, user: you, more: 1}"),
        ("git: null", "git: !!python/none null"),
        ("git: null", "...\n---\ngit: null"),
        ("git: null", "git: [null"),
        (HEAD, HEAD + "more: " + "x" * (1 << 17)),
    ],
)
def test_what_is_spelled_otherwise_means_what_it_means_to_yaml(old: str, new: str) -> None:
    assert old in HEAD
    text = HEAD.replace(old, new)
    found = heads.quick(text)
    try:
        expected = load(text)
    except DialectError:
        assert found is None
    else:
        assert found in (None, expected)
