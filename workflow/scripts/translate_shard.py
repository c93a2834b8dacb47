"""Translate one shard of the segments with the Bergamot engine.

Segments come in requests (segment.py); a shard is a series of whole requests. An answer of the engine depends only on
the model and the request, so the translations are the same for any number of shards, workers or restarts.

Each sentence is then compared with its source: what must be unchanged (structure.kept_texts: numbers, code, URLs) is
searched for in the translation. A number of which only the separators have changed (1,000 → 1.000) is restored. A
sentence that has lost anything else is translated again around it, piece by piece; its segment is listed as `pieced`.

Every answer of the engine is written to the journal at once; a restarted job requests only what is missing there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from basics.command_line import command_line, positive
from basics.errors import InputError
from basics.hashing import item_key, sha256
from basics.journal import Journal
from basics.kinds import kind_fault
from basics.reading import iter_jsonl, read_json
from basics.writing import write_jsonl
from translating import structure
from translating.engine import CHOICES, version
from translating.requests import REQUEST

ATTEMPTS = 2  # at a request on which the engine dies


class Sentence(NamedTuple):
    """A sentence as the engine split it, with the gap before it in its segment, and its translation."""

    gap: str
    source: str
    target: str


Translate = Callable[[list[str]], list[list[Sentence]]]


# ---- the requests


def shard_bounds(path: Path, shard: int, shards: int) -> tuple[int, int]:
    """First and last (exclusive) request of a shard. Shards partition the file; their sizes differ by at most one."""
    count = sum(1 for _ in iter_jsonl(path))
    if not count:
        raise InputError(f"{path}: there are no segments in it; make it again with segment.py")
    return count * shard // shards, count * (shard + 1) // shards


def iter_requests(path: Path, start: int, end: int) -> Iterator[dict]:
    return islice(iter_jsonl(path, fields=REQUEST), start, end)


def word_count(segments: list[str]) -> int:
    return sum(len(segment.split()) for segment in segments)


def verified_model(folder: Path) -> dict[str, str]:
    """The model's files with their SHA-256, checked against its manifest: the engine aborts on a damaged file."""
    manifest = read_json(
        folder / "manifest.json", {"config.yml": str, "model.bin": str}, "make the model's folder again"
    )
    for name, expected in manifest.items():
        try:
            found = sha256(folder / name)
        except FileNotFoundError:
            raise InputError(f"{folder / name}: no such file; make the model's folder again") from None
        if found != expected:
            raise InputError(
                f"{folder / name}: sha256 is {found}, but its manifest says {expected}; make the model's folder again"
            )
    return manifest


# ---- from the engine's sentences to the translation of a segment


def sentences_of(segment: str, answer: list[tuple[int, int, str]]) -> list[Sentence]:
    """The engine's answer for a segment, which gives lengths, as sentences with their texts."""
    sentences, place = [], 0
    for gap, length, target in answer:
        begin, end = place + gap, place + gap + length
        sentences.append(Sentence(segment[place:begin], segment[begin:end], " ".join(target.split())))
        place = end
    return sentences


def group_sentences(segment: str, sentences: list[Sentence]) -> list[Sentence]:
    """The sentences, merged where a span that is kept crosses from one to the next (`a. B`)."""
    spans = structure.kept_spans(segment)
    starts = [start for start, _ in spans]
    groups: list[Sentence] = []
    place = 0
    for sentence in sentences:
        place += len(sentence.gap)
        before = bisect_left(starts, place) - 1  # the last span that begins before this sentence
        if groups and before >= 0 and place < spans[before][1]:
            groups[-1] = merge_sentences([groups[-1], sentence])
        else:
            groups.append(sentence)
        place += len(sentence.source)
    return groups


def merge_sentences(sentences: list[Sentence]) -> Sentence:
    """Consecutive sentences as one."""
    gap, source, target = sentences[0] if sentences else Sentence("", "", "")
    for other in sentences[1:]:
        source += other.gap + other.source
        target = join_translations(target, other.gap, other.target)
    return Sentence(gap, source, target)


def is_wide(character: str) -> bool:
    return bool(character) and unicodedata.east_asian_width(character) in "WF"


def join_translations(before: str, gap: str, after: str) -> str:
    """Join two translations with a gap, but no space in Chinese, between sentences or where a long one was cut."""
    if gap == " " and is_wide(before[-1:]) and (is_wide(after[:1]) or unicodedata.category(before[-1])[0] == "P"):
        gap = ""
    return before + gap + after


def restore_numbers(source: str, target: str) -> str:
    """Restore the source's spelling of numbers where only that differs: 1,000 for 1.000, 2 for ２."""

    if not structure.NUMBER.search(source):
        return target

    def digits(number: str) -> str:
        return "".join(str(unicodedata.digit(c)) for c in number if c.isdigit())

    wanted = Counter(structure.NUMBER.findall(source))
    wanted -= Counter(structure.NUMBER.findall(target))
    spelling: dict[str, list[str]] = {}
    for number in wanted.elements():
        spelling.setdefault(digits(number), []).append(number)
    unwanted = Counter(structure.NUMBER.findall(target)) - Counter(structure.NUMBER.findall(source))

    def replacement(found) -> str:
        number = found.group()
        if unwanted[number] and spelling.get(digits(number)):
            unwanted[number] -= 1
            return spelling[digits(number)].pop(0)
        return number

    return structure.NUMBER.sub(replacement, target)


def loses_something(source: str, target: str) -> bool:
    """Whether a translation is blank, or lacks something that must be kept from the source."""
    if not target.strip():
        return True
    if not (wanted := structure.kept_texts(source)):
        return False
    numbers = Counter(structure.NUMBER.findall(target))
    return any(
        numbers[span] < count if structure.NUMBER.fullmatch(span) else target.count(span) < count
        for span, count in Counter(wanted).items()
    )


def translate_and_repair(segments: list[str], translate: Translate) -> tuple[list[str], list[int]]:
    """Translate segments; return their translations, and the positions of those that had to be pieced together.

    `translate` is called once for the segments, and once more for the pieces of all sentences that lost something. A
    sentence that loses something even then is left untranslated.
    """
    sentences = [group_sentences(*answer) for answer in zip(segments, translate(segments), strict=True)]
    for number, group in enumerate(sentences):
        sentences[number] = [
            # without words: the engine would make up some for "1." and "***"
            it._replace(target=restore_numbers(it.source, it.target) if structure.has_words(it.source) else it.source)
            for it in group
        ]

    broken = [it.source for group in sentences for it in group if loses_something(it.source, it.target)]
    cuts = {source: structure.cut_around_kept(source) for source in broken}
    fragments = list(dict.fromkeys(piece.text for cut in cuts.values() for piece in cut if piece.prose))
    fragment_of = {
        fragment: " ".join(merge_sentences(answer).target.split()) or fragment
        for fragment, answer in zip(fragments, translate(fragments), strict=True)
    }

    def piece_together(source: str) -> str:
        target = "".join(fragment_of[piece.text] if piece.prose else piece.text for piece in cuts[source])
        return source if loses_something(source, target) else target

    translations, pieced = [], []
    for position, (segment, group) in enumerate(zip(segments, sentences, strict=True)):
        if any(it.source in cuts for it in group):
            pieced.append(position)
            group = [it._replace(target=piece_together(it.source)) if it.source in cuts else it for it in group]
        length = sum(len(it.gap) + len(it.source) for it in group)
        text = merge_sentences([Sentence("", "", ""), *group]).target
        translations.append(text + segment[length:])
    return translations, pieced


def is_answer(value: Any) -> bool:
    """Whether a journal's value is an answer of the engine, in the form that `sentences_of` expects."""
    return kind_fault(value, list[list[list[int | str]]]) is None and all(
        [type(part) for part in sentence] == [int, int, str] for answer in value for sentence in answer
    )


# ---- the engine


class Engine:
    """The Bergamot engine in a separate process, started at the first request and restarted if it dies."""

    def __init__(self, python: Path, model: Path, workers: int, kernels: str = "portable"):
        self.model, self.version = model, version(kernels)
        script = Path(__file__).with_name("bergamot_engine.py")
        self.command = [str(python), str(script), "--config", str(model / "config.yml"), "--workers", str(workers)]
        self.command += ["--kernels", kernels]
        self.process: subprocess.Popen | None = None
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115  the engine's stderr; closed in __exit__

    def answer(self, segments: list[str]) -> list[list[tuple[int, int, str]]]:
        """Translate one request; bergamot_engine.py describes the answer.

        Raises InputError naming the model when the engine dies on it twice.
        """
        for _ in range(ATTEMPTS):
            process = self.process = self.process or self._start()
            answer = self._ask(process, json.dumps({"segments": segments}) + "\n")
            if answer:
                return json.loads(answer)["answers"]
            status, self.process = process.wait(), None
            if (complaint := self._complaint()).startswith("error: "):  # from bergamot_engine.py, about its environment
                raise InputError(f"{self.command[0]}: {complaint.removeprefix('error: ')}")
        raise InputError(
            f"{self.model / 'model.bin'}: the engine ended with status {status}, twice, on the request that begins"
            f" {segments[0][:60]!r} ({complaint}); check that this is a model for Bergamot"
        )

    @staticmethod
    def _ask(process: subprocess.Popen, request: str) -> str:
        """Send a line and wait for one; empty if the engine has died."""
        assert process.stdin and process.stdout  # it was started with pipes
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            return ""
        answer = process.stdout.readline()
        return answer if answer.endswith("\n") else ""

    def _start(self) -> subprocess.Popen:
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=self.messages, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.command[0]}: cannot start the engine's Python ({error.strerror}); run make env"
            ) from None

    def _complaint(self) -> str:
        """The first error that the engine printed, or else its last line."""
        self.messages.seek(0)
        lines = [line for line in self.messages.read().decode("utf-8", errors="replace").split("\n") if line.strip()]
        errors = [line for line in lines if "Error: " in line]
        return (errors[:1] or lines[-1:] or ["no message"])[0].strip()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.messages.close()
        if self.process:
            with self.process:  # closes its pipes, and waits
                pass


class Translator:
    """Translates requests, using the answers in the journal and, for those it lacks, the engine.

    `model` has the SHA-256 of the translation model's files; `sent` counts the segments that were sent to the engine.
    """

    def __init__(self, journal: Journal, engine: Engine, model: dict[str, str]):
        self.sent = 0
        self._journal, self._engine, self._model = journal, engine, model

    def _key(self, segments: list[str]) -> str:
        return item_key(engine=self._engine.version, model=self._model, segments=segments)

    def knows(self, segments: list[str]) -> bool:
        """Whether the journal has the answer."""
        return self._key(segments) in self._journal

    def __call__(self, segments: list[str]) -> list[list[Sentence]]:
        if not segments:
            return []
        key = self._key(segments)
        if key not in self._journal:
            self._journal[key] = self._engine.answer(segments)
            self.sent += len(segments)
        return [sentences_of(*pair) for pair in zip(segments, self._journal[key], strict=True)]


def translate_requests(
    requests: Iterable[dict], translator: Translator, progress: Callable[[int], object]
) -> Iterator[dict]:
    """Yield rows of the output; `progress` is called with the words of each request, 0 if the journal had it."""
    for request in requests:
        segments = request["segments"]
        new = not translator.knows(segments)
        translations, pieced = translate_and_repair(segments, translator)
        yield {"chunk": request["chunk"], "translations": translations, "pieced": pieced}
        progress(word_count(segments) if new else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=Path, required=True, help="JSON lines of chunk, segments (segment.py)")
    parser.add_argument("--model", type=Path, required=True, help="folder made by translation_model.py")
    parser.add_argument("--language", required=True, help="target language, for messages")
    parser.add_argument("--shard", type=int, default=0, help="number of this shard, from 0")
    parser.add_argument("--shards", type=positive, default=1, help="number of shards")
    parser.add_argument("--engine-python", type=Path, required=True, help="Python 3.10 with bergamot 0.4.5")
    parser.add_argument("--workers", type=positive, default=1, help="the engine's threads")
    parser.add_argument(
        "--kernels",
        choices=CHOICES,
        default="portable",
        help="portable: the same answers on every processor; native: the fastest of this one (default: portable)",
    )
    parser.add_argument("--journal", type=Path, required=True, help="where answers are saved as they arrive")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines of chunk, translations, pieced")
    arguments = parser.parse_args()
    if not 0 <= arguments.shard < arguments.shards:
        raise InputError(
            f"--shard {arguments.shard}: must be from 0 to {arguments.shards - 1} with --shards {arguments.shards}"
        )

    model = verified_model(arguments.model)
    bounds = shard_bounds(arguments.segments, arguments.shard, arguments.shards)
    with (
        Journal(arguments.journal, is_answer) as journal,
        Engine(arguments.engine_python, arguments.model, arguments.workers, arguments.kernels) as engine,
    ):
        translator = Translator(journal, engine, model)
        total, known = 0, 0
        for request in iter_requests(arguments.segments, *bounds):
            total += word_count(request["segments"])
            known += word_count(request["segments"]) if translator.knows(request["segments"]) else 0
        with tqdm(total=total, initial=known, desc=arguments.language, unit="word", mininterval=5) as progress:
            write_jsonl(
                arguments.output,
                translate_requests(iter_requests(arguments.segments, *bounds), translator, progress.update),
            )
    print(
        f"{arguments.output}: {total:,} words; {translator.sent:,} segments and pieces sent to the engine"
        f" ({engine.version})",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
