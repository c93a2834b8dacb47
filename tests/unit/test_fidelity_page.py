"""docs/fidelity.md names every key on which results depend, and no key that is not there."""

import re
from pathlib import Path

import yaml

from config_reference import rows_of
from study.configuration import SCHEMA, read_configs
from study.judges import OF_THE_JOB

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "fidelity.md").read_text(encoding="utf-8")
STAGES = PAGE.partition("## Stage by stage\n")[2].partition("\n## ")[0]
TABLES = {
    heading: [line for line in rest.splitlines() if line.startswith("| ")]
    for heading, _, rest in (section.partition("\n") for section in STAGES.split("\n### ")[1:])
}
HEADINGS = [
    "Seed data and prompts",
    "Translation",
    "Recipes",
    "Tokens",
    "Base models",
    "Training",
    "Answers",
    "Judge",
    "Language of an answer",
    "Scores and figures",
]

NO_RESULT = {  # keys of config.yaml on which no score, figure or claim depends: by first part, or in full
    "experiment": "where results go",
    "note": "a remark on figures",
    "trackers": "where losses are shown",
    "runs": "which results are waited for",
    "check_judges": "asks before the start",
    "check_submissions": "asks before the start",
    "rating_sheet": "a sample for people",
    "controls": "judged for judges.md alone",
    "compute": "resources of jobs",
    "plan": "assumptions of `make plan`",
    "released": "names of what train.source takes",
    "translation.packed": "for source: packed",
    "translation.python": "an environment",
    "translation.shards": "speed",
    "translation.workers": "speed",
    "train.<method>.micro_batch_tokens": "speed and memory",
    "respond.<method>.batch": "speed and memory",
    "families.<name>.label": "a name in figures",
    "models.<name>.family": "follows from the model",
    "models.<name>.billions": "follows from the model",
    "judges[].name": "a name of files",
    "judges[].start_timeout": "waiting",
    "judges[].concurrency": "speed",
    **{f"judges[].{key}": "resources, or a name" for key in OF_THE_JOB},
}


def plain(key: str) -> str:
    """A key with <method> in place of lora and full."""
    return re.sub(r"^(train|respond)\.(lora|full)\b", r"\1.<method>", key)


def keys() -> dict[str, bool]:
    """Every key of the schema, and whether config.yaml gives it a value."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    config = read_configs([REPOSITORY / "config" / "config.yaml"])
    found: dict[str, bool] = {}
    for name, part in schema["properties"].items():
        for key in rows_of(name, part, [config[name]] if name in config else [], False, schema):
            value = bool(key.values) and not (key.parts and any(isinstance(one, dict | list) for one in key.values))
            found[plain(key.path)] = found.get(plain(key.path), False) or value
    return found


def named() -> set[str]:
    """The keys in parentheses at the end of the tables' last cells."""
    cells = [line.removesuffix(" |").rpartition(" | ")[2] for lines in TABLES.values() for line in lines]
    groups = [match[1] for cell in cells for match in re.finditer(r"\((`[^()]*`)\)", cell)]
    words = [word for group in groups for word in re.findall(r"`([^`]+)`", group)]
    return {word for word in words if not re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", word)}  # labels of languages


def test_every_stage_has_a_table_of_paper_authors_and_ours():
    assert list(TABLES) == HEADINGS
    for heading, (head, *rows) in TABLES.items():
        assert head.endswith("| here |") and "authors" in head, heading
        assert rows and {line.count(" | ") for line in (head, *rows)} == {3}, heading


def test_every_key_in_the_tables_exists():
    assert sorted(named() - keys().keys()) == []


def test_every_key_on_which_results_depend_is_in_the_tables():
    idle = {
        key for key in keys() for listed in NO_RESULT if key == listed or key.startswith((f"{listed}.", f"{listed}["))
    }
    assert sorted({key for key, value in keys().items() if value} - idle - named()) == []


def test_no_key_is_both_in_the_tables_and_said_to_change_no_result():
    assert sorted(named() & NO_RESULT.keys()) == []
