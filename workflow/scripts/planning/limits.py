"""Time limits that do not suit the trainings: rows of `compute` with too little time, or far too much.

A job that asks for much more time than it needs waits longer in the queue: it fits into fewer gaps.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

MARGIN = 1.2  # of the time that is needed
LAVISH = 4  # a limit of so many times what should be asked for is too much


def time_advice(trainings: Iterable[Mapping[str, Any]], config: Mapping) -> list[str]:
    """A line for each fault of a row. Of the rows of `trainings`, as in the plan, those that are left count."""
    longest: dict[tuple[str, float], dict[str, Mapping[str, Any]]] = {}
    for row in trainings:
        if row["left"] and row["walltime_hours"] is not None:
            place = row["method"], _row_of(row, config)["up_to"]
            models = longest.setdefault(place, {})
            models[row["model"]] = max(models.get(row["model"], row), row, key=lambda each: each["needed_hours"])
    return [line for (method, _), models in sorted(longest.items()) for line in _faults_of(method, models, config)]


def _faults_of(method: str, models: Mapping[str, Mapping[str, Any]], config: Mapping) -> list[str]:
    """Lines about one row of a method: that it is too short for its longest training, and too long for small models."""
    ordered = sorted(models.values(), key=lambda row: config["models"][row["model"]]["billions"])
    worst = max(ordered, key=lambda row: row["needed_hours"])
    row = _row_of(worst, config)
    named, limit = f"compute.{method}, the row with up_to {row['up_to']:g}", worst["walltime_hours"]
    lines = []
    if worst["needed_hours"] > limit:
        lines.append(
            f"{named}: {worst['model']}/{worst['recipe']} needs {_told(worst)} of its {row['runtime']}: write"
            f" runtime: {_asked(worst)}h; without, it is interrupted and resumed"
        )
    groups = list(_that_ask_too_much(ordered, limit))
    if not groups:
        return lines
    small = groups[-1]
    if len(small) == 1:
        need = f"{small[0]['model']}/{small[0]['recipe']} needs {_told(small[0])}"
    else:
        need = f"{small[0]['model']} to {small[-1]['model']} need {_told(small[0])} to {_told(small[-1])}"
    rows = [
        dict(row)
        | {"up_to": config["models"][group[-1]["model"]]["billions"], "runtime": f"{max(map(_asked, group))}h"}
        for group in groups
    ]
    change = "put before it"
    if len(small) == len(ordered):
        change, rows[-1]["up_to"] = "write", row["up_to"]
    written = " and ".join(map(_written, rows))
    return [*lines, f"{named}: {need} of its {row['runtime']}: {change} {written}, and these wait less in the queue"]


def _that_ask_too_much(ordered: Sequence[Mapping[str, Any]], limit: float) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The smallest models, as many as need far less than the limit; before them, those that need far less still."""
    few = list(takewhile(lambda each: _asked(each) * LAVISH <= limit, ordered))
    if few:
        yield from _that_ask_too_much(few, max(map(_asked, few)))
        yield few


def _written(row: Mapping) -> str:
    """A row as it is in a configuration."""
    return f"{{ {', '.join(f'{key}: {value}' for key, value in row.items())} }}"


def _row_of(training: Mapping, config: Mapping) -> Mapping:
    """The row of `compute` of a training."""
    compute, method = config["compute"], training["method"]
    rows = compute[method] if method in compute else compute[config["methods"][method]["of"]]
    billions = config["models"][training["model"]]["billions"]
    return min((row for row in rows if row["up_to"] >= billions), key=lambda row: row["up_to"])


def _asked(training: Mapping) -> int:
    """Whole hours to ask for."""
    return max(1, math.ceil(MARGIN * training["needed_hours"]))


def _told(training: Mapping) -> str:
    hours = training["needed_hours"]
    time = f"{hours:.2g} h" if hours >= 1 else f"{60 * hours:.0f} min"
    return f"{time} ({training['hours_source']})"
