"""Draw a sample of answers for a person to rate, and write it as a sheet that tells nothing about the models.

--responses takes the output files of respond.py, whose paths end in METHOD/MODEL/RECIPE.jsonl. Each language has the
same number of rows on the sheet (the first ones one more, if it cannot be divided). Within a language the prompts, and
over all languages the runs, are drawn as evenly as can be. Answers that are the same to the letter are drawn once. The
order is random. Equal responses and an equal --seed give an equal sheet.

The sheet is a CSV (UTF-8 with a byte order mark) with the columns sheet id, language, prompt, response, rating and
comment; a person fills in the last two. The key says which answer each sheet id is: keep it from those who rate.
human_ratings.py reads both.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.paths import run_of
from basics.reading import read_jsonl
from judging.sheets import Answer, write_sheet


def read_answers(paths: Iterable[Path], languages: Sequence[str]) -> list[Answer]:
    """The answers in these languages, in an order that does not depend on that of the files."""
    answers = []
    for path in paths:
        fields = {"lang": str, "id": str, "prompt": str, "response": str}
        rows = read_jsonl(path, fields=fields, empty="responses")
        answers += [Answer(run_of(path), *(row[name] for name in fields)) for row in rows if row["lang"] in languages]
    return sorted(answers)


def distinct(answers: Iterable[Answer]) -> list[Answer]:
    """The answers without those that say the same to the same prompt as another one."""
    return list({(answer.lang, answer.id, answer.response): answer for answer in answers}.values())


def quotas(count: int, languages: Sequence[str]) -> dict[str, int]:
    """How many rows each language has."""
    share, rest = divmod(count, len(languages))
    return {lang: share + (place < rest) for place, lang in enumerate(languages)}


def draw(answers: Sequence[Answer], count: int, languages: Sequence[str], seed: int) -> list[Answer]:
    """A sample of `count` answers, as described above. Raises InputError if a language has too few."""
    generator = random.Random(seed)
    shuffled = list(answers)
    generator.shuffle(shuffled)
    left = distinct(shuffled)
    of_run: Counter[str] = Counter()
    sample = []
    for lang, wanted in quotas(count, languages).items():
        here = [answer for answer in left if answer.lang == lang]
        if len(here) < wanted:
            raise InputError(
                f"--rows {count}: {wanted} of them in {lang!r}, which has {len(here)} different answers; ask for fewer"
            )
        sample += _evenly(here, wanted, of_run)
    generator.shuffle(sample)
    return sample


def _evenly(answers: list[Answer], wanted: int, of_run: Counter[str]) -> list[Answer]:
    """Draw answers one by one, each of the prompt, and then of the run, that was drawn least so far. They are removed
    from `answers` and counted in `of_run`."""
    of_prompt: Counter[str] = Counter()
    drawn = []
    for _ in range(wanted):
        chosen = min(answers, key=lambda answer: (of_prompt[answer.id], of_run[answer.run]))
        answers.remove(chosen)
        of_prompt[chosen.id] += 1
        of_run[chosen.run] += 1
        drawn.append(chosen)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, nargs="+", type=Path, metavar="FILE", help="files of respond.py")
    parser.add_argument("--rows", required=True, type=positive, metavar="N", help="answers to draw")
    parser.add_argument("--languages", required=True, nargs="+", metavar="CODE", help="languages to draw from")
    parser.add_argument("--seed", required=True, type=int, metavar="N", help="another seed draws another sample")
    parser.add_argument("--sheet", required=True, type=Path, metavar="CSV", help="the sheet to write")
    parser.add_argument("--key", required=True, type=Path, metavar="JSONL", help="its key")
    options = parser.parse_args()

    sample = draw(read_answers(options.responses, options.languages), options.rows, options.languages, options.seed)
    write_sheet(options.sheet, options.key, sample)
    runs, prompts = len({answer.run for answer in sample}), len({(answer.lang, answer.id) for answer in sample})
    print(f"rating sheet: {len(sample)} answers of {runs} models to {prompts} prompts", file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
