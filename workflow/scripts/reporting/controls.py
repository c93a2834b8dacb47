"""What a judge makes of planted controls (judging/controls.py): numbers, and the words for them.

A number is a share of pairs or of ratings, with its confidence interval over prompts (reporting/bootstrap.py): a
resample takes a prompt in all its languages and repeats. A row of numbers is for one judge and one language, or, with
the language "", for all of them; `judges.csv` has them as they are, so that the summary can be written from there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from basics.errors import InputError
from judging.controls import BAD, GOOD, VERBOSE
from judging.ratings import BEST_RATING, RATINGS
from reporting.bootstrap import confidence_interval, draw_resamples
from reporting.markdown import ABSENT, escape_markdown, markdown_table
from reporting.order import in_order

if TYPE_CHECKING:
    import polars as pl

TOLD = 0.75  # of pairs; half-way between chance and always: what a judge gets that sees every second bad response
LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
EXAMPLE = 2  # the rating that the template of Figure 1 gives as its example, `Rating: [[2]]`
BY_CHANCE, EXAMPLE_BY_CHANCE = 1 / 2, 1 / len(RATINGS)
ABOVE = {kind: f"good above {kind}" for kind in BAD}
LONGER, FOREIGN, LEANING = "verbose above good", "wrong-language rated 3", "rated 2"
SHARES = (*ABOVE.values(), LONGER, FOREIGN, LEANING)
MEANINGS = f"""\
*Good above ...*: the share of pairs, one per prompt and repeat, in which the good answer is rated above the bad one; \
equal ratings count half, and so do pairs in which a rating is missing, so chance is 50%. Below {TOLD:.0%}, half-way \
between chance and always, a judge is said not to tell them apart; in a single language, only where the whole interval \
is below that. *Verbose above good*: the same for a longer answer that is no better; 50% is no bias. *Wrong-language \
rated 3*: the paper's Table 2 as a number. *Rated 2*: the share of ratings that are the template's own example, \
`[[2]]`, among the controls other than those cut short, of which none is worth it. In brackets: 95 % bootstrap \
confidence intervals from {RESAMPLES} samples of the prompts. An interval without width means that all prompts agree, \
and with few prompts that is weaker than it looks."""

Row = dict[str, Any]
Kinds = Mapping[str, int | None]  # the ratings of the controls of one prompt, by kind
Measure = Callable[[Kinds], Iterable[float]]


# --- numbers ---------------------------------------------------------------------------------------------------------


def outcome(one: int | None, other: int | None) -> float:
    """1 if the first rating is above the second, 0 if below, 1/2 if nothing is told."""
    if one is None or other is None or one == other:
        return 0.5
    return float(one > other)


def pairs_of(one: str, other: str) -> Measure:
    """The outcome of a pair of kinds; nothing where one of them was not planted."""
    return lambda kinds: [outcome(kinds[one], kinds[other])] if {one, other} <= kinds.keys() else []


def rated_best(kind: str) -> Measure:
    """Whether a kind was given the best rating."""
    return lambda kinds: [float(kinds[kind] == BEST_RATING)] if kind in kinds else []


def rated_as_the_example(kinds: Kinds) -> list[float]:
    """Whether ratings are the template's example, of the controls that are clearly worth another one."""
    return [float(rating == EXAMPLE) for kind, rating in kinds.items() if kind != "cut" and rating is not None]


MEASURES: dict[str, Measure] = {
    **{name: pairs_of(GOOD, kind) for kind, name in ABOVE.items()},
    LONGER: pairs_of(VERBOSE, GOOD),
    FOREIGN: rated_best("wrong-language"),
    LEANING: rated_as_the_example,
}


def share_over_prompts(name: str, values: Mapping[str, Sequence[float]]) -> Row:
    """The mean of all values and its confidence interval, from the values of each prompt; empty without any."""
    import numpy as np

    sums, counts = (np.array([of(each) for each in values.values() if each], dtype=float) for of in (sum, len))
    if not len(counts):
        return dict.fromkeys((name, f"{name} from", f"{name} to"))
    drawn = draw_resamples(len(counts), RESAMPLES, SEED)
    low, high = confidence_interval(sums @ drawn.counts / (counts @ drawn.counts), LEVEL, len(counts))
    return {name: float(sums.sum() / counts.sum()), f"{name} from": low, f"{name} to": high}


def by_prompt(ratings: "pl.DataFrame") -> dict[str, list[dict[str, int | None]]]:
    """By prompt, the ratings by kind of each language and repeat. Raises InputError for an id of no control."""
    found: dict[tuple, dict[str, int | None]] = {}
    for lang, id, repeat, rating in ratings.select("lang", "id", "repeat", "rating").iter_rows():
        kind, _, prompt = id.partition("/")
        if kind not in (GOOD, VERBOSE, *BAD) or not prompt:
            raise InputError(f"--controls: lang {lang}, id {id} is not a control; give ratings of controls.py's output")
        found.setdefault((prompt, lang, repeat), {})[kind] = rating
    prompts: dict[str, list[dict[str, int | None]]] = {}
    for (prompt, _, _), kinds in found.items():
        prompts.setdefault(prompt, []).append(kinds)
    return prompts


def control_row(judge: str, lang: str, ratings: "pl.DataFrame") -> Row:
    """The numbers of one judge, in one language or in all."""
    prompts = by_prompt(ratings)
    row: Row = {
        "judge": judge,
        "language": lang,
        "prompts": len(prompts),
        "ratings": len(ratings),
        "missing": ratings["rating"].null_count(),
        "different ratings": ratings["rating"].drop_nulls().n_unique(),
    }
    for name, measure in MEASURES.items():
        values = {prompt: [value for kinds in group for value in measure(kinds)] for prompt, group in prompts.items()}
        row |= share_over_prompts(name, values)
    return row


def control_rows(ratings: "pl.DataFrame", languages: Sequence[str]) -> list[Row]:
    """The numbers of each judge: in all languages together, then in each."""
    rows = []
    for (judge,), table in ratings.group_by("judge", maintain_order=True):
        rows.append(control_row(judge, "", table))
        langs = in_order(table["lang"].to_list(), languages)
        rows += [control_row(judge, lang, table.filter(table["lang"] == lang)) for lang in langs]
    return rows


# --- words -----------------------------------------------------------------------------------------------------------


def enumeration(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def below(row: Row, name: str, limit: float) -> bool:
    """Whether a number is known and below a limit."""
    value = row.get(name)
    return isinstance(value, float) and value < limit


def not_told(row: Row) -> list[str]:
    """The kinds of bad responses that a judge does not tell from good ones."""
    return [kind for kind, name in ABOVE.items() if below(row, name, TOLD)]


def not_told_in(rows: Sequence[Row], kind: str) -> list[str]:
    """The languages in which a kind is clearly not told from good ones."""
    return [str(row["language"]) for row in rows if below(row, f"{ABOVE[kind]} to", TOLD)]


def failures(whole: Row, by_language: Sequence[Row]) -> list[str]:
    """What a judge cannot tell from a good answer: in general, or else in some languages."""
    general = not_told(whole)
    local = {kind: not_told_in(by_language, kind) for kind in BAD if kind not in general}
    return [
        *(f"{BAD[kind]} ({whole[ABOVE[kind]]:.0%})" for kind in general),
        *(f"{BAD[kind]} in {enumeration(langs)}" for kind, langs in local.items() if langs),
    ]


def each_judge(rows: Iterable[Row]) -> Iterator[tuple[str, Row, list[Row]]]:
    """Each judge with its row of all languages and those of single ones."""
    rows = list(rows)
    for whole in rows:
        if not whole["language"]:
            yield (
                str(whole["judge"]),
                whole,
                [row for row in rows if row["judge"] == whole["judge"] and row["language"]],
            )


def warnings(rows: Iterable[Row]) -> list[str]:
    """One sentence for each judge that cannot tell good answers from some kind of bad ones."""
    sentences = []
    for judge, whole, by_language in each_judge(rows):
        if found := failures(whole, by_language):
            sentences.append(
                f"The judge {judge} cannot tell good answers from bad ones: it does not reliably rate a good answer"
                f" above {enumeration(found)}."
            )
    return sentences


def ability(whole: Row, by_language: Sequence[Row]) -> str:
    """What a judge can tell, in one sentence."""
    untold = not_told(whole)
    if not whole["different ratings"]:
        return "It gave no control a rating."
    if whole["different ratings"] == 1:
        return "It rates everything alike: all controls have the same rating."
    if len(untold) == sum(whole[name] is not None for name in ABOVE.values()):
        return "It is no better than chance: it tells good answers from no kind of bad ones."
    if untold == ["wrong-language"]:
        return "It is blind to the language: it tells good answers from all kinds of bad ones but the wrong language."
    if found := failures(whole, by_language):
        return f"It does not reliably rate a good answer above {enumeration(found)}."
    return "It tells good answers from all kinds of bad ones."


def leanings(whole: Row) -> Iterator[str]:
    """A sentence for each leaning that the intervals show."""
    if (low := whole[f"{LONGER} from"]) is not None and low > BY_CHANCE:
        yield f"It prefers length: it rates a longer answer, no better, above the plain one ({whole[LONGER]:.0%})."
    elif below(whole, f"{LONGER} to", BY_CHANCE):
        yield f"It marks down length: it rates a longer answer below the plain one ({1 - whole[LONGER]:.0%})."
    if (low := whole[f"{LEANING} from"]) is not None and low > EXAMPLE_BY_CHANCE:
        yield f"It leans to the template's example: it rates {whole[LEANING]:.0%} of them 2, and none is worth 2."


def judge_sentences(rows: Iterable[Row]) -> list[str]:
    """What each judge is, as an item of a list."""
    return [
        f"- **{escape_markdown(judge)}**: {' '.join([ability(whole, by_language), *leanings(whole)])}"
        for judge, whole, by_language in each_judge(rows)
    ]


# --- the page --------------------------------------------------------------------------------------------------------


def cell(row: Row, name: str) -> str:
    """A share with its interval."""
    if row[name] is None:
        return ABSENT
    return f"{row[name]:.0%} ({row[f'{name} from']:.0%} to {row[f'{name} to']:.0%})"


def control_table(rows: Iterable[Row]) -> str:
    """Kinds and leanings as rows, judges as columns; in all languages together."""
    wholes = {judge: whole for judge, whole, _ in each_judge(rows)}
    counts = [
        {"": name} | {judge: str(whole[name]) for judge, whole in wholes.items()} for name in ("ratings", "missing")
    ]
    shares = [{"": name} | {judge: cell(whole, name) for judge, whole in wholes.items()} for name in SHARES]
    return markdown_table([*shares, *counts], right=wholes)


def language_table(rows: Iterable[Row]) -> str:
    """The shares of each judge by language, without intervals, which the csv has."""
    shown = [
        {"judge": row["judge"], "language": row["language"]}
        | {name: ABSENT if row[name] is None else f"{row[name]:.0%}" for name in SHARES}
        for row in rows
        if row["language"]
    ]
    return markdown_table(shown, right=SHARES)


def control_section(rows: Sequence[Row], languages: Sequence[str]) -> list[str]:
    """The parts of the page on planted controls."""
    if not rows:
        return [
            "## Controls",
            "No controls were planted, so nothing here says whether the judges can tell good from bad.",
        ]
    planted = {row["language"] for row in rows}
    without = [lang for lang in languages if lang not in planted]
    return [
        "## Controls",
        f"Responses of known worth, rated by the same call as all others, on {rows[0]['prompts']} prompts in each of"
        f" {enumeration(in_order((str(lang) for lang in planted if lang), languages))}.",
        "\n".join(judge_sentences(rows)),
        control_table(rows),
        *([f"There are no controls in {enumeration(without)}: `controls` names no file for them."] if without else []),
        "### By language",
        language_table(rows),
        MEANINGS,
    ]
