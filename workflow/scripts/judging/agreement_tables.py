"""Tables of agreement: of the repeats of a judge, of every two judges, and of people with each judge by language.

Ratings are a table with one row per rating: judge, run, lang, id, prompt (its number in the file of its language),
repeat and rating, which is null where none was given.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from judging.agreement import LEAST_PROMPTS, alphas, coincidences, equal_share, interval, kappas, value
from judging.ratings import RATINGS
from reporting.markdown import ABSENT, markdown_table
from reporting.order import in_order

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


RESPONSE = ("run", "lang", "id")  # identifies a response; with the judge, its ratings
LEAST_RESPONSES = 30  # that people rated in a language, for a number
MEASURES = ("equal", "alpha", "alpha from", "alpha to", "kappa", "kappa from", "kappa to")
RIGHT = ("responses", "prompts", "equal", "alpha", "kappa")  # aligned
MEANINGS = f"""\
*Responses*: those with at least two ratings to compare. *Equal*: the share of equal pairs among all pairs of ratings \
of the same response. *Alpha*: Krippendorff's, for ordinal ratings; 1 is perfect agreement, 0 is chance. He \
considers data with 0.8 or more reliable, and allows tentative conclusions from 0.667. *Kappa*: Cohen's with quadratic \
weights, between two judges only. *95 %*: bootstrap confidence intervals, from 1000 samples of the prompts, each with \
all responses to it; there are none for fewer than {LEAST_PROMPTS} prompts."""
OF_PEOPLE = f"""\
People rated a sample of the responses, without knowing whose they were. How far two people agree is about the most \
that can be expected of a judge; with one person, that is unknown. *Too few*: fewer than {LEAST_RESPONSES} responses, \
or responses to fewer than {LEAST_PROMPTS} prompts, were rated by both."""

Row = dict[str, Any]


def by_judge(ratings: "pl.DataFrame") -> dict[str, "pl.DataFrame"]:
    """The ratings of each judge, in order of first appearance."""
    return {table["judge"][0]: table for table in ratings.partition_by("judge", maintain_order=True)}


def agreements(ratings: "pl.DataFrame", people: Sequence[str] = ()) -> list[Row]:
    """Agreement between the repeats of each judge that has some, then between every two judges that are not people."""
    judges = {judge: table for judge, table in by_judge(ratings).items() if judge not in people}
    return [
        *(_of_repeats(judge, table) for judge, table in judges.items() if (table["repeat"] > 1).any()),
        *(
            _of_two(judge, other, _rated_by_both(judges[judge], judges[other]))
            for judge, other in combinations(judges, 2)
        ),
    ]


def agreements_of_people(ratings: "pl.DataFrame", people: Sequence[str], languages: Sequence[str]) -> list[Row]:
    """Agreement of each person with each judge and each further person: one row for all languages, `language` None, and
    one for each. Where too few responses were rated by both, the measures are None."""
    judges = by_judge(ratings)
    rows = []
    for person, other in _pairs_of_people(judges, people):
        both = _rated_by_both(judges[person], judges[other])
        parts = {None: both} | {lang: both.filter(both["lang"] == lang) for lang in in_order(both["lang"], languages)}
        rows += [_of_sample(person, other, lang, part) for lang, part in parts.items()]
    return rows


def _pairs_of_people(judges: Iterable[str], people: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each person with each judge, and every two people."""
    asked = [judge for judge in judges if judge not in people]
    yield from ((person, judge) for person in people for judge in asked)
    yield from combinations(people, 2)


def _of_repeats(judge: str, table: "pl.DataFrame") -> Row:
    import polars as pl

    given = [(pl.col("rating") == rating).sum().alias(str(rating)) for rating in RATINGS]
    by_response = table.group_by(RESPONSE, maintain_order=True).agg(pl.col("prompt").first(), *given)
    counts = by_response.select(map(str, RATINGS)).cast(pl.Int64).to_numpy()
    return {"judge": judge, "other": judge} | _measures(counts, None, by_response["prompt"].to_numpy())


def _first_ratings(table: "pl.DataFrame") -> "pl.DataFrame":
    """A judge's first rating of each response that has one."""
    given = table.filter(table["rating"].is_not_null()).sort("repeat", maintain_order=True)
    return given.unique(RESPONSE, keep="first", maintain_order=True).select(*RESPONSE, "prompt", "rating")


def _rated_by_both(one: "pl.DataFrame", two: "pl.DataFrame") -> "pl.DataFrame":
    """The responses that two judges rated: run, lang, id, prompt, rating and `rating of other`."""
    return _first_ratings(one).join(
        _first_ratings(two), on=RESPONSE, how="inner", suffix=" of other", maintain_order="left"
    )


def _of_two(judge: str, other: str, both: "pl.DataFrame") -> Row:
    """Agreement of two judges, from their ratings of the same responses."""
    import numpy as np

    ones, twos = ((both[name].to_numpy()[:, None] == np.array(RATINGS)) * 1 for name in ("rating", "rating of other"))
    confusion = (ones[:, :, None] * twos[:, None, :]).astype(float)
    return {"judge": judge, "other": other} | _measures(ones + twos, confusion, both["prompt"].to_numpy())


def _of_sample(person: str, other: str, language: str | None, both: "pl.DataFrame") -> Row:
    """Agreement of a person with a judge, if the responses that both rated are enough for it."""
    enough = len(both) >= LEAST_RESPONSES and both["prompt"].n_unique() >= LEAST_PROMPTS
    measured = _of_two(person, other, both)
    counted = {"responses": len(both), "prompts": both["prompt"].n_unique()}
    return (
        {"judge": person, "other": other, "language": language}
        | counted
        | {measure: measured[measure] if enough else None for measure in MEASURES}
    )


def _measures(counts: "np.ndarray", confusion: "np.ndarray | None", prompts: "np.ndarray") -> Row:
    """The numbers of a row: `confusion` is the confusion matrix of each response for two judges, None for repeats."""
    row: Row = {"responses": int((counts.sum(axis=1) > 1).sum()), "equal": equal_share(counts)}
    for name, matrices, measure in (("alpha", coincidences(counts), alphas), ("kappa", confusion, kappas)):
        low, high = (None, None) if matrices is None else interval(matrices, prompts, measure) or (None, None)
        found = None if matrices is None else value(matrices, measure)
        row |= {name: found, f"{name} from": low, f"{name} to": high}
    return row


# --- as text ----------------------------------------------------------------------------------------------------------


def agreement_section(rows: Sequence[Row], of_people: Sequence[Row], judges: Sequence[Row]) -> list[str]:
    """The agreement table, what its numbers and those of people mean, and what cannot be determined. `judges` have the
    keys judge and repeats."""
    text = [markdown_table(map(_shown, rows), right=RIGHT)] if rows else []
    text += [MEANINGS] if rows or of_people else []
    if once := [row["judge"] for row in judges if row["repeats"] == 1]:
        text.append(f"Each response was rated once by {', '.join(once)}: the agreement between repeats is unknown.")
    if len(judges) == 1:
        text.append("There is only one judge: the agreement with another is unknown.")
    return text


def people_section(rows: Sequence[Row]) -> list[str]:
    """How people agree with each judge, with a heading; nothing if no person rated."""
    if not rows:
        return []
    shown = [
        {"person": row["judge"], "and": row["other"], "language": row["language"] or "all"}
        | {name: row[name] for name in ("responses", "prompts")}
        | _numbers(row, "too few" if row["equal"] is None else "cannot tell")
        for row in rows
    ]
    return ["## Agreement with people", OF_PEOPLE, markdown_table(shown, right=RIGHT)]


def _shown(row: Row) -> Row:
    """A row of the agreement table, formatted."""
    again = row["judge"] == row["other"]
    unknown = f"cannot tell: {'all ratings are equal' if row['responses'] else 'nothing to compare'}"
    return (
        {"ratings of": f"{row['judge']}, repeats" if again else f"{row['judge']} and {row['other']}"}
        | {"responses": row["responses"]}
        | _numbers(row, unknown)
        | ({"kappa": ABSENT} if again else {})
    )


def _numbers(row: Row, unknown: str) -> Row:
    """The measures of a row, formatted; `unknown` stands for one that has no value."""
    return {
        "equal": unknown if row["equal"] is None else f"{row['equal']:.1%}",
        "alpha": unknown if row["alpha"] is None else f"{row['alpha']:.3f}",
        "alpha, 95 %": _interval_text(row, "alpha"),
        "kappa": unknown if row["kappa"] is None else f"{row['kappa']:.3f}",
        "kappa, 95 %": _interval_text(row, "kappa"),
    }


def _interval_text(row: Row, measure: str) -> str:
    low, high = row[f"{measure} from"], row[f"{measure} to"]
    return ABSENT if low is None else f"{low:.3f} to {high:.3f}"
