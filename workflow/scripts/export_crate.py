"""Describe a finished run as a Workflow Run RO-Crate, which says how its results came about.

The folder --output becomes the crate. Written into it:

    ro-crate-metadata.json   the description, as JSON-LD
    README.md                what is in which folder, for people
    run/                     the results and the configuration
    code/                    the code of the workflow: its Snakefile, rules and programs, and the pins of its packages

Folders that other programs have written there (alpaca_eval, translations) are part of the crate, too.

The description names the configuration; the versions of this code, and of that which drew the figures; what was read,
with its SHA-256: data, and the base model of each training; the versions of software that figures and trainings
recorded; the results, with their SHA-256; creators, licence and paper, from CITATION.cff.

Equal files with equal dates make an equal crate. Its only date is that of the latest result: results do not record
when they were made, so it is the file's. Of a path that leads out of the repository, the configuration in the crate
keeps the last part alone.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import sha256
from basics.paths import REPOSITORY, TIMESTAMP
from basics.reading import read_json, read_text
from basics.writing import beside, write_json, write_text
from reporting.citation import LICENCES, read_citation
from reporting.crate import Input, Study, add_file, add_folder, add_run, add_workflow, new_crate
from reporting.markdown import escape_markdown, markdown_table
from reporting.names import named_language
from reporting.provenance import code_version

CODE = ("Snakefile", "CITATION.cff", "LICENSE", "envs/*.lock", "envs/*.yaml", "workflow/**/*")
CITATION = REPOSITORY / "CITATION.cff"
PARTS = {
    "alpaca_eval": ("Answers and ratings", "Answers, ratings and preferences of all trainings, as alpaca_eval's JSON."),
    "translations": ("Training data", "The instruction data in all languages, as a data set for the library datasets."),
}
README = """\
# {name}

{description} The paper: {title}, <{url}>.

{contents}

{licences}
"""
# A path that begins at the root of a file system or in a home folder, of two parts or more; no address of the web.
OUTSIDE = re.compile(r"(?<![\w/:.~}])(?:file://)?(?:~\w*)?(?:/[^\s/'\",]+)+/([^\s/'\",]+)")
RECORD = {
    "base": {"name": str, "revision": str | None},
    "inputs": {"weights": dict[str, str]},
    "versions": dict[str, str],
}
PROVENANCE = {"code": {"version": str}, "versions": dict[str, str]}


def records_of(paths: Iterable[Path]) -> list[dict]:
    """The records of figures: which code and which software made them."""
    return [read_json(path, PROVENANCE) for path in paths]


def trainings_of(folders: Iterable[Path]) -> list[dict]:
    """The records of trainings. Released models, which were trained elsewhere, have none."""
    paths = [folder / "training.json" for folder in folders]
    return [read_json(path, RECORD, "train the model again") for path in paths if path.exists()]


def base_models(trainings: Iterable[Mapping]) -> list[Input]:
    """The base models, each once: on the hub, or in a folder, of which only the name is told."""
    found = {}
    for record in trainings:
        name, revision = record["base"]["name"], record["base"]["revision"]
        short = name if revision else Path(name).name
        address = f"https://huggingface.co/{name}/tree/{revision}" if revision else None
        found[name, revision] = Input(f"base model {short}", record["inputs"]["weights"], address, revision)
    return [found[key] for key in sorted(found, key=str)]


def data_of(files: Sequence[tuple[str, str]], addresses: Mapping[str, str]) -> list[Input]:
    """The data that the run read, by name; a folder has a hash for each file in it. `addresses` on the web are told,
    others are a machine's own."""
    found = []
    public = {name: address for name, address in addresses.items() if address.startswith(("https://", "http://"))}
    for name, given in files:
        path = Path(given)
        if not path.exists():
            raise InputError(f"{path}: no such file; make it, or correct its path")
        parts = [part for part in path.rglob("*") if part.is_file() and part.name != TIMESTAMP] or [path]
        hashes = {part.relative_to(path).as_posix() if part != path else path.name: sha256(part) for part in parts}
        found.append(Input(name, hashes, public.get(name)))
    return found


def software_of(records: Iterable[Mapping]) -> list[tuple[str, str]]:
    """The packages that figures and trainings recorded, and Snakemake, with their versions."""
    found = {(name, number) for record in records for name, number in record["versions"].items()}
    return sorted(found | {("snakemake", version("snakemake"))})


def without_places(text: str) -> str:
    """A configuration without the folders of a machine: /home/me/data/rows.jsonl becomes .../rows.jsonl."""
    return OUTSIDE.sub(r".../\1", text)


def latest(paths: Iterable[Path]) -> datetime:
    """When the newest of the files was written, to the second."""
    return datetime.fromtimestamp(int(max(path.stat().st_mtime for path in paths)), UTC)


def copy_code(folder: Path) -> None:
    """Copy what CODE names of the repository. Python's own files beside programs are left out."""
    for pattern in CODE:
        for path in sorted(REPOSITORY.glob(pattern)):
            place = folder / path.relative_to(REPOSITORY)
            if path.is_file() and "__pycache__" not in path.parts:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


def copy_results(results: Iterable[Path], base: Path, configuration: Path, folder: Path) -> None:
    for path in results:
        place = folder / path.relative_to(base)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    write_text(folder / "config.yaml", without_places(read_text(configuration)))


def readme(study: Study, output: Path) -> str:
    """What is in which folder."""
    paper = study.citation.paper
    contents = {
        "run/": "The configuration, figures, tables and scores.",
        "code/": f"The workflow's code, version {study.code}.",
        **{f"{place}/": description for place, (_, description) in PARTS.items() if (output / place).is_dir()},
        "ro-crate-metadata.json": "What all this was made from and with: a Workflow Run RO-Crate.",
    }
    return README.format(
        name=escape_markdown(study.name),
        description=escape_markdown(study.description),
        title=paper.title,
        url=paper.url,
        contents=markdown_table([{"part": f"`{place}`", "contents": words} for place, words in contents.items()]),
        licences=LICENCES.format(code=study.citation.licence),
    )


def describe(study: Study, results: Sequence[Path], base: Path, output: Path) -> dict:
    """The crate's JSON-LD, of the files that lie in `output`."""
    crate = new_crate(study)
    add_workflow(crate, output / "code" / "Snakefile", "code/Snakefile", study)
    add_folder(crate, "code", "Code", f"Rules, programs and pins of the workflow, version {study.code}.")
    add_file(crate, output / "README.md", "README.md")["about"] = crate.root_dataset
    configuration = add_file(crate, output / "run" / "config.yaml", "run/config.yaml", "the configuration of the run")
    places = [Path("run", path.relative_to(base)) for path in results]
    made = [add_file(crate, output / place, place.as_posix()) for place in places]
    parts = [add_folder(crate, place, *words) for place, words in PARTS.items() if (output / place).is_dir()]
    add_run(crate, study, configuration, [*made, *parts])
    return crate.metadata.generate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", required=True, help="name of the study")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the description")
    parser.add_argument("--citation", type=Path, default=CITATION, metavar="FILE", help="(default: ours)")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the configuration of the run")
    parser.add_argument("--base", required=True, type=Path, metavar="DIRECTORY", help="the folder of the results")
    parser.add_argument("--results", required=True, nargs="+", type=Path, metavar="FILE", help="figures, tables, ...")
    parser.add_argument(
        "--data", default=[], action="append", type=named_language, metavar="NAME=PATH", help="data that the run read"
    )
    parser.add_argument(
        "--url", default=[], action="append", type=named_language, metavar="NAME=URL", help="where data is published"
    )
    parser.add_argument("--models", nargs="*", default=[], type=Path, metavar="DIRECTORY", help="the tuned models")
    parser.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="the crate")
    arguments = parser.parse_args()

    figures = records_of(path for path in arguments.results if path.parent.name == "figures" and path.suffix == ".json")
    trainings = trainings_of(arguments.models)
    study = Study(
        title=arguments.title,
        note=arguments.note,
        citation=read_citation(arguments.citation),
        code=code_version(),
        drawn_by=sorted({record["code"]["version"] for record in figures}),
        software=software_of([*figures, *trainings]),
        inputs=[*data_of(arguments.data, dict(arguments.url)), *base_models(trainings)],
        made=latest(arguments.results),
    )
    with beside(arguments.output / "run") as run:
        copy_results(arguments.results, arguments.base, arguments.config, run)
    with beside(arguments.output / "code") as code:
        copy_code(code)
    write_text(arguments.output / "README.md", readme(study, arguments.output))
    described = describe(study, arguments.results, arguments.base, arguments.output)
    write_json(arguments.output / "ro-crate-metadata.json", described)
    print(f"export_crate: {len(described['@graph'])} entities", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
