"""Who made this and after which paper, as CITATION.cff says; and what is said of licences where results are published.

https://github.com/citation-file-format/citation-file-format
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from basics.reading import read_yaml

LICENCES = (
    "The code is under the {code} licence. Answers, translations and scores were made with base models, instruction"
    " data, prompts and translation models, whose own licences apply to them."
)


class Author(NamedTuple):
    """A person, or an organization with a name alone. `orcid`: its URL."""

    name: str
    given: str | None = None
    family: str | None = None
    orcid: str | None = None

    @property
    def family_first(self) -> str:
        """The name as in a list of references: Chen, Pinzhen."""
        return f"{self.family}, {self.given}" if self.family and self.given else self.name


class Paper(NamedTuple):
    """The paper that is reproduced; `arxiv` is its number there."""

    title: str
    url: str
    year: int
    authors: list[Author]
    arxiv: str | None


class Citation(NamedTuple):
    """The software, its version and licence (SPDX), where its code is, if that is told, and the paper."""

    title: str
    version: str
    licence: str
    repository: str | None
    authors: list[Author]
    paper: Paper


def read_citation(path: Path | str) -> Citation:
    """Read CITATION.cff. Raises InputError naming the file and the key at fault."""
    paper = {"title": str, "url": str, "year": int, "authors": list}
    fields = {"title": str, "version": str, "license": str, "authors": list, "preferred-citation": paper}
    read = read_yaml(path, fields)
    cited = read["preferred-citation"]
    arxiv = [entry["value"] for entry in cited.get("identifiers", []) if str(entry["value"]).startswith("arXiv:")]
    return Citation(
        read["title"],
        read["version"],
        read["license"],
        read.get("repository-code"),
        [_author(entry) for entry in read["authors"]],
        Paper(
            cited["title"],
            cited["url"],
            cited["year"],
            [_author(entry) for entry in cited["authors"]],
            arxiv[0].removeprefix("arXiv:") if arxiv else None,
        ),
    )


def _author(entry: Mapping[str, Any]) -> Author:
    given, family = entry.get("given-names"), entry.get("family-names")
    name = entry.get("name") or " ".join(part for part in (given, family) if part)
    return Author(name, given, family, entry.get("orcid"))
