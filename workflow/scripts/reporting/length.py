"""How a judge's ratings of the study's own responses depend on their length.

The slope is in rating points per doubling of the length in characters, from a comparison of the responses of all runs
to the same prompt in the same language; its confidence interval is over prompts (reporting/bootstrap.py). Longer
responses may be better ones, so a slope is no bias by itself: that is what the verbose controls are for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basics.errors import InputError
from basics.paths import run_of
from basics.reading import read_jsonl
from reporting.bootstrap import confidence_interval, draw_resamples
from reporting.controls import LEVEL, RESAMPLES, SEED
from reporting.markdown import ABSENT, markdown_table

if TYPE_CHECKING:
    import polars as pl

MEANING = """\
*Slope*: how many rating points a response gains when it is twice as long, in characters, as another one to the same \
prompt in the same language. In brackets: its 95 % bootstrap confidence interval, from samples of the prompts. Better \
models may write longer answers, so this is no bias by itself; *verbose above good*, above, compares answers of equal \
worth. Empty responses and missing ratings are left out."""

Row = dict[str, Any]


def read_lengths(paths: Sequence[Path]) -> "pl.DataFrame":
    """One row per response: run, lang, id, the prompt's position in its language, the logarithm (base 2) of the
    response's length in characters, or null for an empty one."""
    import polars as pl

    rows = [
        {"run": run_of(path), "lang": row["lang"], "id": row["id"], "characters": len(row["response"])}
        for path in paths
        for row in read_jsonl(path, fields={"lang": str, "id": str, "response": str}, empty="responses")
    ]
    characters = pl.when(pl.col("characters") > 0).then(pl.col("characters"))
    return pl.DataFrame(rows).select(
        "run", "lang", "id", place=pl.int_range(pl.len()).over("run", "lang"), length=characters.log(2)
    )


def compared(ratings: "pl.DataFrame", lengths: "pl.DataFrame") -> "pl.DataFrame":
    """One judge's rated responses with a length: place, rating and length, less their means over the runs that answered
    the same prompt in the same language. Raises InputError for a rating of a response that is not there."""
    import polars as pl

    joined = ratings.join(lengths, on=["run", "lang", "id"], how="left", maintain_order="left")
    if lost := joined.filter(pl.col("place").is_null()).select("run", "lang", "id").rows():
        run, lang, id = lost[0]
        raise InputError(f"--responses: no response of {run}, lang {lang}, id {id}; give the file of each rated run")
    rated = joined.drop_nulls(["rating", "length"])
    within = [pl.col(name) - pl.col(name).mean().over("lang", "id") for name in ("rating", "length")]
    return rated.select("place", *within)


def slope_row(judge: str, ratings: "pl.DataFrame", lengths: "pl.DataFrame") -> Row:
    """The slope of one judge and its interval; None if no two responses to a prompt differ in length."""
    import polars as pl

    points = compared(ratings, lengths)
    products = points.group_by("place", maintain_order=True).agg(
        together=(pl.col("rating") * pl.col("length")).sum(), alone=(pl.col("length") ** 2).sum()
    )
    together, alone = products["together"].to_numpy(), products["alone"].to_numpy()
    row: Row = {"judge": judge, "responses": len(points), "slope": None, "slope from": None, "slope to": None}
    if not alone.sum():
        return row
    drawn = draw_resamples(len(alone), RESAMPLES, SEED)
    slopes = [x / y for x, y in zip(together @ drawn.counts, alone @ drawn.counts, strict=True) if y]
    low, high = confidence_interval(slopes, LEVEL, len(alone))
    return row | {"slope": float(together.sum() / alone.sum()), "slope from": low, "slope to": high}


def slope_rows(ratings: "pl.DataFrame", responses: Sequence[Path]) -> list[Row]:
    """The slope of each judge; none without responses."""
    if not responses:
        return []
    lengths = read_lengths(responses)
    return [slope_row(judge, table, lengths) for (judge,), table in ratings.group_by("judge", maintain_order=True)]


def length_section(rows: Sequence[Row]) -> list[str]:
    """The parts of the page on length; none without responses."""
    if not rows:
        return []
    shown = [
        {
            "judge": row["judge"],
            "responses": row["responses"],
            "slope": ABSENT
            if row["slope"] is None
            else f"{row['slope']:+.2f} ({row['slope from']:+.2f} to {row['slope to']:+.2f})",
        }
        for row in rows
    ]
    return ["## Length", markdown_table(shown, right=["responses", "slope"]), MEANING]
