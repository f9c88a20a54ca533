"""What pages have in common: a head whose policy lets nothing run but the page's own style and script.

May import: the standard library only.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from nemo_partial_hydra.messages import escaped

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'">
{more}<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""


def text(value: object) -> str:
    """Return a text of a config or a job, which is foreign, as it is written into a page."""
    return escape(escaped(str(value)), quote=True)


def head(title: str, style: str, script: str, more: str = "") -> str:
    """Return the beginning of a page; ``more`` is markup that stands in its head."""
    return _HEAD.format(style_hash=_hash(style), script_hash=_hash(script), style=style, title=text(title), more=more)


def end(script: str) -> str:
    """Return the end of a page."""
    return f"<script>{script}</script>\n</body>\n</html>\n"


def _hash(content: str) -> str:
    """Return by which hash the page's policy knows its own style and script."""
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
