"""What is said of judges: how they rated, what it took, and whether their ratings agree.

A file of ratings is written here as one list a response, which has its ratings in order of repeat.
"""

import csv
import json
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import judge_report
from judging import agreement

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_agreement

SCRIPT = Path(judge_report.__file__)


def write(folder, judge, responses, run="lora/m-1b/multilingual", lang="es", **changes):
    """Write a ratings file; return the argument that names it."""
    path = folder / judge / f"{run}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    rows = [
        {"lang": lang, "id": str(id), "repeat": repeat, "rating": rating, "attempts": 1, "model": f"{judge}-0125"}
        | {"fingerprint": "fp_a", "usage": usage}
        | changes
        for id, ratings in enumerate(responses)
        for repeat, rating in enumerate(ratings, start=1)
    ]
    mode = "a" if path.exists() else "w"
    with path.open(mode) as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    return f"{judge}={path}"


def report(folder, *files, options=()):
    """Run the program on files, each once; return its text, its csv as {(table, ...): value}, and what it said."""
    command = [sys.executable, SCRIPT, "--ratings", *dict.fromkeys(files), "--output-prefix", folder / "judges"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        return None, None, done.stderr
    with (folder / "judges.csv").open(encoding="utf-8", newline="") as stream:
        numbers = {tuple(row.values())[:-1]: row["value"] for row in csv.DictReader(stream)}
    return (folder / "judges.md").read_text(encoding="utf-8"), numbers, done.stderr


def number(numbers, table, measure, judge, other="", language="", model="", fingerprint=""):
    return numbers[table, judge, other, language, model, fingerprint, measure]


def cells(text, first):
    """The cells of the table row that begins with `first`."""
    line = next(line for line in text.splitlines() if line.startswith("|") and line.split("|")[1].strip() == first)
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- the numbers of agreement ----------------------------------------------------------------------------------------


def counted(*responses, values=(1, 2, 3)):
    """Counts of ratings, from the ratings of each response."""
    return np.array([[list(ratings).count(value) for value in values] for ratings in responses])


def alpha(counts):
    """Alpha of all responses."""
    return agreement.value(agreement.coincidences(counts), agreement.alphas)


def alpha_interval(counts, prompts):
    return agreement.interval(agreement.coincidences(counts), np.array(prompts), agreement.alphas)


def test_alpha_is_krippendorffs_of_his_own_example():
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units, values 1 to 5,
    ordinal: 0.815."""
    observers = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units = [[int(value) for value in unit if value != "."] for unit in zip(*observers, strict=True)]
    assert alpha(counted(*units, values=(1, 2, 3, 4, 5))) == pytest.approx(0.815, abs=5e-4)


def test_alpha_by_hand():
    """Two ratings each of four responses: 1 1, 1 2, 3 3, 3 3. Of the eight ratings three are 1, one is 2, four are 3.

    The distance of two values is the number of ratings from one to the other, the ends counted half, squared:
    1-2: (3/2 + 1/2)^2 = 4; 2-3: (1/2 + 4/2)^2 = 6.25; 1-3: (3/2 + 1 + 4/2)^2 = 20.25.
    Observed: one of the four pairs differs, 4 / 4 = 1. By chance: of the 28 pairs of all ratings 3 * 1 are 1-2, 1 * 4
    are 2-3 and 3 * 4 are 1-3: (3 * 4 + 4 * 6.25 + 12 * 20.25) / 28 = 280 / 28 = 10. Alpha is 1 - 1 / 10.
    """
    counts = counted([1, 1], [1, 2], [3, 3], [3, 3])
    assert alpha(counts) == pytest.approx(0.9)
    assert agreement.equal_share(counts) == 3 / 4


def test_kappa_by_hand():
    """One judge's 1, 2, 3 met the other's 1, 3, 3: squared distances 0, 1, 0, in the mean 1/3.

    By chance each rating meets each: 1 meets 1 3 3 (0 4 4), 2 meets 1 3 3 (1 1 1), 3 meets 1 3 3 (4 0 0), in the mean
    15/9. Kappa is 1 - (1/3) / (15/9).
    """
    assert agreement.kappas(np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]])) == pytest.approx(0.8)


RATINGS = st.sampled_from([1, 2, 3])


@given(st.lists(st.lists(RATINGS, min_size=0, max_size=4), min_size=1, max_size=12))
def test_alpha_is_what_its_definition_says_pair_by_pair(responses):
    """Krippendorff (2011), from the pairs themselves in place of the matrix of coincidences."""
    compared = [ratings for ratings in responses if len(ratings) > 1]
    every = [rating for ratings in compared for rating in ratings]

    def distance(one, two):
        low, high = min(one, two), max(one, two)
        between = sum(every.count(value) for value in range(low, high + 1))
        return (between - (every.count(low) + every.count(high)) / 2) ** 2

    observed = sum(
        sum(distance(*pair) for pair in permutations(ratings, 2)) / (len(ratings) - 1) for ratings in compared
    )
    expected = sum(distance(*pair) for pair in permutations(every, 2))
    found = alpha(counted(*responses))
    if expected == 0:
        assert found is None
    else:
        library = krippendorff.alpha(value_counts=counted(*compared), level_of_measurement="ordinal")
        assert found == pytest.approx(library)
        assert found == pytest.approx(1 - observed / len(every) / (expected / (len(every) * (len(every) - 1))))


@given(st.lists(st.tuples(RATINGS, RATINGS), min_size=1, max_size=20))
def test_kappa_is_what_means_and_variances_make_of_it(pairs):
    """2 cov / (var + var + (mean - mean)^2), which quadratic weights come to (Fleiss and Cohen, 1973)."""
    one, two = np.array(pairs, dtype=float).T
    table = np.array([[pairs.count((a, b)) for b in (1, 2, 3)] for a in (1, 2, 3)])
    spread = one.var() + two.var() + (one.mean() - two.mean()) ** 2
    if spread == 0:
        assert np.isnan(agreement.kappas(table))
    else:
        assert agreement.kappas(table) == pytest.approx(2 * np.cov(one, two, ddof=0)[0, 1] / spread)


@given(st.lists(st.lists(RATINGS, min_size=0, max_size=4), min_size=1, max_size=12))
def test_the_share_of_equal_pairs_is_counted_pair_by_pair(responses):
    pairs = [pair for ratings in responses for pair in permutations(ratings, 2)]
    expected = sum(one == two for one, two in pairs) / len(pairs) if pairs else None
    assert agreement.equal_share(counted(*responses)) == (pytest.approx(expected) if pairs else None)


FIVE = [[1, 1], [2, 2], [3, 3], [1, 2], [3, 2]]


def test_the_interval_holds_alpha_narrows_with_more_prompts_and_repeats_itself():
    few, many = counted(*FIVE * 8), counted(*FIVE * 200)
    (low, high), (lower, higher) = (alpha_interval(counts, range(len(counts))) for counts in (few, many))
    assert low < lower < alpha(many) < higher < high
    assert alpha_interval(few, range(len(few))) == (low, high)


def test_the_interval_is_that_of_prompts_drawn_one_by_one_with_all_their_responses():
    """Drawn here prompt by prompt, one fewer than there are; there as one product of matrices."""
    counts, prompts = counted(*[*FIVE, [2, 2, 3]] * 50), np.arange(300) // 3
    generator = np.random.default_rng(7)
    drawn = (generator.integers(100, size=99) for _ in range(1000))
    alphas = [alpha(np.concatenate([counts[prompts == prompt] for prompt in chosen])) for chosen in drawn]
    assert alpha_interval(counts, prompts) == pytest.approx(np.percentile(alphas, [2.5, 97.5]), abs=0.02)


def test_more_responses_to_the_same_prompts_that_say_the_same_narrow_no_interval():
    counts = counted(*FIVE * 10)
    again = alpha_interval(np.tile(counts, (20, 1)), np.tile(np.arange(50), 20))
    assert alpha_interval(counts, range(50)) == pytest.approx(again, abs=0.01)


def test_intervals_of_resampled_prompts_hold_the_truth_where_those_of_resampled_responses_do_not():
    for row in bench_agreement.coverage(prompts=50, answers=40, studies=40):
        assert row["prompts"] >= 0.9, row
        assert row["responses"] < 0.75, row


@pytest.mark.parametrize(
    ("counts", "prompts"),
    [
        pytest.param(counted(*[[1, 1]] * 30, [1, 2]), range(31), id="where many samples have no alpha"),
        pytest.param(counted([1], [2]), range(2), id="where nothing is rated twice"),
        pytest.param(counted(*FIVE * 20), np.arange(100) % 9, id="where there are nine prompts"),
    ],
)
def test_there_is_no_interval(counts, prompts):
    assert alpha_interval(counts, prompts) is None


# --- the report ------------------------------------------------------------------------------------------------------


def test_it_counts_ratings_by_judge_and_language_and_those_that_are_missing(tmp_path):
    write(tmp_path, "gpt", [[3], [1], [None]])
    files = [write(tmp_path, "gpt", [[2]], lang="zh"), write(tmp_path, "gpt", [[3]], run="lora/m-1b/mono-es")]
    text, numbers, said = report(tmp_path, *files, options=["--languages", "zh", "es=Spanish"])
    assert [number(numbers, "rated", measure, "gpt") for measure in ("responses", "repeats", "ratings", "missing")] == [
        "5",
        "1",
        "5",
        "1",
    ]
    assert number(numbers, "rated", "share missing", "gpt") == "0.2"
    shares = {lang: [number(numbers, "distribution", n, "gpt", language=lang) for n in "123"] for lang in ("es", "zh")}
    assert shares == {"es": ["1", "0", "2"], "zh": ["0", "1", "0"]}
    assert "| gpt     | Spanish    | 1 (25%) |   0 (0%) | 2 (50%) |   1 (25%) |" in text
    assert text.index("| zh ") < text.index("| Spanish "), "languages in the order asked for"
    assert said == "judges: 5 ratings by 1, 1 missing\n"


@pytest.mark.parametrize(("policy", "effect"), [("zero", "scores 0"), ("null", "has no score")])
def test_missing_ratings_are_told_first_with_what_they_do_to_a_score(tmp_path, policy, effect):
    files = [write(tmp_path, "gpt", [[3, None], [None, None], [1, 1], [2, 2]])]
    text, numbers, _ = report(tmp_path, *files, options=["--missing", policy])
    assert text.split("\n\n")[1] == (
        "**3 of 8 ratings are missing (37.50%).** 1 of 4 responses have no rating at all:"
        f" such a response {effect} (`score.missing: {policy}`)."
    )
    assert number(numbers, "rated", "responses without any", "gpt") == "1"


def test_where_no_rating_is_missing_there_is_no_such_note(tmp_path):
    text, _, _ = report(tmp_path, write(tmp_path, "gpt", [[3], [1]]))
    assert "ratings are missing" not in text


def test_tokens_become_money_where_the_price_is_known(tmp_path):
    files = [write(tmp_path, "gpt", [[3, 2]] * 1000), write(tmp_path, "own", [[3]] * 1000, attempts=2)]
    text, numbers, _ = report(tmp_path, *files, options=["--prices", '{"gpt": {"prompt": 0.5, "completion": 1.5}}'])
    assert float(number(numbers, "cost", "US dollars", "gpt")) == pytest.approx(2000 * (100 * 0.5 + 10 * 1.5) / 1e6)
    assert number(numbers, "cost", "US dollars", "own") == ""
    took = text.split("## Cost")[1]
    assert cells(took, "gpt") == ["gpt", "2000", "200000", "20000", "0.13"]
    assert cells(took, "own") == ["own", "2000", "100000", "10000", "–"]


def test_a_judge_that_was_changed_meanwhile_is_told(tmp_path):
    runs = ["lora/m-1b/mono-es", "full/m-1b/mono-es"]
    files = [write(tmp_path, "gpt", [[3], [1]], run=run, fingerprint=f"fp_{run[:4]}") for run in runs]
    files.append(write(tmp_path, "own", [[3], [1]], fingerprint=None))
    text, numbers, _ = report(tmp_path, *files)
    assert "**gpt: 2 fingerprints answered.**" in text
    assert number(numbers, "answered", "ratings", "gpt", model="gpt-0125", fingerprint="fp_full") == "2"
    assert text.count("answered.**") == 1


def test_what_an_endpoint_calls_itself_is_shown_as_it_is(tmp_path):
    text, _, _ = report(tmp_path, write(tmp_path, "gpt", [[3], [1]], model="![x](https://y/z.png)", fingerprint="<b>"))
    assert "!\\[x\\](https://y/z.png)" in text and "\\<b>" in text


def test_a_reply_without_a_model_is_not_a_model_of_its_own(tmp_path):
    write(tmp_path, "gpt", [[3], [1]])
    text, _, _ = report(tmp_path, write(tmp_path, "gpt", [[None]], lang="zh", model=None, fingerprint=None))
    assert "answered.**" not in text


def test_repeats_of_a_judge_are_compared_with_one_another(tmp_path):
    text, numbers, _ = report(tmp_path, write(tmp_path, "gpt", [[1, 1], [1, 2], [3, 3], [3, 3], [2, None]]))
    assert number(numbers, "agreement", "responses", "gpt", "gpt") == "4", "a response with one rating tells nothing"
    assert float(number(numbers, "agreement", "alpha", "gpt", "gpt")) == pytest.approx(0.9)
    assert number(numbers, "agreement", "equal", "gpt", "gpt") == "0.75"
    row = cells(text, "gpt, repeats")
    assert (row[1:4], row[5:]) == (["4", "75.0%", "0.900"], ["–", "–"]), "kappa is for two judges"
    assert "There is only one judge" in text and "rated once" not in text


def test_two_judges_are_compared_by_the_first_rating_of_each_response_that_both_rated(tmp_path):
    """Ratings of gpt 1, 2, 3 and of own 1, 3, 3; another response has none by own, another run none at all."""
    files = [
        write(tmp_path, "gpt", [[1, 3], [None, 2], [3, 1], [2, 2]]),
        write(tmp_path, "gpt", [[1, 1]], run="full/m-1b/multilingual"),
        write(tmp_path, "own", [[1], [3], [3], [None]]),
    ]
    text, numbers, _ = report(tmp_path, *files)
    assert number(numbers, "agreement", "responses", "gpt", "own") == "3"
    assert float(number(numbers, "agreement", "equal", "gpt", "own")) == pytest.approx(2 / 3)
    assert float(number(numbers, "agreement", "kappa", "gpt", "own")) == pytest.approx(0.8)
    expected = alpha(counted([1, 1], [2, 3], [3, 3]))
    assert float(number(numbers, "agreement", "alpha", "gpt", "own")) == pytest.approx(expected)
    assert cells(text, "gpt and own")[1:4] == ["3", "66.7%", f"{expected:.3f}"]
    assert "Each response was rated once by own:" in text and "There is only one judge" not in text


def test_every_two_of_three_judges_are_compared(tmp_path):
    _, numbers, _ = report(tmp_path, *(write(tmp_path, judge, [[1], [3]]) for judge in ("a", "b", "c")))
    assert [key[1:3] for key in numbers if key[0] == "agreement" and key[-1] == "alpha"] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]


def test_where_all_ratings_are_equal_alpha_cannot_be_told(tmp_path):
    files = [write(tmp_path, judge, [[2, 2], [2, 2]]) for judge in ("gpt", "own")]
    text, numbers, _ = report(tmp_path, *files)
    assert number(numbers, "agreement", "alpha", "gpt", "own") == ""
    assert cells(text, "gpt, repeats")[1:4] == ["2", "100.0%", "cannot tell: all ratings are equal"]
    assert cells(text, "gpt and own")[3:] == ["cannot tell: all ratings are equal", "–"] * 2


def test_judges_that_rated_nothing_in_common_cannot_be_compared(tmp_path):
    files = [write(tmp_path, "gpt", [[2]], lang="es"), write(tmp_path, "own", [[2]], lang="zh")]
    text, _, _ = report(tmp_path, *files)
    assert cells(text, "gpt and own")[1:4] == ["0", *["cannot tell: nothing to compare"] * 2]


def test_one_judge_that_rated_once_cannot_be_told_to_agree(tmp_path):
    text, numbers, _ = report(tmp_path, write(tmp_path, "gpt", [[2], [3]]))
    assert not [key for key in numbers if key[0] == "agreement"]
    assert "Each response was rated once by gpt: the agreement between repeats is unknown." in text
    assert "There is only one judge: the agreement with another is unknown." in text


# --- people -----------------------------------------------------------------------------------------------------------


def rated(offset=0, least=1):
    """Ratings of forty responses, of which every fifth is lower by `offset`, but not below `least`."""
    return [[max(number % 3 + 1 - offset * (number % 5 == 0), least)] for number in range(40)]


def people_rows(text):
    """The table of people, by person, judge and language."""
    lines = [line for line in text.split("## Agreement with people")[1].split("##")[0].splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {tuple(row[:3]): row[3:] for row in rows}


def test_people_are_compared_with_each_judge_and_with_one_another_by_language(tmp_path):
    """Ann rated as gpt did, and bob not quite; of the eighty responses ann left forty out, all in Chinese but ten."""
    for judge, ratings in (("gpt", rated()), ("own", rated(1)), ("ann", rated()), ("bob", rated(2))):
        write(tmp_path, judge, ratings)
    files = [
        write(tmp_path, judge, ratings, lang="zh")
        for judge, ratings in (
            ("gpt", rated()),
            ("own", rated()),
            ("ann", [*rated()[:10], *[[None]] * 30]),
            ("bob", rated()),
        )
    ]
    text, numbers, _ = report(tmp_path, *files, options=["--people", "ann", "bob", "--languages", "zh", "es"])
    found = people_rows(text)
    assert list(found) == [
        (*pair, language)
        for pair in (("ann", "gpt"), ("ann", "own"), ("bob", "gpt"), ("bob", "own"), ("ann", "bob"))
        for language in ("all", "zh", "es")
    ]
    assert found["ann", "gpt", "es"] == ["40", "40", "100.0%", "1.000", "1.000 to 1.000", "1.000", "1.000 to 1.000"]
    assert found["ann", "gpt", "zh"] == ["10", "10", "too few", "too few", "–", "too few", "–"]
    assert found["ann", "gpt", "all"][:2] == ["50", "40"], "a prompt in two languages is one"
    low, high = (number(numbers, "agreement with people", f"kappa {end}", "bob", "gpt", "es") for end in ("from", "to"))
    assert float(low) < float(number(numbers, "agreement with people", "kappa", "bob", "gpt", "es")) < float(high) < 1
    assert number(numbers, "agreement with people", "kappa", "ann", "gpt", "zh") == ""
    assert number(numbers, "rated", "ratings", "ann") == "50" and "ratings are missing" not in text
    assert [key[1:3] for key in numbers if key[0] == "agreement" and key[-1] == "alpha"] == [("gpt", "own")]


def test_responses_to_few_prompts_are_too_few_however_many_they_are(tmp_path):
    files = [
        write(tmp_path, judge, rated()[:9], run=f"lora/m-{run}b/multilingual")
        for judge in ("gpt", "ann")
        for run in range(9)
    ]
    text, _, _ = report(tmp_path, *files, options=["--people", "ann"])
    assert people_rows(text)["ann", "gpt", "es"][:3] == ["81", "9", "too few"]
    assert text.count("*Alpha*: Krippendorff's") == 1, "explained where there is no other table of agreement"


def test_without_people_there_is_no_section_on_them(tmp_path):
    text, numbers, _ = report(tmp_path, write(tmp_path, "gpt", [[2]]))
    assert "people" not in text and not [key for key in numbers if "people" in key[0]]


def test_the_note_is_repeated_so_that_a_stand_in_is_called_one(tmp_path):
    text, _, _ = report(tmp_path, write(tmp_path, "gpt", [[2]]), options=["--note", "A stand-in judged."])
    assert text.startswith("# Judges\n\n**A stand-in judged.**\n")


def test_equal_ratings_give_an_equal_report(tmp_path):
    files = [write(tmp_path, "gpt", [[1, 1], [1, 2], [3, 3], [3, 2], [2, None]] * 10)]
    assert report(tmp_path, *files)[:2] == report(tmp_path, *files)[:2]


@pytest.mark.parametrize(
    ("ratings", "options", "message"),
    [
        ([[1]], ["--prices", '{"gpt": {"prompt": 1}}'], "--prices: 'gpt' needs 'prompt' and 'completion'"),
        ([], [], "multilingual.jsonl: contains no ratings"),
        ([[1, 2], [1]], [], "lang es, id 1 is rated 1 times, and lang es, id 0 2 times; make the file again"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, ratings, options, message):
    text, _, said = report(tmp_path, write(tmp_path, "gpt", ratings), options=options)
    assert text is None and said.count("\n") == 1 and message in said


def test_a_file_twice_or_elsewhere_is_refused(tmp_path):
    name, path = write(tmp_path, "gpt", [[1]]).split("=")
    _, _, said = report(tmp_path, f"{name}={path}", f"{name}={path.replace('/lora/', '//lora/')}")
    assert said == "error: --ratings: gpt has rated lora/m-1b/multilingual in two files; give each run once\n"
    _, _, said = report(tmp_path, "gpt=ratings.jsonl")
    assert "is not JUDGE=FILE with FILE ending in METHOD/MODEL/RECIPE.jsonl" in said
