"""Rows that look badly translated are flagged, whatever translated them; sound ones are not."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basics.reading import read_jsonl
from basics.writing import write_jsonl
from data.flags import FLAGS, sorted_flags
from flag_translation import examine_row, excerpt, most_repeated

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "workflow" / "scripts" / "flag_translation.py"

ENGLISH = "The teacher reads a long book in the garden, and the children listen to every word."
SPANISH = "El maestro lee un libro largo en el jardín y los niños escuchan cada palabra."
RUSSIAN = "Учитель читает в саду длинную книгу, и дети слушают каждое слово."
CHINESE = "老师在花园里读一本很长的书，孩子们听着每一个字。"
CODE = "```python\nfor word in book:\n    print(word)  # the teacher reads every word of the long book\n```\n"


def row(instruction="", input="", output="", **more) -> dict:
    return {"id": 0, "instruction": instruction, "input": input, "output": output} | more


def flags(source: dict, translation: dict) -> list[str]:
    return sorted_flags(examine_row(source, translation).findings)


# --- one row by itself


@pytest.mark.parametrize("translation", [SPANISH, RUSSIAN, CHINESE], ids=["es", "ru", "zh"])
def test_a_sound_row_has_no_flag(translation):
    source = row("Describe a scene.", ENGLISH, CODE + ENGLISH)
    assert flags(source, row("...", translation, CODE + translation)) == []


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        (ENGLISH, ENGLISH),
        (f"Here it is:\n{ENGLISH}", f"Aquí está:\n{ENGLISH}"),
        (f"1. {ENGLISH}\n2. Fine.", f"1. {ENGLISH}\n2. Bien."),
        (CODE + ENGLISH, CODE + ENGLISH),
    ],
    ids=["whole", "most", "in a list", "beside code"],
)
def test_prose_that_was_left_untranslated_counts_as_copied(source, translation):
    assert flags(row("Go on.", output=source), row("Sigue.", output=translation)) == ["copied"]


@pytest.mark.parametrize(
    "text",
    ["OK", "Yes", "42", "Barack Obama, Angela Merkel, Nelson Mandela, Mahatma Gandhi", "The Lord of the Rings", CODE],
)
def test_what_needs_no_translation_does_not_count_as_copied(text):
    assert flags(row("Go on.", output=text), row("Sigue.", output=text)) == []


def test_a_short_copied_line_in_a_translated_text_does_not_count_as_copied():
    source, translation = f"{ENGLISH}\nas it is said here", f"{SPANISH}\nas it is said here"
    assert flags(row("Go on.", output=source), row("Sigue.", output=translation)) == []


def test_an_output_that_became_equal_to_the_input_is_flagged():
    source = row("Correct it.", "The teacher read a book yesterday's.", "The teacher read a book yesterday.")
    same = "El maestro leyó un libro ayer."
    assert flags(source, row("Corrígelo.", same, f" {same}\n")) == ["output_is_input"]


def test_an_output_that_equals_the_input_in_the_seed_too_is_not_flagged():
    source = row("Correct it if need be.", "It is fine.", "It is fine.")
    assert flags(source, row("Corrígelo.", "Está bien.", "Está bien.")) == []
    assert flags(row("Say nothing.", "", ""), row("No digas nada.", "", "")) == []


@pytest.mark.parametrize(
    ("source", "translation"),
    [(row("Go on.", "", "Yes."), row("Sigue.", "", " ")), (row("Go on.", "", "Yes."), row("Sigue.", "x", "Sí."))],
    ids=["lost", "out of nowhere"],
)
def test_a_field_that_is_empty_on_one_side_is_blank(source, translation):
    assert flags(source, translation) == ["blank"]


@pytest.mark.parametrize(
    "text",
    [
        "El libro y así sucesivamente, y así sucesivamente, y así sucesivamente, y así sucesivamente.",
        "книга и так далее и так далее и так далее и так далее",
        "这本书非常非常非常非常好。",
        "啊啊啊啊啊啊啊啊啊啊",
        "the the the the",
        "esosososososososo",
    ],
)
def test_a_stretch_of_text_that_occurs_many_times_in_a_row_is_a_repetition(text):
    assert flags(row("Go on.", output="The book and so on."), row("Sigue.", output=text)) == ["repetition"]


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("Ha ha ha ha ha!", "¡Ja, ja, ja, ja, ja!"),
        ("No, no, no.", "No, no, no."),
        ("It costs 1,000,000,000,000.", "Cuesta 1 000 000 000 000."),
        ("Day 1, day 2, day 3, day 4, day 5.", "Día 1, día 2, día 3, día 4, día 5."),
        (f"{ENGLISH}\n" * 5, f"{CHINESE}\n" * 5),
        ("The tall tree.", "El árbol alto ---------- ......"),
        (CODE + "Look at it.", CODE + "Míralo."),
    ],
    ids=["in the seed too", "too few", "digits", "counted", "long in the seed", "punctuation", "code"],
)
def test_what_is_repeated_in_the_seed_too_or_is_not_text_is_no_repetition(source, translation):
    assert flags(row("Go on.", output=source), row("Sigue.", output=translation)) == []


def test_the_most_repeated_stretch_is_given_with_its_count():
    assert most_repeated("uno dos, uno dos; UNO DOS") == (3, "unodos")
    assert most_repeated("uno dos tres") == (1, "")
    assert most_repeated("") == (1, "")


def test_a_long_row_takes_time_in_proportion_to_its_length():
    def seconds(times):
        source = row("Go on.", output=f"{ENGLISH}\n" * times)
        start = time.perf_counter()
        assert flags(source, row("Sigue.", output=f"{SPANISH}\n" * times)) == []
        return time.perf_counter() - start

    seconds(100)
    assert seconds(2000) < 100 * max(seconds(100), 0.01)  # 20 times the text


def test_short_text_and_code_are_not_judged_by_length_or_language():
    judged = examine_row(row("Go on.", output=CODE + "Print it."), row("Sigue.", output=CODE + "Imprímelo."))
    assert judged.text == ""
    assert all(ratio != ratio for ratio in judged.ratios), "nan"


def test_the_language_is_identified_from_prose_without_code_and_addresses():
    source = row(ENGLISH, output=f"{CODE}See `print(word)` at https://example.org/book. {ENGLISH}")
    judged = examine_row(
        source, row(SPANISH, output=f"{CODE}Véase `print(word)` en https://example.org/book. {SPANISH}")
    )
    assert "print" not in judged.text and "example" not in judged.text
    assert judged.text.startswith("El maestro") and judged.text.endswith("cada palabra.")


def test_flags_have_one_order_and_no_other_names():
    assert sorted_flags(["language", "pieced", "language", "blank"]) == ["pieced", "blank", "language"]
    with pytest.raises(ValueError, match="copyed"):
        sorted_flags(["pieced", "copyed"])


def test_the_documentation_lists_every_flag_in_order():
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Flags") :].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == list(FLAGS)


# --- a language

TEXTS = {"en": ENGLISH, "es": SPANISH, "ru": RUSSIAN, "zh": CHINESE}
TABLE = """\
en: {name: English, labels: [eng_Latn]}
es: {name: Spanish, labels: [spa_Latn]}
fi: {name: Finnish, labels: [fin_Latn]}
ru: {name: Russian, labels: [rus_Cyrl]}
zh: {name: Chinese, labels: [zho_Hans]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A language table, and an identifier that knows four languages by the words used here."""
    folder = tmp_path_factory.mktemp("flags")
    (folder / "languages.yaml").write_text(TABLE)
    corpora = []
    for code, text in TEXTS.items():
        words = re.findall(r"\w{1,7}", text)
        # Every rotation of the sentence, so that the words identify the language in any order.
        lines = [" ".join(words[n:] + words[:n]) for n in range(len(words))] * 20
        (folder / f"{code}.txt").write_text("\n".join(lines), encoding="utf-8")
        corpora.append(f"{code}={folder / code}.txt")
    command = [sys.executable, SCRIPT.with_name("train_langid.py"), "--corpus", *corpora]
    command += ["--languages", folder / "languages.yaml", "--output", folder / "identifier.bin"]
    subprocess.run(command, check=True)
    return folder


def run(folder, seed, rows, language="es", name="es", options=()):
    """Flag rows. Returns the error line, or the rows with their flags and the report."""
    for file, content in (("seed", seed), ("rows", rows)):
        write_jsonl(folder / f"{file}.jsonl", content)
    outputs = {kind: folder / f"{name}.{kind}" for kind in ("jsonl", "md", "png")}
    command = [sys.executable, SCRIPT, "--seed", folder / "seed.jsonl", "--rows", folder / "rows.jsonl"]
    command += ["--language", language, "--languages", folder / "languages.yaml"]
    command += ["--model", folder / "identifier.bin", "--output", outputs["jsonl"], "--report", outputs["md"]]
    done = subprocess.run([*command, "--picture", outputs["png"], *options], capture_output=True, text=True)
    if done.returncode:
        return done.stderr
    return read_jsonl(outputs["jsonl"]), outputs["md"].read_text(encoding="utf-8")


def sample(translation=SPANISH, count=12):
    """Seed and translation, all sound."""
    seed = [row(f"Number {n}.", "", ENGLISH) | {"id": n} for n in range(count)]
    return seed, [row(f"Número {n}.", "", translation, flags=[]) | {"id": n} for n in range(count)]


def test_flags_are_added_to_those_that_a_row_has_and_nothing_else_changes(folder):
    seed, rows = sample()
    rows[1]["output"] = ENGLISH  # not translated
    rows[2]["flags"] = ["pieced"]
    rows[3] |= {"output": "", "flags": ["pieced"]}
    rows[4]["output"] = f"{SPANISH} {SPANISH} {SPANISH}"
    rows[5]["output"] = "El maestro."
    rows[6]["output"] = RUSSIAN
    flagged, _ = run(folder, seed, rows)
    assert [one["flags"] for one in flagged] == [
        [],
        ["copied", "language"],
        ["pieced"],
        ["pieced", "blank"],
        ["length_ratio"],
        ["length_ratio"],
        ["language"],
        *[[]] * 5,
    ]
    assert [one | {"flags": 0} for one in flagged] == [one | {"flags": 0} for one in rows]
    assert list(flagged[0]) == ["id", "instruction", "input", "output", "flags"]


def test_lengths_are_compared_with_the_languages_own_median(folder):
    seed, rows = sample(CHINESE)
    rows[3]["output"] = CHINESE * 3  # as long as the English source
    flagged, report = run(folder, seed, rows, "zh", "zh")
    assert [one["id"] for one in flagged if one["flags"]] == [3]
    assert flagged[3]["flags"] == ["length_ratio"]
    median = re.search(r"median translation has (0\.\d\d) times", report)
    assert 0.2 < float(median[1]) < 0.4


def test_equal_input_gives_equal_bytes(folder):
    seed, rows = sample()
    rows[1]["output"] = ENGLISH
    for name in ("first", "second"):
        run(folder, seed, rows, name=name)
    for kind in ("jsonl", "png"):
        assert (folder / f"first.{kind}").read_bytes() == (folder / f"second.{kind}").read_bytes()
    first, second = ((folder / f"{name}.md").read_text() for name in ("first", "second"))
    assert first.replace("first.png", "second.png") == second


def test_the_report_counts_every_flag_and_shows_the_first_rows_of_each(folder):
    seed, rows = sample()
    for n in range(2, 8):
        rows[n]["output"] = RUSSIAN
    rows[9] |= {"output": ENGLISH, "flags": ["pieced"]}
    _, report = run(folder, seed, rows)
    assert report.startswith("# Translation into Spanish\n\n12 rows, ")
    assert "7 rows (58.33 %) have a flag" in report
    counted = dict(re.findall(r"^\| `(\w+)` +\| +(\d+) \|", report, flags=re.MULTILINE))
    assert counted == dict.fromkeys(FLAGS, "0") | {"pieced": "1", "copied": "1", "language": "7"}
    shown_ids = re.findall(r"^\| (\d+) ", report[report.index("## language") :], flags=re.MULTILINE)
    assert shown_ids == ["2", "3", "4"]
    assert "Identified most often as: rus\\_Cyrl 6, eng\\_Latn 1." in report
    assert "](es.png)" in report
    assert (folder / "es.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [1, 3])
def test_a_language_in_which_nothing_can_be_judged_has_a_report_too(folder, count):
    seed = [row("Go on.", "", "Yes.") | {"id": n} for n in range(count)]
    rows = [row("Sigue.", "", "Sí.") | {"id": n} for n in range(count)]  # no flags yet, as in a user's own data
    flagged, report = run(folder, seed, rows)
    assert all(one["flags"] == [] for one in flagged)
    assert "no length is tested" in report


def test_examples_are_cut_and_escaped_for_markdown():
    assert excerpt("one\n\n two") == "one two"
    assert excerpt("a_b *c* `d` <b> [e](f)") == r"a\_b \*c\* \`d\` \<b> \[e\](f)"
    assert len(excerpt("é" * 500)) == 120 and excerpt("é" * 500).endswith("…")
    assert excerpt("half \ud83d a pair, and \u202e") == "half \ufffd a pair, and \ufffd"
    assert excerpt(" ") == "(empty)"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda rows: rows[:-1], "ends after 11 rows, before id 11 of "),
        (lambda rows: [*rows, rows[0] | {"id": 12}], "row 12: id 12 is beyond the end of "),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "row 0: id 1 where "),
        (
            lambda rows: [rows[0], rows[1] | {"id": "1"}, *rows[2:]],
            "line 2: the field 'id' is text, not a whole number",
        ),
        (lambda rows: [rows[0] | {"output": None}, *rows[1:]], "line 1: the field 'output' is null, not text"),
        (lambda rows: [rows[0] | {"flags": ["copyed"]}, *rows[1:]], "row 0: copyed is not a flag"),
        (lambda rows: [{"id": 0}, *rows[1:]], "line 1: the field 'instruction' is missing"),
    ],
    ids=["fewer", "more", "another order", "an id of another type", "no text", "an unknown flag", "a missing field"],
)
def test_rows_that_do_not_match_the_seed_are_refused_in_one_line(folder, spoil, named):
    seed, rows = sample()
    (folder / "refused.jsonl").unlink(missing_ok=True)
    errors = run(folder, seed, spoil(rows), name="refused")
    assert errors.startswith("error: ") and named in errors
    assert errors.count("\n") == 1
    assert not (folder / "refused.jsonl").exists()


def test_an_identifier_that_cannot_tell_the_language_is_refused_in_one_line(folder):
    errors = run(folder, *sample(), language="fi")
    assert "cannot identify 'fi': it has none of the labels fin_Latn" in errors and errors.count("\n") == 1
    assert "the language 'xx' is missing" in run(folder, *sample(), language="xx")


def test_the_labels_may_be_those_of_another_table_and_the_text_normalised(folder):
    seed, rows = sample(ENGLISH.upper())
    table = folder / "labels.yaml"
    table.write_text("normalise: none\nlabels: {es: [eng_Latn]}\n")
    flagged, _ = run(folder, seed, rows, options=["--labels", table, "--normalise", "clean-line"])
    assert {flag for one in flagged for flag in one["flags"]} == set(), "in lower case, it is what --labels asks for"
    flagged, _ = run(folder, seed, rows, options=["--labels", table])
    assert all("language" in one["flags"] for one in flagged), "the identifier has seen no capitals"
    table.write_text("normalise: none\nlabels: {fi: [eng_Latn]}\n")
    errors = run(folder, seed, rows, options=["--labels", table])
    assert errors.count("\n") == 1 and "labels.yaml: has no labels for 'es'" in errors


def test_unusual_line_ends_and_characters_survive(folder):
    seed, rows = sample()
    odd = f"{SPANISH}\r\n\u2028\x00\u200b 👩‍👩‍👧 {SPANISH}"
    seed[0]["output"], rows[0]["output"] = f"{ENGLISH}\r\n{ENGLISH}", odd
    flagged, _ = run(folder, seed, rows)
    assert flagged[0]["output"] == odd
    assert json.loads((folder / "es.jsonl").read_bytes().split(b"\n")[0])["output"] == odd
