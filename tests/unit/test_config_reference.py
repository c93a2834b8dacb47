"""The page of configuration keys says what the schema and config.yaml say now."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config_reference import default_of, reference_page, rows_of
from study.configuration import SCHEMA, read_configs

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "configuration.md"
CONFIG = read_configs([REPOSITORY / "config" / "config.yaml"])


def schema_of(text):
    return yaml.safe_load(text)


def rows(schema, *values):
    """The rows of a key called `key`, by their path."""
    return {row.path: row for row in rows_of("key", schema, list(values), False, schema)}


def test_the_page_is_in_step_with_schema_and_configuration(tmp_path):
    written = tmp_path / "configuration.md"
    command = [sys.executable, "workflow/scripts/config_reference.py", "--output", str(written)]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    if written.read_bytes() != PAGE.read_bytes():
        pytest.fail("docs/configuration.md is out of step: make config-reference", pytrace=False)


def test_the_page_has_a_section_for_each_key_of_the_first_level_in_the_order_of_config_yaml():
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    sections = [
        line.removeprefix("## `").removesuffix("`")
        for line in reference_page(schema, CONFIG).splitlines()
        if line[:3] == "## "
    ]
    assert sections[: len(CONFIG)] == list(CONFIG)
    assert sorted(sections) == sorted(schema["properties"])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{ type: string }", "text"),
        ("{ type: integer, minimum: 1 }", "whole number ≥ 1"),
        ("{ type: number, minimum: 0, exclusiveMaximum: 1 }", "number ≥ 0, < 1"),
        ("{ enum: [keep, drop] }", "`keep`, `drop`"),
        ("{ type: [string, 'null'] }", "text or null"),
        ("{ type: array, items: { enum: [2, 3] } }", "list of `2`, `3`"),
        ("{ type: object, additionalProperties: { type: string } }", "mapping to text"),
        ("{ oneOf: [{ enum: [auto] }, { type: integer, minimum: 1 }] }", "`auto` or whole number ≥ 1"),
        ("{ $defs: { a: { type: integer } }, $ref: '#/$defs/a' }", "whole number"),
        ("{ $defs: { a: { type: integer } }, type: array, items: { $ref: '#/$defs/a' } }", "list of whole number"),
    ],
)
def test_a_type_is_given_in_words(schema, words):
    parsed = schema_of(schema)
    assert rows(parsed)["key"].kind == words


def test_what_is_written_beside_a_reference_overrides_what_it_refers_to():
    schema = schema_of(
        "{ $defs: { a: { type: integer, description: any } }, $ref: '#/$defs/a', description: this one }"
    )
    assert rows(schema)["key"].meaning == "this one"


def test_an_entry_is_called_name_and_an_item_has_brackets():
    entry = "{ type: object, required: [a], properties: { a: { type: string }, b: { type: string } } }"
    found = rows(schema_of(f"{{ type: object, additionalProperties: {{ type: array, items: {entry} }} }}"))
    assert list(found) == ["key", "key.<name>[].a", "key.<name>[].b"]
    assert found["key.<name>[].a"].needed and not found["key.<name>[].b"].needed


def test_keys_that_exclude_one_another_are_named():
    schema = schema_of("{ description: A place., oneOf: [{ required: [repo, revision] }, { required: [path] }] }")
    assert rows(schema)["key"].meaning == "A place. One of: `repo` and `revision`; `path`."


def test_a_choice_that_holds_keys_of_its_own_shows_them():
    schema = schema_of("{ oneOf: [{ type: string }, { type: object, properties: { lora: { type: string } } }] }")
    found = rows(schema, "one for all")
    assert found["key"].kind == "text or mapping"
    assert [default_of(found[key]) for key in found] == ["`one for all`", "–"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], "–"),
        (["x"], "`x`"),
        (["x", "x"], "`x`"),
        (["x", "y"], "by entry"),
        (["x", None], "by entry"),
        (["\n### "], '`"\\n### "`'),
        ([["no", "bn"]], "`['no', bn]`"),
        ([0.00002], "`2.0e-05`"),
        (["x" * 200], "see there"),
    ],
)
def test_a_value_is_shown_as_yaml_writes_it_if_entries_agree_on_it(values, shown):
    assert default_of(rows(schema_of("{ type: string }"), *values)["key"]) == shown


def test_a_schema_that_contains_itself_comes_to_an_end():
    schema = schema_of("{ type: object, properties: { a: { type: string }, again: { $ref: '#' } } }")
    assert list(rows(schema)) == ["key", "key.a", "key.again"]


def test_angle_brackets_outside_code_are_not_html():
    schema = schema_of("{ type: string, description: 'Below results/<experiment>/, as `<name>`.' }")
    assert rows(schema)["key"].meaning == r"Below results/\<experiment>/, as `<name>`."
