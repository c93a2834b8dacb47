"""Language identification, with a model trained here as the miniature trains its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from files import InputError
from langid import prose
from languages import read_languages

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"

TEXTS = {  # training sentences of ours: {} is filled with each of the words
    "en": (
        [
            "The {} is in the house.",
            "We often see the {} there.",
            "What is the {}?",
            "Everyone knows that the {} is good.",
        ],
        ["cat", "dog", "bread", "river", "teacher", "mountain"],
    ),
    "es": (
        ["El {} está en la casa.", "A menudo vemos el {} allí.", "¿Qué es el {}?", "Todos saben que el {} es bueno."],
        ["gato", "perro", "pan", "río", "maestro", "monte"],
    ),
    "bg": (
        ["Ето къде е {} в къщата.", "Често виждаме {} там.", "Какво е {}?", "Всички знаят, че {} е нещо добро."],
        ["котката", "кучето", "хлябът", "реката", "учителят", "планината"],
    ),
    "ru": (
        ["Вот где находится {} в доме.", "Мы часто видим {} там.", "Что такое {}?", "Все знают, что {} — это хорошо."],
        ["кошка", "собака", "хлеб", "река", "учитель", "гора"],
    ),
    "zh": (
        ["{}在房子里。", "我们常常看到{}在那里。", "什么是{}？", "大家都知道{}是很好的。"],
        ["猫", "狗", "面包", "河流", "老师", "山"],
    ),
    "no": (
        ["Her er {} i huset.", "Vi ser ofte {} der.", "Hva er {}?", "Alle vet at {} er noe godt."],
        ["katten", "hunden", "brødet", "elva", "læreren", "fjellet"],
    ),
}
TABLE = """\
en: {name: English, labels: [eng_Latn]}
es: {name: Spanish, labels: [spa_Latn]}
bg: {name: Bulgarian, labels: [bul_Cyrl]}
ru: {name: Russian, labels: [rus_Cyrl]}
zh: {name: Chinese, labels: [zho_Hans, zho_Hant]}
"no": {name: Norwegian, labels: [nob_Latn, nno_Latn]}
fi: {name: Finnish, labels: [fin_Latn]}
"""


def program(name, *arguments):
    """Run a script; return its exit status and its stderr."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("langid")


@pytest.fixture(scope="module")
def table(folder):
    path = folder / "languages.yaml"
    path.write_text(TABLE, encoding="utf-8")
    return path


def train(folder, table, output, languages=tuple(TEXTS)):
    corpora = []
    for code in languages:
        templates, words = TEXTS[code]
        lines = [template.format(word) for template in templates for word in words]
        path = folder / f"{code}.txt"
        path.write_text("\n".join(lines * 20) + "\n", encoding="utf-8")
        corpora.append(f"{code}={path}")
    status, errors = program("train_langid", "--corpus", *corpora, "--languages", table, "--output", output)
    assert status == 0, errors
    return output


@pytest.fixture(scope="module")
def model(folder, table):
    return train(folder, table, folder / "identifier.bin")


def identify(folder, table, model, *responses):
    """Rows for responses given as (language asked for, text), or the error line."""
    source, output = folder / "responses.jsonl", folder / "langid.jsonl"
    rows = [{"lang": lang, "id": str(n), "response": text} for n, (lang, text) in enumerate(responses)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, errors = program(
        "langid", "--responses", source, "--model", model, "--languages", table, "--output", output
    )
    if status:
        return errors
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def test_equal_corpora_give_equal_models(folder, table, model):
    assert train(folder, table, folder / "again.bin").read_bytes() == model.read_bytes()


def test_answers_are_told_apart_and_matched_with_the_language_asked_for(folder, table, model):
    rows = identify(
        folder,
        table,
        model,
        ("en", "Everyone knows that the river is in the house."),
        ("es", "Todos saben que el perro es bueno."),
        ("es", "Everyone knows that the dog is good."),
        ("bg", "Всички знаят, че учителят е там."),
        ("bg", "Все знают, что учитель там."),
        ("ru", "Все знают, что учитель там."),
        ("zh", "大家都知道狗在房子里。"),
        ("no", "Alle vet at hunden er i huset."),
    )
    assert [row["label"] for row in rows] == [
        "eng_Latn",
        "spa_Latn",
        "eng_Latn",
        "bul_Cyrl",
        "rus_Cyrl",
        "rus_Cyrl",
        "zho_Hans",
        "nob_Latn",
    ]
    assert [row["match"] for row in rows] == [True, True, False, True, False, True, True, True]
    assert list(rows[0]) == ["lang", "id", "label", "probability", "match"]
    assert all(0.5 < row["probability"] <= 1 and round(row["probability"], 4) == row["probability"] for row in rows)


def test_one_word_is_enough_where_it_is_telling(folder, table, model):
    rows = identify(folder, table, model, ("es", "maestro"), ("ru", "собака"), ("zh", "面包"))
    assert all(row["match"] for row in rows)


def test_line_breaks_do_not_matter(folder, table, model):
    one, lines = identify(folder, table, model, ("es", "El pan es bueno."), ("es", "El pan\r\n\n  es\nbueno.\n"))
    assert (one["label"], one["probability"]) == (lines["label"], lines["probability"])


@pytest.mark.parametrize("empty", ["", " \n\t", "```python\nprint('the house')\n```", "```\nthe house is cut off"])
def test_an_answer_without_prose_is_no_match(folder, table, model, empty):
    (row,) = identify(folder, table, model, ("en", empty))
    assert (row["label"], row["probability"], row["match"]) == (None, 0.0, False)


def test_code_fences_are_dropped_and_what_stands_around_them_is_kept():
    response = "Este es el código:\n```python\nfor word in the_house:\n    print(word)\n```\nTodos saben\nque es bueno."
    assert prose(response) == "Este es el código: Todos saben que es bueno."
    assert prose("Primero `x = 1`, luego\n```\ny = 2") == "Primero `x = 1`, luego"


def test_an_unknown_language_is_one_line(folder, table, model):
    errors = identify(folder, table, model, ("xx", "text"))
    assert errors == f"error: {table}: the language 'xx' is missing; add it with its name and labels\n"


def test_a_model_that_cannot_tell_a_language_is_one_line(folder, table, model):
    errors = identify(folder, table, model, ("fi", "text"))
    assert errors.count("\n") == 1 and "cannot tell 'fi', it has none of the labels fin_Latn" in errors


def test_a_file_that_is_no_model_is_one_line(folder, table):
    errors = identify(folder, table, table, ("en", "text"))
    assert errors == f"error: {table}: not a fastText model; fetch or train it again\n"


def test_a_bare_no_in_the_language_table_is_named(tmp_path):
    path = tmp_path / "languages.yaml"
    path.write_text("no: {name: Norwegian, labels: [nob_Latn]}\n")
    with pytest.raises(InputError, match='reads a bare no as false, write "no"'):
        read_languages(path)


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ("es", "'es' is not CODE=FILE"),
        ("es=/nowhere/es.txt", "/nowhere/es.txt: no such file"),
        ("xx=/nowhere/xx.txt", "the language 'xx' is missing"),
        ("es=/dev/null", "/dev/null: holds no text"),
    ],
)
def test_a_bad_corpus_is_named(folder, table, model, corpus, message):
    status, errors = program(
        "train_langid", "--corpus", f"en={folder}/en.txt", corpus, "--languages", table, "--output", folder / "x.bin"
    )
    assert status and message in errors.splitlines()[-1]


def test_the_languages_of_this_repository_have_the_labels_of_openlid():
    languages = read_languages(REPOSITORY / "resources" / "languages.yaml")
    assert languages["no"] == ["nob_Latn", "nno_Latn"] and languages["zh"] == ["zho_Hans", "zho_Hant"]
    assert {"en", "es", "fr", "bg", "ru", "zh", "bn", "no", "cs", "de", "fi"} <= set(languages)
