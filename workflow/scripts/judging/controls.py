"""Planted controls: responses of known worth, by which a judge is judged.

A set of controls has one file per language, JSON lines of `id`, `prompt`, `answer` (good and short) and `verbose` (the
same answer at length, and no better). An id is the same prompt in every language. All bad responses are made from
these, so that whoever writes a set writes only good ones.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from basics.errors import InputError
from basics.reading import read_jsonl

GOOD, VERBOSE = "good", "verbose"  # both are worth 3
BAD = {  # worth 1: the kinds, and how a sentence names such a response
    "wrong-language": "the same answer in the wrong language",
    "other-prompt": "the answer to another prompt",
    "empty": "an empty one",
    "cut": "one that is cut short",
    "repeated": "the prompt repeated",
}
FIELDS = {"id": str, "prompt": str, "answer": str, "verbose": str}


class Text(NamedTuple):
    """A prompt of a set in one language, with its two good answers."""

    id: str
    prompt: str
    answer: str
    verbose: str


def read_texts(path: Path | str) -> list[Text]:
    """One language of a set. Raises InputError if it has fewer than two prompts, an empty text, or an id twice."""
    texts = [Text(*(row[name].strip() for name in FIELDS)) for row in read_jsonl(path, fields=FIELDS)]
    if len(texts) < 2:
        raise InputError(f"{path}: {len(texts)} prompts, and an answer to another prompt needs two; add some")
    seen: set[str] = set()
    for text in texts:
        if empty := [name for name, value in text._asdict().items() if not value]:
            raise InputError(f"{path}: id {text.id!r}: {empty[0]!r} is empty; write it")
        if text.id in seen or "/" in text.id:
            raise InputError(f"{path}: the id {text.id!r} occurs twice, or contains a slash; give it another")
        seen.add(text.id)
    return texts


def read_set(files: Mapping[str, Path | str]) -> dict[str, list[Text]]:
    """The texts of each language. Raises InputError like `read_texts`, or if the ids of two languages differ."""
    texts = {lang: read_texts(path) for lang, path in files.items()}
    first = next(iter(texts), "")
    for lang, path in files.items():
        if [text.id for text in texts[lang]] != [text.id for text in texts[first]]:
            raise InputError(f"{path}: the ids are not those of {files[first]}, in that order; make them the same")
    return texts


def cut_short(text: str) -> str:
    """The first third of a text's characters, as a reader counts them, without a word that would be torn."""
    import regex

    characters = regex.findall(r"\X", text)
    length = max(1, len(characters) // 3)
    start = "".join(characters[:length])
    whole_words = start.rsplit(maxsplit=1)[:-1]
    return whole_words[0] if whole_words and not characters[length].isspace() else start.rstrip()


def other_language(lang: str, languages: Sequence[str]) -> str | None:
    """The first language but `lang`. In the paper that is English, into which models fall, as in its Table 2."""
    return next((other for other in languages if other != lang), None)


def responses_to(lang: str, place: int, texts: Mapping[str, Sequence[Text]]) -> dict[str, str]:
    """The responses to the prompt at a place of the set, by kind; one language alone has none in a wrong language."""
    text, following = texts[lang][place], texts[lang][(place + 1) % len(texts[lang])]
    elsewhere = other_language(lang, list(texts))
    foreign = {"wrong-language": texts[elsewhere][place].answer} if elsewhere else {}
    return {
        GOOD: text.answer,
        VERBOSE: text.verbose,
        **foreign,
        "other-prompt": following.answer,
        "empty": "",
        "cut": cut_short(text.answer),
        "repeated": text.prompt,
    }


def control_rows(texts: Mapping[str, Sequence[Text]]) -> list[dict[str, str]]:
    """All controls as rows for judge.py: lang, id (`kind/id`), prompt, response."""
    return [
        {"lang": lang, "id": f"{kind}/{text.id}", "prompt": text.prompt, "response": response}
        for lang, of_language in texts.items()
        for place, text in enumerate(of_language)
        for kind, response in responses_to(lang, place, texts).items()
    ]
