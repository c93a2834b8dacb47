"""A finished run as a Workflow Run RO-Crate, and what Zenodo is told of it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from rocrate.rocrate import ROCrate

from basics.paths import REPOSITORY
from readers import readers, validated

PROVENANCE = {"code": {"version": "0123456789ab"}, "versions": {"polars": "2.1.0", "python": "3.11.7"}}
TRAINING = {
    "base": {"name": "org/model", "revision": "abc"},
    "inputs": {"weights": {"model.safetensors": "11"}},
    "versions": {"torch": "2.13.0+cpu"},
}
ELSEWHERE = TRAINING | {"base": {"name": "/home/me/secret/my-model", "revision": None}}
CONFIG = """\
experiment: mine
sources: {rows: {path: /home/me/secret/rows.jsonl}, other: {url: https://example.org/a/b/c.jsonl}, local: {url: file:///home/me/c.jsonl}}
judges: [{name: j, serve: "vllm serve ~/models/judge --port {port} --x=/srv/y/z -y ~me/a/b", cut_at: "\\n### "}]
"""
CITATION = """\
title: my-fork
version: 1.2.3
license: Apache-2.0
authors: [{given-names: Ada, family-names: Lovelace, orcid: https://orcid.org/0000-0002-1825-0097}]
preferred-citation:
  title: A paper
  url: https://example.org/paper
  year: 2024
  identifiers: [{type: other, value: "arXiv:2309.08958"}]
  authors: [{given-names: Grace, family-names: Hopper}]
"""


@pytest.fixture
def results(tmp_path) -> Path:
    """A folder of results: a figure, a table, two trainings, data, and answers in the format of another program."""
    folder = tmp_path / "results"
    contents = {
        "config.yaml": CONFIG,
        "figures/figure2.json": json.dumps(PROVENANCE),
        "figures/figure2.csv": "x,y\n",
        "tables/scores.md": "scores\n",
        "models/a/training.json": json.dumps(TRAINING),
        "models/b/training.json": json.dumps(ELSEWHERE),
        "models/released/README.md": "",
        "data/rows.jsonl": "rows",
        "translator/model.bin": "weights",
        "exports/alpaca_eval/x/model_outputs.json": "[]",
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    os.utime(folder / "tables" / "scores.md", (1_700_000_100, 1_700_000_100))
    return folder


def export(folder: Path, *options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, REPOSITORY / "workflow" / "scripts" / "export_crate.py", "--title", "mine"]
    command += ["--note", "A judge of straw.", "--config", folder / "config.yaml", "--base", folder]
    command += ["--results", *sorted((folder / "figures").iterdir()), folder / "tables" / "scores.md"]
    command += ["--data", f"instruction data={folder}/data/rows.jsonl", "--data", f"translator={folder}/translator"]
    command += ["--url", "instruction data=https://example.org/rows.jsonl"]
    command += ["--url", "translator=file:///home/me/secret/translator", "--models", *(folder / "models").iterdir()]
    command += ["--output", folder / "exports", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def crate(results) -> Path:
    done = export(results)
    assert done.returncode == 0, done.stderr
    return results / "exports"


def entities(crate: Path) -> dict[str, dict]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    return {entity["@id"]: entity for entity in graph}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_is_there_with_its_hash_and_size(crate):
    files = {name: entity for name, entity in entities(crate).items() if "File" in entity["@type"]}
    assert files.keys() == {
        *("run/config.yaml", "run/figures/figure2.json", "run/figures/figure2.csv", "run/tables/scores.md"),
        *("code/Snakefile", "README.md"),
    }
    for name, entity in files.items():
        assert entity["sha256"] == digest(crate / name), name
    assert files["run/tables/scores.md"]["contentSize"] == "7"


def test_the_run_names_what_it_read_by_hash_and_what_it_made(crate):
    known = entities(crate)
    run = known["#run"]
    assert run["instrument"] == {"@id": "code/Snakefile"} and known["./"]["mainEntity"] == run["instrument"]
    inputs = [known[each["@id"]] for each in run["object"]]
    assert inputs[0]["@id"] == "run/config.yaml"
    rows = hashlib.sha256(b"rows").hexdigest()
    weights = hashlib.sha256(b"weights").hexdigest()
    found = [{key: each[key] for key in each.keys() - {"@id", "@type"}} for each in inputs[1:]]
    assert found == [
        {"name": "instruction data", "sha256": rows, "url": "https://example.org/rows.jsonl"},
        {"name": "translator", "sha256": weights},
        {"name": "base model my-model", "sha256": "11"},
        {
            "name": "base model org/model",
            "sha256": "11",
            "url": "https://huggingface.co/org/model/tree/abc",
            "version": "abc",
        },
    ]
    made = {each["@id"] for each in run["result"]}
    assert made == {"run/figures/figure2.json", "run/figures/figure2.csv", "run/tables/scores.md", "alpaca_eval/"}
    assert run["endTime"] == "2023-11-14T22:15:00+00:00", "the time of the latest result"
    assert known["./"]["datePublished"] == "2023-11-14"


def test_the_crate_names_versions_creators_licence_paper_and_note(crate, results):
    (results / "CITATION.cff").write_text(CITATION, encoding="utf-8")
    assert export(results, "--citation", results / "CITATION.cff").returncode == 0
    known = entities(crate)
    workflow = known["code/Snakefile"]
    assert workflow["version"].removesuffix("-dirty") == head() and workflow["name"] == "my-fork"
    software = {
        known[each["@id"]]["name"]: known[each["@id"]]["softwareVersion"] for each in workflow["softwareRequirements"]
    }
    assert software.keys() == {"polars", "python", "snakemake", "torch"} and software["torch"] == "2.13.0+cpu"
    assert "0123456789ab" in known["#run"]["description"], "which drew the figures"
    root = known["./"]
    assert known[root["creator"]["@id"]] == {
        "@id": "https://orcid.org/0000-0002-1825-0097",
        "@type": "Person",
        "name": "Ada Lovelace",
    }
    assert workflow["license"] == {"@id": "https://spdx.org/licenses/Apache-2.0"}
    assert "Apache-2.0" in known[root["license"]["@id"]]["description"]
    assert known[root["citation"]["@id"]]["sameAs"] == "https://arxiv.org/abs/2309.08958"
    assert root["description"].endswith("A judge of straw.")


def head() -> str:
    command = ["git", "-C", REPOSITORY, "describe", "--always", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_no_folder_of_a_machine_is_in_the_crate(crate, results):
    assert (crate / "run" / "config.yaml").read_text(encoding="utf-8") == (
        "experiment: mine\n"
        "sources: {rows: {path: .../rows.jsonl}, other: {url: https://example.org/a/b/c.jsonl}, "
        "local: {url: .../c.jsonl}}\n"
        'judges: [{name: j, serve: "vllm serve .../judge --port {port} --x=.../z -y .../b", cut_at: "\\n### "}]\n'
    )
    for path in (crate / "run").rglob("*"):
        assert path.is_dir() or "secret" not in path.read_text(encoding="utf-8"), path
    text = (crate / "ro-crate-metadata.json").read_text(encoding="utf-8")
    assert not [place for place in ("secret", str(results), str(REPOSITORY), str(Path.home())) if place in text]


def test_the_default_configuration_stays_as_it_is_in_the_crate(results):
    text = (REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8")
    (results / "config.yaml").write_text(text, encoding="utf-8")
    assert export(results).returncode == 0
    assert (results / "exports" / "run" / "config.yaml").read_text(encoding="utf-8") == text


def test_the_code_is_what_ran_without_a_sites_settings_or_pythons_files(crate):
    copied = {path.relative_to(crate / "code").as_posix() for path in (crate / "code").rglob("*") if path.is_file()}
    assert {"Snakefile", "LICENSE", "envs/requirements.lock", "workflow/rules/train.smk"} <= copied
    assert not [name for name in copied if name.startswith(("profiles/", "config/", "results/")) or ".pyc" in name]


def test_equal_files_make_equal_bytes(crate, results):
    before = {path: path.read_bytes() for path in crate.rglob("*") if path.is_file()}
    assert export(results).returncode == 0
    assert before == {path: path.read_bytes() for path in crate.rglob("*") if path.is_file()}


def test_rocrate_itself_reads_it(crate):
    read = ROCrate(crate)
    assert read.mainEntity.id == "code/Snakefile" and read.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    assert {entity.id for entity in read.data_entities} >= {"run/tables/scores.md", "alpaca_eval/"}


@readers
def test_the_validator_accepts_it_as_a_workflow_run_crate(crate, tmp_path):
    said = validated(crate, "REQUIRED", tmp_path)
    assert said["passed"] and said["checks"] > 50, said


@readers
def test_of_what_is_only_recommended_it_lacks_what_nobody_has_told(crate, tmp_path):
    """And an absolute address of the workflow, whose file has to be in the crate."""
    issues = validated(crate, "RECOMMENDED", tmp_path)["issues"]
    assert [issue.split(" ", 1)[1] for issue in issues] == [
        "The Application SHOULD have a url",
        "The SoftwareApplication id SHOULD be an absolute URI",
        "The Action SHOULD have an agent that is a Person or Organization",
        "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
        "The author SHOULD have an organizational affiliation.",
        "The author SHOULD have a Contextual Entity which specifies the organizational `affiliation`.",
        "The organization SHOULD have a URL.",
        "The Main Workflow SHOULD comply with Bioschemas ComputationalWorkflow profile version 1.0 or later",
    ]


@readers
def test_the_validator_refuses_one_without_what_ran(crate, tmp_path):
    path = crate / "ro-crate-metadata.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    [run] = [entity for entity in described["@graph"] if entity["@id"] == "#run"]
    del run["instrument"]
    path.write_text(json.dumps(described), encoding="utf-8")
    said = validated(crate, "REQUIRED", tmp_path)
    assert not said["passed"] and "instrument" in " ".join(said["issues"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"figures/figure2.json": "{}"}, "{folder}/figures/figure2.json: the key 'code' is missing; make it again"),
        (
            {"models/a/training.json": "{}"},
            "{folder}/models/a/training.json: the key 'base' is missing; train",
        ),
        ({"data/rows.jsonl": None}, "{folder}/data/rows.jsonl: no such file; make it, or correct its path"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(results, change, fault):
    for name, text in change.items():
        (results / name).unlink() if text is None else (results / name).write_text(text, encoding="utf-8")
    done = export(results)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert fault.format(folder=results) in done.stderr
    assert not (results / "exports" / "run").exists()


# ---- Zenodo

RELATIONS = [
    *("isCitedBy", "cites", "isSupplementTo", "isSupplementedBy"),
    *("isContinuedBy", "continues", "isDescribedBy", "describes"),
    *("hasMetadata", "isMetadataFor", "isNewVersionOf", "isPreviousVersionOf"),
    *("isPartOf", "hasPart", "isReferencedBy", "references"),
    *("isDocumentedBy", "documents", "isCompiledBy", "compiles"),
    *("isVariantFormOf", "isOriginalFormOf", "isIdenticalTo", "isAlternateIdentifier"),
    *("isReviewedBy", "reviews", "isDerivedFrom", "isSourceOf"),
    *("requires", "isRequiredBy", "isObsoletedBy", "obsoletes"),
]
ZENODO = {  # what https://developers.zenodo.org says of deposit metadata, as far as we write it
    "type": "object",
    "required": ["upload_type", "publication_date", "title", "creators", "description", "access_right", "license"],
    "additionalProperties": False,
    "properties": {
        "upload_type": {"enum": ["poster", "presentation", "dataset", "software", "lesson", "physicalobject", "other"]},
        "publication_date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "title": {"type": "string", "minLength": 1},
        "creators": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "orcid": {"type": "string", "pattern": r"^(\d{4}-){3}\d{3}[\dX]$"},
                },
            },
        },
        "description": {"type": "string", "minLength": 1},
        "access_right": {"enum": ["open", "embargoed", "restricted", "closed"]},
        "license": {"type": "string", "minLength": 1},
        "keywords": {"type": "array", "items": {"type": "string"}},
        "notes": {"type": "string"},
        "version": {"type": "string"},
        "related_identifiers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["identifier", "relation"],
                "properties": {"relation": {"enum": RELATIONS}},
            },
        },
    },
}


def zenodo(crate: Path, *options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, REPOSITORY / "workflow" / "scripts" / "export_zenodo.py"]
    command += ["--crate", crate / "ro-crate-metadata.json", "--output", crate / "zenodo.json", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, encoding="utf-8")


def told(crate: Path, *options: object) -> dict:
    done = zenodo(crate, *options)
    assert done.returncode == 0, done.stderr
    return json.loads((crate / "zenodo.json").read_text(encoding="utf-8"))["metadata"]


@pytest.mark.parametrize("fork", [False, True])
def test_zenodo_is_told_what_it_documents(crate, results, fork):
    (results / "CITATION.cff").write_text(CITATION, encoding="utf-8")
    metadata = told(crate, *(["--citation", results / "CITATION.cff"] if fork else []))
    assert list(Draft202012Validator(ZENODO).iter_errors(metadata)) == []


def test_zenodo_is_told_of_creators_licence_paper_and_the_date_of_the_crate(crate, results):
    (results / "CITATION.cff").write_text(CITATION, encoding="utf-8")
    metadata = told(crate, "--citation", results / "CITATION.cff")
    assert metadata["creators"] == [{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}]
    assert metadata["license"] == "Apache-2.0" and "under the Apache-2.0 licence" in metadata["notes"]
    assert [(each["identifier"], each["scheme"]) for each in metadata["related_identifiers"]] == [
        ("https://example.org/paper", "url"),
        ("arXiv:2309.08958", "arxiv"),
    ]
    assert metadata["publication_date"] == "2023-11-14" and "A judge of straw." in metadata["description"]
    assert told(crate, "--licence", "CC-BY-NC-4.0")["license"] == "CC-BY-NC-4.0"


def test_our_own_citation_names_all_authors_of_the_paper_in_their_order(crate):
    known = entities(crate)
    authors = [known[each["@id"]]["name"] for each in known[known["./"]["citation"]["@id"]]["author"]]
    assert [name.split()[-1] for name in authors] == ["Chen", "Ji", "Bogoychev", "Kutuzov", "Haddow", "Heafield"]


def test_a_crate_without_a_root_is_told_of(crate):
    (crate / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "x"}]}', encoding="utf-8")
    done = zenodo(crate)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "of the entity ./, 'name' is missing; make it again with export_crate.py" in done.stderr
