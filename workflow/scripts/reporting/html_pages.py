"""HTML pages that are one file, ask for nothing on a network, and run no script but their own."""

import base64
import hashlib
from html import escape
from pathlib import Path
from string import Template

from basics.reading import read_text


def self_contained(parts: Path, title: str, **fields: str) -> str:
    """The page page.html of the folder `parts`, with its page.css and page.js in it, and a Content-Security-Policy that
    allows no others. `fields`: the HTML of its other places. Raises InputError naming a part that cannot be read."""
    style, script = read_text(parts / "page.css"), read_text(parts / "page.js")
    return Template(read_text(parts / "page.html")).substitute(
        policy=f"default-src 'none'; style-src {_policy_hash(style)}; script-src {_policy_hash(script)};"
        " base-uri 'none'; form-action 'none'",
        title=escape(title),
        style=style,
        script=script,
        **fields,
    )


def _policy_hash(source: str) -> str:
    """How a Content-Security-Policy names a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
