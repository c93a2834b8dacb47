"""Write the instruction data in all languages as a data set that the library `datasets` loads, with its card.

The data set is a folder: data/LANG.parquet for each language (id, lang, instruction, input, output, flags), and
README.md, the card, whose metadata name a configuration for each language and `all` for all of them:

    datasets.load_dataset("DIRECTORY", "es", split="train")

Rows with the same id are translations of each other. A flag is a fault that was found in a translation; no row is left
out for one. The card says how many rows of each language have which flag, and where the translation comes from.

https://huggingface.co/docs/hub/datasets-cards
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from basics.command_line import command_line, files_by_language, language_file
from basics.reading import read_jsonl
from basics.writing import beside, write_bytes, write_text
from data.flags import FLAGS
from data.languages import read_table
from data.rows import FIELDS
from reporting.markdown import escape_markdown, markdown_table
from reporting.names import named_language

CARD = """\
---
{metadata}
---

# Instructions in {count} languages
{note}
Instructions with answers in English, and translations of them by machine, as tuned on in the study `{title}` with
better-alpaca, a workflow after [Chen et al. (2024)](https://aclanthology.org/2024.findings-eacl.90).

## Use

```python
from datasets import load_dataset

rows = load_dataset("FOLDER", "{example}", split="train")  # or "all"
```

A row has `id`, `lang`, `instruction`, `input` (often empty), `output` and `flags`. Rows with the same id are
translations of each other.

## Languages

{languages}

## Flags

A flag names a fault that was found in a translation, without a human reader. No row is left out for one; the recipes of
the study may have left out some.

{flags}

## Licence

The licences of the English data and of the translation models apply. Before you publish the data set, check both, and
add `license:` to the metadata above.
"""


class Part(NamedTuple):
    """The rows of a language: its code, its name, its file, and where they come from."""

    lang: str
    name: str
    path: Path
    origin: str


def parts_of(files: Mapping[str, Path], origins: Mapping[str, str], table: Mapping[str, dict]) -> list[Part]:
    """The languages in the order of their files."""
    return [
        Part(lang, table.get(lang, {}).get("name", lang), path, origins.get(lang, "unknown"))
        for lang, path in files.items()
    ]


def read_part(part: Part) -> list[dict]:
    """The rows of a language; those of the seed data, which has no flags, get none."""
    fields = {"id": int, **dict.fromkeys(FIELDS, str)}
    rows = read_jsonl(part.path, fields, empty="rows")
    return [
        {"id": row["id"], "lang": part.lang} | {name: row[name] for name in FIELDS} | {"flags": row.get("flags", [])}
        for row in rows
    ]


def write_part(path: Path, rows: list[dict]) -> None:
    """By pyarrow, as `datasets` would: polars' texts are "large", and do not go together with those of other sets."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    texts = [(name, pa.string()) for name in ("lang", *FIELDS)]
    schema = pa.schema([("id", pa.int64()), *texts, ("flags", pa.list_(pa.string()))])
    data = io.BytesIO()
    write_table(pa.Table.from_pylist(rows, schema), data)
    write_bytes(path, data.getvalue())


def metadata(parts: Sequence[Part], rows: int, title: str) -> str:
    """The YAML at the top of the card. `rows`: of all languages."""
    from huggingface_hub import DatasetCardData

    configs = [{"config_name": "all", "data_files": "data/*.parquet", "default": True}]
    configs += [{"config_name": part.lang, "data_files": f"data/{part.lang}.parquet"} for part in parts]
    return DatasetCardData(
        language=[part.lang for part in parts],
        pretty_name=f"Instructions in {len(parts)} languages ({title})",
        size_categories=size_category(rows),
        task_categories=["text-generation"],
        tags=["alpaca", "instruction-tuning", "machine-translated"],
        configs=configs,
    ).to_yaml()


def size_category(rows: int) -> str:
    """The name of a size, as the Hugging Face hub has them: 10K<n<100K."""
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    place = sum(rows >= 1000 * 10**power for power in range(len(names)))
    if place == 0:
        return "n<1K"
    return f"{names[place - 1]}<n<{names[place]}" if place < len(names) else "n>1B"


def card(parts: Sequence[Part], flags: Mapping[str, list[list[str]]], title: str, note: str) -> str:
    """The text of README.md. `flags`: those of each row, by language."""
    languages = [
        {
            "configuration": f"`{part.lang}`",
            "language": escape_markdown(part.name),
            "rows": f"{len(flags[part.lang]):,}",
            "with a flag": f"{sum(map(bool, flags[part.lang])):,}",
            "from": escape_markdown(part.origin),
        }
        for part in parts
    ]
    counts = Counter((part.lang, flag) for part in parts for row in flags[part.lang] for flag in row)
    flagged = [
        {"flag": f"`{flag}`", "meaning": meaning} | {part.lang: f"{counts[part.lang, flag]:,}" for part in parts}
        for flag, meaning in FLAGS.items()
    ]
    return CARD.format(
        metadata=metadata(parts, sum(map(len, flags.values())), title),
        count=len(parts),
        note=f"\n> {escape_markdown(note)}\n" if note else "",
        title=title,
        example=parts[-1].lang,
        languages=markdown_table(languages, right=["rows", "with a flag"]),
        flags=markdown_table(flagged, right=[part.lang for part in parts]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows",
        required=True,
        action="append",
        type=language_file,
        metavar="CODE=FILE",
        help="JSON lines",
    )
    parser.add_argument(
        "--origin", default=[], action="append", type=named_language, metavar="CODE=TEXT", help="where rows come from"
    )
    parser.add_argument("--languages", required=True, type=Path, metavar="FILE", help="language table, for names")
    parser.add_argument("--title", required=True, help="name of the study")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the head of the card")
    parser.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="the data set")
    arguments = parser.parse_args()

    files = files_by_language(arguments.rows, "--rows")
    parts = parts_of(files, dict(arguments.origin), read_table(arguments.languages))
    flags = {}
    with beside(arguments.output) as written:
        for part in parts:
            rows = read_part(part)
            flags[part.lang] = [row["flags"] for row in rows]
            write_part(written / "data" / f"{part.lang}.parquet", rows)
        write_text(written / "README.md", card(parts, flags, arguments.title, arguments.note))
    print(f"export_translations: {sum(map(len, flags.values())):,} rows in {len(parts)} languages", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
