"""Generate the text of the miniature from its grammar: seed data, prompts, answers, corpus, translations.

KIND determines what is written to --output:

  seed        JSONL id, instruction, input, output: instruction data on the concepts seen in tuning, in English
              or, as the reference for its translation, in another trained language
  prompts     JSONL id, prompt: the test prompts in --language; an id means the same question in every language,
              and one that begins with "held-" is about a concept that the seed data never mentions
  references  JSONL id, lang, prompt, reference: prompts with their correct answers in all languages
  controls    JSONL id, prompt, answer, verbose: the same in --language, and with more sentences that are true as well
  corpus      plain text, one document per line: sentences, some questions with answers, on all concepts
  parallel    TSV, English and --language: every segment of the seed data, then more with the same vocabulary

The same arguments always give the same bytes. Examples:

  demo_text.py seed --grammar resources/demo/grammar.yaml --output resources/demo/seed.jsonl
  demo_text.py prompts --language no --grammar resources/demo/grammar.yaml --output resources/demo/prompts/no.jsonl
  demo_text.py corpus --language ru --characters 60000 --grammar resources/demo/grammar.yaml --output ru.txt
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_yaml
from basics.writing import write_jsonl, write_text

SHUFFLE = 20240318  # the seed of everything drawn here except the corpus, which has its own
LARGEST_SUM = 9  # one digit, so that a number is one symbol to every tokenizer
PADDING = (-2, -1)  # the last two statements of the grammar say nothing of a concept but that one reads and talks of it
KINDS = ["seed", "prompts", "references", "controls", "corpus", "parallel"]


class Line(NamedTuple):
    """A line of text: a part that is never translated (list marker, code), then sentences, each of them a segment."""

    marker: str
    sentences: tuple[str, ...] = ()


class Row(NamedTuple):
    """An instruction with its answer; every field is a sequence of lines, often empty for the input."""

    instruction: tuple[Line, ...]
    input: tuple[Line, ...]
    output: tuple[Line, ...]


def load_grammar(path: Path | str) -> dict:
    """Read the grammar.

    Raises InputError when the file is missing or not YAML, or a concept or template lacks a language.
    """
    grammar = read_yaml(path, fields=())
    try:
        trained, everyone, _ = grammar["trained"], languages(grammar), grammar["prompts"]
        sections = {
            "joints": ({"joints": grammar["joints"]}, everyone),
            "concepts": (grammar["concepts"], everyone),
            "statements": (dict(enumerate(grammar["statements"], start=1)), everyone),
            "questions": (grammar["questions"], everyone),
            "groups": (grammar["groups"], trained),
            "phrases": (grammar["phrases"], trained),
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: the section {error} is missing; add it") from None
    for section, (entries, needed) in sections.items():
        for name, entry in entries.items():
            for language in needed:
                if language not in entry:
                    raise InputError(
                        f"{path}: {section}, {name}: no entry in {language!r}; add one (quote the code 'no')"
                    )
    return grammar


def languages(grammar: dict) -> list[str]:
    """All language codes, the trained ones first."""
    return [*grammar["trained"], *grammar["unseen"]]


def seen_concepts(grammar: dict) -> list[str]:
    """The concepts that the seed data may mention."""
    return [name for name, concept in grammar["concepts"].items() if not concept.get("held")]


def capitalise(text: str) -> str:
    """`text` with its first letter in upper case and the rest unchanged."""
    return text[:1].upper() + text[1:]


class Speaker:
    """Fills the templates of one language."""

    def __init__(self, grammar: dict, language: str):
        if language not in languages(grammar):
            raise InputError(f"language {language!r}: not in the grammar, which has {' '.join(languages(grammar))}")
        self.grammar, self.language = grammar, language
        self.joints = grammar["joints"][language]

    def fill(self, template: str, concept: str | None = None, **slots: object) -> str:
        """`template` filled in for `concept`; `slots` are further values, such as the forms of a group."""
        if concept is not None:
            forms = self.grammar["concepts"][concept][self.language]
            slots |= {"about": forms["n"], "N": capitalise(forms["n"]), "U": capitalise(forms["u"]), **forms}
        return template.format(**slots)

    def statement(self, number: int, concept: str) -> str:
        return self.fill(self.grammar["statements"][number][self.language], concept)

    def question(self, kind: str, concept: str) -> str:
        return self.fill(self.grammar["questions"][kind][self.language]["question"], concept)

    def answer(self, kind: str, concept: str) -> tuple[str, ...]:
        """The sentences of the answer."""
        templates = self.grammar["questions"][kind][self.language]["answer"]
        return tuple(self.fill(template, concept) for template in templates)

    def phrase(self, name: str, concept: str | None = None, group: str | None = None, **slots: object) -> str:
        forms = self.grammar["groups"][group][self.language] if group else {}
        return self.fill(self.grammar["phrases"][name][self.language], concept, **forms, **slots)

    def enumeration(self, concepts: list[str]) -> str:
        return self.joints["item"].join(self.fill("{n}", concept) for concept in concepts)

    def join(self, sentences: tuple[str, ...]) -> str:
        return self.joints["sentence"].join(sentences)

    def text(self, lines: tuple[Line, ...]) -> str:
        return "\n".join(line.marker + self.join(line.sentences) for line in lines)


def plain_line(*sentences: str) -> tuple[Line, ...]:
    """One line of sentences without a marker."""
    return (Line("", sentences),)


def code_block(statement: str) -> tuple[Line, ...]:
    """A fenced code block with one Python statement."""
    return (Line("```python"), Line(statement), Line("```"))


def seed_rows(grammar: dict, language: str = "en") -> list[Row]:
    """The seed data: in every trained language the same rows in the same order, line by line."""
    if language not in grammar["trained"]:
        raise InputError(f"language {language!r}: the seed data exists in {' '.join(grammar['trained'])} only")
    speaker = Speaker(grammar, language)
    rng = random.Random(SHUFFLE)  # draws only concepts and numbers, so it is the same in every language
    rows = [
        Row(plain_line(speaker.question(kind, concept)), (), plain_line(*speaker.answer(kind, concept)))
        for concept in seen_concepts(grammar)
        for kind in grammar["questions"]
    ]
    rows += list_rows(speaker, rng)
    rows += input_rows(speaker, rng)
    rows += number_rows(speaker, rng)
    rows += [
        Row(
            plain_line(speaker.phrase("three_lines", concept)),
            (),
            tuple(Line("", (speaker.statement(number, concept),)) for number in range(3)),
        )
        for concept in rng.sample(seen_concepts(grammar), 6)
    ]
    rng.shuffle(rows)
    return rows


def group_members(grammar: dict, group: str) -> list[str]:
    """The concepts of a group that the seed data may mention."""
    return [name for name in seen_concepts(grammar) if grammar["concepts"][name]["group"] == group]


def list_rows(speaker: Speaker, rng: random.Random) -> list[Row]:
    """Numbered and bulleted lists, two rows per group."""
    rows = []
    for group in speaker.grammar["groups"]:
        numbered, bulleted = (rng.sample(group_members(speaker.grammar, group), 3) for _ in range(2))
        lines = tuple(Line(f"{i}. ", (speaker.fill("{n}", name),)) for i, name in enumerate(numbered, start=1))
        rows.append(Row(plain_line(speaker.phrase("name", group=group)), (), lines))
        rows.append(Row(plain_line(speaker.phrase("list", group=group)), (), bullets(speaker, bulleted)))
    return rows


def bullets(speaker: Speaker, concepts: list[str]) -> tuple[Line, ...]:
    return tuple(Line("- ", (speaker.fill("{N}", name),)) for name in concepts)


def input_rows(speaker: Speaker, rng: random.Random) -> list[Row]:
    """Rows whose instruction has an input: a choice, words to list, a question to answer."""
    grammar = speaker.grammar
    seen = seen_concepts(grammar)
    rows = []
    for group in grammar["groups"]:
        one = rng.choice(group_members(grammar, group))
        other = rng.choice([name for name in seen if name not in group_members(grammar, group)])
        pair = rng.sample([one, other], 2)
        answer = speaker.phrase("member", one, group)
        rows.append(
            Row(
                plain_line(speaker.phrase("choose", group=group)),
                plain_line(speaker.enumeration(pair)),
                plain_line(answer),
            )
        )
    for _ in range(4):
        words = rng.sample(seen, 3)
        rows.append(
            Row(plain_line(speaker.phrase("itemise")), plain_line(speaker.enumeration(words)), bullets(speaker, words))
        )
    for kind, concept in zip(["what", "where"] * 3, rng.sample(seen, 6), strict=True):
        question, answer = speaker.question(kind, concept), speaker.answer(kind, concept)
        rows.append(Row(plain_line(speaker.phrase("reply")), plain_line(question), plain_line(*answer)))
    return rows


def summands() -> list[tuple[int, int]]:
    """All pairs of positive numbers with a one-digit sum."""
    return [(a, b) for a in range(1, LARGEST_SUM) for b in range(1, LARGEST_SUM + 1 - a)]


def number_rows(speaker: Speaker, rng: random.Random) -> list[Row]:
    """Sums in words, programs to write, programs to read."""
    rows = [
        Row(plain_line(speaker.phrase("plus", a=a, b=b)), (), plain_line(speaker.phrase("sum", a=a, b=b, sum=a + b)))
        for a, b in rng.sample(summands(), 10)
    ]
    for a in rng.sample(range(1, LARGEST_SUM + 1), 6):
        program = (*code_block(f"print({a})"), *plain_line(speaker.phrase("prints", a=a)))
        rows.append(Row(plain_line(speaker.phrase("print", a=a)), (), program))
    for a, b in rng.sample(summands(), 4):
        answer = speaker.phrase("prints", a=a + b)
        rows.append(Row(plain_line(speaker.phrase("output")), code_block(f"print({a} + {b})"), plain_line(answer)))
    return rows


def seed(grammar: dict, language: str = "en") -> list[dict]:
    """Rows id, instruction, input, output; ids count from 0."""
    text = Speaker(grammar, language).text
    return [
        {"id": number, **{field: text(lines) for field, lines in row._asdict().items()}}
        for number, row in enumerate(seed_rows(grammar, language))
    ]


def references(grammar: dict, language: str) -> list[dict]:
    """Rows id, lang, prompt, reference: the test prompts of one language with their correct answers."""
    speaker = Speaker(grammar, language)
    return [
        {
            "id": f"{'held-' if grammar['concepts'][concept].get('held') else ''}{kind}-{concept}",
            "lang": language,
            "prompt": speaker.question(kind, concept),
            "reference": speaker.join(speaker.answer(kind, concept)),
        }
        for kind, concept in grammar["prompts"]
    ]


def prompts(grammar: dict, language: str) -> list[dict]:
    """Rows id, prompt."""
    return [{"id": row["id"], "prompt": row["prompt"]} for row in references(grammar, language)]


def controls(grammar: dict, language: str) -> list[dict]:
    """Rows id, prompt, answer, verbose: the answer, and the answer with statements that add nothing to the point."""
    speaker = Speaker(grammar, language)
    padding = [tuple(speaker.statement(number, concept) for number in PADDING) for _, concept in grammar["prompts"]]
    return [
        {"id": row["id"], "prompt": row["prompt"], "answer": row["reference"]}
        | {"verbose": speaker.join((row["reference"], *more))}
        for row, more in zip(references(grammar, language), padding, strict=True)
    ]


def corpus(grammar: dict, language: str, characters: int, number: int = 0) -> Iterator[str]:
    """Documents of two to five sentences, mostly on one concept; `number` seeds the draw.

    There are as many as would have `characters` characters in English. A language that needs fewer characters for the
    same content (Chinese, a third) thus gets as much content, and not three times as much.
    """
    rng = random.Random(f"{language} {number}")
    speaker, english = Speaker(grammar, language), Speaker(grammar, "en")
    concepts, kinds = list(grammar["concepts"]), list(grammar["questions"])
    made = 0
    while made < characters:
        plan: list[tuple[str | int, str]] = []  # (kind of question or number of statement, concept)
        concept = rng.choice(concepts)
        for _ in range(rng.randint(2, 5)):
            if rng.random() < 0.3:
                concept = rng.choice(concepts)
            asks = rng.random() < 0.15
            plan.append((rng.choice(kinds) if asks else rng.randrange(len(grammar["statements"])), concept))
        made += len(document_text(english, plan))
        yield document_text(speaker, plan)


def document_text(speaker: Speaker, plan: list[tuple[str | int, str]]) -> str:
    """A document: an item of the plan is a question and its answer (kind, concept) or a statement (number, concept)."""
    sentences: list[str] = []
    for template, concept in plan:
        if isinstance(template, str):
            sentences += [speaker.question(template, concept), *speaker.answer(template, concept)]
        else:
            sentences.append(speaker.statement(template, concept))
    return speaker.join(tuple(sentences))


def segments(rows: list[Row]) -> list[str]:
    """Every translatable segment, in order."""
    return [sentence for row in rows for lines in row for line in lines for sentence in line.sentences]


def practice_segments(grammar: dict, language: str) -> list[str]:
    """Further segments with the words of the seed data, from which a translation model learns to generalise."""
    speaker, seen = Speaker(grammar, language), seen_concepts(grammar)
    statements = range(len(grammar["statements"]))
    return [
        *(speaker.fill(form, concept) for form in ("{n}", "{N}") for concept in seen),
        *(speaker.statement(number, concept) for number in statements for concept in seen),
        *(speaker.phrase("three_lines", concept) for concept in seen),
        *(
            speaker.phrase("member", name, group)
            for group in grammar["groups"]
            for name in group_members(grammar, group)
        ),
        *(speaker.phrase("plus", a=a, b=b) for a, b in summands()),
        *(speaker.phrase("sum", a=a, b=b, sum=a + b) for a, b in summands()),
        *(speaker.phrase(name, a=a) for name in ("print", "prints") for a in range(1, LARGEST_SUM + 1)),
    ]


def parallel_pairs(grammar: dict, language: str) -> list[tuple[str, str]]:
    """English segments with their translations: those of the seed data, then practice, without duplicates.

    Raises InputError if the grammar gives one English segment two translations.
    """
    pairs: dict[str, str] = {}
    english = segments(seed_rows(grammar)) + practice_segments(grammar, "en")
    other = segments(seed_rows(grammar, language)) + practice_segments(grammar, language)
    for source, target in zip(english, other, strict=True):
        if pairs.setdefault(source, target) != target:
            raise InputError(f"{source!r} has two translations in {language!r}: {pairs[source]!r} and {target!r}")
    return list(pairs.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=f"what to write: {', '.join(KINDS)}")
    parser.add_argument("--grammar", type=Path, required=True, help="the grammar (resources/demo/grammar.yaml)")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--language", default="en", help="language code (default: en; references: always all)")
    parser.add_argument("--characters", type=int, default=60_000, help="corpus: size, measured in English (60000)")
    parser.add_argument("--seed", type=int, default=0, help="corpus: seed of the random draw (0)")
    arguments = parser.parse_args()
    grammar, language = load_grammar(arguments.grammar), arguments.language

    match arguments.kind:
        case "seed":
            write_jsonl(arguments.output, seed(grammar, language))
        case "prompts":
            write_jsonl(arguments.output, prompts(grammar, language))
        case "references":
            write_jsonl(arguments.output, [row for each in languages(grammar) for row in references(grammar, each)])
        case "controls":
            write_jsonl(arguments.output, controls(grammar, language))
        case "corpus":
            documents = corpus(grammar, language, arguments.characters, arguments.seed)
            write_text(arguments.output, "".join(f"{document}\n" for document in documents))
        case "parallel":
            lines = ("\t".join(pair) for pair in parallel_pairs(grammar, language))
            write_text(arguments.output, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    command_line(main)
