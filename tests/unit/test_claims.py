"""The paper's claims, asked of scores whose effects were planted."""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import claims
from basics.errors import InputError
from reporting import claim_cases, claim_rules
from reporting.bootstrap import draw_resamples
from study.series import METHODS

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "benchmarks"))

import synthetic_scores  # noqa: E402

RULES = REPOSITORY / "resources" / "claims.yaml"
CLAIMS = claim_rules.read_claims(RULES)
CONFIG = synthetic_scores.read_config()
CELLS = synthetic_scores.matrix(CONFIG)
PYTHIAS = ["pythia-70m", "pythia-160m"]
PROMPTS = 50
SELECTION = {
    "figures": {
        figure: {
            method: [model for name in names for model in CONFIG["select"][name]]
            for method, names in content["runs"].items()
        }
        for figure, content in CONFIG["figures"].items()
    },
    "models": CONFIG["models"],
    "families": {family: entry["label"] for family, entry in CONFIG["families"].items()},
    "methods": METHODS,
    "languages": CONFIG["languages"],
    "names": {"en": "English", "es": "Spanish", "fr": "French", "bg": "Bulgarian", "ru": "Russian", "zh": "Chinese"}
    | {"bn": "Bengali", "no": "Norwegian"},
    "prompts": PROMPTS,
    "uncertainty": {"level": 0.95, "resamples": 1000, "seed": 42},
}
DRAWN = draw_resamples(PROMPTS, 1000, 42)


def asked(scores, wanted=CLAIMS, selection=SELECTION):
    """The overall verdict on each claim, and its parts."""
    found = claims.group_by_claim(claims.answer_claims("judge", wanted, scores, DRAWN, selection))
    return {
        name: (claim_rules.overall_verdict([part.verdict for part in parts]), parts) for name, parts in found.items()
    }


def simulated(plan, seed, cells=CELLS):
    planned = synthetic_scores.expected(plan, cells, CONFIG)
    return synthetic_scores.prompt_scores(cells, *synthetic_scores.drawn(planned, PROMPTS, seed))


def verdicts(plan, seed=1):
    return {name: verdict for name, (verdict, _) in asked(simulated(plan, seed)).items()}


def make(folder, table, rules=RULES, selection=SELECTION, options=()):
    """Run the program; return the csv's rows by (claim, part), and the Markdown."""
    scores = folder / "scores.parquet"
    table.write_parquet(scores)
    prefix = folder / "claims"
    claims.main(
        [
            *f"--scores {scores} --claims {rules} --output-prefix {prefix} --selection".split(),
            json.dumps(selection),
            *options,
        ]
    )
    with Path(f"{prefix}.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["claim"], row["part"]): row for row in csv.DictReader(stream)}
    return rows, Path(f"{prefix}.md").read_text(encoding="utf-8")


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holds", "fails", "verdict"),
    [
        (0.025, 0.9, "holds"),
        (0.026, 0.9, "cannot tell"),
        (0.9, 0.025, "does not hold"),
        (0.9, 0.026, "cannot tell"),
        (1, 1, "cannot tell"),
    ],
)
def test_a_verdict_needs_a_p_value_of_half_of_what_the_level_leaves(holds, fails, verdict):
    assert claim_rules.verdict_of(holds, fails, 0.95) == verdict


def test_a_claim_holds_if_all_its_parts_do_and_fails_if_one_does():
    assert claim_rules.overall_verdict(["holds", "holds"]) == "holds"
    assert claim_rules.overall_verdict(["holds", "cannot tell"]) == "cannot tell"
    assert claim_rules.overall_verdict(["cannot tell", "does not hold", "holds"]) == "does not hold"


def test_where_everything_the_paper_says_is_planted_every_claim_holds():
    found = {name: verdict for name, verdict in verdicts(synthetic_scores.paper).items() if verdict != "holds"}
    too_close_to_call = {"families-downsampled", "families-downsampled-level"}  # on par in 3 of 24 takes more prompts
    assert found == dict.fromkeys(too_close_to_call, "cannot tell")


def test_where_the_opposite_is_planted_no_claim_holds():
    found = verdicts(synthetic_scores.reverse)
    no_opposite = ("downsampled-level", "families-downsampled-level")  # is that downsampled tuning is ahead
    assert [found.pop(name) for name in no_opposite] != ["does not hold"] * 2
    assert {name: verdict for name, verdict in found.items() if verdict != "does not hold"} == {}


def repeated(deviation: float, seed: int = 1, trainings: int = 3):
    """Scores of a study in which everything the paper says is true, with several trainings a cell whose scores have a
    standard deviation of so many points."""
    planned = synthetic_scores.expected(synthetic_scores.paper, CELLS, CONFIG)
    ratings, matches = synthetic_scores.drawn(planned, PROMPTS, seed)
    random = np.random.default_rng(seed)
    shifts = {cell[:3]: random.normal(0, deviation / PROMPTS, trainings) for cell in CELLS}
    shifted = ratings + np.array([shifts[cell[:3]] for cell in CELLS]).T[:, :, None]
    return synthetic_scores.prompt_scores(CELLS, shifted, np.broadcast_to(matches, shifted.shape))


def test_what_holds_for_trained_models_holds_for_other_seeds_only_if_trainings_agree():
    claim = {"families-llama": CLAIMS["families-llama"]}
    verdicts = {}
    for deviation in (0, 1, 200):
        scores = repeated(deviation)
        drawn = scores.resamples(SELECTION["uncertainty"])
        [part] = claims.answer_claims("judge", claim, scores, drawn, SELECTION)
        verdicts[deviation] = part.verdict
        assert part.trainings == 3
    assert verdicts == {0: "holds", 1: "holds", 200: "cannot tell"}


def test_a_verdict_is_about_other_seeds_only_where_every_cell_has_several_trainings(tmp_path):
    table = synthetic_scores.full_matrix()
    large = pl.col("model").is_in(CONFIG["select"]["seven-billion"])
    rows, text = make(tmp_path, pl.concat([table, table.filter(large).with_columns(seed=pl.lit(43))]))
    assert (rows["families-llama", ""]["trainings"], rows["lora-grows", ""]["trainings"]) == ("2", "1")
    assert row_of(text, "families-llama:")[0][8] == rows["families-llama", ""]["whole"]
    assert row_of(text, "lora-grows:")[0][8] == "cannot tell (no variation)"
    assert "where every cell that a claim compares has several trainings" in text


def test_where_nothing_is_planted_nobody_can_tell():
    found = verdicts(synthetic_scores.nothing)
    somewhere = {name for name, claim in CLAIMS.items() if list(claim["expect"].values()) == [0]} - {
        "downsampled-level"
    }
    assert {found.pop(name) for name in somewhere} == {"cannot tell"}
    far_behind = found.pop("unseen-lora-english")
    assert (far_behind, "does not hold" in found.values()) == ("does not hold", False), "they say that cells are alike"


def test_where_nothing_is_planted_something_is_found_as_rarely_as_the_level_says():
    directed = {name: claim for name, claim in CLAIMS.items() if list(claim["expect"].values()) == [0]}
    found = [asked(simulated(synthetic_scores.nothing, seed), directed) for seed in range(100)]
    for several, expected in ((False, 0.05), (True, 0.025)):  # all parts of a claim hold hardly ever
        told = [verdict for answers in found for verdict, parts in answers.values() if (len(parts) > 1) is several]
        assert 1 - told.count("cannot tell") / len(told) == pytest.approx(expected, abs=0.02)


def test_the_claims_cover_what_the_paper_prints_in_bold():
    bold = {claim["section"] for claim in CLAIMS.values() if claim["bold"] == "yes"}
    assert {section for sections in bold for section in sections.split(", ")} == {"4.1", "4.2", "4.3", "4.4", "4.5"}
    assert len(list(asked(simulated(synthetic_scores.paper, 1))["budget"][1])) == 5


# --- what says nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1.0, 3.0])
def test_scores_that_are_all_the_same_decide_no_claim(value):
    same = synthetic_scores.prompt_scores(CELLS, np.full((len(CELLS), PROMPTS), value), np.ones((len(CELLS), PROMPTS)))
    for verdict, parts in asked(same).values():
        assert (verdict, {part.reason for part in parts}) == ("cannot tell", {"no variation"})
        assert {(part.low, part.high, part.p_holds, part.p_fails, part.q) for part in parts} == {(None, None, 1, 1, 1)}


@pytest.mark.parametrize("answered", [1, 5])
def test_a_study_of_a_few_prompts_decides_no_claim_and_the_page_says_why(tmp_path, answered):
    few = [f"prompt-{number:02}" for number in range(answered)]
    table = synthetic_scores.full_matrix().filter(pl.col("id").is_in(few))
    rows, text = make(tmp_path, table, selection=SELECTION | {"prompts": answered})
    assert {row["whole"] for row in rows.values()} == {"cannot tell"}
    assert text.count("**cannot tell** (no variation)") == len(CLAIMS)
    assert "fewer than 6 of the prompts" in text


def test_at_the_floor_a_difference_of_a_few_prompts_decides_nothing(tmp_path):
    ahead = (pl.col("recipe") == "multilingual") & pl.col("id").is_in([f"prompt-{number:02}" for number in range(5)])
    table = synthetic_scores.full_matrix().with_columns(rating=pl.lit(3.0), score=pl.when(ahead).then(3.0).otherwise(0))
    rows, _ = make(tmp_path, table)
    row = rows["lora-multilingual", ""]
    assert (row["effect"], row["low"], row["verdict"], row["reason"]) == ("15.0", "", "cannot tell", "no variation")


def without_ratings(condition):
    return synthetic_scores.full_matrix().with_columns(
        rating=pl.when(condition).then(None).otherwise("rating"), score=pl.when(condition).then(0.0).otherwise("score")
    )


def test_a_judge_that_rated_nothing_decides_no_claim(tmp_path):
    rows, text = make(tmp_path, without_ratings(pl.lit(True)))
    assert {row["whole"] for row in rows.values()} == {"cannot tell"}
    assert text.count("**cannot tell** (100 % of the ratings are missing)") == len(CLAIMS)


def test_a_claim_is_not_decided_if_more_ratings_are_missing_than_tolerated(tmp_path):
    missing = pl.col("id") == "prompt-07"  # one in fifty
    rows, _ = make(tmp_path, without_ratings(missing))
    assert rows["full-monolingual", ""]["verdict"] == "holds"
    rows, text = make(tmp_path, without_ratings(missing), options=["--missing-tolerated", "0.01"])
    assert rows["full-monolingual", ""]["reason"] == "2 % of the ratings are missing"
    assert "more than 1 % of the ratings are missing" in text


def test_a_run_whose_ratings_are_missing_is_not_compared(tmp_path):
    broken = (pl.col("model") == "bloom-7b1") & (pl.col("recipe") == "multilingual") & (pl.col("lang") == "zh")
    rows, _ = make(tmp_path, without_ratings(broken))
    assert rows["lora-multilingual", ""]["compared"] == "64"
    assert rows["full-monolingual-7b", ""]["reason"] == "8 % of the ratings are missing", "one of its 12 cells"


# --- effects and intervals -------------------------------------------------------------------------------------------


def test_effects_are_those_read_off_the_scores():
    scores = simulated(synthetic_scores.paper, 5)
    found = {name: parts for name, (_, parts) in asked(scores).items()}
    by_hand = [
        scores.values(("full", model, f"mono-{lang}", lang)).sum()
        - scores.values(("full", model, "multilingual", lang)).sum()
        for model in CONFIG["select"]["bloom"]
        for lang in CONFIG["languages"]["seen"]
    ]
    [full] = found["full-monolingual"]
    assert (full.compared, full.cases, full.ahead) == (30, 30, sum(value > 0 for value in by_hand))
    assert full.effect == pytest.approx(np.mean(by_hand), abs=1e-6)
    [families] = found["families"]
    ahead = [
        scores.values(("lora", model, "multilingual", lang)).sum()
        >= scores.values(("lora", model, f"mono-{lang}", lang)).sum()
        for model in CONFIG["select"]["seven-billion"]
        for lang in CONFIG["languages"]["seen"]
    ]
    assert (families.cases, families.effect) == (24, pytest.approx(100 * sum(ahead) / 24, abs=1e-6))


def test_what_counts_as_level_is_not_behind():
    behind = lambda method, family, billions, recipe, lang: synthetic_scores.Expected(  # noqa: E731
        2.0 - 0.08 * (recipe == "downsampled"), 1.0
    )
    planned = synthetic_scores.expected(behind, CELLS, CONFIG)
    scores = synthetic_scores.planted(CELLS, planned, PROMPTS)
    for margin, expected in ((3, 100), (2, 0)):
        claim = CLAIMS["downsampled-level"] | {"margin": margin}
        [part] = asked(scores, {"mine": claim})["mine"][1]
        assert (part.effect, part.ahead) == (expected, 0), "4 of 150 points are 2.7 %"


def test_a_slope_is_that_of_the_lines_through_each_family():
    plan = lambda method, family, billions, recipe, lang: synthetic_scores.Expected(  # noqa: E731
        1.5 + 0.1 * np.log10(billions) * (recipe == "multilingual") + 0.2 * (family == "bloom"), 1.0
    )
    planned = synthetic_scores.expected(plan, CELLS, CONFIG)
    [grows] = asked(synthetic_scores.planted(CELLS, planned, PROMPTS))["lora-grows"][1]
    assert grows.effect == pytest.approx(0.1 * PROMPTS, abs=1e-6)
    assert grows.unit == "points of 150 for ten times the size"


def planted_effects(wanted):
    """The effect of each part of some claims where everything the paper says is planted."""
    planned = synthetic_scores.expected(synthetic_scores.paper, CELLS, CONFIG)
    scores = synthetic_scores.planted(CELLS, planned, PROMPTS)
    answers = claims.answer_claims("judge", wanted, scores, DRAWN, SELECTION)
    return {(part.claim, part.part): part.effect for part in answers}


def test_intervals_cover_what_was_planted_in_94_to_96_of_100_simulations():
    smooth = {name: claim for name, claim in CLAIMS.items() if claim["statistic"] != "not_behind"}
    true = planted_effects(smooth)
    covered = {key: [] for key in true}
    for seed in range(1000):  # a standard error of 0.007 for the share of one claim
        drawn = draw_resamples(PROMPTS, 500, 1000 + seed)
        for part in claims.answer_claims("judge", smooth, simulated(synthetic_scores.paper, seed), drawn, SELECTION):
            if part.low is not None:
                covered[part.claim, part.part].append(part.low <= true[part.claim, part.part] <= part.high)
    shares = {key: np.mean(values) for key, values in covered.items()}
    assert 0.94 <= np.mean(list(shares.values())) <= 0.96
    floor = shares.pop(("lora-consistency-size", "multilingual"))  # 99 % of its values are 0
    assert all(0.92 <= share <= 0.975 for share in shares.values()), shares
    assert floor >= 0.88


def test_a_count_of_cases_lies_within_its_interval_and_so_does_what_was_planted():
    counted = {name: claim for name, claim in CLAIMS.items() if claim["statistic"] == "not_behind"}
    true = planted_effects(counted)
    for seed in range(20):
        for _, [part] in asked(simulated(synthetic_scores.paper, seed), counted).values():
            assert part.low <= part.effect <= part.high
            assert part.low <= true[part.claim, part.part] <= part.high


# --- what is missing -------------------------------------------------------------------------------------------------


def test_without_a_model_its_cases_are_left_out_and_counted(tmp_path):
    table = synthetic_scores.full_matrix().filter(pl.col("model") != "pythia-12b")
    rows, text = make(tmp_path, table)
    assert (rows["lora-multilingual", ""]["compared"], rows["lora-multilingual", ""]["cases"]) == ("60", "65")
    assert "60 of 65" in text


def test_without_a_language_no_claim_about_every_language_holds(tmp_path):
    rows, text = make(tmp_path, synthetic_scores.full_matrix().filter(pl.col("lang") != "zh"))
    chinese = rows["budget", "zh"]
    assert (chinese["verdict"], chinese["effect"], chinese["compared"]) == ("cannot tell", "", "0")
    assert "**cannot tell** (1 of 5 parts: no scores to compare)" in text


def test_without_any_run_nobody_can_tell_and_the_reason_is_given(tmp_path):
    _, text = make(tmp_path, synthetic_scores.full_matrix().filter(pl.col("method") == "lora"))
    assert "**cannot tell** (no scores to compare)" in text
    _, text = make(tmp_path, synthetic_scores.full_matrix(), selection=only("figure2"))
    assert "**cannot tell** (no such model in this configuration)" in text


def only(*figures):
    return SELECTION | {"figures": {figure: SELECTION["figures"][figure] for figure in figures}}


def row_of(text, name):
    """The cells of a claim's row in the Markdown, and of those of its parts."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if f"| {name}" in line]


def test_a_claim_about_figures_of_which_one_is_not_configured_says_so(tmp_path):
    _, text = make(tmp_path, synthetic_scores.full_matrix(), selection=only("figure2", "figure4"))
    [row] = row_of(text, "lora-multilingual:")
    assert row[6] == "**holds** (without figure3, not in this configuration)" and row[2].endswith(": 40 of 40")
    [row] = row_of(text, "full-monolingual:")
    assert row[6] == "**holds**" and row[2].endswith(": 30 of 30")


def test_a_slope_over_one_size_cannot_be_estimated(tmp_path):
    rows, text = make(tmp_path, synthetic_scores.full_matrix().filter(pl.col("model") == "pythia-1b"))
    assert (rows["lora-grows", ""]["compared"], rows["lora-grows", ""]["verdict"]) == ("5", "cannot tell")
    assert row_of(text, "lora-grows:")[0][6] == "**cannot tell** (models of one size only)"


def test_a_reader_sees_what_was_expected_and_how_the_verdict_on_all_parts_comes_about(tmp_path):
    rows, text = make(tmp_path, synthetic_scores.full_matrix(synthetic_scores.reverse))
    assert row_of(text, "lora-small:")[0][5] == rows["lora-small", ""]["expected"] == "> −4.5 and < 4.5"
    assert row_of(text, "families:")[0][5] == "≥ 91.6"
    budget = {part: row for (claim, part), row in rows.items() if claim == "budget"}
    assert list(budget) == ["es", "fr", "bg", "ru", "zh"]
    whole, *parts = [*row_of(text, "budget:"), *row_of(text, "budget ")]
    assert whole[3:7] == ["5 parts, below", "–", "> 0", "**does not hold**"]
    assert [row[1] for row in parts] == ["Spanish", "French", "Bulgarian", "Russian", "Chinese"]
    assert {row["whole"] for row in budget.values()} == {"does not hold"}


def test_series_that_are_compared_one_by_one_are_named_after_those_that_differ():
    names = {
        ("monolingual", "multilingual"): {"monolingual"},
        ("multilingual", ("downsampled", "English")): {"downsampled", "English"},
        (("multilingual", "downsampled"), "monolingual"): {"multilingual", "downsampled"},
        (("multilingual", "downsampled"), ("English", "monolingual")): {
            f"{one} and {other}" for one in ("multilingual", "downsampled") for other in ("English", "monolingual")
        },
    }
    for (compare, other), expected in names.items():
        as_yaml = [list(series) if isinstance(series, tuple) else series for series in (compare, other)]
        claim = CLAIMS["full-monolingual"] | {"compare": as_yaml[0], "with": as_yaml[1], "each": "series"}
        assert set(claim_cases.group_by_part(claim, list(claim_cases.claimed_cases(claim, SELECTION)))) == expected


def cells_compared(**changed):
    """The pairs of cells of a claim, each as method/model/recipe/language."""
    claim = CLAIMS["full-monolingual"] | {"figures": ["figure7"], "languages": ["es"]} | changed
    found = claim_cases.claimed_cases({key: value for key, value in claim.items() if value is not None}, SELECTION)
    return {("/".join(case.cell), "/".join(case.against)) for case in found}


def test_a_claim_may_name_any_recipe_method_family_and_language():
    named = {"compare": "bilingual", "with": "mono-fr", "families": ["llama"], "languages": ["es", "fi"]}
    assert cells_compared(**named) == {("lora/llama-7b/bilingual/es", "lora/llama-7b/mono-fr/es")}
    assert cells_compared(methods=["full"]) == cells_compared(methods=["mine"]) == set()


def test_a_claim_may_compare_a_cell_with_those_of_other_languages_families_or_sizes():
    english = {"compare": "English", "with": None, "families": ["llama"]}
    assert cells_compared(**english, against={"languages": ["bg", "zh"]}) == {
        ("lora/llama-7b/mono-en/es", "lora/llama-7b/mono-en/bg"),
        ("lora/llama-7b/mono-en/es", "lora/llama-7b/mono-en/zh"),
    }
    assert cells_compared(**english, against={"families": ["bloom", "pythia"]}) == {
        ("lora/llama-7b/mono-en/es", "lora/bloom-7b1/mono-en/es"),
        ("lora/llama-7b/mono-en/es", "lora/pythia-6.9b/mono-en/es"),
    }
    sizes = {
        "figures": ["figure2", "figure3"],
        "compare": "multilingual",
        "with": None,
        "sizes": {"from": 1, "below": 1.2},
    }
    assert cells_compared(**sizes, against={"sizes": {"from": 5, "below": 10}}) == {
        ("lora/pythia-1b/multilingual/es", "lora/pythia-6.9b/multilingual/es"),
        ("lora/bloom-1b1/multilingual/es", "lora/bloom-7b1/multilingual/es"),
    }
    others = cells_compared(**sizes, against={"sizes": "others"})
    assert len(others) == 7 + 4
    assert not [pair for pair in others if "-1b/" in pair[1] or "-1b1/" in pair[1]]


def test_a_claim_says_what_was_compared_whatever_the_papers_words_are(tmp_path):
    tiny = {
        "figures": {"figure7": {"lora": ["pythia-70m", "pythia-160m"]}},
        "models": {name: {"family": "pythia", "billions": CONFIG["models"][name]["billions"]} for name in PYTHIAS},
    }
    table = synthetic_scores.full_matrix().filter(pl.col("model").is_in(PYTHIAS), pl.col("lang") != "zh")
    _, text = make(tmp_path, table, selection=SELECTION | tiny)
    told = row_of(text, "families:")[0]
    languages = "English, Spanish, French, Bulgarian, Russian"
    assert told[2] == f"Multilingual against Monolingual; LoRA; Pythia 70M–160M (2); {languages}: 10 of 12"
    assert re.fullmatch(r"\d+ of 10", told[4])


def test_what_was_compared_and_the_parts_have_the_names_of_ones_own_recipes_and_models_too(tmp_path):
    mine = {
        "mine": CLAIMS["full-monolingual"]
        | {"figures": ["figure2"], "compare": ["bilingual", "downsampled"], "with": "English", "each": "series"},
        "by-model": CLAIMS["full-monolingual"] | {"figures": ["figure2"], "each": "model"},
    }
    rules = tmp_path / "claims.yaml"
    rules.write_text(json.dumps(mine), encoding="utf-8")
    table = synthetic_scores.full_matrix().filter(pl.col("model").is_in(PYTHIAS))
    rows, text = make(tmp_path, table, rules, only("figure2") | {"labels": {"bilingual": "Two languages"}})
    assert "Two languages, Downsampled against English-only; LoRA; Pythia 70M–160M (2)" in row_of(text, "mine:")[0][2]
    assert [row[1] for row in row_of(text, "mine ")] == ["Two languages", "Downsampled"]
    assert [part for claim, part in rows if claim == "mine"] == ["bilingual", "downsampled"]
    assert [row[1] for row in row_of(text, "by-model ")][:2] == ["Pythia 70M", "Pythia 160M"]
    assert [part for claim, part in rows if claim == "by-model"][:2] == PYTHIAS


def test_answers_without_a_rating_count_0_and_are_counted(tmp_path):
    table = synthetic_scores.full_matrix().with_row_index("row")
    spoilt = table.with_columns(
        rating=pl.when(pl.col("row") % 150 == 0).then(None).otherwise(pl.col("rating")),
        score=pl.when(pl.col("row") % 150 == 0).then(0.0).otherwise(pl.col("score")),
    ).drop("row")
    rows, text = make(tmp_path, spoilt)
    unrated = rows["lora-multilingual", ""]["unrated"]
    assert int(unrated) > 30
    assert row_of(text, "lora-multilingual:")[0][2].endswith(f": 65 of 65, {unrated} unrated")
    assert "Answers without a rating count as 0" in text


def test_a_prompt_whose_id_differs_in_one_language_is_still_the_same_prompt(tmp_path):
    table = synthetic_scores.full_matrix()
    other = table.with_columns(
        id=pl.when((pl.col("lang") == "zh") & (pl.col("id") == "prompt-12")).then(pl.lit("x")).otherwise(pl.col("id"))
    )
    (tmp_path / "other").mkdir()
    assert make(tmp_path, table) == make(tmp_path / "other", other)


def test_the_page_tells_of_its_many_looks_and_of_one_training_a_cell(tmp_path):
    rows, text = make(tmp_path, synthetic_scores.full_matrix())
    assert f"These are {len(CLAIMS)} looks at the same scores." in text
    assert "every cell has one training" in text
    assert {row["trainings"] for row in rows.values()} == {"1"}
    assert row_of(text, "lora-multilingual:")[0][8] == "cannot tell (no variation)"
    rate = float(rows["lora-multilingual", ""]["q"])
    assert row_of(text, "lora-multilingual:")[0][7] == f"{rate:.3f}" and 0 < rate < 0.05


def test_every_judge_is_asked(tmp_path):
    table = synthetic_scores.full_matrix()
    _, text = make(tmp_path, pl.concat([table, table.with_columns(judge=pl.lit("another"))]))
    assert re.findall(r"## Judge: (\w+)", text) == ["synthetic", "another"]


def test_the_same_scores_give_the_same_bytes(tmp_path):
    table = synthetic_scores.full_matrix()
    make(tmp_path, table)
    first = [(tmp_path / f"claims.{kind}").read_bytes() for kind in ("csv", "md")]
    make(tmp_path, table)
    assert first == [(tmp_path / f"claims.{kind}").read_bytes() for kind in ("csv", "md")]


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"statistics": "mean"}, "mine: Additional properties are not allowed ('statistics' was unexpected)"),
        ({"statistic": "median"}, "mine.statistic: 'median' is not one of"),
        ({"expect": {}}, "mine.expect"),
        (
            {"languages": "all"},
            "mine.languages: 'all' is not seen, others (the seen languages except English), ",
        ),
        ({"figures": []}, "mine.figures"),
        ({"figures": ["figur4"]}, "mine.figures.0: 'figur4' does not match"),
        ({"bold": True}, 'mine.bold: YAML reads an unquoted yes or no as true or false; write "yes" or "no" in quotes'),
        ({"compare": 7}, "mine.compare: 7 is not a name or a list of names"),
        ({"against": {"sizes": "others"}}, "mine.sizes: missing; `against` is about models of other sizes"),
        ({"margin": 3}, "mine.margin: applies only to not_behind; put it into `expect`"),
        ({"each": "against"}, "mine.against: missing; `each` asks for an answer for each"),
        ({"statistic": "not_behind", "with": None}, "mine.with: missing"),
        ({"with": ["downsampled", "monolingual"]}, "mine.with: monolingual would be compared with itself"),
        ({"languages": "unseen"}, "mine.languages: no monolingual model exists for an unseen language"),
        ({"sizes": {"from": 7, "below": 1.7}}, "mine.sizes: the range from 7 to 1.7 is empty"),
        ({"expect": {"at_least": 3, "below": -3}}, "mine.expect: the range from 3 to -3 is empty"),
    ],
)
def test_a_bad_claim_is_reported_in_one_line_with_file_claim_and_key(tmp_path, change, complaint):
    claim = CLAIMS["full-monolingual"] | change
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"mine": {key: value for key, value in claim.items() if value is not None}}))
    with pytest.raises(InputError, match=re.escape(complaint)) as error:
        claim_rules.read_claims(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


KNOWN = {"methods": METHODS, "families": CONFIG["families"], "recipes": [*claim_rules.SERIES, "bilingual", "mono-es"]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"compare": "trilingual"},
            "mine.compare: 'trilingual' is neither one of multilingual, monolingual, English, ",
        ),
        ({"with": ["bilingual", "mono-xx"]}, "mine.with: 'mono-xx' is neither one of"),
        ({"methods": ["qlora"]}, "mine.methods: 'qlora' is not one of the configuration's methods"),
        ({"families": ["bloom", "gpt"]}, "mine.families: 'gpt' is not one of the configuration's families"),
        ({"against": {"families": ["gpt"]}}, "mine.against.families: 'gpt' is not one of the configuration's families"),
    ],
)
def test_a_name_that_the_configuration_does_not_have_is_reported(change, complaint):
    claim = CLAIMS["full-monolingual"]
    claim_rules.check_names("mine.yaml", {"mine": claim | {"compare": ["bilingual", "mono-es"]}}, KNOWN)
    with pytest.raises(InputError, match=re.escape(f"mine.yaml: {complaint}")):
        claim_rules.check_names("mine.yaml", {"mine": claim | change}, KNOWN)


def test_a_file_that_is_missing_or_not_yaml_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        claim_rules.read_claims(tmp_path / "none.yaml")
    for text, complaint in {
        b"a: [": r"bad\.yaml, line 2: not YAML of claims",
        b"a: \xff": r"bad\.yaml: not UTF-8",
        b"mine: {}\nmine: {}": r"bad\.yaml, line 2: not YAML of claims \('mine' appears twice\)",
    }.items():
        (tmp_path / "bad.yaml").write_bytes(text)
        with pytest.raises(InputError, match=complaint):
            claim_rules.read_claims(tmp_path / "bad.yaml")


def test_a_claims_selection_that_lacks_a_key_is_reported():
    lacking = {key: value for key, value in SELECTION.items() if key != "uncertainty"}
    with pytest.raises(InputError, match="'uncertainty' is missing"):
        claims.check_selection(lacking, "--selection", claims.KEYS)
