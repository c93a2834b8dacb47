"""Turn a recipe into token ids: the prompt in the template, then the response, then the end-of-text token.

A row longer than --max-length is truncated, and then has no end-of-text token. The output is a `datasets` folder with
the splits train and validation, whose rows are id, lang, input_ids, prompt_length (tokens of the prompt) and length
(all tokens), and counts.json. The names of special tokens in a row, such as </s> in HTML, are text like any other; if a
tokenizer cannot keep them apart, counts.json says of how many rows (special_tokens), and a warning is given.

--tokens keeps at most this many training tokens: whole rows in the recipe's order, which is random, so the languages'
shares are preserved, and less than a row's worth is left over. --tokens-of takes the number from another output of this
program, so that recipes cost a model the same, however many tokens their languages need; a recipe that has fewer is
taken in full, with a warning.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.hashing import sha256
from basics.tables import read_parquet_in_parts
from basics.writing import beside, write_json
from data.template import Template
from models.tokenizer import Tokenizer
from training.examples import count_tokens, recipe_features

SPLITS = ("train", "validation")
COLUMNS = {"id": int, "lang": str, "instruction": str, "input": str, "output": str}
PART = 1000  # rows in memory at a time


def tokenized_rows(path: Path, template: Template, tokenizer: Tokenizer, max_length: int) -> Iterator[dict]:
    """The tokenized rows of a split. Raises InputError if it is missing, empty, or lacks a column or a value."""
    for part in read_parquet_in_parts(path, COLUMNS, "make the recipe again", PART):
        rows = part.to_dicts()
        texts = [(template.prompt(row["instruction"], row["input"]), row["output"]) for row in rows]
        for row, (prompt, response) in zip(rows, tokenizer.encode_examples(texts), strict=True):
            yield tokenized(row, prompt, response, tokenizer, max_length)


def tokenized(row: dict, prompt: list[int], response: list[int], tokenizer: Tokenizer, max_length: int) -> dict:
    """A row as tokens; `truncated` says whether part of the prompt or the response was cut off, `special_tokens`
    whether its text gave special tokens."""
    whole = [*prompt, *response, tokenizer.eos]
    return {
        "id": row["id"],
        "lang": row["lang"],
        "input_ids": whole[:max_length],
        "prompt_length": min(len(prompt), max_length),
        "length": min(len(whole), max_length),
        "truncated": len(whole) - 1 > max_length,
        "special_tokens": tokenizer.special_in([*prompt, *response]) > 0,
    }


def token_budget(number: int | None, other: Path | None) -> int | None:
    """The number of training tokens to keep: as given, or that of another tokenized recipe; None for all."""
    if other is None:
        return number
    return count_tokens(other / "counts.json", "train")


def rows_within_budget(rows: Iterable[dict], budget: int, recipe: Path, exact: bool) -> Iterator[dict]:
    """The first rows that fit into a budget of tokens.

    Raises InputError if not even one row fits or, with `exact`, if the rows have fewer tokens; otherwise it warns.
    """
    total = 0
    for row in rows:
        if total + row["length"] > budget:
            if not total:
                raise InputError(f"{recipe}: --tokens {budget:,} are fewer than its first row has; ask for more")
            return
        total += row["length"]
        yield row
    if total < budget:
        fault = f"{recipe}: {budget:,} training tokens are asked for, but its rows have {total:,}"
        if exact:
            raise InputError(f"{fault}; ask for fewer tokens, or for rows: all")
        print(f"warning: {fault}: all of them are taken", file=sys.stderr)


def counted(rows: Iterable[dict], counts: dict[str, Counter]) -> Iterator[dict]:
    """The rows as they are stored, counted by language."""
    for row in rows:
        counts[row["lang"]].update(
            rows=1,
            tokens=row["length"],
            response_tokens=row["length"] - row["prompt_length"],
            truncated=int(row.pop("truncated")),
            **({"special_tokens": 1} if row.pop("special_tokens") else {}),
        )
        yield row


def write_splits(folder: Path, splits: Mapping[str, Iterator[dict]], sources: Mapping[str, Path]) -> None:
    """Write the rows of each split as `DatasetDict.save_to_disk` would, but a part at a time. `sources` are the files
    that they come from."""
    import pyarrow
    from datasets import Dataset, DatasetDict
    from datasets.arrow_writer import ArrowWriter

    folder.mkdir()
    features = recipe_features()
    for split, rows in splits.items():
        with ArrowWriter(features=features, path=str(folder / f"{split}.arrow")) as writer:
            while part := list(islice(rows, PART)):
                writer.write_table(pyarrow.Table.from_pylist(part, schema=features.arrow_schema))
            writer.finalize()
    # The library's own fingerprint is random; this one makes the files reproducible.
    without_rows = DatasetDict()
    for split in splits:
        without_rows[split] = Dataset(features.arrow_schema.empty_table(), fingerprint=sha256(sources[split])[:16])
    without_rows.save_to_disk(folder, num_shards=dict.fromkeys(splits, 1))
    for split in splits:
        (data,) = (folder / split).glob("*.arrow")
        (folder / f"{split}.arrow").replace(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, type=Path, help="folder with train.parquet and validation.parquet")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument("--template", required=True, type=Path, help="prompt template")
    parser.add_argument("--max-length", required=True, type=int, help="tokens of prompt and response together")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--tokens", type=positive, help="training tokens to keep (default: all)")
    budget.add_argument("--tokens-of", type=Path, metavar="FOLDER", help="keep as many as this tokenized recipe has")
    parser.add_argument("--output", required=True, type=Path, help="folder for the dataset")
    arguments = parser.parse_args()
    if arguments.max_length < 2:
        raise InputError(f"--max-length {arguments.max_length}: a row has at least 2 tokens")
    template, tokenizer = Template(arguments.template), Tokenizer(arguments.tokenizer)
    tokenizer.check_template(template.with_input + template.without_input, arguments.template)
    recipe = {split: arguments.recipe / f"{split}.parquet" for split in SPLITS}

    from datasets import disable_progress_bars

    disable_progress_bars()
    counts: dict[str, dict[str, Counter]] = {split: defaultdict(Counter) for split in SPLITS}
    splits: dict[str, Iterator[dict]] = {}
    most = token_budget(arguments.tokens, arguments.tokens_of)
    for split in SPLITS:
        rows = tokenized_rows(recipe[split], template, tokenizer, arguments.max_length)
        if split == "train" and most is not None:
            rows = rows_within_budget(rows, most, arguments.recipe, exact=arguments.tokens is not None)
        splits[split] = counted(rows, counts[split])
    with beside(arguments.output) as folder:
        write_splits(folder, splits, recipe)
        write_json(folder / "counts.json", counts)
    total = sum((count for languages in counts.values() for count in languages.values()), Counter())
    print(
        f"{arguments.output}: {total['rows']:,} rows ({total['truncated']:,} truncated), {total['tokens']:,} tokens",
        file=sys.stderr,
    )
    if confused := total["special_tokens"]:
        print(
            f"warning: {arguments.tokenizer}: special tokens are read in the text of {confused:,} rows (counts.json):"
            " this tokenizer makes them up of ordinary ones",
            file=sys.stderr,
        )


if __name__ == "__main__":
    command_line(main)
