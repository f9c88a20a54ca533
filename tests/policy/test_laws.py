"""Laws of the policy: a denied name anywhere is refused, and then nothing is imported, not even what is allowed."""

from __future__ import annotations

import importlib.abc
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_partial_hydra.errors import PolicyError
from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.policy.rules import BUILT_IN, DENIED
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import laws
from tests.support.evil import read

T = "tests.support.targets"


def recipe(**arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{T}.untyped", **arguments}


_leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab.${}_", max_size=6)
_names = st.sampled_from(("a", "b", "deep", "kwargs"))
_trees = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_names, inner, max_size=3)
        | st.builds(lambda d: {"_target_": f"{T}.untyped", **d}, st.dictionaries(st.just("a"), inner))
        | st.builds(lambda v: {"_target_": "builtins.tuple", "_args_": [[v]]}, inner)
    ),
    max_leaves=8,
)
_evil_names = st.one_of(
    st.sampled_from(sorted(DENIED)),
    st.sampled_from(sorted(DENIED)).map(lambda name: f"{name}.f"),
    st.sampled_from(BUILT_IN).map(lambda name: f"{name}.os.system"),
    st.sampled_from(BUILT_IN).map(lambda name: f"{name}.x._private"),
    st.sampled_from(("os.system", "builtins.eval", "evil_package_of_nobody.f", "tests_evil.f")),
)


class _Watch(importlib.abc.MetaPathFinder):
    """Notes every import that is tried; finds nothing itself."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        self.tried.append(fullname)


@pytest.fixture(scope="module")
def watch() -> Iterator[_Watch]:
    read(recipe(a=1))  # what the reader itself needs is loaded
    watching = _Watch()
    sys.meta_path.insert(0, watching)
    yield watching
    sys.meta_path.remove(watching)


@settings(max_examples=laws.tries(200))
@given(tree=_trees, evil=_evil_names, data=st.data())
def test_a_denied_name_anywhere_is_refused_and_nothing_is_imported(
    watch: _Watch, tree: Any, evil: str, data: Any
) -> None:
    """And what stands beside it is as it may be: the names that are allowed are not imported either."""
    good = f"allowed_but_absent.{data.draw(_names)}"
    node = data.draw(
        st.sampled_from(
            ({"_target_": evil}, {"_target_": evil, "_call_": False}, {"_target_": evil, "_partial_": True, "a": tree})
        )
    )
    where = data.draw(st.sampled_from(("list", "dict", "argument", "positional", "pairs")))
    held = {
        "list": [tree, node],
        "dict": {"x": tree, "y": node},
        "argument": {"_target_": good, "a": tree, "b": node},
        "positional": {"_target_": good, "_args_": [tree, node]},
        "pairs": {"_target_": "builtins.dict", "_args_": [[["k", node]]]},
    }[where]
    watch.tried.clear()
    with pytest.raises(PolicyError) as info:
        read(recipe(a=held), ("tests.support", "allowed_but_absent"))
    assert f"'{evil}'" in str(info.value)
    assert watch.tried == []


@settings(max_examples=laws.tries(300))
@given(st.lists(st.text("aZ_.9 é", max_size=5) | st.sampled_from(("os", "torch", "nemo", "load")), max_size=4))
def test_no_text_breaks_the_check_and_its_line_allows_what_it_names(parts: list[str]) -> None:
    name = ".".join(parts)
    text = refusal(name, WORKSPACE.policy.prefixes())
    if text is not None and "--allow " in text:
        assert refusal(name, WORKSPACE.policy.prefixes([text.rpartition("--allow ")[2]])) is None


def test_a_refused_recipe_imports_nothing_in_a_fresh_process() -> None:
    """Not even what is allowed and installed: the check of the whole comes first."""
    code = """
import json, sys
from nemo_partial_hydra import from_yaml
from nemo_partial_hydra.errors import PolicyError
before = set(sys.modules)
try:
    from_yaml(sys.argv[1], allow=["tests", "wave.open"])
except PolicyError as error:
    print(json.dumps([str(error), sorted(set(sys.modules) - before)]))
"""
    recipe_text = "_target_: wave.open\na: {_target_: tests.support.targets.Plain}\nb: {_target_: os.system}\n"
    done = subprocess.run([sys.executable, "-c", code, recipe_text], capture_output=True, text=True, check=True)
    text, loaded = json.loads(done.stdout)
    assert "'os.system'" in text
    assert not [name for name in loaded if name.partition(".")[0] in ("tests", "wave")]
