"""Flag the rows of a translation that look bad, and report on them, whatever the source of the translation.

--rows must have all ids of --seed, in the same order. Flags that a row already has are kept; nothing else in a row is
changed. A flag deletes nothing: recipes leave out flagged rows if the configuration says so (`drop_flags`).

Texts are compared without the code in the source: lines that structure.py considers structure there are removed from
both source and translation. Short texts are not tested: length_ratio and language skip a field or row with fewer than
50 letters and digits of prose in the source, and so skip the same ones in every language.

    blank            a field is empty in the translation but not in the seed, or the other way round
    copied           segments of the source are unchanged in the translation of the field, with at least four
                     lower-case words and half of all such words. Names, "OK" or a number alone are never flagged.
    output_is_input  the translated output equals the translated input: translation has undone the task (a sentence
                     and its correction became the same). Not if they are equal in the seed.
    length_ratio     the ratio of letters and digits in the translation to those in the source is below half or above
                     twice the median over the language's fields. In Chinese that median is about a third.
    repetition       a stretch of up to 64 letters and digits occurs four or more times in a row, with at least eight
                     letters in all, and more than twice as often as in the source. Spaces and punctuation are ignored,
                     so that it is also found in Chinese; digits never count as repeated (1,000,000,000).
    language         the identifier's best label for the row (all fields together, without inline code and URLs) is
                     not one of those that count as the language. --labels and --normalise are those of langid.py.

The report is Markdown with a picture: how often each flag was given, how long translations are, and the first rows
with each flag. Memory: rows are streamed; four numbers per row are held.
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
from data.flags import FLAGS, sorted_flags
from data.identifier import check_labels, identify, load_model
from data.languages import NORMALISATIONS, labels_for, labels_of, read_label_table, read_languages, read_table
from data.rows import FIELDS
from reporting.markdown import escape_markdown, markdown_table
from translating.structure import Piece, cut, kept_texts

if TYPE_CHECKING:
    import fasttext.FastText
    import numpy as np


SHORT = 50  # letters and digits of prose below which neither length nor language is informative
COPIED_WORDS = 4
BOUNDS = (0.5, 2.0)  # of the median length ratio
LONGEST_REPEATED, REPEATED_TIMES, REPEATED_LETTERS = 64, 4, 8
BATCH = 1000  # rows whose language is identified at once
EXAMPLES, WIDTH = 3, 120  # rows per flag in the report, characters of each text

CHARACTERS = re.compile(r"[^\W_]+")
COMMON_WORD = re.compile(r"\b[a-z]{2,}\b")


class Finding(NamedTuple):
    """The field in which a flag was found, and a detail."""

    field: str
    detail: str = ""


class RowResult(NamedTuple):
    """What can be told from a row by itself."""

    findings: dict[str, Finding]  # by flag
    ratios: list[float]  # one per field; NaN if it is too short
    text: str  # whose language is to be identified; empty if it is too short


class Example(NamedTuple):
    """A flagged row in the report."""

    id: object
    field: str
    source: str
    translation: str
    seen: str


@dataclass
class Tally:
    """What is known about a translation once its rows have been read; two of the fields grow with the rows."""

    flags: list[tuple[str, ...]] = field(default_factory=list)  # the flags of each row except length_ratio
    ratios: array = field(default_factory=lambda: array("d"))  # one per field, three per row; NaN if not tested
    words: int = 0
    labels: Counter = field(default_factory=Counter)  # of rows in the wrong language
    examples: dict[str, list[Example]] = field(default_factory=lambda: {flag: [] for flag in FLAGS})


# --- one row


def structure_lines(pieces: Iterable[Piece]) -> set[str]:
    """Lines of a text, or parts of them, that are not prose."""
    return {piece.text.strip() for piece in pieces if not piece.prose}


def remove_lines(lines: set[str], text: str) -> str:
    """The text without these lines."""
    return "\n".join(line for line in text.splitlines() if line.strip() not in lines)


def count_alphanumerics(text: str) -> int:
    """Letters and digits in a text."""
    return sum(map(len, CHARACTERS.findall(text)))


def copied_words(pieces: Iterable[Piece], translation: str) -> int:
    """Lower-case words of the source's segments that are unchanged in its translation; 0 if they are less than half."""
    words = {piece.text: len(COMMON_WORD.findall(piece.text)) for piece in pieces if piece.prose}
    copied = sum(count for segment, count in words.items() if segment in translation)
    return copied if copied >= COPIED_WORDS and 2 * copied >= sum(words.values()) else 0


def most_repeated(text: str, longest: int = LONGEST_REPEATED) -> tuple[int, str]:
    """The largest number of times that a stretch of letters and digits is repeated in a row, and that stretch; 1 and ""
    if no stretch of up to `longest` is repeated.

    Text that repeats with period p equals itself shifted by p, for as long as it repeats: linear in the text.
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
            runs = np.diff(breaks) - 1  # how long the text equals itself after each place where it does not
            run, start = int(runs.max()), int(breaks[runs.argmax()])
            times = run // period + 1
            if times > most and run + period >= REPEATED_LETTERS:
                most, stretch = times, letters[start : start + period]
    return most, stretch


def examine_row(source: dict, row: dict) -> RowResult:
    """Find the flags of a row that can be told from the row itself."""
    result = RowResult({}, [], "")
    texts, letters = [], 0
    for name in FIELDS:
        original, translated = source[name], row[name]
        ratio = math.nan
        if bool(original.strip()) != bool(translated.strip()):
            side = "translation" if original.strip() else "seed"
            result.findings.setdefault("blank", Finding(name, f"empty in the {side}"))
        elif original.strip():
            pieces = cut(original)
            if words := copied_words(pieces, translated):
                result.findings.setdefault("copied", Finding(name, f"{words} words"))
            lines = structure_lines(pieces)
            original, translated = remove_lines(lines, original), remove_lines(lines, translated)
            length = count_alphanumerics(original)
            if length >= SHORT:
                ratio = count_alphanumerics(translated) / length
            times, stretch = most_repeated(translated)
            # The stretch may be longer in the source: English takes three times as many letters as Chinese.
            if times >= REPEATED_TIMES and times > 2 * most_repeated(original, 5 * LONGEST_REPEATED)[0]:
                result.findings.setdefault("repetition", Finding(name, f"{times} times {stretch}"))
            spans = [span for span in kept_texts(original) if any(map(str.isalpha, span))]
            for span in spans:
                translated = translated.replace(span, " ", 1)
            texts.append(translated)
            letters += length - sum(map(count_alphanumerics, spans))
        result.ratios.append(ratio)
    if output_is_input(row) and not output_is_input(source):
        result.findings["output_is_input"] = Finding("output")
    return result._replace(text=" ".join(" ".join(texts).split()) if letters >= SHORT else "")


def output_is_input(row: dict) -> bool:
    """Whether a row's output equals its input except for whitespace, and neither is blank."""
    return bool(row["output"].strip()) and row["input"].split() == row["output"].split()


# --- all rows


def iter_pairs(seed: Path, rows: Path) -> Iterator[tuple[dict, dict]]:
    """Yield each row of the seed with its translation. Raises InputError at the first row where their ids differ."""
    kinds = {"id": int, **dict.fromkeys(FIELDS, str)}
    pairs = zip_longest(iter_jsonl(seed, fields=kinds), iter_jsonl(rows, fields=kinds))
    remedy = "make the translation again"
    for number, (source, row) in enumerate(pairs):
        if row is None:
            raise InputError(f"{rows}: ends after {number:,} rows, before id {source['id']!r} of {seed}; {remedy}")
        if source is None:
            raise InputError(f"{rows}, row {number}: id {row['id']!r} is beyond the end of {seed}; {remedy}")
        if repr(source["id"]) != repr(row["id"]):  # repr: 7, "7" and 7.0 are different ids
            raise InputError(f"{rows}, row {number}: id {row['id']!r} where {seed} has {source['id']!r}; {remedy}")
        if fault := kind_fault(row.get("flags"), list[str] | None):
            raise InputError(f"{rows}, row {number}: the field 'flags' {fault}; {remedy}")
        try:
            row["flags"] = sorted_flags(row.get("flags") or ())
        except ValueError as error:
            raise InputError(f"{rows}, row {number}: {error} is not a flag; add it to data/flags.py") from None
        yield source, row


def make_example(source: dict, row: dict, finding: Finding) -> Example:
    name = finding.field
    return Example(row["id"], name, source[name], row[name], finding.detail)


def tally_rows(
    pairs: Iterable[tuple[dict, dict]], model: "fasttext.FastText._FastText", labels: list[str], normalise: str
) -> Tally:
    """Read all rows once, and find every flag except length_ratio, which needs the median."""
    tally = Tally()
    pairs = iter(pairs)
    while batch := list(islice(pairs, BATCH)):
        results = [examine_row(source, row) for source, row in batch]
        identified = identify([result.text for result in results], model, normalise)
        for (source, row), (findings, ratios, text), (label, probability) in zip(
            batch, results, identified, strict=True
        ):
            longest = max(FIELDS, key=lambda name: len(source[name]))
            findings |= {flag: Finding(longest) for flag in row["flags"] if flag not in findings}
            if text and label not in labels:
                findings["language"] = Finding(longest, f"{label} {probability:.2f}")
                tally.labels[label] += 1
            for flag, finding in findings.items():
                if len(tally.examples[flag]) < EXAMPLES:
                    tally.examples[flag].append(make_example(source, row, finding))
            tally.flags.append(tuple(sorted_flags(findings)))
            tally.ratios.extend(ratios)
            tally.words += sum(len(source[name].split()) for name in FIELDS)
    return tally


def flagged_rows(pairs: Iterable[tuple[dict, dict]], tally: Tally, low: float, high: float) -> Iterator[dict]:
    """The rows with all flags. Completes the tally: length_ratio is added to its flags and examples."""
    for number, (source, row) in enumerate(pairs):
        ratios = tally.ratios[number * len(FIELDS) : (number + 1) * len(FIELDS)]
        far = [(name, ratio) for name, ratio in zip(FIELDS, ratios, strict=True) if ratio < low or ratio > high]
        if far:
            tally.flags[number] = tuple(sorted_flags((*tally.flags[number], "length_ratio")))
            if len(tally.examples["length_ratio"]) < EXAMPLES:
                (name, ratio), *_ = far
                tally.examples["length_ratio"].append(make_example(source, row, Finding(name, f"ratio {ratio:.2f}")))
        yield {"id": row["id"]} | {name: row[name] for name in FIELDS} | {"flags": list(tally.flags[number])}


# --- the report


def excerpt(text: str) -> str:
    """A text as one short line, escaped for Markdown."""
    line = " ".join(text.split())
    return escape_markdown(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…") or "(empty)"


def percentage(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %" if total else "–"


def report_page(name: str, tally: Tally, tested: "np.ndarray", bounds: tuple[float, float], picture: str) -> str:
    """The report in Markdown; `tested` are the length ratios, `bounds` their lowest and highest unflagged ones."""
    rows, counts = len(tally.flags), count_flags(tally)
    flagged = sum(map(bool, tally.flags))
    if len(tested):
        low, high = bounds
        lengths = (
            f"Of the {len(tested):,} fields with {SHORT} or more letters and digits, the median translation has"
            f" {low / BOUNDS[0]:.2f} times as many as its source; ratios below {low:.2f} or above {high:.2f} are"
            " flagged."
        )
    else:
        lengths = f"No field has {SHORT} or more letters and digits, so no length is tested."
    parts = [
        f"# Translation into {name}",
        f"{rows:,} rows, {tally.words:,} words in the seed. {flagged:,} rows ({percentage(flagged, rows)}) have a"
        " flag.",
        lengths,
        f"![Length ratios and flags]({picture})",
        markdown_table(
            [
                {
                    "flag": f"`{flag}`",
                    "rows": f"{counts[flag]:,}",
                    "share": percentage(counts[flag], rows),
                    "meaning": text,
                }
                for flag, text in FLAGS.items()
            ],
            right=["rows", "share"],
        ),
    ]
    for flag, examples in tally.examples.items():
        if examples:
            parts += [f"## {flag}", markdown_table([example_cells(example) for example in examples])]
        if flag == "language" and examples:
            labels = ", ".join(f"{label} {count:,}" for label, count in most_common(tally.labels)[:5])
            parts.append(f"Identified most often as: {excerpt(labels)}.")
    return "\n\n".join(parts) + "\n"


def example_cells(example: Example) -> dict[str, str]:
    return {
        "id": str(example.id),
        "field": example.field,
        "source": excerpt(example.source),
        "translation": excerpt(example.translation),
        "seen": excerpt(example.seen) if example.seen else "",
    }


def count_flags(tally: Tally) -> Counter:
    return Counter(flag for flags in tally.flags for flag in flags)


def most_common(counts: Counter) -> list[tuple[str, int]]:
    """Most frequent first; equally frequent ones in order of name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def draw(path: Path, name: str, tally: Tally, tested: "np.ndarray", bounds: tuple[float, float]) -> None:
    """Draw the length ratios with their bounds, and how many rows have each flag; equal input gives equal bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans")  # the font ships with matplotlib
    canvas, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    canvas.suptitle(f"Translation into {name}: {len(tally.flags):,} rows")
    left.set(xlabel="letters and digits, translation / source", ylabel="fields")
    if bounds[0] > 0:  # not if no length was tested, or if most translations have no letters
        low, high = bounds
        edges = np.geomspace(low / 2, high * 2, 61)
        # What lies beyond the edges is drawn in the outermost bins; a ratio of 0 has no place on a log axis.
        sns.histplot(np.clip(tested, edges[0], edges[-1]), bins=edges, ax=left, element="step", linewidth=0.5)
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
    parser.add_argument(
        "--rows", required=True, type=Path, help="their translations, with the flags that they already have"
    )
    parser.add_argument("--language", required=True, metavar="CODE", help="what the rows were translated into")
    parser.add_argument("--languages", required=True, type=Path, help="YAML: code -> name, labels")
    parser.add_argument("--labels", help="YAML: normalise, and labels: code -> labels (default: those of --languages)")
    parser.add_argument("--normalise", choices=NORMALISATIONS, default="none", help="of texts, before identification")
    parser.add_argument("--model", required=True, type=Path, help="fastText language identifier, such as OpenLID's")
    parser.add_argument("--output", required=True, type=Path, help="JSON lines: the rows, with all flags")
    parser.add_argument("--report", required=True, type=Path, help="Markdown")
    parser.add_argument("--picture", required=True, type=Path, help="png, beside the report")
    arguments = parser.parse_args()

    import numpy as np

    languages, table = read_languages(arguments.languages), arguments.labels
    openlid = {arguments.language: labels_of(arguments.language, languages, arguments.languages)}
    asked = labels_for(openlid, read_label_table(table), table) if table else openlid
    name = read_table(arguments.languages)[arguments.language].get("name", arguments.language)
    model = load_model(arguments.model)
    check_labels(model, arguments.model, asked, table or arguments.languages)

    pairs = iter_pairs(arguments.seed, arguments.rows)
    tally = tally_rows(pairs, model, asked[arguments.language], arguments.normalise)
    ratios = np.frombuffer(tally.ratios)
    tested = ratios[~np.isnan(ratios)]
    median = float(np.median(tested)) if len(tested) else math.nan
    bounds = (BOUNDS[0] * median, BOUNDS[1] * median)
    write_jsonl(arguments.output, flagged_rows(iter_pairs(arguments.seed, arguments.rows), tally, *bounds))
    draw(arguments.picture, name, tally, tested, bounds)
    write_text(arguments.report, report_page(name, tally, tested, bounds, arguments.picture.name))

    counts = ", ".join(f"{flag} {count:,}" for flag, count in most_common(count_flags(tally)))
    print(f"{arguments.output}: {len(tally.flags):,} rows; flags: {counts or 'none'}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
