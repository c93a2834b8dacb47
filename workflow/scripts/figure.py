"""Draw one of the paper's result figures (2-7), or one of a study beyond it, from score tables.

PREFIX.pdf and .png have the width of a page's text, PREFIX-column.pdf and .png that of one of two columns. PREFIX.csv
has every plotted number with its confidence interval, PREFIX.json its provenance (provenance.py).

--figure is a JSON object or a file with one; the workflow derives it from the selection in the config:

  number      2
  kind        "size", "unseen", "consistency", "family" or "sweep"
  title       drawn above the panels
  runs        {"lora": ["bloom-560m", ...], "full": [...]}: methods and models, in order
  models      {"bloom-560m": {"family": "bloom", "label": "BLOOM", "billions": 0.56}, ...}
  languages   {"en": "English", ...}: names for the panels
  own         {"bg": "български", ...}: the languages' own names, added to the panels; optional
  panels      ["en", "es", ...]: the test languages, in order
  maximum     150: the highest score in a language, 3 for each prompt
  uncertainty {"level": 0.95, "resamples": 2000, "seed": 42}: of the bootstrap confidence intervals (bootstrap.py)
  judge       the judge's label, for the footer
  note        added to the footer, such as that a stand-in judged; may be ""
  watermark   written across the panels; optional
  missing_tolerated  0.02: a point that lacks more than this share of its ratings is counted in a warning; optional
  lacking     ["full-parameter fine-tuning on Pythia", ...]: what this figure lacks of the paper's; optional
  methods     {"lora-r64": "LoRA, rank 64", ...}: names of methods that are not in the paper; optional
  series      ["multilingual", "my-mix", ...]: the series to compare, instead of those of the kind; optional
  labels      {"my-mix": "My mix", ...}: names, in the legend, of series that are not in the paper; optional
  sweep       {"name": "rank", "of": "lora", "members": [[8, "lora-rank-8"], ...]}: for kind sweep, the values and
              their methods, which replace the one that they vary, or (with "of": "recipes") their recipes

A series is a training recipe: multilingual (square), monolingual in the language of the panel (star), English
only (circle), downsampled multilingual (triangle). A point is one model's summed score in one language.

  size          Figures 2-4: a panel for each language; x is the model size, on a log axis
  unseen        Figure 5: the same for languages outside the training data, where no monolingual model exists
  consistency   Figure 6: a panel for each method and model family; y is what language identification deducts from
                the score, averaged over the languages; dashed, both axes logarithmic
  family        Figure 7: a panel for each language; x is the model family
  sweep         a panel for each model and language; x is the setting that is swept, logarithmic if it grows tenfold
                or more. A sweep of recipes is one series, drawn as multilingual

Conventions. In the English panel, the monolingual model is the English-only one: it is drawn once, as monolingual. A
missing rating counts as 0. In Figure 6, a difference of zero cannot be shown on a log axis, so the axis is linear below
the smallest possible difference (one point in one language; a dotted line), with a separate tick for zero: no value is
clipped. The series of one model are drawn side by side, in the order of the legend, so that equal values, such as
zeros, stay visible. A point whose scores are missing or do not cover every prompt is left out: its line is broken
there, a cross at the foot of the panel marks it, its csv value is empty, and a line on stderr says so. Lines connect
sizes of one family only.
"""

import argparse
import csv
import json
import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.errors import InputError
from basics.kinds import dict_of
from basics.settings import check_selection, read_object
from basics.writing import beside, write_text
from judging.ratings import BEST_RATING
from reporting.bootstrap import PromptScores, by_prompt, estimate
from reporting.drawing import (
    WIDTHS,
    Surroundings,
    add_series,
    add_surroundings,
    draw_interval_band,
    draw_interval_bar,
    draw_markers,
    mark_missing,
    missing_warning,
    panel_grid,
    repeats,
    save_figure,
    set_up_drawing,
)
from reporting.fonts import can_show
from reporting.names import model_names
from reporting.provenance import provenance, short_provenance
from reporting.scores import read_scores
from study.series import METHODS, SERIES_OF_KIND, recipe_of

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType


PANEL_HEIGHT = 1.45  # inches
Y_LABELS = 0.35  # inches of a panel's width, approximately
CHARACTER = 0.055  # inches of a tick label, approximately
STEP = 0.042  # inches between the markers of two series at the same value of x, where there is room
SWEPT = "multilingual"  # the look of a sweep of recipes
LINES: "dict[str, LineStyleType]" = {"size": "-", "unseen": "-", "consistency": "--", "family": "none", "sweep": "-"}
MODEL = {"family": str, "label": str, "billions": float}
KEYS = {
    "number": int,
    "kind": str,
    "title": str,
    "runs": dict[str, list[str]],
    "models": dict_of(MODEL),
    "languages": dict[str, str],
    "panels": list[str],
    "maximum": int,
    "uncertainty": {"level": float, "resamples": int, "seed": int},
    "judge": str,
    "note": str,
}


@dataclass(frozen=True)
class Panel:
    """One panel: the runs of one method, scored in one language or averaged over several."""

    title: str
    method: str
    models: tuple[str, ...]
    langs: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """One plotted number, and a row of the csv; `value`, `low`, `high` are None if scores are missing or incomplete.

    `low` and `high` are the ends of the bootstrap confidence interval over prompts and, with several trainings, seeds.
    """

    number: int
    panel: str
    series: str
    method: str
    model: str
    family: str
    billions: float
    recipe: str
    lang: str
    value: float | None
    low: float | None
    high: float | None
    prompts: int
    trainings: int  # the fewest of its cells; `value` is their mean
    unrated: int  # answers without a rating: they count as 0
    swept: float | None = None  # value of the setting that is swept


# --- the numbers -----------------------------------------------------------------------------------------------------


def check_figure(figure: dict) -> dict:
    """Return the figure's selection if it is valid. Raises InputError naming the key at fault and the remedy."""
    check_selection(figure, "--figure", KEYS)
    if figure["kind"] not in SERIES_OF_KIND:
        raise InputError(f"--figure: unknown kind {figure['kind']!r}; choose from {', '.join(SERIES_OF_KIND)}")
    names = method_names(figure)
    for method, models in figure["runs"].items():
        if method not in names:
            raise InputError(f"--figure: unknown method {method!r} in 'runs'; choose from {', '.join(names)}")
        for model in models:
            if model not in figure["models"]:
                raise InputError(f"--figure: {model!r} of 'runs' is not in 'models'; give its family, label, billions")
    for lang in figure["panels"]:
        if lang not in figure["languages"]:
            raise InputError(f"--figure: {lang!r} of 'panels' is not in 'languages'; give its name there")
    if not figure["panels"] or not any(figure["runs"].values()):
        raise InputError(
            "--figure: 'panels' or 'runs' is empty, so there is nothing to draw; select a language and a model"
        )
    if figure["kind"] == "sweep" and not figure.get("sweep", {}).get("members"):
        raise InputError("--figure: 'sweep' is missing or has no members; see figure.py --help")
    if figure["maximum"] <= 0 or figure["maximum"] % BEST_RATING:
        raise InputError(f"--figure: 'maximum' is {figure['maximum']}; give {BEST_RATING} times the number of prompts")
    return figure


def method_names(figure: dict) -> dict[str, str]:
    return METHODS | figure.get("methods", {})


def series_of(figure: dict) -> Sequence[str]:
    """The series that the figure compares."""
    if is_recipe_sweep(figure):
        return (SWEPT,)
    return figure.get("series", SERIES_OF_KIND[figure["kind"]])


def is_recipe_sweep(figure: dict) -> bool:
    return figure["kind"] == "sweep" and figure["sweep"]["of"] == "recipes"


def panels_of(figure: dict) -> list[Panel]:
    """The figure's panels in reading order; models are sorted by size or, for kind family, in the order given."""
    models, langs, called = figure["models"], figure["panels"], method_names(figure)
    found = []
    for method, names in figure["runs"].items():
        if figure["kind"] == "sweep":
            several = [called[method]] if sum(map(bool, figure["runs"].values())) > 1 else []
            for name in names:
                model = [model_names(models)[name]] if len(names) > 1 else []
                found += [
                    Panel(", ".join([*several, *model, figure["languages"][lang]]), method, (name,), (lang,))
                    for lang in langs
                ]
        elif figure["kind"] == "consistency":
            for family in dict.fromkeys(models[name]["family"] for name in names):
                members = [name for name in names if models[name]["family"] == family]
                title = f"{called[method]}, {models[members[0]]['label']}"
                found.append(Panel(title, method, by_size(members, models), tuple(langs)))
        elif names:
            order = tuple(names) if figure["kind"] == "family" else by_size(names, models)
            several = sum(map(bool, figure["runs"].values())) > 1
            for lang in langs:
                name = figure["languages"][lang]
                found.append(Panel(f"{called[method]}, {name}" if several else name, method, order, (lang,)))
    return found


def by_size(names: Sequence[str], models: dict) -> tuple[str, ...]:
    """Models grouped by family, the smallest first."""
    families = list(dict.fromkeys(models[name]["family"] for name in names))
    return tuple(sorted(names, key=lambda name: (families.index(models[name]["family"]), models[name]["billions"])))


def check_one_judge(scores: "pl.DataFrame") -> "pl.DataFrame":
    """Return the scores unchanged. Raises InputError if they are from two judges, whose scales may differ."""
    judges = scores["judge"].unique(maintain_order=True).to_list()
    if len(judges) > 1:
        raise InputError(f"--scores: scores of two judges, {judges[0]!r} and {judges[1]!r}; give the files of one")
    return scores


def points_of(figure: dict, scores: PromptScores) -> Iterator[Point]:
    """Every number of the figure, panel by panel, series by series."""
    measure = "lost" if figure["kind"] == "consistency" else "score"
    uncertainty = figure["uncertainty"]
    drawn = scores.resamples(uncertainty)
    for panel in panels_of(figure):
        for series in series_of(figure):
            if series == "English" and panel.langs == ("en",) and "monolingual" in series_of(figure):
                continue  # the same model as monolingual in this panel
            for swept, method, model, recipes in runs_of_series(figure, panel, series):
                cells = [(method, model, recipes[lang], lang) for lang in panel.langs]
                value, low, high = estimate(
                    [scores.values(cell, measure) for cell in cells], drawn, uncertainty["level"]
                )
                yield Point(
                    number=figure["number"],
                    panel=panel.title,
                    series=series,
                    method=method,
                    model=model,
                    family=figure["models"][model]["family"],
                    billions=figure["models"][model]["billions"],
                    recipe=" ".join(dict.fromkeys(recipes.values())),
                    lang=" ".join(panel.langs),
                    value=value,
                    low=low,
                    high=high,
                    prompts=sum(scores.answers.get(cell, 0) // scores.trainings.get(cell, 1) for cell in cells),
                    trainings=min(scores.trainings.get(cell, 0) for cell in cells),
                    unrated=sum(scores.unrated.get(cell, 0) for cell in cells),
                    swept=swept,
                )


def runs_of_series(figure: dict, panel: Panel, series: str) -> Iterator[tuple[float | None, str, str, dict[str, str]]]:
    """The runs of a series in a panel: value of the swept setting, method, model, and recipe by language."""
    recipes = {lang: recipe_of(series, lang) for lang in panel.langs}
    for model in panel.models:
        if figure["kind"] != "sweep":
            yield None, panel.method, model, recipes
        elif is_recipe_sweep(figure):
            for value, recipe in figure["sweep"]["members"]:
                yield value, panel.method, model, dict.fromkeys(panel.langs, recipe)
        else:
            for value, method in figure["sweep"]["members"]:
                yield value, method, model, recipes


def missing_points(shown: Sequence[Point], expected: int) -> str | None:
    """One line on the points that cannot be drawn, or None if there are none."""
    lost = [point for point in shown if point.value is None]
    if not lost:
        return None
    named = [
        f"{point.method}/{point.model}/{point.recipe} in {point.lang} "
        f"({point.prompts} of {expected * len(point.lang.split())} answers scored)"
        for point in lost[:3]
    ]
    rest = [f"{len(lost) - 3} more"] if len(lost) > 3 else []
    return f"{len(lost)} of {len(shown)} points are missing: {'; '.join(named + rest)}"


def write_csv(path: Path, shown: Sequence[Point], origin: dict[str, str]) -> None:
    """Write one point per row, each with its provenance; a missing value is an empty field."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*(field.name for field in fields(Point)), *origin], lineterminator="\n")
        writer.writeheader()
        for point in shown:
            row = asdict(point)
            numbers = {
                key: "" if row[key] is None else f"{row[key]:.10g}"
                for key in ("billions", "value", "low", "high", "swept")
            }
            writer.writerow(row | numbers | origin)


# --- drawing ---------------------------------------------------------------------------------------------------------


def draw_figure(figure: dict, shown: Sequence[Point], width: float) -> "Figure":
    """Draw the points; the panels share their y axis and, except for kind consistency, their x axis."""
    import seaborn as sns

    layout = panels_of(figure)
    columns = columns_for(len(layout), figure, width)
    consistency = figure["kind"] == "consistency"
    canvas, grid = panel_grid(len(layout), columns, width, PANEL_HEIGHT, share_x=not consistency)
    for position, (axes, panel) in enumerate(zip(grid, layout, strict=True)):
        axes.set_title(panel_title(panel, figure.get("own", {}), int(14.5 * width / columns)))
        if position % columns == 0:
            axes.set_ylabel("score difference" if consistency else "evaluation score")
        draw_panel(axes, panel, [point for point in shown if point.panel == panel.title], figure, width / columns)
    if consistency:
        difference_axis(grid, shown, figure)
    else:
        score_axis(grid[0], figure["maximum"])
    sns.despine(canvas)
    add_surroundings(
        canvas, [] if is_recipe_sweep(figure) else series_of(figure), LINES[figure["kind"]], surroundings(figure, shown)
    )
    return canvas


def draw_panel(axes: "Axes", panel: Panel, here: Sequence[Point], figure: dict, width: float) -> None:
    """Draw a panel's points over the x axis of the figure's kind; `width` in inches."""
    if figure["kind"] == "family":
        draw_families(axes, here, series_of(figure))
        family_axis(axes, panel, figure["models"])
    elif figure["kind"] == "sweep":
        scale = scale_of([value for value, _ in figure["sweep"]["members"]], width)
        draw_lines(axes, here, "swept", figure, scale)
        value_axis(axes, scale, [f"{value:g}" for value in scale.values])
    else:
        scale = Scale(tuple(sorted({figure["models"][name]["billions"] for name in panel.models})), True, width)
        draw_lines(axes, here, "billions", figure, scale)
        unit, _ = size_unit(figure["models"])
        value_axis(axes, scale, [f"{size * unit:g}" for size in scale.values])


def panel_title(panel: Panel, own: dict[str, str], width: int) -> str:
    """A panel's title and, for a single language, the language's own name if a font can show it."""
    name = own.get(panel.langs[0], "") if len(panel.langs) == 1 else ""
    if not name or name in panel.title or not can_show(name):
        return textwrap.fill(panel.title, width)
    return textwrap.fill(f"{panel.title}\u00a0·\u00a0{name}", width)  # no break around the dot


def columns_for(count: int, figure: dict, width: float) -> int:
    """Number of columns of panels: with several methods, one row per method if possible; otherwise up to three, or two
    in the narrow version."""
    most = 3 if width > 5 else 2
    methods = sum(map(bool, figure["runs"].values()))
    if figure["kind"] != "consistency" and methods > 1 and len(figure["panels"]) <= most + 1:
        return min(len(figure["panels"]), most)
    return count if count <= most else 2 if count == 4 else most


def draw_lines(axes: "Axes", here: Sequence[Point], along: str, figure: dict, scale: "Scale") -> None:
    """Draw one line per series and family, over the sizes or the swept values, with the series side by side so that
    equal values stay visible. A missing value breaks its line, which seaborn would not do."""
    compared = series_of(figure)
    for (series, _), line in groupby(here, key=lambda point: (point.series, point.family)):
        line = list(line)
        places = [scale.beside(getattr(point, along), compared.index(series), len(compared)) for point in line]
        value, low, high = (
            [math.nan if number is None else number for number in numbers]
            for numbers in zip(*((point.value, point.low, point.high) for point in line), strict=True)
        )
        draw_interval_band(axes, places, low, high, series)
        draw_markers(axes, places, value, series, LINES[figure["kind"]])
        lost = [place for place, point in zip(places, line, strict=True) if point.value is None]
        if lost:
            mark_missing(axes, lost, series, compared)


def draw_families(axes: "Axes", here: Sequence[Point], series_shown: Sequence[str]) -> None:
    """Draw markers over the model families, with the series side by side so that equal values stay visible."""
    order = list(dict.fromkeys(point.model for point in here))
    for series, group in groupby(here, key=lambda point: point.series):
        group = list(group)
        shift = 0.25 * (series_shown.index(series) - (len(series_shown) - 1) / 2)
        places = {point.model: order.index(point.model) + shift for point in group}
        there = [point for point in group if point.value is not None]
        for point in there:
            if point.low is not None and point.high is not None:
                draw_interval_bar(axes, places[point.model], point.low, point.high, series)
        values = [point.value for point in there if point.value is not None]
        draw_markers(axes, [places[point.model] for point in there], values, series, "none")
        lost = [places[point.model] for point in group if point.value is None]
        if lost:
            mark_missing(axes, lost, series, series_shown)


@dataclass(frozen=True)
class Scale:
    """The x axis of a panel `width` inches wide: its values, in ascending order, and whether it is logarithmic.

    A place is that of a value along the axis: the value itself, or its logarithm.
    """

    values: tuple[float, ...]
    log: bool
    width: float

    @property
    def places(self) -> list[float]:
        return [math.log(value) if self.log else value for value in self.values]

    @property
    def gaps(self) -> list[float]:
        """Between neighbouring places."""
        return [right - left for left, right in pairwise(self.places)]

    @property
    def margin(self) -> float:
        """On either side of the outermost places."""
        return sum(self.gaps) * max(0.05, 0.3 / len(self.values)) or math.log(2)

    @property
    def inches(self) -> float:
        """For each unit of place, approximately."""
        return (self.width - Y_LABELS) / (sum(self.gaps) + 2 * self.margin)

    @property
    def limits(self) -> tuple[float, float]:
        low, high = self.places[0] - self.margin, self.places[-1] + self.margin
        return (math.exp(low), math.exp(high)) if self.log else (low, high)

    def beside(self, value: float, position: int, count: int) -> float:
        """Where to draw the marker of a value that is number `position` of `count` side by side."""
        index = self.values.index(value)
        room = min([*self.gaps[max(index - 1, 0) : index + 1], math.inf])
        shift = (position - (count - 1) / 2) * min(STEP / self.inches, room / count)
        return value * math.exp(shift) if self.log else value + shift


def scale_of(values: Sequence[float], width: float) -> Scale:
    """The scale of swept values: logarithmic where they grow tenfold or more."""
    return Scale(tuple(sorted(values)), 0 < 10 * min(values) <= max(values), width)


def value_axis(axes: "Axes", scale: Scale, labels: Sequence[str]) -> None:
    """An axis with a labelled tick at each value. Labels that would touch are rotated, and those still too close are
    moved apart, such as Pythia's 1 and 1.4 in the narrow version."""
    if scale.log:
        axes.set_xscale("log")
    axes.set_xlim(*scale.limits)
    axes.set_xticks(scale.values, labels)
    axes.minorticks_off()
    gaps = [gap * scale.inches for gap in scale.gaps]
    widths = [CHARACTER * (len(left) + len(right)) / 2 for left, right in pairwise(labels)]
    if all(gap > taken + CHARACTER / 2 for gap, taken in zip(gaps, widths, strict=True)):
        return
    axes.tick_params(axis="x", labelrotation=90)
    for gap, ticks in zip(gaps, pairwise(axes.xaxis.get_major_ticks()), strict=True):
        if gap < 2 * CHARACTER:
            ticks[0].label1.set_horizontalalignment("right")
            ticks[1].label1.set_horizontalalignment("left")


def size_unit(models: dict) -> tuple[float, str]:
    """Factor and symbol of the unit for model sizes: billions, or millions if all are below 0.05 B."""
    return (1.0, "B") if max(model["billions"] for model in models.values()) >= 0.05 else (1000.0, "M")


def family_axis(axes: "Axes", panel: Panel, models: dict) -> None:
    """One tick per model, labelled by family, with the size if the family appears twice."""
    labels = [models[name]["label"].replace(" ", "\n") for name in panel.models]
    ticks = [
        text if labels.count(text) == 1 else f"{text}\n{models[name]['billions']:g}B"
        for name, text in zip(panel.models, labels, strict=True)
    ]
    axes.set_xticks(range(len(ticks)), ticks)
    if len(ticks) > 2:
        for text in axes.get_xticklabels():
            text.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(ticks) - 0.5)


def score_axis(axes: "Axes", maximum: int) -> None:
    """From 0 to the highest score, with ticks where all answers would be rated 1, 2 and 3."""
    axes.set_ylim(0, maximum)
    axes.set_yticks(range(0, maximum + 1, maximum // BEST_RATING))


def difference_axis(grid: "Sequence[Axes]", shown: Sequence[Point], figure: dict) -> None:
    """Logarithmic from the smallest possible to the largest observed difference, with a tick for zero below, and a
    dotted line in every panel where the axis turns linear."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    smallest = 1 / len(figure["panels"])
    largest = max([point.high for point in shown if point.high is not None] + [1.0])
    for panel in grid:
        panel.axhline(smallest, color="0.6", linestyle=":", linewidth=0.7, zorder=0)
    axes = grid[0]
    axes.set_yscale("symlog", linthresh=smallest, linscale=0.3)
    axes.set_ylim(0, largest * 1.25)
    decades = (0.1, 1, 10, 100, 1000)
    labelled = (decade * step for decade in decades for step in (1, 3))
    ticks = [0, *(value for value in labelled if smallest <= value <= largest * 1.25)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(FixedLocator([decade * step for decade in decades for step in range(2, 10)]))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def surroundings(figure: dict, shown: Sequence[Point]) -> Surroundings:
    """The texts around the panels; the footer has the judge, the confidence level, missing points and the note."""
    lost = sum(point.value is None for point in shown)
    unrated = sum({(point.method, point.model, point.recipe, point.lang): point.unrated for point in shown}.values())
    level = f"{100 * figure['uncertainty']['level']:g} %"
    footer = [
        missing_warning(
            [(point.unrated, point.prompts * point.trainings) for point in shown], figure.get("missing_tolerated", 1)
        ),
        f"Judge: {figure['judge']}",
        f"{'Bars' if figure['kind'] == 'family' else 'Bands'}: {level} bootstrap confidence intervals over prompts,"
        " of each series alone: where they overlap, the claims compare prompt by prompt",
        repeats([point.trainings for point in shown]),
        *conventions(figure),
        f"{unrated} answers have no rating and count as 0" if unrated else "",
        f"{lost} of {len(shown)} points are missing" if lost else "",
        f"The paper's figure also has {', '.join(figure['lacking'])}" if figure.get("lacking") else "",
        figure["note"],
    ]
    below = {
        "family": "model family",
        "sweep": figure.get("sweep", {}).get("name", ""),
    }.get(figure["kind"], f"model size ({size_unit(figure['models'])[1]})")
    return Surroundings(figure["title"], below, footer, figure.get("watermark", ""))


def conventions(figure: dict) -> list[str]:
    """What a reader of the figure alone could not know of its marks and its axis."""
    compared = series_of(figure)
    texts = []
    if len(compared) > 1:
        texts.append("Series are side by side, in the legend's order, so that equal values stay visible")
    if figure["kind"] == "consistency":
        texts.append("Below the dotted line the axis is linear, down to 0")
    elif {"monolingual", "English"} <= set(compared) and "en" in figure["panels"]:
        texts.append("In English, the monolingual model is the English-only one")
    return texts


def write_figure(figure: dict, shown: Sequence[Point], known: dict, fonts: str, prefix: str) -> None:
    """Write the points as csv, their provenance (`known`) as json, and the figure in all widths."""
    origin = short_provenance(known)
    metadata = {
        "Title": f"Figure {figure['number']}: {figure['title']}",
        "Subject": figure["note"],
        "Keywords": ", ".join(f"{key} {value}" for key, value in origin.items()),
    }
    write_csv(Path(f"{prefix}.csv"), shown, origin)
    write_text(f"{prefix}.json", json.dumps({"figure": figure["number"]} | known, indent=1) + "\n")
    set_up_drawing(fonts)
    add_series({name: name for name in series_of(figure)} | figure.get("labels", {}))
    for added, width in WIDTHS.items():
        save_figure(draw_figure(figure, shown, width), f"{prefix}{added}", metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet) of one judge"
    )
    parser.add_argument("--figure", required=True, metavar="JSON", help="the selection: a JSON object or its file")
    parser.add_argument("--config", required=True, metavar="FILE", help="the run's configuration, to be hashed")
    parser.add_argument("--fonts", required=True, metavar="FOLDER", help="fonts for scripts that DejaVu Sans lacks")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the figure, without suffix")
    options = parser.parse_args(arguments)

    figure = check_figure(read_object(options.figure))
    scores = check_one_judge(read_scores(options.scores, ("rating", "score", "judge_model", "fingerprint")))
    prompts = figure["maximum"] // BEST_RATING
    shown = list(points_of(figure, by_prompt(scores, prompts)))
    lacking = missing_points(shown, prompts)
    if all(point.value is None for point in shown):
        raise InputError(f"{options.scores[0]}: none of the figure's points can be drawn; {lacking}")
    name = Path(options.output_prefix).name
    if lacking:
        print(f"warning: {name}: {lacking}", file=sys.stderr)

    known = provenance(options.config, scores, options.scores, figure["uncertainty"])
    write_figure(figure, shown, known, options.fonts, options.output_prefix)
    print(f"{name}: {sum(point.value is not None for point in shown)} points drawn", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
