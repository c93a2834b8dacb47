"""The common look of all figures: markers of series, confidence intervals, one legend, a footer, and saving.

A figure is drawn once for the width of the page and once for that of a column (WIDTHS), with the same font sizes, so
that neither is scaled in print. Colours are from seaborn's colorblind palette; each series has its own marker, too.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from basics.writing import beside
from reporting import fonts
from reporting.names import SERIES as NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.typing import LineStyleType


WIDTHS = {"": 6.3, "-column": 3.03}  # inches, by suffix of the file's name: the text and a column of an ACL page
RESOLUTION = 300  # dots per inch of the png
LOOK = {  # on top of seaborn's "paper"; sizes in points, at the printed width
    "pdf.fonttype": 42,  # TrueType: journals refuse the Type 3 fonts that are matplotlib's default
    "ps.fonttype": 42,  # the pdf backend reads it, too: otherwise a font is embedded twice
    "text.parse_math": False,  # a label or a note may have dollars in it
    "axes.linewidth": 0.8,
    "axes.titlepad": 4,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.title_fontsize": 8,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.size": 3,
    "xtick.major.pad": 2,
    "ytick.major.size": 3,
    "ytick.major.pad": 2,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "ytick.minor.width": 0.6,
    "grid.color": "0.92",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markeredgewidth": 0.9,
}


@dataclass(frozen=True)
class Style:
    """How a series looks: its name in the legend, its marker, and its place in seaborn's colorblind palette."""

    label: str
    marker: str
    colour: int
    size: float  # points; markers of equal size do not look equal


SERIES = {  # the paper's markers
    "multilingual": Style(NAMES["multilingual"], "s", 0, 4.2),
    "monolingual": Style(NAMES["monolingual"], "*", 3, 6.8),
    "English": Style(NAMES["English"], "o", 2, 4.4),
    "downsampled": Style(NAMES["downsampled"], "^", 4, 4.8),
}
FURTHER = (
    ("D", 1),
    ("v", 5),
    ("P", 9),
    ("X", 8),
    ("h", 6),
    ("d", 7),
)  # marker and colour of series that are not in the paper


@dataclass(frozen=True)
class Surroundings:
    """The texts around the panels."""

    title: str
    below: str  # label of the x axes, if all share one
    footer: Sequence[str]  # sentences: the judge, what is missing
    watermark: str = ""


def add_series(labels: Mapping[str, str]) -> None:
    """Add series that are not in the paper, by their names in the legend; those in the paper keep their look."""
    for place, (name, label) in enumerate((name, label) for name, label in labels.items() if name not in SERIES):
        marker, colour = FURTHER[place % len(FURTHER)]
        SERIES[name] = Style(label, marker, colour, 4.2)


def set_up_drawing(folder: Path | str) -> None:
    """Set the theme and the fonts: matplotlib's own and those in a folder, none of this machine's."""
    fonts.register(folder)
    import matplotlib

    matplotlib.use("Agg")
    import seaborn as sns

    sns.set_theme(context="paper", style="ticks", rc=LOOK | {"font.family": fonts.FAMILY})


def panel_grid(count: int, columns: int, width: float, height: float, share_x: bool) -> "tuple[Figure, list[Axes]]":
    """A canvas with `count` panels that share their y axis, in `columns` columns, each `height` inches high."""
    import matplotlib.pyplot as plt

    rows = math.ceil(count / columns)
    canvas, grid = plt.subplots(
        rows, columns, sharex=share_x, sharey=True, squeeze=False, figsize=(width, rows * height + 0.8)
    )
    canvas.set_layout_engine("constrained", h_pad=0.03, w_pad=0.03, hspace=0.03, wspace=0.03)
    for axes in grid.flat[count:]:
        axes.remove()
    for position, axes in enumerate(grid.flat[:count]):
        axes.grid(axis="y")
        if position + columns >= count:  # no panel below, even if the last row is incomplete
            axes.tick_params(labelbottom=True)
    return canvas, list(grid.flat[:count])


def look_of(series: str, **changes: str) -> dict[str, Any]:
    """Colour and marker of a series, as keyword arguments of matplotlib."""
    import seaborn as sns

    style = SERIES[series]
    colour = sns.color_palette("colorblind")[style.colour]
    return {"color": colour, "marker": style.marker, "markersize": style.size, "markerfacecolor": "white", **changes}


def draw_markers(axes: "Axes", x: Sequence[float], y: Sequence[float], series: str, line: "LineStyleType") -> None:
    """A line with hollow markers, broken at NaN. Outlines are on top of all lines, so that no point hides another."""
    axes.plot(x, y, linestyle=line, clip_on=False, zorder=3, **look_of(series, markeredgecolor="none"))
    axes.plot(x, y, linestyle="none", clip_on=False, zorder=4, **look_of(series, markerfacecolor="none"))


def draw_interval_band(
    axes: "Axes", x: Sequence[float], low: Sequence[float], high: Sequence[float], series: str
) -> None:
    """The confidence band around a line, broken where the line is. An isolated point gets a bar instead."""
    colour = look_of(series)["color"]
    axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0, zorder=1)
    isolated = [
        place
        for place, value in enumerate(low)
        if not math.isnan(value) and all(math.isnan(neighbour) for neighbour in neighbours(low, place))
    ]
    for place in isolated:
        draw_interval_bar(axes, x[place], low[place], high[place], series)


def neighbours(values: Sequence[float], place: int) -> list[float]:
    """The values before and after a position, as far as they exist."""
    return [*values[max(place - 1, 0) : place], *values[place + 1 : place + 2]]


def draw_interval_bar(axes: "Axes", x: float, low: float, high: float, series: str) -> None:
    """The confidence interval of one point."""
    axes.plot([x, x], [low, high], color=look_of(series)["color"], alpha=0.45, linewidth=1.6, zorder=1, marker="")


def mark_missing(axes: "Axes", x: Sequence[float], series: str, shown: Sequence[str]) -> None:
    """Mark missing points by crosses at the foot of the panel, one row per series, in the colour of the series."""
    height = 0.035 + 0.055 * (len(shown) - 1 - shown.index(series))
    look: dict[str, Any] = {
        "color": look_of(series)["color"],
        "marker": "x",
        "markersize": 3.2,
        "linestyle": "none",
        "zorder": 5,
    }
    axes.plot(x, [height] * len(x), transform=axes.get_xaxis_transform(), clip_on=False, gid="absent", **look)


def add_surroundings(canvas: "Figure", series: Sequence[str], line: "LineStyleType", texts: Surroundings) -> None:
    """Add title and legend above the panels, x label and footer below, and the watermark across."""
    from matplotlib.lines import Line2D

    width, inch = canvas.get_figwidth(), 1 / canvas.get_figheight()
    handles = [Line2D([], [], linestyle=line, label=SERIES[name].label, **look_of(name)) for name in series]
    if any(drawn.get_gid() == "absent" for axes in canvas.axes for drawn in axes.lines):
        handles.append(Line2D([], [], linestyle="none", marker="x", markersize=3.2, color="0.35", label="missing"))
    lines = math.ceil(len(texts.title) / (width * 16))
    title = textwrap.fill(texts.title, math.ceil(len(texts.title) / lines) + 8)  # lines of about equal length
    columns = len(handles) if width > 5 else 2
    legend = canvas.legend(
        handles=handles, loc="outside upper center", ncols=max(columns, 1), frameon=False, title=title, handlelength=2
    )
    legend.get_title().set_multialignment("center")
    sentences = " ".join(sentence.rstrip(".") + "." for sentence in texts.footer if sentence)
    footer = textwrap.wrap(sentences, int(width * 22))
    below = (len(footer) * 0.1 + 0.06) * inch
    canvas.text(0.995, 0.03 * inch, "\n".join(footer), ha="right", va="bottom", fontsize=5.5, color="0.35")
    if texts.below:
        canvas.text(0.53, below, texts.below, ha="center", va="bottom", fontsize=7.5)
        below += 0.16 * inch
    cast("ConstrainedLayoutEngine", canvas.get_layout_engine()).set(rect=(0, below, 1, 1 - below))
    if texts.watermark:
        size = 62 * width / max(len(texts.watermark), 6)
        canvas.text(
            0.5, 0.5, texts.watermark, ha="center", va="center", rotation=28, fontsize=size, color="0.5", alpha=0.16,
            zorder=10, weight="bold", family=fonts.LATIN,
        )  # fmt: skip


def missing_warning(points: Sequence[tuple[int, int]], tolerated: float) -> str:
    """A warning of the points that have too few ratings to say anything; "" if there are none.

    `points`: of each, the answers without a rating, and all answers.
    """
    poor = sum(unrated > tolerated * answers for unrated, answers in points)
    if not poor:
        return ""
    return (
        f"WARNING: more than {100 * tolerated:g} % of the ratings are missing at {poor} of {len(points)} points,"
        " which say nothing"
    )


def repeats(trainings: Sequence[int]) -> str:
    """How many points are means over several trainings, from the number of trainings of each; "" if none is."""
    repeated = [number for number in trainings if number > 1]
    if not repeated:
        return ""
    return (
        f"{len(repeated)} of {len(trainings)} points are means over {max(repeated)} trainings with different seeds, and"
        " their intervals are over seeds as well"
    )


def save_figure(canvas: "Figure", path: str, metadata: Mapping[str, str]) -> None:
    """Write PATH.pdf (vector, TrueType fonts embedded) and PATH.png, without a date: equal input gives equal bytes.

    `metadata`: Title, Subject and Keytexts.
    """
    import matplotlib.pyplot as plt

    png = {"Title": metadata["Title"], "Description": "; ".join(filter(None, list(metadata.values())[1:]))}
    with beside(f"{path}.pdf") as written:
        canvas.savefig(written, format="pdf", metadata={"CreationDate": None, **metadata})
    with beside(f"{path}.png") as written:
        canvas.savefig(written, format="png", metadata={"Software": None, **png}, dpi=RESOLUTION)
    plt.close(canvas)
