"""Write what Zenodo wants to know of an upload of the exports, as the body of a request to its API.

Title, description and date are those of the crate (export_crate.py), creators and the paper those of CITATION.cff:

    curl --request PUT --header "Authorization: Bearer $ZENODO_TOKEN" --header "Content-Type: application/json" \\
        --data @zenodo.json https://zenodo.org/api/deposit/depositions/NUMBER

The licence is for the whole upload. The code's is right only where nothing in it was made from data of others; so look
at it, and at `notes`, before you publish.

https://developers.zenodo.org/#deposit-metadata
"""

import argparse
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.kinds import fields_fault
from basics.paths import REPOSITORY
from basics.reading import read_json
from basics.writing import write_json
from reporting.citation import LICENCES, Author, Citation, Paper, read_citation

CITATION = REPOSITORY / "CITATION.cff"
KEYWORDS = ["instruction tuning", "large language models", "multilinguality", "reproduction"]
CONTENTS = "The upload is a Workflow Run RO-Crate: ro-crate-metadata.json says what is in it, and how it came about."


def root_of(path: Path) -> Mapping:
    """The root of a crate. Raises InputError if the file is no crate's, or its root lacks something."""
    graph = read_json(path, {"@graph": list[dict]})["@graph"]
    root = next((entity for entity in graph if entity.get("@id") == "./"), {})
    if fault := fields_fault(root, dict.fromkeys(("name", "description", "datePublished"), str)):
        raise InputError(f"{path}: of the entity ./, {fault}; make it again with export_crate.py")
    return root


def creator(author: Author) -> dict[str, str]:
    """An author as Zenodo names one."""
    orcid = {"orcid": author.orcid.rpartition("/")[2]} if author.orcid else {}
    return {"name": author.family_first} | orcid


def related(paper: Paper) -> list[dict[str, str]]:
    """The paper, and its preprint if there is one, as identifiers that the upload refers to."""
    found = [(paper.url, "url", "publication-conferencepaper")]
    found += [(f"arXiv:{paper.arxiv}", "arxiv", "publication-preprint")] if paper.arxiv else []
    return [
        {"identifier": identifier, "scheme": scheme, "relation": "references", "resource_type": kind}
        for identifier, scheme, kind in found
    ]


def metadata(root: Mapping, citation: Citation, licence: str) -> dict:
    """Zenodo's metadata of the upload."""
    return {
        "upload_type": "dataset",
        "publication_date": root["datePublished"],
        "title": root["name"],
        "creators": [creator(author) for author in citation.authors],
        "description": f"<p>{escape(root['description'], quote=False)}</p>\n<p>{escape(CONTENTS)}</p>",
        "access_right": "open",
        "license": licence,
        "keywords": KEYWORDS,
        "related_identifiers": related(citation.paper),
        "notes": LICENCES.format(code=citation.licence),
        "version": citation.version,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crate", required=True, type=Path, metavar="FILE", help="ro-crate-metadata.json")
    parser.add_argument("--citation", type=Path, default=CITATION, metavar="FILE", help="(default: ours)")
    parser.add_argument("--licence", metavar="SPDX", help="of the upload (default: the code's, from CITATION.cff)")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="JSON")
    arguments = parser.parse_args()

    citation = read_citation(arguments.citation)
    licence = arguments.licence or citation.licence
    write_json(arguments.output, {"metadata": metadata(root_of(arguments.crate), citation, licence)})
    print(f"export_zenodo: an upload under {licence}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
