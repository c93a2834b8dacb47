"""Turn a recipe into token ids: the prompt by the template, then the response, then the end-of-text token.

A row longer than --max-length is cut there, and closed by the end-of-text token only if there is room for it. The
output is a `datasets` folder with the splits train and validation, whose rows are id, lang, input_ids,
prompt_length (tokens of the prompt) and length (all tokens), and counts.json.
"""

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

from files import InputError, beside, command_line, sha256, write_json
from template import Template
from tokenizer import Tokenizer

SPLITS = ("train", "validation")
COLUMNS = ("id", "lang", "instruction", "input", "output")


def read_rows(path: Path) -> list[dict]:
    """Read a split of a recipe. Raises InputError when it is missing, empty, or lacks a column."""
    import pyarrow.parquet as parquet

    if not path.is_file():
        raise InputError(f"{path}: no such file; a recipe folder holds train.parquet and validation.parquet")
    table = parquet.read_table(path)
    for column in COLUMNS:
        if column not in table.column_names:
            raise InputError(f"{path}: the column {column!r} is missing")
    if table.num_rows == 0:
        raise InputError(f"{path}: no rows; there is nothing to train on or to validate with")
    return table.select(COLUMNS).to_pylist()


def tokenize(row: dict, template: Template, tokenizer: Tokenizer, max_length: int) -> tuple[dict, bool]:
    """Return the tokenized row, and whether something of prompt or response was cut off."""
    prompt, response = tokenizer.encode_example(template.prompt(row["instruction"], row["input"]), row["output"])
    whole = [*prompt, *response, tokenizer.eos]
    tokenized = {
        "id": row["id"],
        "lang": row["lang"],
        "input_ids": whole[:max_length],
        "prompt_length": min(len(prompt), max_length),
        "length": min(len(whole), max_length),
    }
    return tokenized, len(whole) - 1 > max_length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, type=Path, help="folder with train.parquet and validation.parquet")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument("--template", required=True, type=Path, help="prompt template")
    parser.add_argument("--max-length", required=True, type=int, help="tokens of prompt and response together")
    parser.add_argument("--output", required=True, type=Path, help="folder of the dataset")
    arguments = parser.parse_args()
    if arguments.max_length < 2:
        raise InputError(f"--max-length {arguments.max_length}: a row has at least 2 tokens")
    template, tokenizer = Template(arguments.template), Tokenizer(arguments.tokenizer)
    recipe = {split: arguments.recipe / f"{split}.parquet" for split in SPLITS}
    rows = {split: read_rows(path) for split, path in recipe.items()}

    from datasets import Dataset, DatasetDict, Features, List, Value, disable_progress_bars

    disable_progress_bars()
    features = Features(
        id=Value("int64"),
        lang=Value("string"),
        input_ids=List(Value("int32")),
        prompt_length=Value("int32"),
        length=Value("int32"),
    )
    counts: dict[str, dict[str, Counter]] = {split: defaultdict(Counter) for split in SPLITS}
    dataset = DatasetDict()
    for split in SPLITS:
        tokenized = []
        for source in rows[split]:
            row, cut = tokenize(source, template, tokenizer, arguments.max_length)
            tokenized.append(row)
            counts[split][row["lang"]].update(
                rows=1,
                tokens=row["length"],
                response_tokens=row["length"] - row["prompt_length"],
                truncated=int(cut),
            )
        dataset[split] = Dataset.from_list(tokenized, features=features)
        # The library draws a fingerprint at random; the source's hash keeps the files the same over runs.
        dataset[split]._fingerprint = sha256(recipe[split])[:16]
    with beside(arguments.output) as folder:
        dataset.save_to_disk(folder)
        write_json(folder / "counts.json", counts)
    total = sum((count for languages in counts.values() for count in languages.values()), Counter())
    print(
        f"{arguments.output}: {total['rows']:,} rows, {total['tokens']:,} tokens, {total['truncated']:,} rows cut",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
