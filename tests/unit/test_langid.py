"""Language identification, with a model trained here as the miniature trains its own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from basics.errors import InputError
from data.languages import read_languages, read_table
from langid import text_to_identify

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
LANGUAGES = REPOSITORY / "resources" / "languages.yaml"
AUTHORS = REPOSITORY.parent / "shared" / "data" / "openassistant"


def beside_this(name):
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


SENTENCES = yaml.safe_load(beside_this("sentences.yaml"))
ANSWERS = yaml.safe_load(beside_this("answers.yaml"))
OPENLID = dict(line.split(" ", 1) for line in beside_this("openlid_labels.txt").splitlines() if line[0] != "#")
TABLE = read_table(LANGUAGES)
SCHEMA = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
CODES = SCHEMA["$defs"]["language"]["pattern"]
# OpenLID spells two names in its own way; Dari is the Persian of Afghanistan.
NAMED_OTHERWISE = {"plt_Latn": "Plateau Malagasy", "pbt_Arab": "Southern Pashto", "prs_Arab": "Dari Persian"}
ANOTHER_LANGUAGE = {"yue_Hant": "Chinese", "crh_Latn": "Tatar"}  # although OpenLID's name for it ends in this one


def program(name, *arguments):
    """Run a script. Returns its exit status and its stderr."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("langid")


def train(folder, output, sentences, repeat=20):
    """Train on the sentences of each label, repeated to be enough; here every label is a language of its own."""
    table = folder / "labels.yaml"
    table.write_text(yaml.safe_dump({label: {"labels": [label]} for label in sentences}), encoding="utf-8")
    corpora = []
    for label, lines in sentences.items():
        path = folder / f"{label}.txt"
        path.write_text("\n".join(lines * repeat) + "\n", encoding="utf-8")
        corpora.append(f"{label}={path}")
    status, errors = program("train_langid", "--corpus", *corpora, "--languages", table, "--output", output)
    assert status == 0, errors
    return output


@pytest.fixture(scope="module")
def model(folder):
    return train(folder, folder / "identifier.bin", SENTENCES)


@pytest.fixture(scope="module")
def judged(folder, model):
    """The rows for the answers in answers.yaml, in their order."""
    return identify(folder, model, *((answer["asked"], answer["answer"]) for answer in ANSWERS))


def identify(folder, model, *responses, options=()):
    """Rows for responses given as (language asked for, text), or the error line."""
    source, output = folder / "responses.jsonl", folder / "langid.jsonl"
    rows = [{"lang": lang, "id": str(n), "response": text} for n, (lang, text) in enumerate(responses)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = folder / "words"
    words.write_text("important\nmethod\nprogramming\n", encoding="utf-8")
    files = ["--responses", source, "--model", model, "--languages", LANGUAGES, "--english-words", words]
    status, errors = program("langid", *files, "--output", output, *options)
    if status:
        return errors
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def test_equal_corpora_give_equal_models(folder, model):
    assert train(folder, folder / "again.bin", SENTENCES).read_bytes() == model.read_bytes()


IN_USED_MEMORY = """
import runpy, sys
import numpy as np
for _ in range(2):  # once memory of this size was freed, glibc takes more of it from the heap
    used = [np.full(500_000, np.nan, np.float32) for _ in range(50)]
    del used[:-1]  # the training is given some of it
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_model_does_not_depend_on_what_its_memory_held_before(folder, model):
    corpora = [f"{label}={folder / label}.txt" for label in SENTENCES]
    options = ["--corpus", *corpora, "--languages", folder / "labels.yaml", "--output", folder / "used.bin"]
    command = [sys.executable, "-c", IN_USED_MEMORY, SCRIPTS / "train_langid.py", *options]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "used.bin").read_bytes() == model.read_bytes()


def test_no_answer_is_a_sentence_that_was_learnt():
    learnt = {sentence for sentences in SENTENCES.values() for sentence in sentences}
    assert len(ANSWERS) >= 40 and learnt.isdisjoint(line for row in ANSWERS for line in row["answer"].splitlines())


def outcome(row):
    return {name: row[name] for name in ("label", "match", "lines_match", "words_match")}


def counts_without_code(answer):
    """Whether an answer is in the language asked for once its code is removed."""
    return answer.get("without_code", answer["label"]) in TABLE[answer["asked"]]["labels"]


@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=lambda number: f"{number}-{ANSWERS[number]['asked']}")
def test_an_answer_is_identified_as_it_should_be(judged, number):
    row, answer = judged[number], ANSWERS[number]
    assert outcome(row) == outcome(answer)
    assert row["code_decides"] == (counts_without_code(answer) != answer["match"])


def test_code_is_removed_first_on_request(folder, model, judged):
    answers = [answer for answer in ANSWERS if "without_code" in answer]
    asked = [(answer["asked"], answer["answer"]) for answer in answers]
    rows = identify(folder, model, *asked, options=["--code", "drop"])
    assert [row["label"] for row in rows] == [answer["without_code"] for answer in answers]
    assert [row["match"] for row in rows] == [counts_without_code(answer) for answer in answers]
    decided = [row["code_decides"] for row, answer in zip(judged, ANSWERS, strict=True) if "without_code" in answer]
    assert [row["code_decides"] for row in rows] == decided and sum(decided) == 4


def test_the_log_says_how_many_responses_code_decides(folder, model):
    source = folder / "responses.jsonl"
    identify(folder, model, ("en", "```\nThe code is cut off where the answer"), ("en", "The house is small."))
    told = program(
        "langid", "--responses", source, "--model", model, "--languages", LANGUAGES, "--output", folder / "x.jsonl"
    )
    assert told == (
        0,
        "langid: 2 of 2 responses are in the language asked for\nlangid: 1 would count otherwise with --code drop\n",
    )


def test_a_row_says_what_was_found_and_how_sure_it_is(judged):
    assert list(judged[0]) == [
        *("lang", "id", "label", "probability", "match", "code_decides", "lines", "lines_match", "words_match")
    ]
    probabilities = [row["probability"] for row in judged if row["label"]]
    assert all(0.5 < number <= 1 and round(number, 4) == number for number in probabilities)
    assert {row["probability"] for row in judged if row["label"] is None} == {0.0}


@pytest.mark.parametrize(("code", "lines"), [("keep", 4), ("drop", 3)])
def test_the_lines_that_were_judged_are_counted_with_code_or_without(folder, model, code, lines):
    long = "Los niños están en la casa."
    asked = ("es", f"{long}\nGracias\n\n```\n{long}\n```\n{long}\r\n{long}")
    (row,) = identify(folder, model, asked, options=["--code", code])
    assert (row["lines"], row["lines_match"]) == (lines, True)


def test_without_a_list_of_english_words_words_are_not_judged(folder, model):
    identify(folder, model, ("ru", "Наш учитель каждый день читает important книги о новых языках."))
    command = ["--responses", folder / "responses.jsonl", "--model", model, "--languages", LANGUAGES]
    assert program("langid", *command, "--output", folder / "langid.jsonl")[0] == 0
    (row,) = map(json.loads, (folder / "langid.jsonl").read_text(encoding="utf-8").splitlines())
    assert (row["lines_match"], row["words_match"]) == (True, None)


def test_line_breaks_do_not_matter_for_the_whole_response(folder, model):
    one, lines = identify(folder, model, ("es", "El pan es bueno."), ("es", "El pan\r\n\n  es\nbueno.\n"))
    assert (one["label"], one["probability"]) == (lines["label"], lines["probability"])


def test_fenced_code_is_dropped_and_the_text_around_it_is_kept():
    response = "Este es el código:\n```python\nfor word in the_house:\n    print(word)\n```\nTodos saben\nque es bueno."
    assert text_to_identify(response, "drop") == "Este es el código: Todos saben que es bueno."
    assert text_to_identify("Primero `x = 1`, luego\n```\ny = 2", "drop") == "Primero `x = 1`, luego"
    assert text_to_identify(response) == " ".join(response.split())


@pytest.mark.parametrize(
    ("response", "left"),
    [
        ("Uno ```x = 1``` dos", "Uno dos"),
        ("Uno\n````\n```\nx\n```\n````\ndos", "Uno dos"),
        ("Uno\n~~~python\nx = 1\n~~~\ndos", "Uno dos"),
        ("Uno\n   ~~~~\nx\n~~~\ny\n~~~~~  \ndos", "Uno dos"),
        ("Uno\n~~~\nx = 1", "Uno"),
        ("Uno\n```\n~~~\nx\n```\ndos", "Uno dos"),
        ("Qué bueno~~~ y ~~~~ dos", "Qué bueno~~~ y ~~~~ dos"),
        ("Uno ~~dos~~ tres", "Uno ~~dos~~ tres"),
        ("Uno\n\n    dos\n    tres", "Uno dos tres"),
    ],
    ids=[
        *("in a line", "four backticks", "tildes", "more tildes", "open tildes", "tildes in backticks"),
        *("tildes in prose", "struck out", "indented"),
    ],
)
def test_code_is_what_is_between_markdown_fences(response, left):
    assert text_to_identify(response, "drop") == left


def test_labels_without_a_script_are_read_by_a_table_and_the_script_by_the_language_table(folder):
    corpora = {"es": SENTENCES["spa_Latn"], "ru": SENTENCES["rus_Cyrl"]}
    model, table = train(folder, folder / "bare.bin", corpora), folder / "bare.yaml"
    table.write_text("normalise: none\nlabels: {es: [es], ru: [ru]}\n")
    spanish, russian = identify(
        *(folder, model, ("es", "Mi abuela trabaja en una casa grande cerca del río.")),
        ("ru", "Наш учитель каждый день читает important книги о новых языках."),
        options=["--labels", table],
    )
    assert (spanish["label"], spanish["match"], spanish["words_match"]) == ("es", True, None)
    assert (russian["label"], russian["match"], russian["words_match"]) == ("ru", True, False)
    errors = identify(folder, model, ("fi", "Kiitos"), options=["--labels", table])
    assert errors.count("\n") == 1 and f"{table}: has no labels for 'fi'" in errors


def test_a_text_is_normalised_before_it_is_identified(folder, model):
    asked = ("es", "EL PAN ES BUENO Y EL NIÑO LO COME EN LA CASA.")
    (capitals,) = identify(folder, model, asked)
    (clean,) = identify(folder, model, asked, options=["--normalise", "clean-line"])
    (lower,) = identify(folder, model, ("es", "el pan es bueno y el niño lo come en la casa"))
    assert clean == lower and clean["match"] and clean["probability"] != capitals["probability"]


def test_numbers_and_signs_are_not_prose_but_any_letter_is():
    assert text_to_identify("1.5 + 2 = 3.5 🎉") == "" and text_to_identify("1 ы") == "1 ы"


def test_an_unknown_language_is_named_in_one_line(folder, model):
    errors = identify(folder, model, ("xx", "text"))
    assert errors == f"error: {LANGUAGES}: the language 'xx' is missing; add it with its name and labels\n"


def test_a_language_that_the_model_cannot_identify_is_named_in_one_line(folder, model):
    errors = identify(folder, model, ("de", "text"))
    assert errors.count("\n") == 1 and "cannot identify 'de': it has none of the labels deu_Latn" in errors


def test_a_file_that_is_not_a_model_is_named_in_one_line(folder):
    errors = identify(folder, LANGUAGES, ("en", "text"))
    assert errors == f"error: {LANGUAGES}: not a fastText model; fetch or train it again\n"


def test_a_bare_no_in_the_language_table_is_named(tmp_path):
    path = tmp_path / "languages.yaml"
    path.write_text("no: {name: Norwegian, labels: [nob_Latn]}\n")
    with pytest.raises(InputError, match='reads an unquoted no as false, write "no"'):
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
def test_a_bad_corpus_is_named(folder, model, corpus, message):
    status, errors = program(
        "train_langid",
        "--corpus",
        f"en={folder}/eng_Latn.txt",
        corpus,
        "--languages",
        LANGUAGES,
        "--output",
        folder / "x.bin",
    )
    assert status and message in errors.splitlines()[-1]


# ---- the table of languages


def test_every_label_of_openlid_counts_as_exactly_one_language():
    assert sorted(label for entry in TABLE.values() for label in entry["labels"]) == sorted(OPENLID)


@pytest.mark.parametrize("code", TABLE)
def test_a_language_has_the_labels_that_openlid_gives_its_name(code):
    """OpenLID's names for its labels, and for no others, begin or end with its name, as Standard Malay ends with Malay;
    a code with a script has only the labels in that script.
    """
    name, _, script = TABLE[code]["name"].partition(" (")
    named = {
        label
        for label, theirs in (OPENLID | NAMED_OTHERWISE).items()
        if theirs == name or theirs.startswith(f"{name} ") or theirs.endswith(f" {name}")
    }
    named -= {label for label, other in ANOTHER_LANGUAGE.items() if other == name}
    if script:
        named = {label for label in named if label.endswith(code.split("-")[1])}
    assert set(TABLE[code]["labels"]) == named


@pytest.mark.parametrize("code", TABLE)
def test_a_code_is_one_that_a_configuration_may_use(code):
    language, _, script = code.partition("-")
    assert re.fullmatch(CODES, code)
    if len(language) == 3:  # ISO 639-3, like OpenLID's codes
        assert {label[:3] for label in TABLE[code]["labels"]} == {language}
    if script:
        assert {label[4:] for label in TABLE[code]["labels"]} == {script}


def test_languages_that_openlid_cannot_tell_apart_count_together():
    arabic = [label for label, name in OPENLID.items() if "Arabic" in name]
    assert len(arabic) == 9 and set(TABLE["ar"]["labels"]) == set(arabic)
    assert TABLE["fa"]["labels"] == ["pes_Arab", "prs_Arab"]
    assert TABLE["bs"]["labels"] == ["bos_Latn"] and TABLE["hr"]["labels"] == ["hrv_Latn"]


def test_openlid_has_201_labels_and_a_language_may_have_two():
    assert len(OPENLID) == 201
    assert {OPENLID[label] for label in TABLE["no"]["labels"]} == {"Norwegian Bokmal", "Norwegian Nynorsk"}
    assert {OPENLID[label] for label in TABLE["zh"]["labels"]} == {
        "Chinese (Simplified)",
        "Chinese (Traditional)",
    }


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="the authors' prompts are not on this machine")
def test_held_out_prompts_of_the_authors_are_identified_by_a_model_trained_on_the_others(folder):
    languages = {
        code: TABLE[code]["labels"][0] for code in ("bg", "bn", "cs", "en", "es", "fi", "fr", "no", "ru", "zh")
    }
    prompts = {
        code: [json.loads(line)["prompt"] for line in (AUTHORS / f"test_{code}.jsonl").read_text("utf-8").splitlines()]
        for code in languages
    }
    learnt = {label: [p for n, p in enumerate(prompts[code]) if n % 5] for code, label in languages.items()}
    flat = {label: [" ".join(prompt.split()) for prompt in texts] for label, texts in learnt.items()}
    model = train(folder, folder / "prompts.bin", flat, repeat=5)
    rows = identify(folder, model, *((code, p) for code in prompts for n, p in enumerate(prompts[code]) if n % 5 == 0))
    assert len(rows) == 100 and sum(row["match"] for row in rows) >= 98
