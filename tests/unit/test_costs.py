"""What trainings cost, and what a budget buys."""

import csv
import json
import re
import sys
from pathlib import Path

import polars as pl
import pytest

import budget
import costs
from basics.errors import InputError
from reporting.bootstrap import by_prompt
from reporting.costs import short_number
from reporting.drawing import SERIES, set_up_drawing

REPOSITORY = Path(__file__).resolve().parents[2]
FONTS = REPOSITORY / "resources" / "fonts"
sys.path.append(str(REPOSITORY / "benchmarks"))

import synthetic_scores  # noqa: E402

RECORD = {
    "device": "NVIDIA A100-SXM4-80GB",
    "ranks": 4,
    "tokens": 36_000_000,
    "padded_tokens": 37_000_000,
    "examples": 52_000,
    "steps": 1000,
    "flops": 4e18,
    "mfu": 0.4,
    "tokens_per_second": 10_000.0,
    "peak_memory": 3 * 2**30,
    "resumed_from_step": None,
    "seconds": 3600.0,
}
MODELS = {
    "bloom-s": {"family": "bloom", "label": "BLOOM", "billions": 0.5},
    "bloom-m": {"family": "bloom", "label": "BLOOM", "billions": 3},
}
SELECTION = {
    "runs": {"lora": {model: list(SERIES) for model in MODELS}},
    "models": MODELS,
    "langs": ["en", "es"],
    "trained": 3,
    "prompts": 2,
    "uncertainty": {"level": 0.95, "resamples": 200, "seed": 7},
    "judge": {"name": "judge", "label": "a judge"},
    "note": "Not results.",
}


def trained(folder, run, **changes):
    """A tuned model's folder with its record, or without one if record=None is given."""
    path = folder / "models" / run
    path.mkdir(parents=True)
    if "record" not in changes:
        (path / "training.json").write_text(json.dumps(RECORD | changes), encoding="utf-8")
    return path


def cost_rows(folder, *models):
    costs.main(["--output-prefix", str(folder / "costs"), "--models", *map(str, models)])
    with (folder / "costs.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream)), (folder / "costs.md").read_text(encoding="utf-8")


# --- costs -----------------------------------------------------------------------------------------------------------


def test_hours_are_those_of_all_devices(tmp_path):
    [row], _ = cost_rows(tmp_path, trained(tmp_path, "lora/bloom-s/multilingual"))
    assert (row["method"], row["model"], row["recipe"]) == ("lora", "bloom-s", "multilingual")
    assert (row["device_hours"], row["tokens"], row["peak_memory_gib"]) == ("4.0", "36000000", "3.0")


def test_a_resumed_training_is_distinguished_from_an_uninterrupted_one(tmp_path):
    went_on = trained(tmp_path, "lora/bloom-s/mono-es", resumed_from_step=900, seconds=7200.0)
    rows, text = cost_rows(tmp_path, trained(tmp_path, "lora/bloom-s/mono-en"), went_on)
    assert [(row["seconds"], row["device_hours"]) for row in rows] == [("3600.0", "4.0"), ("7200.0", "8.0")]
    assert [row["resumed_from_step"] for row in rows] == ["", "900"]
    assert re.search(r"at 900 \|", text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "–"), (0.00125, "0.00125"), (12.345, "12.3"), (999.6, "1 k"), (1234, "1.23 k"), (4.2e18, "4.2 E")],
)
def test_numbers_have_three_digits_and_a_letter(number, text):
    assert short_number(number) == text


def test_totals_name_the_devices_whose_hours_they_add(tmp_path):
    models = [trained(tmp_path, "full/a/mono-en"), trained(tmp_path, "full/a/mono-es", device="NVIDIA H100", ranks=1)]
    _, text = cost_rows(tmp_path, *models)
    assert re.search(r"\| all .* 2 of 2 \| NVIDIA A100-SXM4-80GB, NVIDIA H100 +\| +5 \|", text)


def test_models_that_were_not_trained_here_are_not_measured_and_totals_say_so(tmp_path):
    models = [trained(tmp_path, "full/bloom-s/mono-en"), trained(tmp_path, "full/bloom-s/mono-es", record=None)]
    rows, text = cost_rows(tmp_path, *models)
    assert [row["tokens"] for row in rows] == ["36000000", ""]
    assert re.search(r"\| all .* 1 of 2 \| NVIDIA A100-SXM4-80GB +\| +4 \| +36 M \|", text)


def test_rows_are_sorted_by_method_model_and_recipe_in_the_order_asked_for(tmp_path):
    runs = ["full/a/mono-es", "lora/b/downsampled", "lora/b/mono-en", "lora/a/multilingual", "lora/b/mono-es"]
    models = [str(trained(tmp_path, run)) for run in runs]
    names = {"models": {"b": "BLOOM 3B", "a": "BLOOM 7.1B"}, "languages": {"es": "Spanish", "en": "English"}}
    costs.main(["--output-prefix", str(tmp_path / "costs"), "--names", json.dumps(names), "--models", *models])
    order = pl.read_csv(tmp_path / "costs.csv").select("method", "model", "recipe").rows()
    assert ["/".join(row) for row in order] == [
        "lora/b/mono-es", "lora/b/mono-en", "lora/b/downsampled", "lora/a/multilingual", "full/a/mono-es",
    ]  # fmt: skip
    assert re.search(r"\| BLOOM 3B +\| Monolingual \(Spanish\) +\|", (tmp_path / "costs.md").read_text())


def test_a_record_that_lacks_a_key_and_a_folder_that_is_missing_are_named(tmp_path):
    path = trained(tmp_path, "lora/a/mono-en")
    (path / "training.json").write_text("{}")
    with pytest.raises(InputError, match=r"lora/a/mono-en/training\.json: the key 'device' is missing"):
        cost_rows(tmp_path, path)
    with pytest.raises(InputError, match=r"lora/a/none: no such folder"):
        cost_rows(tmp_path, tmp_path / "models/lora/a/none")
    assert not (tmp_path / "costs.csv").exists()


# --- budget ----------------------------------------------------------------------------------------------------------


def table(ratings):
    """Two answers per cell: {(model, recipe, lang): rating, or None}."""
    return pl.DataFrame(
        [
            {
                "judge": "judge",
                "method": "lora",
                "model": model,
                "recipe": recipe,
                "seed": 42,
                "lang": lang,
                "id": str(number),
            }
            | {"rating": rating, "score": rating, "judge_model": "judge-1", "fingerprint": None}
            for (model, recipe, lang), rating in ratings.items()
            for number in range(2)
        ],
        schema_overrides={"rating": pl.Float64, "score": pl.Float64, "fingerprint": pl.String},
    )


RATINGS = {
    (model, recipe, lang): rating
    for model, more in (("bloom-s", 0), ("bloom-m", 1))
    for lang in ("en", "es")
    for recipe, rating in {f"mono-{lang}": 2 + more, "mono-en": 1, "multilingual": 1 + more, "downsampled": 1}.items()
}
COSTS = {
    ("lora", model, recipe): {
        "device": "A100",
        "flops": float(tokens * times),
        "device_hours": times * tokens / 100,
    }
    for model, times in (("bloom-s", 1), ("bloom-m", 10))
    for recipe, tokens in (("mono-en", 100), ("mono-es", 140), ("multilingual", 360), ("downsampled", 100))
}


def bought(ratings=RATINGS, known=COSTS):
    found = budget.points_of(SELECTION, by_prompt(table(ratings), 2), known)
    return {(point.model, point.series): point for point in found}


def test_monolingual_tuning_pays_for_each_language_trained_on_and_the_others_for_one_training():
    found = bought()
    paid = {point.series: (point.trainings, point.measured, point.flops) for point in found.values()}
    assert {series: numbers[:2] for series, numbers in paid.items()} == {
        "multilingual": (1, 1),
        "monolingual": (3, 2),
        "English": (1, 1),
        "downsampled": (1, 1),
    }
    assert {series: found["bloom-s", series].flops for series in paid} == {
        "multilingual": 360,
        "monolingual": 100 + 140 + (100 + 140) / 2,
        "English": 100,
        "downsampled": 100,
    }
    assert found["bloom-s", "monolingual"].score == (2 * 1 + 2 * 2) / 2, "mono-en in English, mono-es in Spanish"


def test_the_frontier_is_the_points_that_no_other_beats_at_their_cost():
    best = budget.frontier(list(bought().values()), "flops")
    assert [point.flops for point in best] == sorted(point.flops for point in best)
    assert [point.score for point in best] == sorted({point.score for point in best})
    for point in bought().values():
        assert any(other.flops <= point.flops and other.score >= point.score for other in best)


def test_a_point_without_a_score_or_a_cost_is_not_filled_in():
    scoreless = bought({key: value for key, value in RATINGS.items() if key != ("bloom-s", "multilingual", "es")})
    assert scoreless["bloom-s", "multilingual"].score is None
    assert scoreless["bloom-s", "multilingual"].flops == 360
    costless = bought(known={key: value for key, value in COSTS.items() if key != ("lora", "bloom-m", "multilingual")})
    assert (costless["bloom-m", "multilingual"].flops, costless["bloom-m", "multilingual"].measured) == (None, 0)
    assert costless["bloom-m", "multilingual"] not in budget.frontier(list(costless.values()), "flops")


def test_the_figure_says_what_is_missing_and_its_csv_has_every_number(tmp_path, capsys):
    table({key: value for key, value in RATINGS.items() if key != ("bloom-s", "multilingual", "es")}).write_parquet(
        tmp_path / "scores.parquet"
    )
    (tmp_path / "config.yaml").write_text("experiment: test\n")
    with (tmp_path / "costs.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["method", "model", "recipe", "device", "tokens", "device_hours", "flops"])
        writer.writeheader()
        for (method, model, recipe), row in COSTS.items():
            writer.writerow({"method": method, "model": model, "recipe": recipe} | row)
    folder = str(tmp_path)
    arguments = (
        f"--fonts {FONTS} --scores {folder}/scores.parquet --costs {folder}/costs.csv --config {folder}/config.yaml"
    )
    budget.main([*arguments.split(), "--output-prefix", f"{folder}/budget", "--selection", json.dumps(SELECTION)])
    assert "1 of 8 points lack a score or a cost: lora/bloom-s/multilingual" in capsys.readouterr().err
    with (tmp_path / "budget.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["score"] for row in rows if (row["model"], row["series"]) == ("bloom-s", "multilingual")] == [""]
    assert {(row["trainings"], row["measured"]) for row in rows if row["series"] == "monolingual"} == {("3", "2")}
    assert {row["on_flops_frontier"] for row in rows} == {"yes", "no"}
    assert all(len(row["config"]) == 12 and row["seed"] == "7" for row in rows)
    for suffix in (".pdf", ".png", "-column.pdf", "-column.png", ".json"):
        assert (tmp_path / f"budget{suffix}").stat().st_size > 100
    shown = budget.draw_figure(SELECTION, list(bought().values()), 6.3)
    text = " ".join(text.get_text() for text in shown.texts)
    assert "Judge: a judge" in text and "Hours on A100." in text.replace("\n", " ")
    assert [axes.get_xlabel() for axes in shown.axes] == ["training FLOPs", "GPU-hours"]


def footer(found, selection=SELECTION):
    canvas = budget.draw_figure(selection, found, 6.3)
    return " ".join(" ".join(text.get_text() for text in canvas.texts).split())


def test_the_figure_says_which_trainings_are_paid_for_and_how_many_at_the_mean_of_the_others():
    paid = "Monolingual tuning pays for one training in each of the 3 languages trained on"
    assert f"{paid} (1 not measured, at the mean of the others)." in footer(list(bought().values()))
    fewer = {run: cost for run, cost in COSTS.items() if run != ("lora", "bloom-m", "mono-es")}
    assert f"{paid} (1 to 2 not measured, at the mean of the others)." in footer(list(bought(known=fewer).values()))
    everything = SELECTION | {"trained": 2}
    complete = budget.points_of(everything, by_prompt(table(RATINGS), 2), COSTS)
    assert "each of the 2 languages trained on." in footer(complete, everything)


@pytest.mark.parametrize(("tolerated", "warns"), [(0.02, True), (0.5, False)])
def test_the_figure_warns_of_points_that_lack_more_ratings_than_are_tolerated(tolerated, warns):
    scores = table(RATINGS | {("bloom-s", "downsampled", "es"): None})
    selection = SELECTION | {"missing_tolerated": tolerated}
    text = footer(budget.points_of(selection, by_prompt(scores, 2), COSTS), selection)
    assert "2 answers have no rating and count as 0." in text
    assert ("WARNING: more than 2 % of the ratings are missing at 1 of 8 points" in text) == warns


def test_a_score_that_is_the_mean_of_several_trainings_pays_for_one_and_the_figure_says_so():
    once = table(RATINGS)
    again = once.filter(model="bloom-m").with_columns(seed=pl.lit(43), score=pl.col("score") - 1)
    found = budget.points_of(SELECTION, by_prompt(pl.concat([once, again], how="vertical_relaxed"), 2), COSTS)
    repeated = {point.series: point for point in found if point.model == "bloom-m"}
    assert {point.repeats for point in repeated.values()} == {2}
    assert repeated["multilingual"].score == bought()["bloom-m", "multilingual"].score - 1
    assert (repeated["multilingual"].trainings, repeated["multilingual"].flops) == (1, 3600)
    assert "4 of 8 points are means over 2 trainings with different seeds" in footer(found)


def test_names_on_the_frontier_do_not_overlap():
    set_up_drawing(FONTS)
    config = synthetic_scores.read_config()
    cells = synthetic_scores.matrix(config)
    models = {model: config["models"][model] | {"label": model} for _, model, _, _ in cells}
    selection = SELECTION | {
        "runs": {"lora": {model: list(SERIES) for model in config["select"]["pythia"] + config["select"]["bloom"]}},
        "models": models,
        "langs": config["languages"]["seen"],
        "prompts": 50,
    }
    known = {
        cell[:3]: {"device": "A100", "flops": 1000.0, "device_hours": models[cell[1]]["billions"]} for cell in cells
    }
    scores = by_prompt(synthetic_scores.full_matrix(), 50)
    canvas = budget.draw_figure(selection, budget.points_of(selection, scores, known), 6.3)
    canvas.draw_without_rendering()
    axes = canvas.axes[1]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) > 2
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    marked = [place for line in axes.lines if line.get_marker() != "None" for place in line.get_xydata()]
    assert len(marked) > 40
    assert not any(box.contains(*place) for box in boxes for place in axes.transData.transform(marked))


def test_a_series_that_the_study_lacks_for_a_model_is_not_a_missing_point():
    few = SELECTION | {"runs": {"lora": {"bloom-s": ["multilingual"], "bloom-m": list(SERIES)}}}
    found = budget.points_of(few, by_prompt(table(RATINGS), 2), COSTS)
    assert [point.series for point in found if point.model == "bloom-s"] == ["multilingual"]
    assert len(found) == 1 + len(SERIES)


def test_a_figure_of_models_that_were_not_trained_here_says_so_and_has_no_points():
    canvas = budget.draw_figure(SELECTION, list(bought(known={}).values()), 6.3)
    text = " ".join(text.get_text() for text in canvas.texts).replace("\n", " ")
    assert "8 of 8 points lack a measured cost." in text
    assert [axes.get_xlabel() for axes in canvas.axes] == ["training FLOPs", "device-hours"]
    assert not any(axes.lines for axes in canvas.axes)
    assert all(axes.get_position().width > 0.3 for axes in canvas.axes), "the panels are there"


def test_a_selection_without_a_model_is_reported_in_one_line():
    with pytest.raises(InputError, match="--selection: 'runs' has no model"):
        budget.check_budget(SELECTION | {"runs": {"lora": {}}})


@pytest.mark.parametrize("key", ["runs", "langs", "uncertainty", "judge"])
def test_a_selection_that_lacks_a_key_is_reported_in_one_line(key):
    with pytest.raises(InputError, match=re.escape(f"--selection: {key!r} is missing")):
        budget.check_budget({name: value for name, value in SELECTION.items() if name != key})


def test_floating_point_operations_are_in_powers_of_ten():
    assert [budget.in_powers(value) for value in (1e18, 2e17, 5e-3)] == ["10¹⁸", "2×10¹⁷", "5×10⁻³"]
