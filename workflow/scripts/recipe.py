"""Assemble a training recipe: rows of one or more languages under a budget, and held-out rows.

The same row ids are held out in every language, so that no translation of a validation row is trained on. With
--hold-out rows, as in the authors' code, the validation rows are drawn from the recipe as a whole, and their
translations may be trained on.

--rows all takes all remaining rows; one-language draws as many as one language has, from all languages together, so
that tuning costs as much as one monolingual tuning (paper, section 2.3); a number draws that many. The rows drawn are
shuffled.

How many rows each language has is left to chance (--sampling row), unless one of these determines it:
  --sampling language       equally many of each
  --weight CODE=NUMBER      in proportion to these weights, one for each language
  --temperature T           in proportion to the number of rows of each to the power of 1/T
  --others N                N of the languages after the first, drawn from all of them together, and the rest of the
                            first (a pinch of multilinguality; Shaham et al., 2024)
Rows are drawn without replacement: with --rows all there are then as many as the smallest language allows, and a
number for which some language does not have enough rows is refused.

--drop-flag leaves out the rows that have a flag, each in the language in which it has it, from both training and
validation: a bad translation is fit neither to learn from nor to evaluate on. Ids are held out before that, so they
are the same whatever is left out; and the budget one-language remains the number of rows of the seed, which has no
flags, so that it is still the cost of one English tuning. Languages then differ in their number of rows; the manifest
says how many were left out and why.

What is drawn depends only on the seeds, the row ids, the languages and the rows left out.
"""

import argparse
import difflib
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from basics.command_line import command_line, files_by_language, language_file, positive
from basics.errors import InputError
from basics.hashing import sha256
from basics.kinds import kind_fault
from basics.reading import iter_jsonl
from basics.tables import write_parquet
from basics.writing import beside, write_json
from data.flags import FLAGS
from data.rows import FIELDS

PART = 1000  # rows in memory as Python's objects at a time
ROW = {"id": pl.Int64, **dict.fromkeys(FIELDS, pl.String), "flags": pl.List(pl.String)}


@dataclass(frozen=True)
class ShareRule:
    """How many rows each language has; see the program's help."""

    sampling: str = "row"
    weights: dict[str, float] | None = None
    temperature: float | None = None
    others: int | None = None


def read_rows_by_language(paths: dict[str, Path]) -> dict[str, pl.DataFrame]:
    """Read the rows of each language: ROW. Raises InputError when two languages do not have the same ids."""
    languages = {language: read_rows(path) for language, path in paths.items()}
    first, *others = languages
    for other in others:
        difference = set(languages[first]["id"]) ^ set(languages[other]["id"])
        if difference:
            raise InputError(
                f"{paths[other]}: row {min(difference)} is only in this file or only in {paths[first]}; "
                "translations must keep every id"
            )
    return languages


def read_rows(path: Path) -> pl.DataFrame:
    """Read the rows of a language, of which only a few at a time are Python's own, which take several times as much
    memory. Raises InputError if there are none, for an id that occurs twice, and for flags that are not a list."""
    rows = iter_jsonl(path, fields={"id": int, **dict.fromkeys(FIELDS, str)})
    parts = []
    while part := list(islice(rows, PART)):
        if fault := next((fault for row in part if (fault := kind_fault(row.get("flags", []), list[str]))), None):
            raise InputError(f"{path}: the field 'flags' {fault}; make the file again")
        parts.append(pl.DataFrame(part, schema=ROW))
    if not parts:
        raise InputError(f"{path}: there are no rows in it; make it again")
    table = pl.concat(parts)
    if table["id"].is_duplicated().any():
        raise InputError(f"{path}: an id occurs twice; make the file again")
    return table


def draw_held_out(candidates: Iterable, count: int, seed: int) -> set:
    """Draw what to hold out, ids or rows (language, id). The draw depends only on the seed and the candidates, so that
    ids are the same in every recipe."""
    return set(random.Random(f"validation {seed}").sample(sorted(candidates), count))


def shares_of(have: dict[str, int], share_rule: ShareRule) -> dict[str, float] | None:
    """The share of each language, summing to 1, given how many rows it has; None if it is left to chance."""
    if share_rule.weights:
        parts = {language: share_rule.weights[language] for language in have}
    elif share_rule.temperature:
        parts = {language: rows ** (1 / share_rule.temperature) for language, rows in have.items()}
    elif share_rule.sampling == "language":
        parts = dict.fromkeys(have, 1.0)
    else:
        return None
    return {language: part / sum(parts.values()) for language, part in parts.items()}


def quotas(shares: dict[str, float], rows: int) -> dict[str, int]:
    """Whole rows by share, `rows` in all, rounded by the largest remainder method; ties go to the first."""
    exact = {language: share * rows for language, share in shares.items()}
    whole = {language: math.floor(value + 1e-9) for language, value in exact.items()}
    ranked = sorted(exact, key=lambda language: whole[language] - exact[language])
    for language in ranked[: rows - sum(whole.values())]:
        whole[language] += 1
    return whole


def largest_budget(shares: dict[str, float], have: dict[str, int]) -> int:
    """The largest number of rows that can be drawn by these shares without replacement."""
    rows = min(int(have[language] / share + 1e-9) for language, share in shares.items())
    while any(count > have[language] for language, count in quotas(shares, rows).items()):
        rows -= 1  # rounding up may need a row too many
    return rows


def draw_rows(pool: list[tuple[str, int]], rows: int | None, share_rule: ShareRule, seed: int) -> list[tuple[str, int]]:
    """Draw `rows` (None: as many as possible) of the rows (language, id) in the pool, shuffled.

    Raises InputError when a language does not have enough rows, and for `others` without a budget.
    """
    if share_rule.others:
        if rows is None:
            raise InputError("--others: is a part of the rows; give --rows one-language or a number")
        first = pool[0][0]
        other = [item for item in pool if item[0] != first]
        own = [item for item in pool if item[0] == first]
        parts = [(first, own, rows - share_rule.others), ("the other languages", other, share_rule.others)]
    else:
        have = Counter(language for language, _ in pool)
        shares = shares_of(have, share_rule)
        if shares is None:
            parts = [("all", pool, len(pool) if rows is None else rows)]
        else:
            wanted = quotas(shares, largest_budget(shares, have) if rows is None else rows)
            parts = [(language, [item for item in pool if item[0] == language], wanted[language]) for language in have]
    drawn = []
    for name, rows_of_part, count in parts:
        if count > len(rows_of_part):
            raise InputError(
                f"recipe: {count} rows of {name} are requested, but there are {len(rows_of_part)}; request fewer rows,"
                " or another share"
            )
        kind = f"rows {seed}" if len(parts) == 1 else f"rows {seed} {name}"
        drawn += random.Random(kind).sample(rows_of_part, count)
    if len(parts) > 1:
        random.Random(f"order {seed}").shuffle(drawn)
    return drawn


def check_flags(flags: Iterable[str]) -> None:
    """Raise InputError for a name that is not a flag."""
    for flag in flags:
        if flag not in FLAGS:
            close = "".join(f"did you mean {name!r}? " for name in difflib.get_close_matches(flag, FLAGS, n=1))
            raise InputError(f"--drop-flag {flag}: no such flag; {close}There are {', '.join(FLAGS)}")


def rows_to_drop(languages: dict[str, pl.DataFrame], drop: Iterable[str]) -> dict[str, dict[int, list[str]]]:
    """The rows to leave out by language: their ids, each with those of its flags that are in `drop`.

    Rows without the key `flags`, such as English ones, have none.
    """
    drop = set(drop)
    return {
        language: {
            row_id: found
            for row_id, flags in rows.select("id", "flags").drop_nulls().iter_rows()
            if (found := [flag for flag in flags if flag in drop])
        }
        for language, rows in languages.items()
    }


def assemble(
    languages: dict[str, pl.DataFrame],
    rows: str,
    validation_rows: int,
    seed: int,
    drop: Iterable[str] = (),
    hold_out: str = "ids",
    share_rule: ShareRule = ShareRule(),
    sample_seed: int | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (train, validation), each with rows id, lang, instruction, input, output, without flags in `drop`.

    `seed` draws the held-out rows, and the training rows unless `sample_seed` does.
    """
    ids = sorted(next(iter(languages.values()))["id"])
    if validation_rows >= len(ids):
        raise InputError(
            f"recipe.validation_rows is {validation_rows}, but the seed data has {len(ids)} rows: hold out fewer"
        )
    out = rows_to_drop(languages, drop)
    kept = [(language, row_id) for language in languages for row_id in ids if row_id not in out[language]]
    if hold_out == "ids":
        held_ids = draw_held_out(ids, validation_rows, seed)
        held = {(language, row_id) for language, row_id in kept if row_id in held_ids}
    else:
        held = draw_held_out(kept, min(validation_rows, len(kept)), seed)
    pool = [item for item in kept if item not in held]
    budget = {"all": None, "one-language": len(ids) - validation_rows}.get(rows, rows)
    budget = budget if budget is None else int(budget)
    if budget is not None and budget > len(pool):
        dropped = sum(map(len, out.values()))
        raise InputError(
            f"recipe: {budget} rows are requested, but its languages have {len(pool)}"
            + (f", as {dropped} are left out for their flags" if dropped else "")
            + "; request fewer, or all"
        )
    drawn = draw_rows(pool, budget, share_rule, seed if sample_seed is None else sample_seed)
    held_out = [item for item in kept if item in held]
    if not drawn or not held_out:
        raise InputError("recipe: no row is left for training or for validation; name fewer flags in drop_flags")
    return gathered(languages, drawn), gathered(languages, held_out)


def gathered(languages: dict[str, pl.DataFrame], items: list[tuple[str, int]]) -> pl.DataFrame:
    """The rows (language, id) in this order. It refers to the texts in `languages`, instead of copying them."""
    texts = pl.concat(
        rows.select("id", pl.lit(language).alias("lang"), *FIELDS) for language, rows in languages.items()
    )
    wanted = pl.DataFrame(items, schema={"lang": pl.String, "id": pl.Int64}, orient="row").select("id", "lang")
    return wanted.join(texts, on=["id", "lang"], how="left", maintain_order="left").rechunk()


def count_kept(train: pl.DataFrame, validation: pl.DataFrame) -> dict:
    """The manifest's entries on the rows of a recipe, by language."""
    return {
        "train_rows": Counter(train["lang"]),
        "validation_rows": Counter(validation["lang"]),
        "validation_ids": sorted(set(validation["id"])),
    }


def count_dropped(languages: dict[str, pl.DataFrame], flags: Iterable[str]) -> dict:
    """The manifest's entries on the rows left out for their flags, by language."""
    dropped = {language: rows for language, rows in rows_to_drop(languages, flags).items() if rows}
    return {
        "dropped_rows": {language: len(rows) for language, rows in dropped.items()},
        "dropped_by_flag": {  # a row with two of the flags counts for both
            language: Counter(flag for row in rows.values() for flag in row) for language, rows in dropped.items()
        },
    }


def summary_line(manifest: dict) -> str:
    """The manifest in one line: rows for training and validation, and rows left out by language and flag."""
    train, validation = (sum(manifest[part].values()) for part in ("train_rows", "validation_rows"))
    line = f"{train:,} training rows, {validation:,} validation rows"
    if not manifest["drop_flags"]:
        return line
    left_out = []
    for language, rows in manifest["dropped_rows"].items():
        counts = manifest["dropped_by_flag"][language]
        why = ", ".join(f"{flag} {counts[flag]:,}" for flag in FLAGS if counts[flag])
        left_out.append(f"{language} {rows:,} ({why})")
    return f"{line}; left out for their flags: {', '.join(left_out) or 'none'}"


def language_weight(argument: str) -> tuple[str, float]:
    """Split CODE=NUMBER; the `type` of an argparse argument."""
    code, _, number = argument.partition("=")
    return code, float(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the recipe, for the manifest")
    parser.add_argument(
        "--language",
        required=True,
        action="append",
        type=language_file,
        metavar="CODE=FILE",
        help="rows of a language; may be repeated",
    )
    parser.add_argument("--rows", required=True, help="all, one-language, or a number of training rows")
    parser.add_argument(
        "--sampling", choices=("row", "language"), default="row", help="what is drawn uniformly (default: %(default)s)"
    )
    parser.add_argument(
        "--weight",
        type=language_weight,
        action="append",
        metavar="CODE=NUMBER",
        help="weight of a language; one for each",
    )
    parser.add_argument("--temperature", type=float, help="shares in proportion to rows to the power of 1/TEMPERATURE")
    parser.add_argument("--others", type=positive, help="total rows of the languages after the first")
    parser.add_argument("--validation-rows", required=True, type=int, help="number of row ids, or rows, to hold out")
    parser.add_argument(
        "--hold-out",
        choices=("ids", "rows"),
        default="ids",
        help="ids: the same in every language and recipe; rows: single rows of this mix (default: %(default)s)",
    )
    parser.add_argument("--seed", required=True, type=int, help="number from which all rows are drawn")
    parser.add_argument(
        "--sample-seed", type=int, metavar="SEED", help="seed of the training rows, if not that of the held-out ones"
    )
    parser.add_argument(
        "--drop-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help=f"leave out rows with this flag; may be repeated; one of {', '.join(FLAGS)}",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder for the two parquet files and manifest")
    arguments = parser.parse_args()

    check_flags(arguments.drop_flag)
    paths = files_by_language(arguments.language, "--language")
    languages = read_rows_by_language(paths)
    weights = dict(arguments.weight) if arguments.weight else None
    share_rule = ShareRule(arguments.sampling, weights, arguments.temperature, arguments.others)
    train, validation = assemble(
        languages,
        arguments.rows,
        arguments.validation_rows,
        arguments.seed,
        arguments.drop_flag,
        arguments.hold_out,
        share_rule,
        arguments.sample_seed,
    )
    manifest = {
        "recipe": arguments.name,
        "rows": arguments.rows,
        "mixing": asdict(share_rule),
        "seed": arguments.seed,
        "sample_seed": arguments.seed if arguments.sample_seed is None else arguments.sample_seed,
        "hold_out": arguments.hold_out,
        **count_kept(train, validation),
        "drop_flags": arguments.drop_flag,
        **count_dropped(languages, arguments.drop_flag),
        "inputs": {language: sha256(path) for language, path in paths.items()},
    }
    with beside(arguments.output) as folder:
        folder.mkdir()
        write_parquet(folder / "train.parquet", train)
        write_parquet(folder / "validation.parquet", validation)
        write_json(folder / "manifest.json", manifest)
    print(f"{arguments.output}: {summary_line(manifest)}", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
