"""Answers and ratings in alpaca_eval's JSON: what is in the files, and that alpaca_eval reads them."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from answered import KINDS, REPOSITORY, answer
from readers import readers, run_reader

OURS, REFERENCE = "lora_bloom-s_mono-en", "lora_bloom-s_multilingual"


def export(folder: Path, rows: list[dict], *options: str) -> subprocess.CompletedProcess:
    pl.DataFrame(rows, schema_overrides=KINDS).write_parquet(folder / "scores.parquet")
    command = [sys.executable, REPOSITORY / "workflow" / "scripts" / "export_answers.py", *options]
    command += ["--scores", folder / "scores.parquet", "--output", folder / "out"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, encoding="utf-8")


def exported(folder: Path, rows: list[dict], *options: str) -> dict[str, list[dict]]:
    """The files that are made, by their path without .json."""
    done = export(folder, rows, *options)
    assert done.returncode == 0, done.stderr
    made = sorted((folder / "out").rglob("*.json"))
    return {
        str(path.relative_to(folder / "out").with_suffix("")): json.loads(path.read_text(encoding="utf-8"))
        for path in made
    }


def test_an_answer_is_there_once_and_has_a_rating_by_each_judge(tmp_path):
    rows = [answer("es"), answer("es", judge="bob", rating=2.5, ratings=[2, 3], explanation="Almost.", match=False)]
    made = exported(tmp_path, rows)
    output = {
        "instruction": "What is a cat, in es?",
        "output": "An animal.",
        "generator": REFERENCE,
        "dataset": "es",
        "id": "cat",
    }
    assert made[f"{REFERENCE}/model_outputs"] == [output]
    assert made[f"{REFERENCE}/bob/ratings"] == [
        output
        | {"annotator": "bob", "rating": 2.5, "ratings": [2, 3], "explanation": "Almost.", "label": "spa_Latn"}
        | {"match": False, "score": 0.0}
    ]
    assert made[f"{REFERENCE}/ann/ratings"][0]["rating"] == 2.0
    assert len(made) == 3


@pytest.mark.parametrize(
    ("one", "two", "preferred"),
    [
        ({"rating": 1}, {"rating": 3}, 2.0),
        ({"rating": 3}, {"rating": 1}, 1.0),
        ({"rating": 2}, {"rating": 2}, 1.5),
        ({"rating": 3, "match": False}, {"rating": 1}, 2.0),
        ({"rating": None, "score": 0.0}, {"rating": 3}, None),
    ],
)
def test_a_preference_is_for_the_answer_with_the_higher_score(tmp_path, one, two, preferred):
    rows = [answer(response="One.", **one), answer(recipe="mono-en", response="Two.", **two)]
    made = exported(tmp_path, rows, "--reference", "multilingual")
    [pair] = made[f"{OURS}/ann/annotations"]
    assert (pair["output_1"], pair["generator_1"]) == ("One.", REFERENCE)
    assert (pair["output_2"], pair["generator_2"]) == ("Two.", OURS)
    assert pair["preference"] == preferred


def test_answers_are_compared_only_with_those_of_the_same_model_method_seed_and_judge_to_the_same_prompt(tmp_path):
    alone = [answer(recipe="mono-en", **other) for other in ({"model": "bloom-m"}, {"method": "full"}, {"seed": 43})]
    rows = [answer(), answer(recipe="mono-en"), answer(id="dog", recipe="mono-en"), *alone]
    rows += [answer(recipe="mono-en", judge="bob")]
    made = exported(tmp_path, rows, "--reference", "multilingual")
    compared = {path: [pair["id"] for pair in pairs] for path, pairs in made.items() if path.endswith("annotations")}
    assert compared == {f"{OURS}_seed42/ann/annotations": ["cat"]}


def test_a_name_has_the_seed_only_where_there_are_several(tmp_path):
    rows = [answer(), answer(seed=43), answer(recipe="mono-en")]
    folders = {path.split("/")[0] for path in exported(tmp_path, rows)}
    assert folders == {f"{REFERENCE}_seed42", f"{REFERENCE}_seed43", OURS}


def test_names_that_would_coincide_are_refused(tmp_path):
    rows = [answer(model="a_b", recipe="c"), answer(model="a", recipe="b_c")]
    done = export(tmp_path, rows)
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr == ("error: --scores: two trainings would be called lora_a_b_c; rename a model or recipe\n")


def test_the_same_scores_make_the_same_bytes(tmp_path):
    rows = [answer("zh"), answer("en", recipe="mono-en")]
    exported(tmp_path, rows)
    first = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    exported(tmp_path, rows)
    assert first and first == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}


READ = """
import json, sys
from alpaca_eval import metrics, utils

folder = sys.argv[1]
outputs = utils.load_or_convert_to_dataframe(f"{folder}/model_outputs.json")
ratings = utils.load_or_convert_to_dataframe(f"{folder}/ann/ratings.json")
annotations = utils.load_or_convert_to_dataframe(f"{folder}/ann/annotations.json")
print(json.dumps({
    "name": utils.get_generator_name(None, outputs),
    "outputs": outputs["output"].tolist(),
    "ratings": ratings["rating"].tolist(),
    "rate": metrics.get_winrate(annotations),
}, default=float))
"""


@readers
def test_alpaca_eval_reads_answers_ratings_and_preferences(tmp_path):
    hostile = '</script> "quoted"\n\t猫\u2028 <|im_end|>'
    ours = [
        answer("en", recipe="mono-en", rating=3, response=hostile),
        answer("en", "dog", recipe="mono-en", rating=1),
        answer("en", "cow", recipe="mono-en", rating=None),
        answer("en", "pig", recipe="mono-en", rating=2),
    ]
    exported(tmp_path, [answer("en", id) for id in ("cat", "dog", "cow", "pig")] + ours, "--reference", "multilingual")
    read = json.loads(run_reader(READ, tmp_path / "out" / OURS))
    assert read["name"] == OURS
    assert read["outputs"] == [hostile, "An animal.", "An animal.", "An animal."]
    assert [rating for rating in read["ratings"] if rating == rating] == [3, 1, 2]
    counts = {name: read["rate"][name] for name in ("n_wins", "n_wins_base", "n_draws", "n_total", "win_rate")}
    assert counts == {"n_wins": 1, "n_wins_base": 1, "n_draws": 1, "n_total": 3, "win_rate": 50}
