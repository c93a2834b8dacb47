import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import costs
import judge_report
import summary
from reporting.costs import RECORDED

SCRIPT = Path(summary.__file__)


def answers(method, model, recipe, lang, *pairs, judge="judge"):
    """Rows of a score table for (rating, match) pairs."""
    run = {"judge": judge, "method": method, "model": model, "recipe": recipe, "seed": 42, "lang": lang}
    return [
        run | {"id": str(number), "rating": rating, "match": match, "score": (rating or 0) * match}
        for number, (rating, match) in enumerate(pairs)
    ]


SCORES = [
    *answers("full", "big", "multilingual", "es", (1, True), (1, True)),
    *answers("lora", "big", "downsampled", "es", (3, True), (None, True)),
    *answers("lora", "big", "mono-en", "en", (3, True), (3, True)),
    *answers("lora", "big", "mono-en", "es", (3, False), (2, True)),
    *answers("lora", "big", "mono-en", "zh", (3, False), (2, False)),
    *answers("lora", "big", "mono-es", "es", (3, True), (2, True)),
    *answers("lora", "big", "mono-zh", "zh", (3, True), (2, False)),
    *answers("lora", "big", "multilingual", "es", (2, True), (1, True)),
    *answers("lora", "tiny", "multilingual", "es", (2, True)),
]


NAMES = {
    "methods": {"lora": "LoRA", "full": "Full-parameter"},
    "models": {"tiny": "BLOOM 560M", "big": "BLOOM 7.1B"},
    "languages": {"en": "English", "es": "Spanish", "zh": "Chinese"},
}


def summarise(folder, rows, *arguments):
    """The summary's text."""
    pl.DataFrame(rows, schema_overrides={"rating": pl.Float64, "score": pl.Float64}).write_parquet(
        folder / "scores.parquet"
    )
    command = [sys.executable, SCRIPT, "--scores", folder / "scores.parquet", "--output", folder / "summary.md"]
    subprocess.run([*command, "--judge", "the judge", *arguments], check=True)
    return (folder / "summary.md").read_text(encoding="utf-8")


def tables(text):
    """The Markdown tables of a text, each as its rows of cells."""
    found = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[table[0], *table[2:]] for table in found if table]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    order = ["--names", json.dumps(NAMES)]
    files = ["--figures", "f/figure2.pdf", "f/figure2.png", "f/figure2.csv", "f/figure3.pdf", "--tables", "t/table1.md"]
    files += ["--answers", "a/answers.html"]
    return summarise(tmp_path_factory.mktemp("run"), SCORES, *order, *files, "--note", "A stand-in judged.")


def test_the_score_table_has_a_row_per_model_and_series_and_a_column_per_language(text):
    assert tables(text)[0] == [
        ["method", "model", "recipe", "English", "Spanish", "Chinese"],
        ["LoRA", "BLOOM 560M", "Multilingual", "–", "2*", "–"],
        ["LoRA", "BLOOM 7.1B", "Multilingual", "–", "3", "–"],
        ["LoRA", "BLOOM 7.1B", "Monolingual", "6", "5", "3"],
        ["LoRA", "BLOOM 7.1B", "English-only", "6", "2", "0"],
        ["LoRA", "BLOOM 7.1B", "Downsampled", "–", "3", "–"],
        ["Full-parameter", "BLOOM 7.1B", "Multilingual", "–", "2", "–"],
    ]
    assert "the sum over 2 prompts; the maximum is 6" in text
    assert "fewer prompts than the others" in text


def test_a_sum_that_is_not_whole_has_two_decimals(tmp_path):
    text = summarise(tmp_path, answers("lora", "big", "mono-en", "en", (7 / 3, True), (1, True)))
    assert tables(text)[0][1] == ["lora", "big", "English-only", "3.33"]


def test_consistency_is_the_share_of_matches_outside_english(text):
    assert tables(text)[1] == [
        ["method", "recipe", "Spanish", "Chinese", "all"],
        ["LoRA", "Multilingual", "1.00", "–", "1.00"],
        ["LoRA", "Monolingual", "1.00", "0.50", "0.75"],
        ["LoRA", "English-only", "0.50", "0.00", "0.25"],
        ["LoRA", "Downsampled", "1.00", "–", "1.00"],
        ["Full-parameter", "Multilingual", "1.00", "–", "1.00"],
    ]


def test_it_says_where_the_figures_and_tables_are(text):
    assert "- f/figure2.{pdf,png,csv}\n- f/figure3.{pdf}\n" in text
    assert "- t/table1.{md}\n" in text


def test_it_says_where_the_answers_can_be_read_if_they_can(text, tmp_path):
    assert "## Answers\n\n- a/answers.html: all answers, side by side with their ratings, in a browser\n" in text
    assert "## Answers" not in summarise(tmp_path, SCORES)


def test_it_counts_missing_ratings_and_what_they_add(text):
    assert "Missing ratings: 1 of 17 (5.9%); they add 0 to the scores." in text


def test_a_stand_in_is_called_a_stand_in(text, tmp_path):
    assert "**A stand-in judged.**" in text
    assert "Evaluation score by the stand-in judge" in text
    assert "stand-in" not in summarise(tmp_path, SCORES)


def test_columns_line_up_in_a_terminal(text):
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({len(line) for line in block.splitlines()}) == 1


def test_each_judge_has_a_section_of_its_own(tmp_path):
    other = answers("lora", "big", "mono-en", "en", (1, True), (1, True), judge="other")
    text = summarise(tmp_path, SCORES + other)
    assert "## Scores by judge" in text
    assert tables(text.split("## Scores by other")[1])[0][1] == ["lora", "big", "English-only", "2"]


def test_english_alone_needs_no_consistency_table(tmp_path):
    text = summarise(tmp_path, answers("lora", "big", "mono-en", "en", (1, True)))
    assert len(tables(text)) == 1
    assert "Missing ratings: 0 of 1 (0.0%)." in text


def trainings(folder, *hours):
    """The CSV of costs.py for one model per value of `hours`, where None is a model that was not trained here."""
    record = dict.fromkeys((*RECORDED, "peak_memory"), 1) | {"device": "NVIDIA H100", "ranks": 2}
    models = [folder / f"models/lora/big/{number}" for number in range(len(hours))]
    for model, spent in zip(models, hours, strict=True):
        model.mkdir(parents=True)
        if spent is not None:
            seconds = 3600 * spent / record["ranks"]
            (model / "training.json").write_text(json.dumps(record | {"tokens": 600_000, "seconds": seconds}))
    costs.main(["--output-prefix", str(folder / "costs"), "--models", *map(str, models)])
    return ["--costs", folder / "costs.csv"]


def judges(folder, **money):
    """The CSV of judge_report.py, as far as it is about money."""
    rows = [{"judge": judge, "attempts": 9, "US dollars": dollars} for judge, dollars in money.items()]
    judge_report.write_csv(folder / "judges.csv", {"cost": rows})
    return ["--judge-report", folder / "judges.csv"]


def test_a_judge_that_leaves_out_more_ratings_than_tolerated_is_told_before_any_score(tmp_path):
    counts = {"silent": 30, "careful": 20, "sure": 0}
    rows = [{"judge": judge, "responses": 1000, "responses without any": count} for judge, count in counts.items()]
    judge_report.write_csv(tmp_path / "judges.csv", {"rated": rows})
    text = summarise(tmp_path, SCORES, "--judge-report", tmp_path / "judges.csv")
    first = text.index("**silent gave no rating to 3.0% of the responses, of which 2.0% are tolerated")
    assert first < text.index("## Scores") and "careful" not in text
    text = summarise(tmp_path, SCORES, "--judge-report", tmp_path / "judges.csv", "--missing-tolerated", "0.01")
    assert "**careful gave no rating to 2.0% of the responses, of which 1.0% are tolerated" in text


def test_it_says_what_all_trainings_and_each_judge_cost(tmp_path):
    text = summarise(tmp_path, SCORES, *trainings(tmp_path, 10.5, 2, None), *judges(tmp_path, dear=12.3, own=None))
    assert "## Cost\n\nTrainings: 2 of 3 models measured, 12.5 device-hours (NVIDIA H100), 1.2 M tokens. " in text
    assert "Judges: dear 12.30 US dollars; own, price unknown.\n" in text


def test_the_cost_of_models_that_were_not_trained_here_is_unknown(tmp_path):
    assert "None of the trainings was measured." in summarise(tmp_path, SCORES, *trainings(tmp_path, None, None))


def test_costs_are_left_out_where_none_are_given(text):
    assert "## Cost" not in text
