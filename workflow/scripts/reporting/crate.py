"""A Workflow Run RO-Crate: what a run read, what it made, with which code and software, as JSON-LD.

https://w3id.org/ro/wfrun/workflow/0.5, on top of RO-Crate 1.1. The library rocrate builds it; this module knows what a
study consists of. SHA-256 has no term in RO-Crate 1.1, so that of workflow runs is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from basics.hashing import sha256
from reporting.citation import LICENCES, Author, Citation, Paper

if TYPE_CHECKING:
    from rocrate.model import ContextEntity, DataEntity
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SHA256 = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tex": "application/x-tex",
    ".yaml": "application/yaml",
}
HOMES = {"python": "https://www.python.org", "snakemake": "https://snakemake.github.io"}  # others are on PyPI


class Input(NamedTuple):
    """Something that a run read and that is not in the crate: its name, its hashes by file, where it is published, and
    in which version."""

    name: str
    hashes: Mapping[str, str]
    url: str | None = None
    version: str | None = None


class Study(NamedTuple):
    """What is said of a run. `code`: the version of the code that is in the crate; `drawn_by`: those that drew figures;
    `made`: when the last result was."""

    title: str
    note: str
    citation: Citation
    code: str
    drawn_by: Sequence[str]
    software: Iterable[tuple[str, str]]
    inputs: Sequence[Input]
    made: datetime

    @property
    def name(self) -> str:
        """The name of the crate."""
        return f"{self.title}: a run of {self.citation.title}"

    @property
    def description(self) -> str:
        """What the crate is, with the study's own note."""
        software, paper = self.citation.title, self.citation.paper.title
        text = f"Results of the study '{self.title}', made with {software}, which reproduces the paper '{paper}'."
        return f"{text} {self.note}".rstrip()


def new_crate(study: Study) -> "ROCrate":
    """A crate with its root: name, description, date, licences, creators and the paper."""
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(SHA256)
    crate.name = study.name
    crate.description = study.description
    crate.datePublished = study.made.date().isoformat()
    crate.license = _entity(
        crate, "#licences", "CreativeWork", name="Licences", description=LICENCES.format(code=study.citation.licence)
    )
    crate.creator = _one_or_all([_author(crate, author) for author in study.citation.authors])
    crate.root_dataset["author"] = crate.creator
    crate.root_dataset["citation"] = _paper(crate, study.citation.paper)
    crate.root_dataset["conformsTo"] = [
        _entity(crate, address, "CreativeWork", name=name, version=version)
        for address, (name, version) in PROFILES.items()
    ]
    return crate


def add_file(crate: "ROCrate", path: Path, place: str, description: str | None = None) -> "DataEntity":
    """A file of the crate, which lies at `path` and has its `place` there."""
    properties = {
        "name": place,
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
        "contentSize": str(path.stat().st_size),
        "sha256": sha256(path),
    }
    return crate.add_file(path, place, properties=properties | ({"description": description} if description else {}))


def add_folder(crate: "ROCrate", place: str, name: str, description: str) -> "DataEntity":
    """A folder of the crate, whose files are not listed."""
    return crate.add_dataset(dest_path=place, properties={"name": name, "description": description})


def add_workflow(crate: "ROCrate", snakefile: Path, place: str, study: Study) -> "DataEntity":
    """The workflow that ran: its main file, its version, its language and the software that it used."""
    software = dict.fromkeys(study.software)
    snakemake = next(version for name, version in software if name == "snakemake")
    workflow = crate.add_workflow(snakefile, place, main=True, lang="snakemake", lang_version=snakemake)
    workflow["name"] = study.citation.title
    workflow["version"] = study.code
    workflow["encodingFormat"] = "text/plain"
    if study.citation.repository:
        workflow["url"] = study.citation.repository
    workflow["sha256"] = sha256(snakefile)
    workflow["license"] = _entity(
        crate,
        f"https://spdx.org/licenses/{study.citation.licence}",
        "CreativeWork",
        name=study.citation.licence,
        description="the licence of the code",
    )
    workflow["creator"] = crate.creator
    workflow["softwareRequirements"] = [_software(crate, name, version) for name, version in software]
    return workflow


def add_run(crate: "ROCrate", study: Study, configuration: "DataEntity", results: Sequence["DataEntity"]) -> None:
    """The run: its inputs, its results, and when the last of these was made. It has no agent: whose run it was, no file
    says."""
    workflow = crate.mainEntity
    inputs = [configuration, *(_input(crate, number, each) for number, each in enumerate(study.inputs, start=1))]
    drawn = f" Figures were drawn by version {', '.join(study.drawn_by)}." if study.drawn_by else ""
    action = crate.add_action(
        workflow,
        identifier="#run",
        object=inputs,
        result=results,
        properties={
            "name": f"Run of the study {study.title}",
            "description": f"Snakemake ran {study.citation.title} with run/config.yaml.{drawn}",
            "endTime": study.made.astimezone(UTC).isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.root_dataset["mentions"] = action
    parameter = crate.add_formal_parameter(
        "configuration", "File", identifier="#configuration", description="what is trained, asked and judged, and how"
    )
    parameter["workExample"], configuration["exampleOfWork"] = configuration, parameter
    workflow["input"] = parameter


def _entity(crate: "ROCrate", address: str, kind: str, **properties: object) -> "ContextEntity":
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, address, properties={"@type": kind} | properties))


def _one_or_all(values: list) -> object:
    """A value alone, as RO-Crate recommends, or a list of several."""
    return values[0] if len(values) == 1 else values


def _author(crate: "ROCrate", author: Author) -> "ContextEntity":
    kind = "Person" if author.family else "Organization"
    return _entity(crate, author.orcid or f"#{author.name.replace(' ', '-')}", kind, name=author.name)


def _paper(crate: "ROCrate", paper: Paper) -> "ContextEntity":
    authors = [_author(crate, author) for author in paper.authors]
    properties = {"name": paper.title, "datePublished": str(paper.year), "author": authors}
    if paper.arxiv:
        properties["sameAs"] = f"https://arxiv.org/abs/{paper.arxiv}"
    return _entity(crate, paper.url, "ScholarlyArticle", **properties)


def _software(crate: "ROCrate", name: str, version: str) -> "ContextEntity":
    page = f"https://pypi.org/project/{name}/{version.partition('+')[0]}/"
    address = f"{page}#{version.partition('+')[2]}" if "+" in version else page
    if name in HOMES:
        address = f"{HOMES[name]}/#{version}"
    return _entity(crate, address, "SoftwareApplication", name=name, softwareVersion=version, url=HOMES.get(name, page))


def _input(crate: "ROCrate", number: int, each: Input) -> "ContextEntity":
    """Of several files, each hash is an identifier with the file's name."""
    only = len(each.hashes) == 1
    properties: dict[str, object] = {"name": each.name, "url": each.url, "version": each.version}
    properties |= (
        {"sha256": next(iter(each.hashes.values()))}
        if only
        else {"identifier": [f"sha256:{digest} {file}" for file, digest in sorted(each.hashes.items())]}
    )
    known = {key: value for key, value in properties.items() if value}
    return _entity(crate, f"#input-{number}", "CreativeWork", **known)
