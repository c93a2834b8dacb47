"""The losses of all trainings as a figure: PREFIX.pdf, PREFIX.png and PREFIX.csv.

A panel has the trainings of one model by one method. Thick lines are losses on held-out rows, thin ones those on the
rows that are trained on, both means over labels; x is the share of the training that is done, since recipes differ in
steps. Losses on different languages cannot be compared: what is worth a look is whether a line falls, rises again, or
jumps. PREFIX.csv has every point, from the training.json in the folder of each model. Models that were not trained here
(released ones) have no such record and are left out. The paper has no such figure.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from basics.command_line import command_line
from basics.reading import read_json
from basics.settings import read_settings
from basics.writing import beside
from reporting.costs import REMEDY, sort_by_model
from reporting.drawing import (
    SERIES,
    WIDTHS,
    Surroundings,
    add_series,
    add_surroundings,
    look_of,
    panel_grid,
    save_figure,
    set_up_drawing,
)
from reporting.names import Names
from study.series import series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "The losses of all trainings"
COLUMNS = ("method", "model", "recipe", "kind", "step", "steps", "loss")
LINES: dict[str, dict[str, Any]] = {  # one evaluation alone is a point, not a line
    "train": {"linewidth": 0.5, "alpha": 0.45, "zorder": 2},
    "validation": {"linewidth": 1.3, "zorder": 3, "marker": ".", "markersize": 4},
}
PANELS_A_ROW, PANEL_HEIGHT = 4, 1.25  # inches
HIGHEST = 0.98  # the quantile of all losses up to which axes reach: the first step of an adapter may be far above


class Curve(NamedTuple):
    """The losses of one training: `kind` is train or validation, `points` are steps and losses."""

    method: str
    model: str
    recipe: str
    kind: str
    steps: int
    points: list[tuple[int, float]]


def curves_of(folder: Path) -> Iterator[Curve]:
    """The curves of the model in a folder, none if it was not trained here. Raises InputError naming the file and the
    key if its record is not as train.py writes it."""
    if not (folder / "training.json").exists():
        return
    record = read_json(folder / "training.json", {"losses": dict, "steps": int}, REMEDY)
    for kind in LINES:
        points = [(step, loss) for step, loss in record["losses"][kind]]
        if points:
            yield Curve(*folder.parts[-3:], kind, record["steps"], points)


def write_csv(path: Path, curves: Sequence[Curve]) -> None:
    """A row for each point."""
    with beside(path) as written, written.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for curve in curves:
            run = (curve.method, curve.model, curve.recipe, curve.kind)
            writer.writerows((*run, step, curve.steps, f"{loss:.6g}") for step, loss in curve.points)


def draw_panel(axes: "Axes", curves: Sequence[Curve]) -> None:
    """The lines of one model and method."""
    for curve in curves:
        axes.plot(
            [step / curve.steps for step, _ in curve.points],
            [loss for _, loss in curve.points],
            color=look_of(series_of(curve.recipe))["color"],
            **LINES[curve.kind],
        )


def draw_figure(curves: Sequence[Curve], names: Names, width: float, note: str) -> "Figure":
    """A panel for each model and method."""
    import numpy as np
    import seaborn as sns

    panels: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        panels.setdefault((curve.method, curve.model), []).append(curve)
    columns = PANELS_A_ROW if width > min(WIDTHS.values()) else PANELS_A_ROW // 2
    canvas, grid = panel_grid(max(len(panels), 1), columns, width, PANEL_HEIGHT, share_x=True)
    for axes, ((method, model), shown) in zip(grid, panels.items(), strict=False):
        axes.set_title(f"{names.methods.get(method, method)}\n{names.models.get(model, model)}")
        draw_panel(axes, shown)
    losses = [loss for curve in curves for _, loss in curve.points]
    grid[0].set_xlim(0, 1)
    if losses:
        grid[0].set_ylim(0, 1.1 * max(np.quantile(losses, HIGHEST), *(curve.points[-1][1] for curve in curves)))
    for axes in grid[::columns]:
        axes.set_ylabel("loss")
    sns.despine(canvas)
    found = {series_of(curve.recipe) for curve in curves}
    footer = [
        "Thick: on held-out rows; thin: on rows trained on",
        "Losses on different languages or rows cannot be compared",
        "" if curves else "No model was trained here",
        note,
    ]
    shown = [name for name in SERIES if name in found]
    add_surroundings(canvas, shown, "-", Surroundings(TITLE, "share of the training", footer))
    return canvas


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", required=True, type=Path, metavar="FOLDER", help="tuned models: .../METHOD/MODEL/RECIPE"
    )
    parser.add_argument("--names", default="{}", metavar="JSON", help="names, in order (names.py), or their file")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the footer")
    parser.add_argument("--fonts", required=True, metavar="FOLDER", help="fonts for scripts that DejaVu Sans lacks")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="path of the figure, without suffix")
    options = parser.parse_args(arguments)

    names = read_settings(Names, options.names)
    found = (curve._asdict() for folder in options.models for curve in curves_of(folder))
    curves = [Curve(**row) for row in sort_by_model(found, list(names.models), list(names.languages))]
    write_csv(Path(f"{options.output_prefix}.csv"), curves)
    set_up_drawing(options.fonts)
    add_series({series: names.recipe(series) for series in dict.fromkeys(series_of(curve.recipe) for curve in curves)})
    for added, width in WIDTHS.items():
        metadata = {"Title": TITLE, "Subject": options.note, "Keywords": ""}
        save_figure(draw_figure(curves, names, width, options.note), f"{options.output_prefix}{added}", metadata)
    trained = {curve[:3] for curve in curves}
    print(f"curves: {len(trained)} trainings of {len(options.models)} models", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
