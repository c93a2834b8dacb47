"""What a training budget buys: the score of each recipe against the measured cost of its trainings.

PREFIX.pdf and .png have the width of a page's text, PREFIX-column.pdf and .png that of one of two columns. PREFIX.csv
has every plotted number, PREFIX.json its provenance (provenance.py). The paper has no such figure.

A point is one model and series: its score, averaged over the languages trained on that are tested, against the cost
of the trainings that section 2.3 charges to it. To support X languages, monolingual tuning pays for X trainings, and
multilingual tuning for one on the data of all X; English-only and downsampled tuning pay for one of the size of a
single language. The X are all languages of the training data, those that no prompt tests included. A study that makes
fewer monolingual models pays for the others at the mean of those that it measured: the csv says how many trainings a
point pays for (`trainings`) and how many of them were measured (`measured`).

There is a row of panels for each method; x is the floating-point operations of the trainings (training/flops.py), and
their hours summed over devices, both logarithmic. The grey line is the frontier: the best score at a given cost or
less. Its points are labelled with their model's name where there is room.

--selection is a JSON object or a file with one; the workflow derives it from the config:

  runs        {"lora": {"pythia-70m": ["multilingual", "monolingual", "English", "downsampled"], ...}, "full": {...}}:
              methods, models, and the series of each in the study
  models      {"pythia-70m": {"family": "pythia", "label": "Pythia", "billions": 0.07}, ...}
  langs       ["en", "es", ...]: the test languages that were trained on
  trained     9: the languages of the training data, tested or not
  prompts     50: in each language
  uncertainty {"level": 0.95, "resamples": 2000, "seed": 42}
  judge       {"name": ..., "label": ...}: the judge whose scores are shown
  note        added to the footer; may be ""
  methods     {"lora-r64": "LoRA, rank 64", ...}: names of methods that are not in the paper; optional
  labels      {"my-mix": "My mix", ...}: names, in the legend, of series that are not in the paper; optional
  watermark   written across the panels; optional
  missing_tolerated  0.02: a point that lacks more than this share of its ratings is counted in a warning; optional

A point without a score or a cost (released models were not trained here) is left out and counted; in the csv, its field
is empty. A missing rating counts as 0. Hours on different devices are not comparable; the footer names the devices.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from basics.command_line import command_line
from basics.errors import InputError
from basics.kinds import dict_of
from basics.settings import check_selection, read_object
from basics.writing import beside, write_text
from judging.ratings import BEST_RATING
from reporting.bootstrap import PromptScores, by_prompt, estimate
from reporting.costs import read_costs
from reporting.drawing import (
    SERIES,
    WIDTHS,
    Surroundings,
    add_series,
    add_surroundings,
    draw_markers,
    look_of,
    missing_warning,
    panel_grid,
    repeats,
    save_figure,
    set_up_drawing,
)
from reporting.names import model_names
from reporting.provenance import provenance, short_provenance
from reporting.scores import read_scores
from study.series import METHODS, recipe_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox


PANEL_HEIGHT = 1.9  # inches
WIDE = 30  # ratio of the highest to the lowest cost above which only powers of ten get ticks
COSTS = ("flops", "device_hours")
FRONTIER = "frontier"
MARK, AWAY = 3, 8  # points: radius of a marker, and distance of a name from other points of the frontier
SPOTS = (
    ("left", 4, 4),
    ("right", -4, 4),
    ("left", 4, -8),
    ("right", -4, -8),
)  # of a name: alignment, and offset in points
MODEL = {"family": str, "label": str, "billions": float}
KEYS = {
    "runs": dict[str, dict[str, list[str]]],
    "models": dict_of(MODEL),
    "langs": list[str],
    "trained": int,
    "prompts": int,
    "uncertainty": {"level": float, "resamples": int, "seed": int},
    "judge": {"name": str, "label": str},
    "note": str,
}


@dataclass(frozen=True)
class Point:
    """One model and series, and a row of the csv; unknown numbers are None."""

    method: str
    model: str
    family: str
    billions: float
    series: str
    trainings: int  # paid for
    measured: int  # of these; the others cost their mean
    flops: float | None
    device_hours: float | None
    device: str
    score: float | None
    low: float | None
    high: float | None
    repeats: int  # trainings with different seeds, of which the score is the mean: the fewest of its cells
    answers: int
    unrated: int  # of these, without a rating: they count as 0


def points_of(selection: Mapping, scores: PromptScores, costs: Mapping) -> list[Point]:
    """One point per model and series, whether it was measured or not."""
    uncertainty, langs = selection["uncertainty"], selection["langs"]
    drawn = scores.resamples(uncertainty)
    found = []
    for method, models in selection["runs"].items():
        for model, series in ((model, series) for model, tuned in models.items() for series in tuned):
            recipes = dict.fromkeys(recipe_of(series, lang) for lang in langs)
            known = [costs[run] for recipe in recipes if (run := (method, model, recipe)) in costs]
            trainings = selection["trained"] if series == "monolingual" else 1
            cells = [(method, model, recipe_of(series, lang), lang) for lang in langs]
            score, low, high = estimate([scores.values(cell) for cell in cells], drawn, uncertainty["level"])
            found.append(
                Point(
                    method=method,
                    model=model,
                    family=selection["models"][model]["family"],
                    billions=selection["models"][model]["billions"],
                    series=series,
                    trainings=trainings,
                    measured=sum(row["flops"] is not None for row in known),
                    **{cost: cost_of_trainings([row[cost] for row in known], trainings) for cost in COSTS},
                    device=", ".join(dict.fromkeys(row["device"] for row in known if row["device"])),
                    score=score,
                    low=low,
                    high=high,
                    repeats=min(scores.trainings.get(cell, 0) for cell in cells),
                    answers=sum(scores.answers.get(cell, 0) for cell in cells),
                    unrated=sum(scores.unrated.get(cell, 0) for cell in cells),
                )
            )
    return found


def cost_of_trainings(costs: Sequence[float | None], trainings: int) -> float | None:
    """The cost of as many trainings, of which those not measured cost the mean of the others; None if none was."""
    known = [cost for cost in costs if cost is not None]
    return float(f"{sum(known) / len(known) * trainings:.6g}") if known else None


def frontier(shown: Sequence[Point], cost: str) -> list[Point]:
    """The points that no other beats at the same cost or less, sorted by cost."""
    costs = [getattr(point, cost) for point in shown]
    known = [
        (spent, -point.score, point)
        for spent, point in zip(costs, shown, strict=True)
        if spent is not None and point.score is not None
    ]
    best, highest = [], -math.inf
    for _, lost, point in sorted(known, key=lambda entry: entry[:2]):
        if -lost > highest:
            best.append(point)
            highest = -lost
    return best


def write_csv(path: Path, shown: Sequence[Point], origin: Mapping[str, str]) -> None:
    """Write one point per row, with the frontiers that it is on and its provenance."""
    on = {
        cost: {
            point
            for method in {point.method for point in shown}
            for point in frontier(points_of_method(shown, method), cost)
        }
        for cost in COSTS
    }
    columns = [*(field.name for field in fields(Point)), *(f"on_{cost}_frontier" for cost in COSTS), *origin]
    with beside(path) as written, written.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for point in shown:
            row = {key: f"{value:.10g}" if isinstance(value, float) else value for key, value in asdict(point).items()}
            writer.writerow(
                row | {f"on_{cost}_frontier": "yes" if point in on[cost] else "no" for cost in COSTS} | dict(origin)
            )


def points_of_method(shown: Sequence[Point], method: str) -> list[Point]:
    """Those of the points that are of one method."""
    return [point for point in shown if point.method == method]


# --- drawing ---------------------------------------------------------------------------------------------------------


def draw_figure(selection: Mapping, shown: Sequence[Point], width: float) -> "Figure":
    """Draw one row of panels per method, one column per cost."""
    import seaborn as sns

    methods = [method for method, models in selection["runs"].items() if models]
    canvas, grid = panel_grid(len(COSTS) * len(methods), len(COSTS), width, PANEL_HEIGHT, share_x=False)
    for position, axes in enumerate(grid):
        method, cost = methods[position // len(COSTS)], COSTS[position % len(COSTS)]
        axes.set_title((METHODS | selection.get("methods", {}))[method])
        draw_panel(axes, points_of_method(shown, method), cost)
        axes.set_xlabel("training FLOPs" if cost == "flops" else hours_label(points_of_method(shown, method)))
        if cost == COSTS[0]:
            axes.set_ylabel("mean evaluation score")
    grid[0].set_ylim(0, BEST_RATING * selection["prompts"])
    grid[0].set_yticks([selection["prompts"] * rating for rating in range(BEST_RATING + 1)])
    sns.despine(canvas)
    asked = {point.series for point in shown}
    add_surroundings(canvas, [name for name in SERIES if name in asked], "none", surroundings(selection, shown))
    canvas.draw_without_rendering()  # fixes all positions
    for position, axes in enumerate(grid):
        method, cost = methods[position // len(COSTS)], COSTS[position % len(COSTS)]
        name_frontier(axes, points_of_method(shown, method), cost, model_names(selection["models"]))
    return canvas


def draw_panel(axes: "Axes", shown: Sequence[Point], cost: str) -> None:
    """Draw points with their confidence intervals, and the frontier."""
    costs = [getattr(point, cost) for point in shown if getattr(point, cost) is not None]
    cost_axis(axes, cost, costs)
    for series in SERIES:
        known = [
            point
            for point in shown
            if point.series == series and point.score is not None and getattr(point, cost) is not None
        ]
        if not known:
            continue
        x = [getattr(point, cost) for point in known]
        axes.vlines(
            x,
            [point.low for point in known],
            [point.high for point in known],
            color=look_of(series)["color"],
            alpha=0.25,
            linewidth=1.2,
            zorder=1,
        )
        draw_markers(axes, x, [point.score for point in known if point.score is not None], series, "none")
    if best := frontier(shown, cost):
        corners = [
            (getattr(point, cost), level) for before, point in pairwise(best) for level in (before.score, point.score)
        ]
        corners = [(getattr(best[0], cost), best[0].score), *corners, (max(costs), best[-1].score)]
        axes.plot(*zip(*corners, strict=True), color="0.6", linewidth=1, zorder=0, gid=FRONTIER)


def cost_axis(axes: "Axes", cost: str, costs: Sequence[float]) -> None:
    """A log axis with a tick at each power of ten, and at 2 and 5 times that if the range is small."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if not costs:
        axes.set_xticks([])
        return
    axes.set_xscale("log")
    axes.margins(x=0.08)
    wide = max(costs) > WIDE * min(costs)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: in_powers(x) if cost == "flops" else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def in_powers(value: float) -> str:
    """A large number with one digit before its power of ten, such as 2×10¹⁸, or 10¹⁸."""
    digit, exponent = f"{value:.0e}".split("e")
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if digit == "1" else f"{digit}×{power}"


def name_frontier(axes: "Axes", shown: Sequence[Point], cost: str, called: Mapping[str, str]) -> None:
    """Write model names beside the points of the frontier, the best first, where they cover nothing and are
    unambiguous; the csv has all."""
    best = frontier(shown, cost)
    drawn = [point for point in shown if point.score is not None and getattr(point, cost) is not None]
    steps = [line.get_transform().transform_path(line.get_path()) for line in axes.lines if line.get_gid() == FRONTIER]
    names = []
    for point in reversed(best):
        around = [around_point(axes, other, cost, AWAY if other in best else MARK) for other in drawn if other != point]
        taken = [*names, *around, around_point(axes, point, cost, MARK)]
        for side, right, up in SPOTS:
            name = axes.annotate(
                called[point.model],
                (getattr(point, cost), point.score),
                xytext=(right, up),
                textcoords="offset points",
                ha=side,
                fontsize=5,
                color="0.3",
            )
            box = name.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0
            if (
                inside
                and box.count_overlaps(taken) == 0
                and not any(path.intersects_bbox(box, False) for path in steps)
            ):
                name.set_in_layout(False)
                names.append(box)
                break
            name.remove()


def around_point(axes: "Axes", point: Point, cost: str, reach: float) -> "Bbox":
    """A square around a point, in pixels, extending `reach` typographic points to each side."""
    from matplotlib.transforms import Bbox

    place = axes.transData.transform([getattr(point, cost), point.score])
    pixels = reach * axes.figure.dpi / 72
    return Bbox([place - pixels, place + pixels])


def devices_of(shown: Sequence[Point]) -> list[str]:
    """The names of all devices, without duplicates."""
    return list(dict.fromkeys(name for point in shown for name in point.device.split(", ") if name))


def hours_label(shown: Sequence[Point]) -> str:
    """The label of the axis of hours."""
    devices = devices_of(shown)
    if not devices:
        return "device-hours"
    return "hours of CPU ranks" if devices == ["cpu"] else "GPU-hours"


def surroundings(selection: Mapping, shown: Sequence[Point]) -> Surroundings:
    """Title and footer: the judge, what bars and grey line are, who pays for what, what is missing, and the note."""
    scoreless = sum(point.score is None for point in shown)
    costless = sum(any(getattr(point, cost) is None for cost in COSTS) for point in shown)
    unrated = sum(point.unrated for point in shown)
    footer = [
        missing_warning([(point.unrated, point.answers) for point in shown], selection.get("missing_tolerated", 1)),
        f"Judge: {selection['judge']['label']}",
        f"Bars: {100 * selection['uncertainty']['level']:g} % bootstrap confidence intervals over prompts",
        repeats([point.repeats for point in shown]),
        "Grey: the best score at a given cost or less",
        f"Hours on {', '.join(devices)}" if (devices := devices_of(shown)) not in ([], ["cpu"]) else "",
        monolingual_cost(shown),
        f"{unrated} answers have no rating and count as 0" if unrated else "",
        f"{scoreless} of {len(shown)} points lack a score" if scoreless else "",
        f"{costless} of {len(shown)} points lack a measured cost" if costless else "",
        selection["note"],
    ]
    return Surroundings("What a training budget buys", "", footer, selection.get("watermark", ""))


def monolingual_cost(shown: Sequence[Point]) -> str:
    """What the monolingual points pay for; "" if there are none."""
    paid = [point for point in shown if point.series == "monolingual"]
    if not paid:
        return ""
    text = f"Monolingual tuning pays for one training in each of the {paid[0].trainings} languages trained on"
    lacking = sorted({point.trainings - point.measured for point in paid if 0 < point.measured < point.trainings})
    number = " to ".join(map(str, dict.fromkeys((lacking[0], lacking[-1])))) if lacking else ""
    return text + (f" ({number} not measured, at the mean of the others)" if lacking else "")


def check_budget(selection: dict) -> dict:
    """Return the selection if it is valid. Raises InputError naming the key at fault."""
    check_selection(selection, "--selection", KEYS)
    if not any(selection["runs"].values()):
        raise InputError(
            "--selection: 'runs' has no model; none of the figures selected in the config has one for a budget"
        )
    return selection


def write_figure(selection: Mapping, shown: Sequence[Point], known: dict, fonts: str, prefix: str) -> None:
    """Write the points as csv, their provenance (`known`) as json, and the figure in all widths."""
    origin = short_provenance(known)
    metadata = {
        "Title": "What a training budget buys",
        "Subject": selection["note"],
        "Keywords": ", ".join(f"{key} {value}" for key, value in origin.items()),
    }
    write_csv(Path(f"{prefix}.csv"), shown, origin)
    write_text(f"{prefix}.json", json.dumps({"figure": "budget"} | known, indent=1) + "\n")
    set_up_drawing(fonts)
    add_series({point.series: point.series for point in shown} | selection.get("labels", {}))
    for added, width in WIDTHS.items():
        save_figure(draw_figure(selection, shown, width), f"{prefix}{added}", metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--costs", required=True, metavar="FILE", help="the csv of costs.py")
    parser.add_argument("--selection", required=True, metavar="JSON", help="the selection: a JSON object or its file")
    parser.add_argument("--config", required=True, metavar="FILE", help="the run's configuration, to be hashed")
    parser.add_argument("--fonts", required=True, metavar="FOLDER", help="fonts for scripts that DejaVu Sans lacks")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the figure, without suffix")
    options = parser.parse_args(arguments)

    import polars as pl

    selection = check_budget(read_object(options.selection))
    everyone = read_scores(options.scores, ("rating", "score", "judge_model", "fingerprint"))
    scores = everyone.filter(pl.col("judge") == selection["judge"]["name"])
    shown = points_of(selection, by_prompt(scores, selection["prompts"]), read_costs(options.costs))
    lost = [point for point in shown if point.score is None or point.flops is None]
    if lost:
        named = "; ".join(f"{point.method}/{point.model}/{point.series}" for point in lost[:3])
        more = f"; {len(lost) - 3} more" if len(lost) > 3 else ""
        print(
            f"warning: budget: {len(lost)} of {len(shown)} points lack a score or a cost: {named}{more}",
            file=sys.stderr,
        )
    known = provenance(options.config, scores, options.scores, selection["uncertainty"])
    write_figure(selection, shown, known, options.fonts, options.output_prefix)
    print(f"budget: {len(shown) - len(lost)} of {len(shown)} points drawn", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
