"""Edits to the project's own programs and modules."""

import ast
import textwrap
from pathlib import Path


def edit(path: Path) -> None:
    """Change what affects no result: another docstring, a comment, and a helper that nobody calls."""
    text = path.read_text(encoding="utf-8")
    docstring = ast.parse(text).body[0]
    helper = textwrap.dedent('''
        # A comment.
        def unused_helper(path, rows):
            """A docstring."""
            return [path, *rows]
    ''')
    lines = ['"""Another docstring."""', *text.splitlines()[docstring.end_lineno :]]
    path.write_text("\n".join(lines) + "\n" + helper, encoding="utf-8")


def change(path: Path, old: str, new: str) -> None:
    """Replace the only occurrence of `old`."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")
