import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

import figure
from basics.errors import InputError
from reporting.bootstrap import by_prompt
from reporting.drawing import set_up_drawing

SCRIPT = Path(figure.__file__)
FONTS = SCRIPT.parents[2] / "resources" / "fonts"
MODELS = {
    "bloom-s": {"family": "bloom", "label": "BLOOM", "billions": 0.5},
    "bloom-m": {"family": "bloom", "label": "BLOOM", "billions": 3},
    "pythia-m": {"family": "pythia", "label": "Pythia", "billions": 2.8},
}
LANGUAGES = {"en": "English", "es": "Spanish", "zh": "Chinese", "bn": "Bengali"}


def selection(kind="size", **changes):
    settings = {
        "number": 3,
        "kind": kind,
        "title": "LoRA fine-tuning on BLOOM",
        "runs": {"lora": ["bloom-s", "bloom-m"]},
        "models": MODELS,
        "languages": LANGUAGES,
        "panels": ["en", "es"],
        "maximum": 6,  # two prompts
        "uncertainty": {"level": 0.95, "resamples": 200, "seed": 7},
        "judge": "a judge",
        "note": "Not results.",
    }
    return settings | changes


def answers(method, model, recipe, lang, *pairs):
    """Rows of a score table for (rating, match) pairs."""
    return [
        {
            "judge": "judge",
            "method": method,
            "model": model,
            "recipe": recipe,
            "seed": 42,
            "lang": lang,
            "id": str(number),
            "rating": rating,
            "match": match,
            "score": (rating or 0) * match,
            "judge_model": "judge-1",
            "fingerprint": None,
        }
        for number, (rating, match) in enumerate(pairs)
    ]


def whole(method="lora", models=("bloom-s", "bloom-m"), langs=("en", "es")):
    """A full set of runs: every answer is rated 2; English-only answers other languages in English."""
    rows = []
    for model in models:
        for lang in langs:
            for recipe in dict.fromkeys([f"mono-{lang}", "mono-en", "multilingual", "downsampled"]):
                wrong = recipe == "mono-en" and lang != "en"
                rows += answers(method, model, recipe, lang, (2, not wrong), (2, not wrong))
    return rows


def table(rows):
    types = {"rating": pl.Float64, "score": pl.Float64, "fingerprint": pl.String}
    return pl.DataFrame(rows, schema_overrides=types)


def drawn(settings, rows=(), width=6.3):
    """The figure as a matplotlib object, drawn from rows of a score table."""
    set_up_drawing(FONTS)
    scores = by_prompt(table(rows or answers("lora", "none", "none", "en", (1, True))), settings["maximum"] // 3)
    return figure.draw_figure(settings, list(figure.points_of(settings, scores)), width)


def make(folder, rows, settings, name="figure3"):
    """Draw the figure. Returns its CSV's rows by (panel, series, model), and the prefix of its files."""
    scores = folder / "scores.parquet"
    config = folder / "config.yaml"
    config.write_text("experiment: test\n", encoding="utf-8")
    table(rows).write_parquet(scores)
    prefix = folder / "figures" / name
    figure.main(
        [
            *f"--scores {scores} --config {config} --fonts {FONTS} --output-prefix {prefix} --figure".split(),
            json.dumps(settings),
        ]
    )
    with Path(f"{prefix}.csv").open(encoding="utf-8", newline="") as stream:
        return {(row["panel"], row["series"], row["model"]): row for row in csv.DictReader(stream)}, prefix


def replaced(rows, method, model, recipe, lang, *pairs):
    run = {"method": method, "model": model, "recipe": recipe, "lang": lang}
    return [row for row in rows if row | run != row] + answers(method, model, recipe, lang, *pairs)


def test_a_value_is_the_sum_of_rating_times_match_over_the_prompts(tmp_path):
    rows = replaced(whole(), "lora", "bloom-m", "multilingual", "es", (3, True), (2, False))
    points, _ = make(tmp_path, rows, selection())
    point = points["Spanish", "multilingual", "bloom-m"]
    assert point == {
        "number": "3",
        "panel": "Spanish",
        "series": "multilingual",
        "method": "lora",
        "model": "bloom-m",
        "family": "bloom",
        "billions": "3",
        "recipe": "multilingual",
        "lang": "es",
        "value": "3",
        "low": "0",
        "high": "6",
        "prompts": "2",
        "trainings": "1",
        "unrated": "0",
        "swept": "",
    } | {key: point[key] for key in ("config", "code", "judge", "seed")}
    assert points["Spanish", "English", "bloom-m"]["value"] == "0"
    assert points["Spanish", "monolingual", "bloom-m"]["recipe"] == "mono-es"


def test_a_point_of_several_trainings_is_their_mean_with_an_interval_that_contains_how_much_they_differ(tmp_path):
    rows = replaced(whole(), "lora", "bloom-m", "multilingual", "es", (3, True), (2, True))
    others = [
        row | {"seed": seed, "score": row["score"] - seed / 100}
        for row in rows
        for seed in (43, 44)
        if (row["method"], row["model"], row["recipe"]) == ("lora", "bloom-m", "multilingual")
    ]
    points, _ = make(tmp_path, rows + others, selection())
    point, other = points["Spanish", "multilingual", "bloom-m"], points["Spanish", "multilingual", "bloom-s"]
    assert float(point["value"]) == pytest.approx(5 - 2 * (0.43 + 0.44) / 3, abs=1e-6)
    assert (point["trainings"], point["prompts"], other["trainings"]) == ("3", "2", "1")
    once, _ = make(tmp_path, rows, selection())
    widths = [float(each["high"]) - float(each["low"]) for each in (point, once["Spanish", "multilingual", "bloom-m"])]
    assert widths[0] > widths[1]


def test_a_missing_rating_counts_0_and_is_noted_in_the_csv(tmp_path):
    rows = replaced(whole(), "lora", "bloom-m", "multilingual", "es", (3, True), (None, True))
    points, _ = make(tmp_path, rows, selection())
    assert points["Spanish", "multilingual", "bloom-m"]["value"] == "3"
    assert points["Spanish", "multilingual", "bloom-m"]["unrated"] == "1"


def test_means_of_repeats_are_added_without_rounding(tmp_path):
    rows = replaced(whole(), "lora", "bloom-m", "multilingual", "es", (7 / 3, True), (2.5, True))
    points, _ = make(tmp_path, rows, selection())
    assert points["Spanish", "multilingual", "bloom-m"]["value"] == "4.833333"


def test_the_english_panel_shows_the_english_model_once_as_monolingual(tmp_path):
    points, _ = make(tmp_path, whole(), selection())
    assert {series for panel, series, _ in points if panel == "English"} == {
        "multilingual",
        "monolingual",
        "downsampled",
    }
    assert points["English", "monolingual", "bloom-s"]["recipe"] == "mono-en"


def test_models_are_sorted_by_size_whatever_their_order_in_the_selection(tmp_path):
    points, _ = make(tmp_path, whole(), selection(runs={"lora": ["bloom-m", "bloom-s"]}))
    assert [model for panel, series, model in points if (panel, series) == ("Spanish", "English")] == [
        "bloom-s",
        "bloom-m",
    ]


def test_a_missing_run_is_a_gap_and_one_line_says_which(tmp_path, capsys):
    rows = [row for row in whole() if (row["model"], row["recipe"]) != ("bloom-m", "mono-es")]
    points, prefix = make(tmp_path, rows, selection())
    assert points["Spanish", "monolingual", "bloom-m"]["value"] == ""
    assert points["Spanish", "monolingual", "bloom-s"]["value"] == "4"
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert warnings == [
        "warning: figure3: 1 of 14 points are missing: lora/bloom-m/mono-es in es (0 of 2 answers scored)"
    ]
    assert Path(f"{prefix}.pdf").exists()


def test_an_incomplete_run_is_missing_too_because_its_sum_would_be_too_low(tmp_path):
    rows = replaced(whole(), "lora", "bloom-m", "multilingual", "es", (3, True))
    points, _ = make(tmp_path, rows, selection())
    assert points["Spanish", "multilingual", "bloom-m"]["value"] == ""
    assert points["Spanish", "multilingual", "bloom-m"]["prompts"] == "1"


def test_a_missing_point_breaks_its_line(tmp_path):
    settings = figure.check_figure(selection(models={**MODELS, "bloom-l": {**MODELS["bloom-m"], "billions": 7}}))
    settings["runs"] = {"lora": ["bloom-s", "bloom-m", "bloom-l"]}
    rows = [row for row in whole(models=settings["runs"]["lora"]) if row["model"] != "bloom-m"]
    canvas = drawn(settings, rows)
    spanish = canvas.axes[1]
    assert spanish.get_title() == "Spanish"
    values = next(line for line in spanish.lines if line.get_marker() == "s").get_ydata()
    assert [value == value for value in values] == [True, False, True]  # NaN in the middle: no line across
    crosses = [line for line in spanish.lines if line.get_gid() == "absent"]
    assert len(crosses) == 4 and all(line.get_xdata() == pytest.approx([3], rel=0.2) for line in crosses)
    assert "missing" in [text.get_text() for text in canvas.legends[0].get_texts()]
    assert "7 of 21 points are missing" in " ".join(text.get_text() for text in canvas.texts)


def test_unseen_languages_have_a_panel_for_each_method_and_no_monolingual_series(tmp_path):
    rows = whole("lora", langs=["bn"]) + whole("full", langs=["bn"])
    settings = selection("unseen", runs={"lora": ["bloom-s", "bloom-m"], "full": ["bloom-s", "bloom-m"]}, panels=["bn"])
    points, _ = make(tmp_path, rows, settings)
    assert {panel for panel, _, _ in points} == {"LoRA, Bengali", "Full-parameter, Bengali"}
    assert {series for _, series, _ in points} == {"multilingual", "English", "downsampled"}


def test_consistency_is_the_mean_over_languages_of_what_language_identification_takes_off(tmp_path):
    rows = whole(models=["bloom-s", "pythia-m"], langs=["en", "es", "zh"])
    rows = replaced(rows, "lora", "bloom-s", "mono-es", "es", (3, False), (1, True))  # loses 3
    rows = replaced(rows, "lora", "bloom-s", "mono-zh", "zh", (2, False), (None, False))  # loses 2; null counts 0
    settings = selection("consistency", runs={"lora": ["bloom-s", "pythia-m"]}, panels=["en", "es", "zh"])
    points, _ = make(tmp_path, rows, settings)
    own = points["LoRA, BLOOM", "monolingual", "bloom-s"]
    assert float(own["value"]) == pytest.approx((0 + 3 + 2) / 3)
    assert (own["recipe"], own["lang"]) == ("mono-en mono-es mono-zh", "en es zh")
    assert (own["prompts"], own["unrated"]) == ("6", "1")
    assert float(points["LoRA, Pythia", "English", "pythia-m"]["value"]) == pytest.approx((0 + 4 + 4) / 3)
    assert points["LoRA, Pythia", "multilingual", "pythia-m"]["value"] == "0"


def test_a_consistency_point_that_lacks_one_language_is_missing(tmp_path):
    rows = [row for row in whole() if (row["recipe"], row["lang"]) != ("multilingual", "es")]
    points, _ = make(tmp_path, rows, selection("consistency"))
    assert points["LoRA, BLOOM", "multilingual", "bloom-s"]["value"] == ""
    assert points["LoRA, BLOOM", "downsampled", "bloom-s"]["value"] == "0"


def test_families_are_in_the_order_of_the_selection(tmp_path):
    settings = selection("family", runs={"lora": ["pythia-m", "bloom-s"]})
    points, _ = make(tmp_path, whole(models=["bloom-s", "pythia-m"]), settings)
    assert [key[2] for key in points if key[:2] == ("Spanish", "downsampled")] == ["pythia-m", "bloom-s"]
    assert {series for _, series, _ in points} == {"multilingual", "monolingual", "downsampled"}
    canvas = drawn(settings)
    assert [tick.get_text() for tick in canvas.axes[0].get_xticklabels()] == ["Pythia", "BLOOM"]


def test_every_size_has_its_tick_and_the_footer_names_judge_and_note():
    settings = selection()
    canvas = drawn(settings)
    assert [tick.get_text() for tick in canvas.axes[0].get_xticklabels()] == ["0.5", "3"]
    assert canvas.axes[0].get_ylim() == (0, 6)
    text = " ".join(" ".join(text.get_text() for text in canvas.texts).split())
    assert "Judge: a judge. Bands: 95 % bootstrap confidence intervals over prompts, of each series alone" in text
    assert "14 of 14 points are missing. Not results." in text
    assert "Series are side by side, in the legend's order, so that equal values stay visible." in text
    assert "In English, the monolingual model is the English-only one." in text


def test_the_footer_names_what_the_papers_figure_has_and_this_one_lacks():
    text = " ".join(
        text.get_text() for text in drawn(selection(lacking=["full-parameter fine-tuning on Pythia"])).texts
    )
    assert "The paper's figure also has full-parameter fine-tuning on Pythia." in text.replace("\n", " ")


def test_a_figure_warns_on_its_face_of_points_that_lack_too_many_ratings():
    rows = [row | {"rating": None, "score": 0.0} if row["recipe"] == "multilingual" else row for row in whole()]
    told = lambda **changes: " ".join(text.get_text() for text in drawn(selection(**changes), rows).texts)  # noqa: E731
    wanted = "WARNING: more than 2 % of the ratings are missing at 4 of 14 points, which say nothing."
    assert wanted in told(missing_tolerated=0.02).replace("\n", " ")
    assert "WARNING" not in told(missing_tolerated=1.0)


def test_the_axis_of_differences_is_labelled_where_values_lie_and_its_linear_part_is_marked():
    settings = selection("consistency", panels=["en", "es", "zh"], maximum=150)
    wrong = answers("lora", "bloom-s", "mono-en", "es", *[(2, False)] * 50)
    right = [row for lang in ("en", "zh") for row in answers("lora", "bloom-s", "mono-en", lang, *[(2, True)] * 50)]
    canvas = drawn(settings, wrong + right)
    axes = canvas.axes[0]
    canvas.draw_without_rendering()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "1", "3", "10", "30"], "100 / 3 is lost"
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [pytest.approx(1 / 3)]
    text = " ".join(text.get_text() for text in canvas.texts).replace("\n", " ")
    assert "Below the dotted line the axis is linear, down to 0." in text


def test_the_pdf_embeds_truetype_fonts_and_no_other(tmp_path):
    _, prefix = make(tmp_path, whole(), selection())
    pdf = Path(f"{prefix}.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # an embedded TrueType font
    assert b"/Type3" not in pdf
    fonts = set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([A-Za-z-]+)", pdf))
    assert fonts and all(font.startswith(b"DejaVuSans") for font in fonts)


def test_the_same_input_gives_the_same_bytes_in_another_process_and_at_another_time(tmp_path):
    _, prefix = make(tmp_path, whole(), selection())
    command = [sys.executable, str(SCRIPT), "--scores", str(tmp_path / "scores.parquet")]
    command += ["--figure", json.dumps(selection()), "--output-prefix", str(tmp_path / "again" / "figure3")]
    command += ["--config", str(tmp_path / "config.yaml"), "--fonts", str(FONTS)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"})
    for suffix in (".pdf", ".png", ".csv", ".json", "-column.pdf", "-column.png"):
        assert Path(f"{prefix}{suffix}").read_bytes() == (tmp_path / "again" / f"figure3{suffix}").read_bytes(), suffix


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "sizes"}, "unknown kind 'sizes'; choose from size, unseen"),
        ({"runs": {"lora": ["bloom-x"]}}, "'bloom-x' of 'runs' is not in 'models'"),
        ({"runs": {"qlora": ["bloom-s"]}}, "unknown method 'qlora'"),
        ({"panels": ["fi"]}, "'fi' of 'panels' is not in 'languages'"),
        ({"panels": []}, "nothing to draw"),
        ({"maximum": 100}, "give 3 times the number of prompts"),
        ({"judge": None}, "'judge' is null, not text"),
        ({"uncertainty": {"level": 0.95, "seed": 7}}, "'uncertainty' is incomplete: 'resamples' is missing"),
    ],
)
def test_a_bad_selection_is_reported_in_one_line(changes, complaint):
    with pytest.raises(InputError, match=re.escape(complaint)) as error:
        figure.check_figure(selection(**changes))
    assert "\n" not in str(error.value)


def test_scores_with_nothing_of_the_selection_or_too_much_stop_the_program(tmp_path):
    with pytest.raises(InputError, match="none of the figure's points can be drawn"):
        make(tmp_path, whole(models=["pythia-m"]), selection())
    with pytest.raises(InputError, match="two judges"):
        make(tmp_path, whole() + [row | {"judge": "other"} for row in whole()], selection())
    with pytest.raises(InputError, match=r"judge/lora/bloom-s/mono-en/42/en/0 is scored more than once"):
        make(tmp_path, whole() + whole(), selection())
    assert not (tmp_path / "figures").exists()


def test_a_figure_can_be_traced_back_to_its_configuration_code_judge_and_seeds(tmp_path):
    points, prefix = make(tmp_path, whole(), selection())
    origin = json.loads(Path(f"{prefix}.json").read_text(encoding="utf-8"))
    sha256 = hashlib.sha256((tmp_path / "config.yaml").read_bytes()).hexdigest()
    assert origin["config"] == {"file": str(tmp_path / "config.yaml"), "sha256": sha256}
    assert origin["judges"] == [{"name": "judge", "models": ["judge-1"], "fingerprints": []}]
    assert (origin["seed"], origin["bootstrap"]) == (7, {"level": 0.95, "resamples": 200})
    assert len(origin["code"]["scripts_sha256"]) == 64
    short = {"config": sha256[:12], "code": origin["code"]["version"], "judge": "judge judge-1", "seed": "7"}
    for row in points.values():
        assert {key: row[key] for key in short} == short
    keywords = ", ".join(f"{key} {value}" for key, value in short.items())
    assert keywords.encode() in Path(f"{prefix}.pdf").read_bytes()
    assert keywords.encode() in Path(f"{prefix}.png").read_bytes()


def test_a_figure_is_drawn_for_the_page_and_for_a_column_in_the_same_type_size(tmp_path):
    _, prefix = make(tmp_path, whole(), selection())
    widths = [Image.open(f"{prefix}{added}.png").width / 300 for added in ("", "-column")]
    assert widths == pytest.approx([6.3, 3.03], abs=0.01)
    page, column = drawn(selection(), whole()), drawn(selection(), whole(), 3.03)
    assert page.axes[0].title.get_fontsize() == column.axes[0].title.get_fontsize()


def test_bands_are_wider_where_answers_differ_more_and_vanish_where_they_agree(tmp_path):
    rows = []
    for recipe, ratings in (("multilingual", [2] * 10), ("mono-es", [1, 2, 3, 2, 2] * 2), ("downsampled", [1, 3] * 5)):
        rows += answers("lora", "bloom-s", recipe, "es", *((rating, True) for rating in ratings))
    settings = selection(runs={"lora": ["bloom-s"]}, panels=["es"], maximum=30)
    points, _ = make(tmp_path, rows, settings)
    width = {series: float(row["high"]) - float(row["low"]) for (_, series, _), row in points.items() if row["value"]}
    assert width["multilingual"] == 0 < width["monolingual"] < width["downsampled"]
    assert 20 - 10 < float(points["Spanish", "downsampled", "bloom-s"]["low"]) < 20


def test_a_watermark_is_written_across_the_panels():
    canvas = drawn(selection(watermark="SYNTHETIC"), whole())
    assert "SYNTHETIC" in [text.get_text() for text in canvas.texts]


def pythia():
    """The selection of a figure of all sizes of Pythia: 1 and 1.4 are close to one another."""
    sizes = {"70m": 0.07, "160m": 0.16, "410m": 0.41, "1b": 1, "1.4b": 1.4, "2.8b": 2.8, "6.9b": 6.9, "12b": 12}
    models = {name: {"family": "pythia", "label": "Pythia", "billions": size} for name, size in sizes.items()}
    return selection(models=models, runs={"lora": list(models)}, panels=["en", "es", "zh"])


@pytest.mark.parametrize("width", [6.3, 3.03])
def test_labels_of_sizes_do_not_touch_one_another(width):
    settings = pythia()
    canvas = drawn(settings, whole(models=settings["models"], langs=["en", "es", "zh"]), width)
    canvas.canvas.draw()
    boxes = [label.get_window_extent() for label in canvas.axes[-1].get_xticklabels()]
    assert len(boxes) == 8
    assert not any(left.overlaps(right) for left, right in pairwise(boxes))


def marked(axes):
    """Where the markers are, in points: a list for each series, in the order of the legend."""
    outlines = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    return [axes.transData.transform(line.get_xydata()) * 72 / axes.figure.dpi for line in outlines]


@pytest.mark.parametrize("width", [6.3, 3.03])
def test_where_all_series_are_zero_each_is_visible_beside_the_others_in_the_legends_order(width):
    settings = pythia()
    rows = [row | {"score": 0} for row in whole(models=settings["models"], langs=["en", "es", "zh"])]
    canvas = drawn(settings, rows, width)
    canvas.canvas.draw()
    series = marked(canvas.axes[1])
    assert len(series) == 4 and len({y for places in series for _, y in places}) == 1
    sizes = [[x for x, _ in places] for places in zip(*series, strict=True)]
    places = [x for size in sizes for x in size]
    assert places == sorted(places), "no marker is among those of the next size"
    assert [right - left for left, right in pairwise(sizes[0])] == pytest.approx([3] * 3, rel=0.2)
    assert min(right - left for left, right in pairwise(places)) > 0.9


def test_equal_values_are_apart_in_figure_6_and_in_sweeps_too():
    for kind, added in (("consistency", {}), ("sweep", {"sweep": SWEEP, "series": ["multilingual", "English"]})):
        settings = selection(kind, runs={"lora": ["bloom-s"]}, panels=["es"], **added)
        methods = ["lora", *(method for _, method in SWEEP["members"])]
        canvas = drawn(settings, [row for method in methods for row in whole(method, ["bloom-s"], ["es"])])
        series = marked(canvas.axes[0])
        assert len(series) > 1 and all(left[0][0] < right[0][0] for left, right in pairwise(series))


def test_a_sweep_from_zero_is_linear_because_zero_has_no_logarithm():
    assert not figure.scale_of([0, 0.1, 10], 3).log
    assert figure.scale_of([0.1, 10], 3).log


def test_panels_show_a_languages_own_name_where_a_font_has_its_characters(tmp_path):
    own = {"en": "English", "es": "español", "zh": "中文", "bn": "বাংলা"}
    settings = selection("unseen", panels=["bn", "zh", "en"], own=own | {"en": "ไทย"})
    rows = whole(langs=["bn", "zh", "en"])
    canvas = drawn(settings, rows)
    assert [axes.get_title() for axes in canvas.axes] == [
        "Bengali\u00a0·\u00a0বাংলা",
        "Chinese\u00a0·\u00a0中文",
        "English",
    ]
    assert drawn(selection(own=own), whole()).axes[0].get_title() == "English", "a name is not shown twice"
    _, prefix = make(tmp_path, rows, settings)
    pdf = Path(f"{prefix}.pdf").read_bytes()
    for font in (b"DejaVuSans", b"NotoSansBengali", b"NotoSansSC"):
        assert re.search(rb"/FontName /[A-Z]{6}\+" + font, pdf) or re.search(rb"/BaseFont /[^ ]*" + font, pdf), font
    assert b"/Type3" not in pdf


SWEEP = {"name": "learning rate", "of": "lora", "members": [[0.0001, "lr-1"], [0.001, "lr-2"], [0.01, "lr-3"]]}


def swept(of="lora"):
    """Scores of a sweep: in Spanish the second value is the best."""
    rows = []
    for (_, name), match in zip(SWEEP["members"], (False, True, False), strict=True):
        method, recipe = (name, "mono-en") if of == "lora" else ("lora", name)
        rows += answers(method, "bloom-s", recipe, "es", (3, match), (3, match))
        rows += answers(method, "bloom-s", recipe, "en", (2, True), (2, True))
    return rows


@pytest.mark.parametrize("of", ["lora", "recipes"])
def test_a_sweep_has_its_values_on_the_axis_and_a_panel_for_each_language(of):
    settings = selection("sweep", runs={"lora": ["bloom-s"]}, sweep=SWEEP | {"of": of})
    canvas = drawn(settings, swept(of))
    assert [axes.get_title() for axes in canvas.axes] == ["English", "Spanish"]
    line = next(line for line in canvas.axes[1].lines if len(line.get_xdata()) == 3)
    assert list(line.get_xdata()) == [0.0001, 0.001, 0.01] and list(line.get_ydata()) == [0, 6, 0]
    assert canvas.axes[1].get_xscale() == "log"


def test_a_sweep_of_several_models_names_them_and_a_narrow_one_is_linear():
    members = [[1, "lr-1"], [2, "lr-2"], [3, "lr-3"]]
    settings = selection("sweep", sweep=SWEEP | {"of": "recipes", "members": members})
    canvas = drawn(settings, swept("recipes"))
    titles = [axes.get_title() for axes in canvas.axes]
    assert titles == ["BLOOM 500M, English", "BLOOM 500M, Spanish", "BLOOM 3B, English", "BLOOM 3B, Spanish"]
    assert canvas.axes[0].get_xscale() == "linear"


def test_the_csv_of_a_sweep_has_the_value_of_each_point(tmp_path):
    settings = selection("sweep", runs={"lora": ["bloom-s"]}, sweep=SWEEP)
    _, prefix = make(tmp_path, swept(), settings, "figure10")
    with Path(f"{prefix}.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["panel"] == "Spanish"]
    assert [(row["swept"], row["method"], row["value"]) for row in rows] == [
        ("0.0001", "lr-1", "0"),
        ("0.001", "lr-2", "6"),
        ("0.01", "lr-3", "0"),
    ]


def test_a_recipe_that_is_not_in_the_paper_is_drawn_beside_those_that_are(tmp_path):
    rows = whole() + [row | {"recipe": "my-mix"} for row in whole() if row["recipe"] == "multilingual"]
    settings = selection(series=["multilingual", "my-mix"], labels={"my-mix": "My mix"})
    points, _ = make(tmp_path, rows, settings)
    assert points["Spanish", "my-mix", "bloom-m"]["recipe"] == "my-mix"
    canvas = drawn(settings, rows)
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["Multilingual", "My mix"]
    colours = {line.get_color() for line in canvas.axes[1].lines}
    assert len(colours) == 2


def test_dollars_are_drawn_as_they_were_written():
    canvas = drawn(selection(judge="Qwen at $0.10 in, $0.30 out", note="Miniature; cost $$ nothing"))
    texts = [text for text in canvas.findobj(lambda each: hasattr(each, "get_parse_math")) if "$" in text.get_text()]
    assert texts and not any(text.get_parse_math() for text in texts)
