"""Flag the rows of a translation that look bad, and report on them, for any source of translations.

--rows must have the ids of --seed, all of them, in its order. Flags that a row has already are kept; nothing else of
a row is changed. A flag deletes nothing: recipes leave flagged rows out where the config says so (`drop_flags`).

Texts are compared without the code of the source: lines that structure.py takes for structure there are left out of
source and translation alike. What is short is not judged: a field or row with fewer than 50 letters and digits of
prose in the source is passed over by length_ratio and language, in every language the same ones.

    blank            a field is empty in the translation and not in the seed, or the other way round
    copied           segments of the source stand unchanged in the translation of the field: at least four words in
                     lower case, and half of all such words. Names, "OK" or a number alone are never flagged.
    output_is_input  the translated output equals the translated input: translation undid what the task was about
                     (a corrected sentence and its original became the same). Not where they are equal in the seed.
    length_ratio     letters and digits of the translation, over those of the source, are below half or above twice
                     the median of the language's fields. In Chinese that median is about a third.
    repetition       a stretch of up to 64 letters and digits stands four times in a row or more, eight letters in
                     all, and more than twice as often as in the source. Spaces and punctuation do not count, so that
                     it is found in Chinese as well; digits are never taken for repeated (1,000,000,000).
    language         the identifier's best label for the row (all fields together, inline code and addresses left
                     out) is none of those that the language table lists.

The report is Markdown beside a picture: how often each flag was given, how long translations are, and the first rows
that have each flag. Memory: rows are streamed; four numbers a row are held.
"""

import argparse
import math
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from basics.command_line import command_line
from basics.errors import InputError
from basics.kinds import kind_fault
from basics.reading import iter_jsonl
from basics.writing import beside, write_jsonl, write_text
from data.flags import FLAGS, in_order
from data.identifier import check_labels, identify, load_model
from data.languages import labels_of, read_languages, read_table
from data.rows import FIELDS
from reporting.markdown import escape_markdown, markdown_table
from translating.structure import Piece, cut, kept

if TYPE_CHECKING:
    import fasttext.FastText
    import numpy as np


SHORT = 50  # letters and digits of prose below which neither length nor language tells anything
COPIED_WORDS = 4
BOUNDS = (0.5, 2.0)  # of the median length ratio
LONGEST_REPEATED, REPEATED_TIMES, REPEATED_LETTERS = 64, 4, 8
BATCH = 1000  # rows that are identified at once
EXAMPLES, WIDTH = 3, 120  # rows a flag in the report, characters of each text

CHARACTERS = re.compile(r"[^\W_]+")
COMMON_WORD = re.compile(r"\b[a-z]{2,}\b")


class Found(NamedTuple):
    """Where in a row a flag was found, and what was seen there."""

    field: str
    detail: str = ""


class Judged(NamedTuple):
    """What a row tells by itself."""

    found: dict[str, Found]
    ratios: list[float]  # one a field; nan where it is too short
    text: str  # to be identified; empty where it is too short


class Example(NamedTuple):
    """A flagged row, in the report."""

    id: object
    field: str
    source: str
    translation: str
    seen: str


@dataclass
class Tally:
    """What is known of a translation after its rows were read once; two of its members grow with the rows."""

    flags: list[tuple[str, ...]] = field(default_factory=list)  # a row's flags but length_ratio
    ratios: array = field(default_factory=lambda: array("d"))  # three a row, one a field; nan where it is not judged
    words: int = 0
    labels: Counter = field(default_factory=Counter)  # that rows in the wrong language were taken for
    examples: dict[str, list[Example]] = field(default_factory=lambda: {flag: [] for flag in FLAGS})


# --- one row


def structure_lines(pieces: Iterable[Piece]) -> set[str]:
    """Lines of a text, or parts of them, that are no prose."""
    return {piece.text.strip() for piece in pieces if not piece.prose}


def without(lines: set[str], text: str) -> str:
    """The text without these lines."""
    return "\n".join(line for line in text.splitlines() if line.strip() not in lines)


def size(text: str) -> int:
    """Letters and digits of a text."""
    return sum(map(len, CHARACTERS.findall(text)))


def copied_words(pieces: Iterable[Piece], translation: str) -> int:
    """Common words (in lower case) of the source's segments that stand in its translation, 0 if that is not most."""
    words = {piece.text: len(COMMON_WORD.findall(piece.text)) for piece in pieces if piece.prose}
    copied = sum(count for segment, count in words.items() if segment in translation)
    return copied if copied >= COPIED_WORDS and 2 * copied >= sum(words.values()) else 0


def repeats(text: str, longest: int = LONGEST_REPEATED) -> tuple[int, str]:
    """How often in a row the same stretch of letters and digits stands in a text, at most, and that stretch; 1 and ""
    where nothing up to the longest stretch repeats.

    Text that repeats with a period of p equals itself moved by p, for as long as it repeats: linear in the text.
    """
    import numpy as np

    letters = "".join(CHARACTERS.findall(text.casefold()))
    codes = np.frombuffer(letters.encode("utf-32-le"), dtype=np.uint32)
    digit = np.fromiter(map(str.isdigit, letters), dtype=bool, count=len(letters))
    most, stretch = 1, ""
    for period in range(1, min(longest, len(codes) // 2) + 1):
        same = (codes[period:] == codes[:-period]) & ~digit[period:]
        if np.count_nonzero(same) >= max(period, REPEATED_LETTERS - period):
            breaks = np.flatnonzero(np.concatenate(([True], ~same, [True])))
            runs = np.diff(breaks) - 1  # how far the text equals itself, from each place where it did not
            run, start = int(runs.max()), int(breaks[runs.argmax()])
            times = run // period + 1
            if times > most and run + period >= REPEATED_LETTERS:
                most, stretch = times, letters[start : start + period]
    return most, stretch


def judge(source: dict, row: dict) -> Judged:
    """Judge a row by itself."""
    judged = Judged({}, [], "")
    texts, letters = [], 0
    for name in FIELDS:
        original, translated = source[name], row[name]
        ratio = math.nan
        if bool(original.strip()) != bool(translated.strip()):
            side = "translation" if original.strip() else "seed"
            judged.found.setdefault("blank", Found(name, f"empty in the {side}"))
        elif original.strip():
            pieces = cut(original)
            if words := copied_words(pieces, translated):
                judged.found.setdefault("copied", Found(name, f"{words} words"))
            lines = structure_lines(pieces)
            original, translated = without(lines, original), without(lines, translated)
            length = size(original)
            if length >= SHORT:
                ratio = size(translated) / length
            times, stretch = repeats(translated)
            # What repeats in the source may be longer there: English takes three times the letters of Chinese.
            if times >= REPEATED_TIMES and times > 2 * repeats(original, 5 * LONGEST_REPEATED)[0]:
                judged.found.setdefault("repetition", Found(name, f"{times} times {stretch}"))
            spans = [span for span in kept(original) if any(map(str.isalpha, span))]
            for span in spans:
                translated = translated.replace(span, " ", 1)
            texts.append(translated)
            letters += length - sum(map(size, spans))
        judged.ratios.append(ratio)
    if same_text(row) and not same_text(source):
        judged.found["output_is_input"] = Found("output")
    return judged._replace(text=" ".join(" ".join(texts).split()) if letters >= SHORT else "")


def same_text(row: dict) -> bool:
    """Whether a row's output is its input, but for space; never where both are blank."""
    return bool(row["output"].strip()) and row["input"].split() == row["output"].split()


# --- all rows


def aligned(seed: Path, rows: Path) -> Iterator[tuple[dict, dict]]:
    """Yield each row of the seed with its translation. Raises InputError at the first place where they differ."""
    kinds = {"id": int, **dict.fromkeys(FIELDS, str)}
    pairs = zip_longest(iter_jsonl(seed, fields=kinds), iter_jsonl(rows, fields=kinds))
    remedy = "make the translation again"
    for number, (source, row) in enumerate(pairs):
        if row is None:
            raise InputError(f"{rows}: ends after {number:,} rows, before id {source['id']!r} of {seed}; {remedy}")
        if source is None:
            raise InputError(f"{rows}, row {number}: id {row['id']!r} stands beyond the end of {seed}; {remedy}")
        if repr(source["id"]) != repr(row["id"]):  # repr: 7, "7" and 7.0 are different ids
            raise InputError(
                f"{rows}, row {number}: id {row['id']!r} stands where {seed} has {source['id']!r}; {remedy}"
            )
        if fault := kind_fault(row.get("flags"), list[str] | None):
            raise InputError(f"{rows}, row {number}: the field 'flags' {fault}; {remedy}")
        try:
            row["flags"] = in_order(row.get("flags") or ())
        except ValueError as error:
            raise InputError(f"{rows}, row {number}: there is no flag {error}; add it to flags.py") from None
        yield source, row


def example(source: dict, row: dict, found: Found) -> Example:
    return Example(row["id"], found.field, source[found.field], row[found.field], found.detail)


def tally_rows(pairs: Iterable[tuple[dict, dict]], model: "fasttext.FastText._FastText", labels: list[str]) -> Tally:
    """Read all rows once, and find every flag but length_ratio, which needs the median."""
    tally = Tally()
    pairs = iter(pairs)
    while batch := list(islice(pairs, BATCH)):
        judged = [judge(source, row) for source, row in batch]
        labelled = identify([row.text for row in judged], model)
        for (source, row), (found, ratios, text), (label, probability) in zip(batch, judged, labelled, strict=True):
            longest = max(FIELDS, key=lambda name: len(source[name]))
            found |= {flag: Found(longest) for flag in row["flags"] if flag not in found}
            if text and label not in labels:
                found["language"] = Found(longest, f"{label} {probability:.2f}")
                tally.labels[label] += 1
            for flag, where in found.items():
                if len(tally.examples[flag]) < EXAMPLES:
                    tally.examples[flag].append(example(source, row, where))
            tally.flags.append(tuple(in_order(found)))
            tally.ratios.extend(ratios)
            tally.words += sum(len(source[name].split()) for name in FIELDS)
    return tally


def flagged_rows(pairs: Iterable[tuple[dict, dict]], tally: Tally, low: float, high: float) -> Iterator[dict]:
    """The rows with all flags. Completes the tally: length_ratio is added to its flags and examples."""
    for number, (source, row) in enumerate(pairs):
        ratios = tally.ratios[number * len(FIELDS) : (number + 1) * len(FIELDS)]
        far = [(name, ratio) for name, ratio in zip(FIELDS, ratios, strict=True) if ratio < low or ratio > high]
        if far:
            tally.flags[number] = tuple(in_order((*tally.flags[number], "length_ratio")))
            if len(tally.examples["length_ratio"]) < EXAMPLES:
                (name, ratio), *_ = far
                tally.examples["length_ratio"].append(example(source, row, Found(name, f"ratio {ratio:.2f}")))
        yield {"id": row["id"]} | {name: row[name] for name in FIELDS} | {"flags": list(tally.flags[number])}


# --- the report


def shown(text: str) -> str:
    """A text as one short line that Markdown shows as it is."""
    line = " ".join(text.split())
    return escape_markdown(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…") or "(empty)"


def share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %" if total else "–"


def report(name: str, tally: Tally, judged: "np.ndarray", bounds: tuple[float, float], picture: str) -> str:
    """The report in Markdown; `judged` are the length ratios, and `bounds` what they are held against."""
    rows, counts = len(tally.flags), count_flags(tally)
    flagged = sum(map(bool, tally.flags))
    if len(judged):
        low, high = bounds
        lengths = (
            f"Of the {len(judged):,} fields with {SHORT} letters and digits or more, the translation has in the median"
            f" {low / BOUNDS[0]:.2f} times as many as the source; below {low:.2f} and above {high:.2f} it is flagged."
        )
    else:
        lengths = f"No field has {SHORT} letters and digits or more, so that no length is judged."
    parts = [
        f"# Translation into {name}",
        f"{rows:,} rows, {tally.words:,} words in the seed. {flagged:,} rows ({share(flagged, rows)}) have a flag.",
        lengths,
        f"![Length ratios and flags]({picture})",
        markdown_table(
            [
                {"flag": f"`{flag}`", "rows": f"{counts[flag]:,}", "share": share(counts[flag], rows), "meaning": text}
                for flag, text in FLAGS.items()
            ],
            right=["rows", "share"],
        ),
    ]
    for flag, examples in tally.examples.items():
        if examples:
            parts += [f"## {flag}", markdown_table([written(one) for one in examples])]
        if flag == "language" and examples:
            taken = ", ".join(f"{label} {count:,}" for label, count in by_count(tally.labels)[:5])
            parts.append(f"Taken most often for: {shown(taken)}.")
    return "\n\n".join(parts) + "\n"


def written(one: Example) -> dict[str, str]:
    return {
        "id": str(one.id),
        "field": one.field,
        "source": shown(one.source),
        "translation": shown(one.translation),
        "seen": shown(one.seen) if one.seen else "",
    }


def count_flags(tally: Tally) -> Counter:
    return Counter(flag for flags in tally.flags for flag in flags)


def by_count(counts: Counter) -> list[tuple[str, int]]:
    """Most frequent first; equally frequent ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def draw(path: Path, name: str, tally: Tally, judged: "np.ndarray", bounds: tuple[float, float]) -> None:
    """Draw the length ratios with their bounds, and how many rows have each flag; equal input, equal bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans")  # the font ships with matplotlib
    canvas, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    canvas.suptitle(f"Translation into {name}: {len(tally.flags):,} rows")
    left.set(xlabel="letters and digits, translation / source", ylabel="fields")
    if bounds[0] > 0:  # not so where no length was judged, or most translations are without a letter
        low, high = bounds
        edges = np.geomspace(low / 2, high * 2, 61)
        # What lies beyond the edges is drawn in the outermost bins; a ratio of 0 has no place on a log axis.
        sns.histplot(np.clip(judged, edges[0], edges[-1]), bins=edges, ax=left, element="step", linewidth=0.5)
        left.set_xscale("log")
        ticks = [low / 2, low, low / BOUNDS[0], high, high * 2]
        left.set_xticks(ticks, [f"{'≤ ' * (tick < low)}{'≥ ' * (tick > high)}{tick:.2f}" for tick in ticks])
        left.minorticks_off()
        for bound in bounds:
            left.axvline(bound, color="0.3", linestyle="--", linewidth=1)
    counts = count_flags(tally)
    bars = sns.barplot(x=[counts[flag] for flag in FLAGS], y=list(FLAGS), ax=right, color=sns.color_palette()[1])
    bars.bar_label(bars.containers[0], fmt="{:,.0f}", padding=2)
    right.set(xlabel="flagged rows", xlim=(0, 1.15 * max([1, *counts.values()])))
    sns.despine(canvas)
    with beside(path) as written_to:
        canvas.savefig(written_to, metadata={"Software": None}, dpi=150)
    plt.close(canvas)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True, type=Path, help="JSON lines: id, instruction, input, output")
    parser.add_argument("--rows", required=True, type=Path, help="their translations, with the flags they have already")
    parser.add_argument("--language", required=True, metavar="CODE", help="what the rows were translated into")
    parser.add_argument("--languages", required=True, type=Path, help="YAML: code -> name, labels")
    parser.add_argument("--model", required=True, type=Path, help="fastText language identifier, such as OpenLID's")
    parser.add_argument("--output", required=True, type=Path, help="JSON lines: the rows, with all flags")
    parser.add_argument("--report", required=True, type=Path, help="Markdown")
    parser.add_argument("--picture", required=True, type=Path, help="png, beside the report")
    arguments = parser.parse_args()

    import numpy as np

    labels = labels_of(arguments.language, read_languages(arguments.languages), arguments.languages)
    name = read_table(arguments.languages)[arguments.language].get("name", arguments.language)
    model = load_model(arguments.model)
    check_labels(model, arguments.model, {arguments.language: labels}, arguments.languages)

    tally = tally_rows(aligned(arguments.seed, arguments.rows), model, labels)
    ratios = np.frombuffer(tally.ratios)
    judged = ratios[~np.isnan(ratios)]
    median = float(np.median(judged)) if len(judged) else math.nan
    bounds = (BOUNDS[0] * median, BOUNDS[1] * median)
    write_jsonl(arguments.output, flagged_rows(aligned(arguments.seed, arguments.rows), tally, *bounds))
    draw(arguments.picture, name, tally, judged, bounds)
    write_text(arguments.report, report(name, tally, judged, bounds, arguments.picture.name))

    counts = ", ".join(f"{flag} {count:,}" for flag, count in by_count(count_flags(tally)))
    print(f"{arguments.output}: {len(tally.flags):,} rows; flags: {counts or 'none'}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
