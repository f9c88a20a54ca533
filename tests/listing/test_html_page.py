"""``--cfg-paths=html``: one page, with a row a path, in which nothing of a config does anything."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_partial_hydra.listing.columns import JobListing
from nemo_partial_hydra.listing.formats import print_jobs
from nemo_partial_hydra.listing.html_page import page
from nemo_partial_hydra.listing.record import PathInfo
from nemo_partial_hydra.messages import escaped
from tests.support.apps import ROOT
from tests.support.pages import Page
from tests.support.recipes import python


def made(*records: PathInfo, many: bool = False) -> Page:
    jobs = [JobListing(0, ["a=<b>"], records)] * (2 if many else 1)
    return Page("".join(page(jobs, many)))


def test_every_path_is_a_row_and_copies_its_override(tmp_path: Path) -> None:
    folder = ROOT / "examples" / "pretrain"
    listed = python(folder, "pretrain.py", "--cfg-paths", "-p", "optim").out.splitlines()[1:]
    done = python(folder, "pretrain.py", "--cfg-paths=html", "-p", "optim")
    found = Page(done.out)
    assert done.err == ""
    assert len(found.all_of("tr")) == len(listed) + 1
    overrides = [attributes["data-override"] for attributes in found.all_of("button")]
    assert "optim.config.lr=0.0003" in overrides
    assert found.texts["title"] == ["Paths of the config"]


def test_its_policy_knows_its_own_script_and_style_alone() -> None:
    found = made(PathInfo("a", "int", 1))
    policy = next(a["content"] or "" for a in found.all_of("meta") if a.get("http-equiv"))
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(found.texts[tag][0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    loads = [name for _, attributes in found.tags for name in attributes if name in ("src", "href", "action", "style")]
    assert loads == []


def test_a_sweep_has_a_heading_a_job() -> None:
    found = made(PathInfo("a", "int", 1), many=True)
    assert found.texts["h2"] == ["job 0: a=<b>", "job 0: a=<b>"]
    assert len(found.all_of("table")) == 2


TEXTS = st.text(max_size=8) | st.sampled_from(
    ["</script><script>x", "<img onerror=x>", "\" onclick='x'", "&lt;", "\x1b[2J"]
)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_text_of_a_config_becomes_an_element_or_an_attribute(path: str, doc: str, value: str, source: str) -> None:
    info = PathInfo(path, "str", value, doc=doc, override=f"{path}={value}", source=source, kind="config", set=True)
    plain = made(PathInfo("p", "str", "v", doc="d", override="p=v", source="s", kind="config", set=True))
    found = made(info)
    without_doc = [tag for tag, _ in plain.tags if doc or tag != "small"]
    assert [tag for tag, _ in found.tags] == without_doc
    assert [sorted(attributes) for _, attributes in found.tags if attributes] == [
        sorted(attributes) for _, attributes in plain.tags if attributes
    ]
    assert all(escaped(text) == text for text in found.texts["td"])


def test_it_is_written_as_any_format(capsys: pytest.CaptureFixture[str]) -> None:
    print_jobs([JobListing(0, [], [PathInfo("a", "int", 1)])], "html", many=False)
    assert re.search(r"<td>int</td>", capsys.readouterr().out)
