"""What Sphinx reads: the site is made of the Markdown of the whole checkout, as a code forge shows it.

The source directory is the checkout, so that a link between two files is the same link here and there:
``sphinx-build -c docs . build/docs/html``. ``python -m tools.docs_site`` does that and checks what came of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nemo_partial_hydra
from tools import docs_pages

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "nemo_partial_hydra"
copyright = "the nemo_partial_hydra authors"
version = release = nemo_partial_hydra.__version__

extensions = ["myst_parser"]
root_doc = docs_pages.INDEX
include_patterns = ["docs/*.md", *(f"{page}.md" for page in docs_pages.documents())]
exclude_patterns = [".*", "build", "dist", "tests", "work", "outputs", "multirun", "**/outputs", "**/multirun"]
source_suffix = {".md": "markdown"}
nitpicky = True

myst_heading_anchors = 4  # as deep as a page links; made as GitHub makes them
smartquotes = False
highlight_language = "text"  # of a block that names none

html_theme = "furo"
pygments_dark_style = "github-dark"  # the theme's own underlines the names of modules
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}  # the site's own first page is docs/index.html
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False


def read(app: Sphinx, document: str, content: list[str]) -> None:
    """Add to a page what a code forge does not show: the table of contents, and pictures."""
    content[0] = docs_pages.for_the_site(document, content[0], app.config.pictures)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the above; pages are read again when there are other pictures."""
    app.add_config_value("pictures", docs_pages.pictures(), "env", types=frozenset({list}))
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
