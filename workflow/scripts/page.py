"""Render a page of Markdown as self-contained HTML, for `snakemake --report`.

Raw HTML in the Markdown is shown as text, because some tables contain answers of models.
"""

import argparse
import sys
from html import escape
from pathlib import Path

from basics.command_line import command_line
from basics.reading import read_text
from basics.writing import write_text

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-size: 14px; margin: 1rem 0 }}
th, td {{ padding: .3rem .7rem; text-align: left; vertical-align: top }}
th {{ border-top: 2px solid #222; border-bottom: 1px solid #222 }}
tbody tr:nth-child(even) {{ background: #f4f5f6 }}
tbody tr:last-child td {{ border-bottom: 2px solid #222 }}
pre {{ background: #f4f5f6; padding: .6rem .8rem; white-space: pre-wrap }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def page(markdown: str, title: str) -> str:
    """The HTML page; tables and fenced code are rendered as in GitHub's Markdown."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("js-default", {"html": False, "linkify": False})
    return PAGE.format(title=escape(title), body=renderer.render(markdown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", required=True, type=Path, metavar="FILE", help="the page as Markdown")
    parser.add_argument("--title", required=True, help="title of the page")
    parser.add_argument("--output", required=True, metavar="FILE", help="the page as HTML")
    arguments = parser.parse_args()

    write_text(arguments.output, page(read_text(arguments.markdown), arguments.title))
    print(f"page: {arguments.title}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
