import hashlib
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
RUN = {"judge": "j", "method": "lora", "model": "m-1b", "recipe": "multilingual"}
COLUMNS = [
    *RUN,
    "seed",
    "lang",
    "id",
    "prompt",
    "response",
    "response_sha256",
    "decoding",
    "rating",
    "ratings",
    "explanation",
    "judge_model",
    "fingerprint",
    "label",
    "probability",
    "match",
    "code_decides",
    "lines_match",
    "words_match",
    "score",
]


def responses():
    rows = [("es", "1", "¿Qué?", "Eso."), ("es", "2", "¿Dónde?", "There."), ("zh", "1", "什么？", "那个。")]
    rows = [dict(zip(("lang", "id", "prompt", "response"), row, strict=True)) for row in rows]
    return [row | {"tokens": 3, "finish": "stop"} for row in rows]


def ratings(*values):
    """Rows of a ratings file: for each response a rating, or a list with one per repeat."""
    keys = [("es", "1"), ("es", "2"), ("zh", "1")]
    rows = [
        {
            "lang": lang,
            "id": id,
            "repeat": repeat,
            "rating": rating,
            "explanation": f"{repeat}: Rating: [[{rating}]]",
            "attempts": 1,
            "model": f"j-{repeat}",
            "fingerprint": f"fp_{repeat}",
        }
        for (lang, id), value in zip(keys, values, strict=True)
        for repeat, rating in enumerate(value if isinstance(value, list) else [value], start=1)
    ]
    return rows[::-1]  # not in the order of the responses, and the last repeat first: rows are joined by their keys


def langid():
    rows = [
        ("es", "1", "spa_Latn", 0.98, True, False, 1, True, None),
        ("es", "2", "eng_Latn", 0.9, False, True, 1, False, None),
        ("zh", "1", "zho_Hans", 1.0, True, False, 1, True, False),
    ]
    columns = ("lang", "id", "label", "probability", "match", "code_decides", "lines", "lines_match", "words_match")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def program(name, *arguments):
    """Run a script. Returns its exit status and its stderr."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


def score(folder, rated, answers=None, identified=None, options=(), **run):
    """Write the three inputs and run score.py. Returns the path of the table and the messages."""
    inputs = {"responses": answers or responses(), "ratings": rated, "langid": identified or langid()}
    arguments = list(options)
    for name, rows in inputs.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        arguments += [f"--{name}", path]
    for name, value in (RUN | run).items():
        arguments += [f"--{name}", value]
    output = folder / f"{'-'.join((RUN | run).values())}.parquet"
    status, errors = program("score", *arguments, "--output", output)
    return (output if status == 0 else None), errors


def test_a_score_is_the_rating_where_the_language_matches_and_zero_elsewhere(tmp_path):
    path, said = score(tmp_path, ratings(3, 3, 2))
    table = pl.read_parquet(path)
    assert table.columns == COLUMNS
    assert table.select("lang", "id", "rating", "match", "score").rows() == [
        ("es", "1", 3, True, 3),
        ("es", "2", 3, False, 0),
        ("zh", "1", 2, True, 2),
    ]
    assert table.schema["rating"] == pl.Float64 and table.schema["score"] == pl.Float64
    assert table.schema["match"] == pl.Boolean and table.schema["probability"] == pl.Float64
    assert table.select(RUN.keys()).unique().rows() == [tuple(RUN.values())]
    assert table.row(2, named=True)["response"] == "那个。"
    assert table.select("code_decides", "lines_match", "words_match").rows() == [
        (False, True, None),
        (True, False, None),
        (False, True, False),
    ]
    assert said == "score: 5 over 3 responses\n"


def test_a_row_says_by_itself_how_its_score_came_about(tmp_path):
    (tmp_path / "decoding.json").write_text('{"decoding": "beam 4, fp32", "seed": 1}')
    path, _ = score(tmp_path, ratings(3, 3, 2), options=("--decoding", tmp_path / "decoding.json"))
    row = pl.read_parquet(path).row(2, named=True)
    assert row["response_sha256"] == hashlib.sha256("那个。".encode()).hexdigest()
    assert row["decoding"] == "beam 4, fp32"
    assert (row["judge_model"], row["fingerprint"]) == ("j-1", "fp_1")
    assert (row["rating"], row["ratings"], row["explanation"]) == (2.0, [2], "1: Rating: [[2]]")


def test_without_a_record_of_the_decoding_it_is_unknown(tmp_path):
    path, _ = score(tmp_path, ratings(3, 3, 2))
    assert pl.read_parquet(path)["decoding"].to_list() == [None, None, None]


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("{}", "the key 'decoding' is missing"),
        ("[]", "is a list, not an object"),
        ('{"decoding": ["beam", 4]}', "the key 'decoding' is a list, not text"),
    ],
)
def test_a_record_without_the_decoding_is_refused_in_one_line(tmp_path, record, fault):
    (tmp_path / "decoding.json").write_text(record)
    path, said = score(tmp_path, ratings(3, 3, 2), options=("--decoding", tmp_path / "decoding.json"))
    assert path is None and said.count("\n") == 1
    assert said.startswith(f"error: {tmp_path}/decoding.json: {fault}; make it again")


def test_the_rating_is_the_mean_of_the_repeats_that_gave_one(tmp_path):
    path, said = score(tmp_path, ratings([3, 2], [None, 1], [None, None]))
    table = pl.read_parquet(path)
    assert table["rating"].to_list() == [2.5, 1.0, None]
    assert table["ratings"].to_list() == [[3, 2], [None, 1], [None, None]], (
        "in the order of the repeats, missing ones included"
    )
    assert table["score"].to_list() == [2.5, 0.0, 0.0]
    assert table.schema["ratings"] == pl.List(pl.Int8)
    assert said.splitlines() == [
        "warning: 1 of 3 responses have no rating and score 0",
        "warning: 1 of 4 ratings of the other responses are missing; the mean is over the rest",
        "score: 2.5 over 3 responses",
    ]


def test_explanation_model_and_fingerprint_are_those_of_the_first_repeat_with_a_rating_or_else_of_the_last(tmp_path):
    path, _ = score(tmp_path, ratings([3, 2], [None, 1], [None, None]))
    assert pl.read_parquet(path).select("explanation", "judge_model", "fingerprint").rows() == [
        ("1: Rating: [[3]]", "j-1", "fp_1"),
        ("2: Rating: [[1]]", "j-2", "fp_2"),
        ("2: Rating: [[None]]", "j-2", "fp_2"),
    ]


@pytest.mark.parametrize(
    ("missing", "scores", "warning"),
    [
        ((), [0, 0, 2], "warning: 2 of 3 responses have no rating and score 0"),
        (("--missing", "null"), [None, None, 2], "warning: 2 of 3 responses have no rating and have no score"),
    ],
)
def test_a_missing_rating_stays_null_is_counted_and_scores_by_the_policy(tmp_path, missing, scores, warning):
    path, said = score(tmp_path, ratings(None, None, 2), options=missing)
    table = pl.read_parquet(path)
    assert table["rating"].to_list() == [None, None, 2] and table["score"].to_list() == scores
    assert said.splitlines()[0] == warning


def test_a_run_without_any_rating_or_label_has_the_same_columns(tmp_path):
    whole, _ = score(tmp_path, ratings(3, 3, 2))
    empty = [row | {"label": None, "probability": 0.0, "match": False} for row in langid()]
    bare, _ = score(tmp_path, ratings(None, None, None), identified=empty, recipe="mono-en")
    assert pl.read_parquet(bare).schema == pl.read_parquet(whole).schema


def test_equal_inputs_give_equal_bytes(tmp_path):
    first = score(tmp_path, ratings(3, None, 2))[0].read_bytes()
    assert score(tmp_path, ratings(3, None, 2))[0].read_bytes() == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rated": ratings(3, 3, 2)[1:]}, "ratings.jsonl: lang zh, id 1 of {}/responses.jsonl is missing"),
        ({"identified": langid()[:2]}, "langid.jsonl: lang zh, id 1 of {}/responses.jsonl is missing"),
        ({"answers": responses()[1:]}, "responses.jsonl: lang es, id 1 of {}/ratings.jsonl is missing"),
        ({"identified": langid() + langid()[:1]}, "langid.jsonl: lang es, id 1 appears twice"),
        ({"identified": [{"lang": "es", "id": "1"}]}, "langid.jsonl, line 1: the field 'label' is missing"),
        ({"rated": ratings(3, [3, 3], 2)}, "ratings.jsonl: lang es, id 2 is rated 2 times, and lang zh, id 1 1 times"),
        ({"rated": ratings([3, 3], 3, 2)[:-1]}, "ratings.jsonl: lang es, id 1 has the repeats 2, and they must be 1"),
        ({"rated": ratings(3, 3, 2) * 2}, "ratings.jsonl: lang zh, id 1 has the repeats 1, 1, and they must be 1 to 2"),
        ({"rated": [{"lang": "es", "id": "1", "rating": 3}]}, "ratings.jsonl, line 1: the field 'repeat' is missing"),
    ],
)
def test_files_that_do_not_fit_together_are_refused_in_one_line(tmp_path, change, message):
    path, said = score(tmp_path, **({"rated": ratings(3, 3, 2)} | change))
    assert path is None and said.count("\n") == 1
    assert said.startswith(f"error: {tmp_path}/{message.format(tmp_path)}")


def test_score_tables_are_collected_in_the_order_of_their_coordinates(tmp_path):
    paths = [
        score(tmp_path, ratings(1, 2, 3), **run)[0]
        for run in ({"method": "lora"}, {"method": "full"}, {"method": "full", "recipe": "mono-en"})
    ]
    outputs = [tmp_path / "scores.parquet", tmp_path / "other.parquet"]
    for output, order in zip(outputs, (paths, paths[::-1]), strict=True):
        status, said = program("collect_scores", "--scores", *order, "--output", output)
        assert (status, said) == (0, "scores: 9 responses of 3 runs, 0 unrated\n")
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    table = pl.read_parquet(outputs[0])
    assert table.columns == COLUMNS
    coordinates = table.select(*RUN, "lang", "id").rows()
    assert coordinates == sorted(coordinates) and len(set(coordinates)) == 9


def test_collected_answers_stay_in_the_order_of_the_prompts_by_which_languages_are_matched(tmp_path):
    path, _ = score(tmp_path, ratings(1, 2, 3))
    table = pl.read_parquet(path).with_columns(id=pl.Series(["b", "c", "a"]))
    table.write_parquet(tmp_path / "unsorted.parquet")
    program("collect_scores", "--scores", tmp_path / "unsorted.parquet", "--output", tmp_path / "all.parquet")
    assert pl.read_parquet(tmp_path / "all.parquet")["id"].to_list() == ["b", "c", "a"]


def test_collecting_refuses_a_run_given_twice_and_files_that_are_not_score_tables(tmp_path):
    path, _ = score(tmp_path, ratings(1, 2, 3))
    output = tmp_path / "scores.parquet"
    status, said = program("collect_scores", "--scores", path, path, "--output", output)
    assert (status, said) == (
        1,
        "error: --scores: j/lora/m-1b/multilingual/es/1 appears twice; give each run's table once\n",
    )

    status, said = program("collect_scores", "--scores", path, tmp_path / "ratings.jsonl", "--output", output)
    assert status == 1 and "ratings.jsonl: not a parquet file" in said and said.count("\n") == 1

    pl.read_parquet(path).drop("score").write_parquet(tmp_path / "old.parquet")
    status, said = program("collect_scores", "--scores", path, tmp_path / "old.parquet", "--output", output)
    assert status == 1 and "old.parquet: the column 'score' is missing" in said and not output.exists()
