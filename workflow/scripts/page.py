"""Render a page of Markdown as self-contained HTML, for `snakemake --report`.

Its tables can be sorted by any column; names of models, recipes and the like stay on one line. Raw HTML in the Markdown
is shown as text, because some tables contain answers of models. The parts of the page (page.html, page.css, page.js)
are in the folder --parts; its Content-Security-Policy allows no script but page.js.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.reading import read_text
from basics.writing import write_text
from reporting.html_pages import self_contained
from reporting.ranks import ranks

if TYPE_CHECKING:
    from markdown_it.token import Token

NAMES = {"method", "model", "recipe", "judge", "language", "code", "device"}  # heads of columns, in lower case
TOTAL = "all"  # in a row that sums up others


def page(markdown: str, title: str, parts: Path) -> str:
    """The HTML page; tables and fenced code are rendered as in GitHub's Markdown."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("js-default", {"html": False, "linkify": False})
    tokens = renderer.parse(markdown)
    for columns in tables(tokens):
        prepare(columns)
    return self_contained(parts, title, body=renderer.renderer.render(tokens, renderer.options, {}))


def tables(tokens: "Sequence[Token]") -> "Iterator[list[list[tuple[Token, str]]]]":
    """The tables among the tokens, each as its columns: the opening token and the text of each cell, head first."""
    rows: list[list[tuple[Token, str]]] = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append((token, shown(tokens[place + 1])))
        elif token.type == "table_close":
            yield [list(column) for column in zip(*rows, strict=True)]
            rows = []


def shown(inline: "Token") -> str:
    """What a reader sees of a piece of text."""
    return "".join(part.content for part in inline.children or ())


def prepare(columns: "Sequence[Sequence[tuple[Token, str]]]") -> None:
    """Give each cell its rank in its column for page.js, but not to rows of totals, which stay below; and classes for
    page.css in place of the style attributes that the policy forbids."""
    totals = {place for column in columns for place, (_, text) in enumerate(column) if text == TOTAL}
    for (first, head), *body in columns:
        for token, _ in [(first, head), *body]:
            if token.attrs.pop("style", "") == "text-align:right":
                token.attrJoin("class", "right")
        for place, ((token, _), rank) in enumerate(zip(body, ranks([text for _, text in body]), strict=True), start=1):
            if head.lower() in NAMES:
                token.attrJoin("class", "name")
            if rank is not None and place not in totals:
                token.attrSet("data-rank", str(rank))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", required=True, type=Path, metavar="FILE", help="the page as Markdown")
    parser.add_argument("--title", required=True, help="title of the page")
    parser.add_argument("--parts", required=True, type=Path, metavar="DIRECTORY", help="the parts of the page")
    parser.add_argument("--output", required=True, metavar="FILE", help="the page as HTML")
    arguments = parser.parse_args()

    write_text(arguments.output, page(read_text(arguments.markdown), arguments.title, arguments.parts))
    print(f"page: {arguments.title}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
