"""Draw one of the paper's result figures (2-7) from score tables: PREFIX.pdf, PREFIX.png and PREFIX.csv.

--figure is a JSON object, in full or in a file; the workflow works it out from the selection in the config:

  number      2
  kind        "size", "unseen", "consistency" or "family"
  title       drawn above the panels
  runs        {"lora": ["bloom-560m", ...], "full": [...]}: methods and models, in order
  models      {"bloom-560m": {"family": "bloom", "label": "BLOOM", "billions": 0.56}, ...}
  languages   {"en": "English", ...}: names for the panels
  panels      ["en", "es", ...]: the test languages, in order
  maximum     150: the highest score, 3 for each prompt in a language
  judge       the judge's label, for the footer
  note        what else the footer must say, such as that a stand-in judged; "" for nothing

A series is a training recipe: multilingual (square), monolingual in the language of the panel (star), English
only (circle), downsampled multilingual (triangle). A point is one model's summed score in one language.

  size          Figures 2-4: a panel for each language; x is the model size, on a log axis
  unseen        Figure 5: the same for languages outside the training data, where no monolingual model exists
  consistency   Figure 6: a panel for each method and model family; y is what language identification takes off the
                score, averaged over the languages; dashed, both axes logarithmic
  family        Figure 7: a panel for each language; x is the model family

Conventions. In the English panel the monolingual model is the English-only one: it is drawn once, as monolingual.
A missing rating counts 0. In Figure 6 a difference of zero has no place on a log axis, so the axis is linear below the
smallest difference that can occur (one point in one language) and zero sits on a tick of its own: no value is clipped.
A point whose scores are absent or do not cover every prompt is left out, its line is broken there, its csv value is
empty, and one line on stderr says so. Lines join the sizes of one family only.
"""

import argparse
import csv
import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from files import InputError, beside, command_line
from scoretable import METHODS, read_scores
from settings import read_object

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0  # inches: a figure across both columns of the page
PANEL_HEIGHT = 1.7  # inches
RESOLUTION = 200  # dots per inch of the png
LOOK = {  # over seaborn's "paper": sizes in points, at the printed width
    "pdf.fonttype": 42,  # TrueType: journals refuse the Type 3 fonts that are matplotlib's default
    "axes.linewidth": 0.8,
    "axes.titlepad": 4,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "ytick.minor.width": 0.6,
    "grid.color": "0.92",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markeredgewidth": 1.0,
}
BEST_RATING = 3


@dataclass(frozen=True)
class Style:
    """How a series looks: its name in the legend, its marker, and its place in seaborn's colorblind palette."""

    label: str
    marker: str
    colour: int
    size: float  # points; markers of equal size do not look equal


SERIES = {
    "multilingual": Style("Multilingual", "s", 0, 5.0),
    "monolingual": Style("Monolingual", "*", 3, 8.0),
    "English": Style("English-only", "o", 2, 5.2),
    "downsampled": Style("Downsampled", "^", 4, 5.6),
}
SERIES_OF_KIND = {
    "size": ("multilingual", "monolingual", "English", "downsampled"),
    "unseen": ("multilingual", "English", "downsampled"),
    "consistency": ("multilingual", "monolingual", "English", "downsampled"),
    "family": ("multilingual", "monolingual", "downsampled"),
}
KEYS = {
    "number": int,
    "kind": str,
    "title": str,
    "runs": dict,
    "models": dict,
    "languages": dict,
    "panels": list,
    "maximum": int,
    "judge": str,
    "note": str,
}


@dataclass(frozen=True)
class Panel:
    """One pair of axes: the runs of one method, scored in one language or averaged over several."""

    title: str
    method: str
    models: tuple[str, ...]
    langs: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """One plotted number, and a row of the csv; `value` is None where the scores are missing or incomplete."""

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
    prompts: int
    unrated: int  # of the prompts, those without a rating: they count 0


# (method, model, recipe, lang) -> over its prompts: score, difference (what language ID takes off), prompts, unrated
Sums = dict[tuple[str, str, str, str], dict[str, float]]


# --- what is plotted -------------------------------------------------------------------------------------------------


def check(figure: dict) -> dict:
    """The figure's selection, found sound. Raises InputError naming the key at fault and the remedy."""
    for key, kind in KEYS.items():
        if not isinstance(figure.get(key), kind):
            raise InputError(f"--figure: {key!r} is missing or not of type {kind.__name__}; see figure.py --help")
    if figure["kind"] not in SERIES_OF_KIND:
        raise InputError(f"--figure: unknown kind {figure['kind']!r}; choose from {', '.join(SERIES_OF_KIND)}")
    for method, models in figure["runs"].items():
        if method not in METHODS:
            raise InputError(f"--figure: unknown method {method!r} in 'runs'; choose from {', '.join(METHODS)}")
        for model in models:
            if model not in figure["models"]:
                raise InputError(f"--figure: {model!r} of 'runs' is not in 'models'; give its family, label, billions")
    for lang in figure["panels"]:
        if lang not in figure["languages"]:
            raise InputError(f"--figure: {lang!r} of 'panels' is not in 'languages'; give its name there")
    if not figure["panels"] or not any(figure["runs"].values()):
        raise InputError(
            "--figure: 'panels' or 'runs' is empty, there is nothing to draw; select a language and a model"
        )
    if figure["maximum"] <= 0 or figure["maximum"] % BEST_RATING:
        raise InputError(f"--figure: 'maximum' is {figure['maximum']}; give {BEST_RATING} times the number of prompts")
    return figure


def panels(figure: dict) -> list[Panel]:
    """The figure's panels in reading order; models stand by size, or by family as they were given."""
    models, langs = figure["models"], figure["panels"]
    found = []
    for method, names in figure["runs"].items():
        if figure["kind"] == "consistency":
            for family in dict.fromkeys(models[name]["family"] for name in names):
                members = [name for name in names if models[name]["family"] == family]
                title = f"{METHODS[method]}, {models[members[0]]['label']}"
                found.append(Panel(title, method, by_size(members, models), tuple(langs)))
        elif names:
            order = tuple(names) if figure["kind"] == "family" else by_size(names, models)
            several = sum(map(bool, figure["runs"].values())) > 1
            for lang in langs:
                name = figure["languages"][lang]
                found.append(Panel(f"{METHODS[method]}, {name}" if several else name, method, order, (lang,)))
    return found


def by_size(names: Sequence[str], models: dict) -> tuple[str, ...]:
    """Models of a family beside one another, the smaller first."""
    families = list(dict.fromkeys(models[name]["family"] for name in names))
    return tuple(sorted(names, key=lambda name: (families.index(models[name]["family"]), models[name]["billions"])))


def sum_up(scores: "pl.DataFrame") -> Sums:
    """Sum each run's answers in each language; a missing rating adds nothing to either sum.

    Raises InputError when the scores come from more than one judge: their ratings do not share a scale.
    """
    import polars as pl

    judges = scores["judge"].unique(maintain_order=True).to_list()
    if len(judges) > 1:
        raise InputError(f"--scores: scores of two judges, {judges[0]!r} and {judges[1]!r}; give the files of one")
    cell = ["method", "model", "recipe", "lang"]
    rating, score = pl.col("rating"), pl.col("score")
    sums = scores.group_by(cell).agg(
        score=score.sum().round(6),  # thirds do not add up to the last bit in any order
        difference=(rating - score).sum().round(6),
        prompts=pl.len(),
        unrated=rating.null_count(),
    )
    return {tuple(row.pop(name) for name in cell): row for row in sums.iter_rows(named=True)}


def recipe_of(series: str, lang: str) -> str:
    """The training recipe whose model answers prompts in `lang` for a series."""
    return {"monolingual": f"mono-{lang}", "English": "mono-en"}.get(series, series)


def points(figure: dict, sums: Sums) -> Iterator[Point]:
    """Every number of the figure, panel by panel, series by series."""
    measure = "difference" if figure["kind"] == "consistency" else "score"
    expected = figure["maximum"] // BEST_RATING
    for panel in panels(figure):
        for series in SERIES_OF_KIND[figure["kind"]]:
            if series == "English" and panel.langs == ("en",):
                continue  # the same model as the monolingual one of this panel
            recipes = {lang: recipe_of(series, lang) for lang in panel.langs}
            for model in panel.models:
                cells = [sums.get((panel.method, model, recipes[lang], lang)) for lang in panel.langs]
                whole = all(cell and cell["prompts"] == expected for cell in cells)
                yield Point(
                    number=figure["number"],
                    panel=panel.title,
                    series=series,
                    method=panel.method,
                    model=model,
                    family=figure["models"][model]["family"],
                    billions=figure["models"][model]["billions"],
                    recipe=" ".join(dict.fromkeys(recipes.values())),
                    lang=" ".join(panel.langs),
                    value=sum(cell[measure] for cell in cells) / len(cells) if whole else None,
                    prompts=sum(cell["prompts"] for cell in cells if cell),
                    unrated=sum(cell["unrated"] for cell in cells if cell),
                )


def missing(drawn: Sequence[Point], expected: int) -> str | None:
    """One line on the points that cannot be drawn, or None when there are none."""
    lost = [point for point in drawn if point.value is None]
    if not lost:
        return None
    named = [
        f"{point.method}/{point.model}/{point.recipe} in {point.lang} "
        f"({point.prompts} of {expected * len(point.lang.split())} answers scored)"
        for point in lost[:3]
    ]
    rest = [f"{len(lost) - 3} more"] if len(lost) > 3 else []
    return f"{len(lost)} of {len(drawn)} points are missing: {'; '.join(named + rest)}"


def write_csv(path: Path, drawn: Sequence[Point]) -> None:
    """Write the points, one a row; a missing value is an empty field."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Point)], lineterminator="\n")
        writer.writeheader()
        for point in drawn:
            value = "" if point.value is None else f"{point.value:.10g}"
            writer.writerow(asdict(point) | {"value": value})


# --- how it is drawn -------------------------------------------------------------------------------------------------


def draw(figure: dict, drawn: Sequence[Point]) -> "Figure":
    """Draw the points; the panels share their y axis, and their x axis where it means the same in all of them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans", rc=LOOK)  # the font ships with matplotlib

    layout = panels(figure)
    columns = columns_for(len(layout), figure)
    rows = math.ceil(len(layout) / columns)
    consistency, family = figure["kind"] == "consistency", figure["kind"] == "family"
    height = rows * PANEL_HEIGHT + 0.8
    canvas, grid = plt.subplots(
        rows, columns, sharex=not consistency, sharey=True, squeeze=False, figsize=(WIDTH, height)
    )
    canvas.set_layout_engine("constrained", h_pad=0.04, w_pad=0.04, hspace=0.03, wspace=0.03)
    label(canvas, figure, drawn)

    for position, axes in enumerate(grid.flat):
        if position >= len(layout):
            axes.remove()
            continue
        panel = layout[position]
        here = [point for point in drawn if (point.method, point.panel) == (panel.method, panel.title)]
        axes.set_title(panel.title)
        axes.grid(axis="y")
        if position % columns == 0:
            axes.set_ylabel("score difference" if consistency else "evaluation score")
        if family:
            draw_families(axes, here)
            family_axis(axes, panel, figure["models"])
        else:
            draw_sizes(axes, here, "--" if consistency else "-")
            size_axis(axes, panel, figure["models"])
        if position + columns >= len(layout):  # nothing below it, even where the last row is short
            axes.tick_params(labelbottom=True)
    if consistency:
        difference_axis(grid[0, 0], drawn, figure)
    else:
        score_axis(grid[0, 0], figure["maximum"])
    sns.despine(canvas)
    return canvas


def columns_for(count: int, figure: dict) -> int:
    """How many panels stand beside one another: a row a method where there are several, else up to three."""
    methods = sum(map(bool, figure["runs"].values()))
    if figure["kind"] != "consistency" and methods > 1 and len(figure["panels"]) <= 4:
        return len(figure["panels"])
    return count if count <= 3 else 2 if count == 4 else 3


def draw_sizes(axes: "Axes", here: Sequence[Point], dashes: str) -> None:
    """Lines over the sizes, one a series and family. A missing value breaks its line, which seaborn would bridge."""
    for (series, _), line in groupby(here, key=lambda point: (point.series, point.family)):
        line = list(line)
        values = [math.nan if point.value is None else point.value for point in line]
        draw_marks(axes, [point.billions for point in line], values, series, dashes)


def draw_families(axes: "Axes", here: Sequence[Point]) -> None:
    """Markers over the model families, the series beside one another so that equal values do not hide each other."""
    order = list(dict.fromkeys(point.model for point in here))
    shown = SERIES_OF_KIND["family"]
    for series, group in groupby(here, key=lambda point: point.series):
        group = [point for point in group if point.value is not None]
        shift = 0.22 * (shown.index(series) - (len(shown) - 1) / 2)
        places = [order.index(point.model) + shift for point in group]
        draw_marks(axes, places, [point.value for point in group], series, "none")


def draw_marks(axes: "Axes", x: Sequence[float], y: Sequence[float], series: str, line: str) -> None:
    """One line with hollow markers. The outlines lie above all lines, so that points that coincide all show."""
    axes.plot(x, y, linestyle=line, clip_on=False, zorder=3, **look_of(series) | {"markeredgecolor": "none"})
    axes.plot(x, y, linestyle="none", clip_on=False, zorder=4, **look_of(series) | {"markerfacecolor": "none"})


def look_of(series: str) -> dict:
    """Colour and marker of a series, as matplotlib takes them."""
    import seaborn as sns

    style = SERIES[series]
    colour = sns.color_palette("colorblind")[style.colour]
    return {"color": colour, "marker": style.marker, "markersize": style.size, "markerfacecolor": "white"}


def size_axis(axes: "Axes", panel: Panel, models: dict) -> None:
    """A log axis whose ticks are the sizes themselves, in billions of parameters (millions for a miniature)."""
    unit, _ = size_unit(models)
    sizes = sorted({models[name]["billions"] for name in panel.models})
    axes.set_xscale("log")
    margin = (sizes[-1] / sizes[0]) ** max(0.05, 0.3 / len(sizes)) if len(sizes) > 1 else 2.0
    axes.set_xlim(sizes[0] / margin, sizes[-1] * margin)
    axes.set_xticks(sizes, [f"{size * unit:g}" for size in sizes])
    axes.minorticks_off()
    if len(sizes) > 8:  # more than the largest of the paper's figures
        axes.tick_params(axis="x", labelrotation=90)
        return
    for (left, right), ticks in zip(pairwise(sizes), pairwise(axes.xaxis.get_major_ticks()), strict=True):
        if math.log(right / left) < 0.09 * math.log(sizes[-1] / sizes[0]):
            ticks[0].label1.set_horizontalalignment("right")  # both fit when they lean apart, as Pythia's 1 and 1.4
            ticks[1].label1.set_horizontalalignment("left")


def size_unit(models: dict) -> tuple[float, str]:
    """Factor and sign of the unit that suits the models: billions, or millions when all are smaller than 0.05 B."""
    return (1.0, "B") if max(model["billions"] for model in models.values()) >= 0.05 else (1000.0, "M")


def family_axis(axes: "Axes", panel: Panel, models: dict) -> None:
    """A tick a model, named after its family, and its size where the family comes twice."""
    labels = [models[name]["label"].replace(" ", "\n") for name in panel.models]
    ticks = [
        text if labels.count(text) == 1 else f"{text}\n{models[name]['billions']:g}B"
        for name, text in zip(panel.models, labels, strict=True)
    ]
    axes.set_xticks(range(len(ticks)), ticks)
    if len(ticks) > 4:
        axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlim(-0.5, len(ticks) - 0.5)


def score_axis(axes: "Axes", maximum: int) -> None:
    """From 0 to the highest score, with a tick where every answer would be rated 1, 2 and 3."""
    axes.set_ylim(0, maximum)
    axes.set_yticks(range(0, maximum + 1, maximum // BEST_RATING))


def difference_axis(axes: "Axes", drawn: Sequence[Point], figure: dict) -> None:
    """Logarithmic from the smallest difference that can occur up to the largest one seen; zero on a tick below."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    smallest = 1 / len(figure["panels"])
    largest = max([point.value for point in drawn if point.value is not None] + [1.0])
    axes.set_yscale("symlog", linthresh=smallest, linscale=0.3)
    axes.set_ylim(0, largest * 1.25)
    ticks = [0, *(value for value in (0.1, 1, 10, 100, 1000) if smallest <= value <= largest * 1.25)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(FixedLocator([tick * step for tick in ticks for step in range(2, 10)]))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def label(canvas: "Figure", figure: dict, drawn: Sequence[Point]) -> None:
    """Title, one legend, names of the axes, and the footer: the judge, the note, how many points are missing."""
    from matplotlib.lines import Line2D

    kind = figure["kind"]
    line = {"size": "-", "unseen": "-", "consistency": "--", "family": "none"}[kind]
    handles = [
        Line2D([], [], linestyle=line, label=SERIES[series].label, **look_of(series)) for series in SERIES_OF_KIND[kind]
    ]
    canvas.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, title=figure["title"])
    inch = 1 / canvas.get_figheight()
    footer = footer_lines(figure, drawn)
    below = (len(footer) * 0.11 + 0.06) * inch
    canvas.text(0.995, 0.03 * inch, "\n".join(footer), ha="right", va="bottom", fontsize=6, color="0.35")
    name = "model family" if kind == "family" else f"model size ({size_unit(figure['models'])[1]})"
    canvas.text(0.53, below, name, ha="center", va="bottom", fontsize=8)
    below += 0.16 * inch
    canvas.get_layout_engine().set(rect=(0, below, 1, 1 - below))


def footer_lines(figure: dict, drawn: Sequence[Point]) -> list[str]:
    """Who judged, the note, and how many points are missing."""
    lost = sum(point.value is None for point in drawn)
    absent = f"{lost} of {len(drawn)} points are missing" if lost else ""
    sentences = [part.rstrip(".") + "." for part in (f"Judge: {figure['judge']}", figure["note"], absent) if part]
    return textwrap.wrap(" ".join(sentences), 140)


def save(canvas: "Figure", prefix: str, figure: dict) -> None:
    """Write the pdf (vector, TrueType fonts embedded) and the png; without a date, so that equal input, equal bytes."""
    title = f"Figure {figure['number']}: {figure['title']}"
    saved: list[tuple[str, dict]] = [
        (".pdf", {"metadata": {"CreationDate": None, "Title": title, "Subject": figure["note"] or None}}),
        (".png", {"metadata": {"Software": None, "Title": title}, "dpi": RESOLUTION}),
    ]
    for suffix, options in saved:
        with beside(f"{prefix}{suffix}") as written:
            canvas.savefig(written, **options)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet) of one judge"
    )
    parser.add_argument("--figure", required=True, metavar="JSON", help="the selection: a JSON object or its file")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the figure, without suffix")
    options = parser.parse_args(arguments)

    figure = check(read_object(options.figure))
    sums = sum_up(read_scores(options.scores, ("rating", "score")))
    drawn = list(points(figure, sums))
    absent = missing(drawn, figure["maximum"] // BEST_RATING)
    if all(point.value is None for point in drawn):
        raise InputError(f"{options.scores[0]}: none of the figure's points can be drawn; {absent}")
    name = Path(options.output_prefix).name
    if absent:
        print(f"warning: {name}: {absent}", file=sys.stderr)
    write_csv(Path(f"{options.output_prefix}.csv"), drawn)
    save(draw(figure, drawn), options.output_prefix, figure)
    print(f"{name}: {sum(point.value is not None for point in drawn)} points drawn", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
