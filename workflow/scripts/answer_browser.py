"""Make the page on which every answer can be read: prompts down the side, the answers to each of them side by side.

An answer has its text, the language found, its length and, by each judge, rating, explanation and score. The page
filters, searches and sorts, and has an address for every answer. A prompt in another language has its English wording
beside it: the English prompt with the same id, if there is one among the scores.

The page is one file that asks for nothing on a network. Its parts (page.html, page.css, page.js, list.html) are in the
folder --parts. The texts are in it packed (JSON, gzip, base64) and only ever shown as text: its
Content-Security-Policy allows no script but page.js.

The same answers are on smaller pages in the folder --pages, one for each language, or several with a part of its
prompts each if one would be larger than --small bytes. `snakemake --report` shows these: it opens a page by a data:
URL, and Chromium opens none of more than 2 MiB, a third of which base64 takes. If the whole page would be larger than
--most bytes, the one at --output lists these pages instead.
"""

import argparse
import base64
import gzip
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from basics.command_line import command_line, positive
from basics.reading import read_text
from basics.settings import read_settings
from basics.writing import beside, write_text
from data.languages import Language, language_tag, languages_of_labels
from judging.ratings import BEST_RATING
from reporting.html_pages import self_contained
from reporting.names import Names
from reporting.order import in_order, method_place, recipe_order
from reporting.scores import read_scores

COLUMNS = ("prompt", "response", "rating", "ratings", "explanation", "label", "probability", "match", "score")
ANSWER = ("lang", "id", "model", "method", "seed", "recipe")  # the key of an answer
MOST = 30_000_000  # bytes
SMALL = 1_500_000

Row = Mapping[str, Any]


class Places:
    """Values that are kept once each, in the order in which they came, and their places."""

    def __init__(self, values: Iterable[Any] = ()):
        self._places: dict[Any, int] = {}
        for value in values:
            self.of(value)

    def of(self, value: Any) -> int | None:
        """The place of a value, which is added if it is new. None has no place."""
        return None if value is None else self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[Any]:
        """The values by place."""
        return list(self._places)


def orders(rows: Sequence[Row], names: Names) -> dict[str, list[str]]:
    """The languages, models, methods, recipes and judges of the rows, each in the order of figures and tables."""
    there = {column: dict.fromkeys(row[column] for row in rows) for column in ("lang", "model", "method", "recipe")}
    langs = in_order(there["lang"], list(names.languages))
    return {
        "lang": langs,
        "model": in_order(there["model"], list(names.models)),
        "method": sorted(there["method"], key=method_place),
        "recipe": sorted(sorted(there["recipe"]), key=recipe_order(langs)),
        "judge": list(dict.fromkeys(row["judge"] for row in rows)),
    }


def place_on_page(rows: Sequence[Row], order: Mapping[str, list[str]]) -> Callable[[Row], tuple]:
    """Sort key of the rows: prompts by language and as in their files, then trainings, then recipes."""
    given = {key: place for place, key in enumerate(dict.fromkeys((row["lang"], row["id"]) for row in rows))}
    places = {column: {value: place for place, value in enumerate(values)} for column, values in order.items()}

    def key(row: Row) -> tuple:
        at = {column: places[column][row[column]] for column in places}
        prompt, seed = given[row["lang"], row["id"]], -1 if row["seed"] is None else row["seed"]
        return at["lang"], prompt, at["model"], at["method"], seed, at["recipe"], at["judge"]

    return key


def packed(rows: Sequence[Row], names: Names, found: Mapping[str, Language], english: Mapping[str, str]) -> dict:
    """What page.js reads: tables as columns, each text once, and keys with their names. `found`: the languages by the
    identifier's labels, `english` the English prompts by id."""
    order = orders(rows, names)
    at = {column: {value: place for place, value in enumerate(values)} for column, values in order.items()}
    texts, labels, numbers = Places(), Places(), Places()
    prompts: dict[tuple, dict] = {}
    answers: dict[tuple, dict] = {}
    judgements = []
    for row in sorted(rows, key=place_on_page(rows, order)):
        prompts[row["lang"], row["id"]] = {
            "lang": at["lang"][row["lang"]],
            "id": row["id"],
            "text": texts.of(row["prompt"]),
            "english": texts.of(english.get(row["id"])) if row["lang"] != "en" else None,
        }
        answer = tuple(row[column] for column in ANSWER)
        answers[answer] = {
            "prompt": len(prompts) - 1,
            **{column: at[column][row[column]] for column in ("model", "method", "recipe")},
            "seed": row["seed"],
            "response": texts.of(row["response"]),
            "found": labels.of(row["label"]),
            "probability": round(row["probability"], 3),
            "match": row["match"],
        }
        judgements.append(
            {
                "answer": numbers.of(answer),
                "judge": at["judge"][row["judge"]],
                "rating": row["rating"],
                "ratings": row["ratings"] if len(row["ratings"] or ()) > 1 else None,
                "explanation": texts.of(row["explanation"]),
                "score": row["score"],
            }
        )
    return {
        "highest": BEST_RATING,
        "languages": [(lang, names.languages.get(lang, lang)) for lang in order["lang"]],
        "models": [(model, names.models.get(model, model)) for model in order["model"]],
        "methods": [(method, names.methods.get(method, method)) for method in order["method"]],
        "recipes": [(recipe, names.recipe(recipe)) for recipe in order["recipe"]],
        "judges": order["judge"],
        "found": [
            (found[each].name, language_tag(each, found[each].code)) if each in found else (each, None)
            for each in labels.values
        ],
        "texts": texts.values,
        "prompts": columns(prompts.values()),
        "answers": columns(answers.values()),
        "judgements": columns(judgements),
    }


def columns(table: Iterable[Row]) -> dict[str, list]:
    """A table of rows as columns, which pack better."""
    rows = list(table)
    return {name: [row[name] for row in rows] for name in rows[0]}


def page(data: Mapping, title: str, note: str, parts: Path) -> str:
    """The page that shows the data."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    packed_text = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return self_contained(parts, title, note=escape(note), data=packed_text)


def fitting(rows: Sequence[Row], size: Callable[[Sequence[Row]], int], most: int) -> list[Sequence[Row]]:
    """The rows of one language in parts, each of at most that size or of one prompt: its prompts are halved, and those
    halves, for as long as a part is larger."""
    prompts = list(dict.fromkeys(row["id"] for row in rows))
    if len(prompts) == 1 or size(rows) <= most:
        return [rows]
    first = set(prompts[: math.ceil(len(prompts) / 2)])
    halves = [row for row in rows if row["id"] in first], [row for row in rows if row["id"] not in first]
    return [part for half in halves for part in fitting(half, size, most)]


def by_language(rows: Sequence[Row], names: Names, page_of: Callable[[Sequence[Row], str], str], most: int) -> dict:
    """The pages of each language, by name: Spanish; or Spanish 1, Spanish 2, ... `page_of` makes a page of rows with a
    name."""
    pages = {}
    for lang in orders(rows, names)["lang"]:
        name = names.languages.get(lang, lang)
        asked = [row for row in rows if row["lang"] == lang]
        parts = fitting(asked, lambda part, name=name: len(page_of(part, name).encode()), most)
        for number, part in enumerate(parts, start=1):
            called = name if len(parts) == 1 else f"{name} {number}"
            pages[called] = page_of(part, called)
    return pages


def list_of_pages(addresses: Mapping[str, str], title: str, parts: Path) -> str:
    """The page that lists others: `addresses` by name."""
    links = [f'<li><a href="{escape(quote(address))}">{escape(name)}</a></li>' for name, address in addresses.items()]
    return Template(read_text(parts / "list.html")).substitute(title=escape(title), links="\n".join(links))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score tables (parquet)")
    parser.add_argument("--names", default="{}", metavar="JSON", help="names (names.py), or their file")
    parser.add_argument("--languages", required=True, type=Path, metavar="FILE", help="language table")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels of another identifier than OpenLID")
    parser.add_argument("--title", default="Answers", help="title of the page (default: %(default)s)")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the head of the page")
    parser.add_argument("--parts", required=True, type=Path, metavar="DIRECTORY", help="the parts of the page")
    parser.add_argument("--most", type=positive, default=MOST, metavar="BYTES", help="(default: %(default)s)")
    parser.add_argument("--small", type=positive, default=SMALL, metavar="BYTES", help="(default: %(default)s)")
    parser.add_argument("--pages", required=True, type=Path, metavar="DIRECTORY", help="the small pages")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the page as HTML")
    arguments = parser.parse_args()

    names = read_settings(Names, arguments.names)
    found = languages_of_labels(arguments.languages, arguments.labels)
    rows = read_scores(arguments.scores, COLUMNS).to_dicts()
    english = {row["id"]: row["prompt"] for row in rows if row["lang"] == "en"}

    def page_of(some: Sequence[Row], name: str = "") -> str:
        title = f"{arguments.title}, {name}" if name else arguments.title
        return page(packed(some, names, found, english), title, arguments.note, arguments.parts)

    whole, small = page_of(rows), by_language(rows, names, page_of, arguments.small)
    if len(whole.encode()) > arguments.most:
        folder = os.path.relpath(arguments.pages, arguments.output.parent)
        whole = list_of_pages({name: f"{folder}/{name}.html" for name in small}, arguments.title, arguments.parts)
    with beside(arguments.pages) as written:
        for name, made in small.items():
            write_text(written / f"{name}.html", made)
    write_text(arguments.output, whole)
    print(
        f"answer_browser: {len(rows)} rated answers, {len(whole.encode()) / 1e6:.1f} MB, and {len(small)} small pages",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
