import csv
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import language_table
import table1
import table2
from reporting.markdown import format_setting

SCRIPTS = Path(table1.__file__).parent
LANGUAGE_TABLE = SCRIPTS.parents[1] / "resources" / "languages.yaml"
NAMES = {
    "methods": {"lora": "LoRA", "full": "Full-parameter"},
    "models": {"bloom-s": "BLOOM 560M"},
    "languages": {"es": "Spanish", "ru": "Russian"},
}
PAPER = {  # Table 1 of Chen et al. (2024)
    "lora": {
        "modules": {"BLOOM": ["query", "key", "value"], "Pythia": ["query", "key", "value"]},
        "rank": 8,
        "alpha": 16,
        "dropout": 0.05,
        "learning_rate": 3.0e-4,
        "batch": 128,
        "epochs": 5,
    },
    "full": {"learning_rate": 2.0e-5, "batch": 256, "epochs": 3},
}


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8"
    )


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_table_1_is_that_of_the_paper_under_the_papers_settings(tmp_path):
    done = run("table1.py", "--settings", json.dumps(PAPER), "--output-prefix", tmp_path / "table1")
    assert done.returncode == 0, done.stderr
    assert [tuple(row.values()) for row in rows_of(tmp_path / "table1.csv")] == [
        ("lora", "LoRA modules", "query, key, value"),
        ("lora", "rank", "8"),
        ("lora", "scaling factor", "16"),
        ("lora", "dropout", "0.05"),
        ("lora", "learning rate", "3e-4"),
        ("lora", "global batch size", "128"),
        ("lora", "epochs", "5"),
        ("full", "learning rate", "2e-5"),
        ("full", "global batch size", "256"),
        ("full", "epochs", "3"),
    ]
    lines = (tmp_path / "table1.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 12
    assert [line.split("|")[1].strip() for line in table[2:]] == ["LoRA"] * 7 + ["Full-parameter"] * 3
    assert len({len(line) for line in table}) == 1  # the columns line up


def test_families_that_adapt_other_modules_have_a_row_of_their_own():
    modules = {"BLOOM": ["query_key_value"], "LLaMA": ["q_proj", "v_proj"], "Pythia": ["query_key_value"]}
    rows = table1.table_rows({"lora": {"modules": modules}})
    assert [(row["hyperparameter"], row["value"]) for row in rows] == [
        ("LoRA modules (BLOOM, Pythia)", "query_key_value"),
        ("LoRA modules (LLaMA)", "q_proj, v_proj"),
    ]


def test_settings_beyond_the_papers_follow_under_their_own_names():
    rows = table1.table_rows({"full": {"weight_decay": 0.0, "epochs": 3, "flag": True}})
    assert [(row["hyperparameter"], row["value"]) for row in rows] == [
        ("epochs", "3"),
        ("weight decay", "0"),
        ("flag", "yes"),
    ]


def test_small_numbers_are_written_as_powers_of_ten():
    assert [format_setting(value) for value in (3e-4, 2e-5, 1.25e-5, 0.05, 0.03, 1.0, 128)] == [
        "3e-4",
        "2e-5",
        "1.25e-5",
        "0.05",
        "0.03",
        "1",
        "128",
    ]


def test_an_unknown_method_is_reported_in_one_line(tmp_path):
    done = run("table1.py", "--settings", '{"qlora": {"rank": 8}}', "--output-prefix", tmp_path / "table1")
    assert done.returncode == 1
    assert done.stderr == "error: --settings: unknown method 'qlora'; choose from lora, full, or give its label\n"


def answer(lang, id, rating, match=False, label="eng_Latn", probability=0.9, response="Sure.", **changes):
    row = {
        "judge": "judge",
        "method": "lora",
        "model": "bloom-s",
        "recipe": "mono-en",
        "seed": 42,
        "lang": lang,
        "id": id,
        "prompt": "¿Me ayudas?",
        "response": response,
        "rating": rating,
        "explanation": "Polite and friendly.",
        "label": label,
        "probability": probability,
        "match": match,
        "score": (rating or 0) * match,
    }
    return row | changes


def frame(*rows):
    return pl.DataFrame(rows, schema_overrides={"rating": pl.Float64, "score": pl.Float64, "label": pl.String})


def shown(*rows, count=5):
    return [(row["lang"], row["id"]) for row in table2.highest_rated_in_wrong_language(frame(*rows), count).to_dicts()]


def test_the_most_highly_rated_wrong_language_answers_come_first():
    rows = [answer("es", "a", 1), answer("es", "b", 3), answer("es", "c", 2), answer("es", "d", 3, match=True)]
    assert shown(*rows) == [("es", "b"), ("es", "c"), ("es", "a")]
    assert shown(*rows, count=1) == [("es", "b")]


def test_equal_ratings_take_turns_by_language_the_clearest_case_first():
    rows = [
        answer("es", "a", 3, probability=0.99),
        answer("es", "b", 3, probability=0.98),
        answer("zh", "c", 3, probability=0.6),
        answer("zh", "d", 3, probability=0.5),
    ]
    assert shown(*rows) == [("es", "a"), ("zh", "c"), ("es", "b"), ("zh", "d")]


def test_remaining_ties_are_in_the_order_of_the_key_whatever_the_order_of_the_rows():
    rows = [answer(lang, id, 3) for lang in ("es", "zh") for id in ("1", "2", "3")]
    expected = [("es", "1"), ("zh", "1"), ("es", "2"), ("zh", "2"), ("es", "3"), ("zh", "3")]
    assert shown(*rows, count=6) == expected
    assert shown(*rows[::-1], count=6) == expected


def test_answers_without_a_rating_or_without_text_are_not_examples():
    rows = [answer("es", "a", None), answer("es", "b", 3, label=None, probability=0.0, response="")]
    assert shown(*rows) == []


def test_table_2_gives_the_exact_text_and_the_judges_words(tmp_path):
    response = "Sure, ```code``` | # not a title\n\nYes."
    frame(answer("es", "a", 3, response=response)).write_parquet(tmp_path / "scores.parquet")
    arguments = ["--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2"]
    arguments += ["--names", json.dumps(NAMES), "--languages", LANGUAGE_TABLE]
    done = run("table2.py", *arguments, "--note", "A stand-in judged.")
    assert done.returncode == 0, done.stderr
    [row] = rows_of(tmp_path / "table2.csv")
    assert (row["response"], row["rating"], row["label"]) == (response, "3", "eng_Latn")
    text = (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert f"````text\n{response}\n````" in text  # a longer fence, which the answer cannot close
    assert "Asked in Spanish, answered in English (0.9)" in text
    assert "LoRA, BLOOM 560M, English-only, prompt a" in text
    assert "Polite and friendly." in text
    assert text.endswith("A stand-in judged.\n")


def test_table_2_has_the_english_wording_of_a_prompt_where_an_english_one_has_its_id(tmp_path):
    english = [answer("en", "a", 3, match=True, prompt="Can you help me?"), answer("en", "c", 2, label="spa_Latn")]
    rows = [answer("es", "a", 3), answer("es", "b", 3), *english]
    frame(*rows).write_parquet(tmp_path / "scores.parquet")
    done = run("table2.py", "--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2")
    assert done.returncode == 0, done.stderr
    found = {(row["lang"], row["id"]): row["english"] for row in rows_of(tmp_path / "table2.csv")}
    assert found == {("es", "a"): "Can you help me?", ("es", "b"): "", ("en", "c"): "¿Me ayudas?"}
    text = (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert "¿Me ayudas?\n```\n\nIn English:\n\n```text\nCan you help me?\n```" in text
    assert text.count("In English:") == 1, "neither where there is none, nor below an English prompt"


def test_table_2_has_a_mean_of_repeats_with_its_decimals(tmp_path):
    frame(answer("es", "a", 2.5)).write_parquet(tmp_path / "scores.parquet")
    done = run("table2.py", "--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2")
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "table2.csv")[0]["rating"] == "2.5"
    assert "Rating: **2.5**" in (tmp_path / "table2.md").read_text(encoding="utf-8")


def test_without_any_example_table_2_says_so_in_a_sentence(tmp_path):
    frame(answer("es", "a", 3, match=True)).write_parquet(tmp_path / "scores.parquet")
    done = run("table2.py", "--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2")
    assert done.returncode == 0, done.stderr
    assert "No answer in the wrong language was rated" in (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert rows_of(tmp_path / "table2.csv") == []


def identified(lang, *answers, **run):
    """Score rows with what was identified for each answer, in the order of `names`."""
    names = ("label", "probability", "match", "code_decides", "lines_match", "words_match")
    return [answer(lang, str(id), 2) | dict(zip(names, found, strict=True)) | run for id, found in enumerate(answers)]


def language_frame(*rows):
    return frame(*rows).cast({"lines_match": pl.Boolean, "words_match": pl.Boolean})


RUSSIAN = identified(
    "ru",
    ("rus_Cyrl", 0.9, True, False, True, True),
    ("rus_Cyrl", 0.7, True, False, True, False),  # an English word in it
    ("rus_Cyrl", 0.8, True, True, False, None),  # a line in another language: its words are not judged
    (None, 0.0, False, False, None, None),  # nothing to identify
)


def test_the_language_table_has_the_shares_of_what_was_judged():
    [row] = language_table.language_rows(language_frame(*RUSSIAN), [], [])
    assert row == {
        "method": "lora",
        "model": "bloom-s",
        "recipe": "mono-en",
        "lang": "ru",
        "responses": 4,
        "code decides": 1,
        "match": 3 / 4,
        "line pass": pytest.approx(2 / 3),
        "lines judged": 3,
        "word pass": 1 / 2,
        "words judged": 2,
        "probability": pytest.approx(0.8),
    }


def test_an_answer_that_several_judges_rated_counts_once():
    rows = [*RUSSIAN, *(row | {"judge": "other"} for row in RUSSIAN)]
    assert language_table.language_rows(language_frame(*rows), [], []) == language_table.language_rows(
        language_frame(*RUSSIAN), [], []
    )


def test_the_language_table_is_in_the_order_of_methods_models_recipes_and_languages():
    rows = [
        row
        for method, model, recipe, lang in [
            ("full", "a", "mono-en", "en"),
            ("lora", "a", "multilingual", "es"),
            ("lora", "a", "mono-es", "es"),
            ("lora", "a", "mono-en", "es"),
            ("lora", "a", "mono-en", "en"),
            ("lora", "b", "downsampled", "en"),
        ]
        for row in identified(lang, ("x", 1.0, True, False, True, None), method=method, model=model, recipe=recipe)
    ]
    table = language_table.language_rows(language_frame(*rows), ["b", "a"], ["en", "es"])
    assert [tuple(row[name] for name in language_table.CELL) for row in table] == [
        ("lora", "b", "downsampled", "en"),
        ("lora", "a", "mono-en", "en"),
        ("lora", "a", "mono-en", "es"),
        ("lora", "a", "mono-es", "es"),
        ("lora", "a", "multilingual", "es"),
        ("full", "a", "mono-en", "en"),
    ]


def test_the_language_table_is_written_for_a_reader_and_for_a_program(tmp_path):
    spanish = identified("es", ("spa_Latn", 1.0, True, False, True, None))
    language_frame(*RUSSIAN, *spanish).write_parquet(tmp_path / "scores.parquet")
    arguments = ["--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "languages"]
    done = run("language_table.py", *arguments, "--names", json.dumps(NAMES), "--note", "A stand-in judged.")
    assert (done.returncode, done.stderr) == (0, "languages: 2 runs and languages\n")
    text = (tmp_path / "languages.md").read_text(encoding="utf-8")
    run_shown = ["LoRA", "BLOOM 560M", "English-only"]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:4]] == [
        [*run_shown, "Spanish", "1", "0", "1.00", "1.00", "–", "1.00"],
        [*run_shown, "Russian", "4", "1", "0.75", "0.67", "0.50", "0.80"],
    ]
    assert text.endswith("A stand-in judged.\n")
    rows = rows_of(tmp_path / "languages.csv")
    assert [(row["lang"], row["words judged"], row["word pass"]) for row in rows] == [
        ("es", "0", ""),
        ("ru", "2", "0.5"),
    ]


def test_a_file_that_is_not_a_score_table_is_named_in_one_line(tmp_path):
    (tmp_path / "scores.parquet").write_text("no parquet")
    done = run("table2.py", "--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/scores.parquet: not a parquet file (")
    assert done.stderr.endswith("; make it again with score.py\n") and done.stderr.count("\n") == 1
    frame(answer("es", "a", 3)).drop("explanation").write_parquet(tmp_path / "scores.parquet")
    done = run("table2.py", "--scores", tmp_path / "scores.parquet", "--output-prefix", tmp_path / "table2")
    assert "scores.parquet: the column 'explanation' is missing" in done.stderr
