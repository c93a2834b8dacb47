"""Translate one shard of the seed data with the Bergamot engine.

The rows of the seed file are cut into chunks of --chunk-rows, counted from the top of the whole file, and a shard
is a run of whole chunks. A chunk's distinct segments of prose (segments.py) are one request to the engine, and
what the engine answers depends on the model and the request alone: so the translations are the same for any number
of shards, workers or restarts. Rows keep their id and order; code, markers, URLs and layout come through untouched.

Every answer goes to the journal as it comes; a restarted job asks only for what is not there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import bergamot_engine
from files import InputError, command_line, read_json, read_jsonl, sha256, write_jsonl
from journal import Journal, item_key
from segments import prose, rebuild
from tqdm import tqdm

FIELDS = ("instruction", "input", "output")
ATTEMPTS = 2  # at a request that the engine does not survive


def read_rows(path: Path) -> list[dict]:
    """The seed's rows. Raises InputError naming the row whose text cannot be translated or whose id is taken."""
    rows = read_jsonl(path, fields=("id", *FIELDS))
    seen = set()
    for row in rows:
        if row["id"] in seen:
            raise InputError(f"{path}: the id {row['id']!r} occurs twice; ids must be unique")
        seen.add(row["id"])
        for field in FIELDS:
            try:
                row[field].encode("utf-8")
            except AttributeError:
                raise InputError(f"{path}, id {row['id']!r}: {field!r} is not text") from None
            except UnicodeEncodeError:
                raise InputError(f"{path}, id {row['id']!r}: {field!r} holds half a surrogate pair") from None
    return rows


def chunks_of_shard(rows: list[dict], chunk_rows: int, shard: int, shards: int) -> list[list[dict]]:
    """The shard's run of whole chunks; runs differ by at most one chunk and, in order, make up the file."""
    chunks = [rows[start : start + chunk_rows] for start in range(0, len(rows), chunk_rows)]
    return chunks[len(chunks) * shard // shards : len(chunks) * (shard + 1) // shards]


def distinct_segments(chunk: list[dict]) -> list[str]:
    """The chunk's segments of prose, each once, in order of first appearance."""
    return list(dict.fromkeys(segment for row in chunk for field in FIELDS for segment in prose(row[field])))


def translated_row(row: dict, translations: dict[str, str]) -> dict:
    texts = {field: rebuild(row[field], translations) for field in FIELDS}
    return {"id": row["id"]} | texts | {"flags": []}


def verified_model(folder: Path) -> dict[str, str]:
    """The model's files and their SHA-256, compared with its manifest: the engine aborts on a damaged file."""
    manifest = read_json(folder / "manifest.json")
    for name, expected in manifest.items():
        try:
            found = sha256(folder / name)
        except FileNotFoundError:
            raise InputError(f"{folder / name}: no such file; make the model's folder again") from None
        if found != expected:
            raise InputError(
                f"{folder / name}: sha256 is {found}, its manifest says {expected}; make the model's folder again"
            )
    return manifest


class Engine:
    """The Bergamot engine in a process of its own, started at the first request, started again if it dies."""

    def __init__(self, python: Path, model: Path, workers: int):
        self.model = model
        script = Path(bergamot_engine.__file__)
        self.command = [str(python), str(script), "--config", str(model / "config.yml"), "--workers", str(workers)]
        self.process: subprocess.Popen | None = None
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115  the engine's stderr; closed in __exit__

    def translate(self, segments: list[str]) -> list[str]:
        """Translate one request. Raises InputError naming the model when the engine dies of it twice."""
        for _ in range(ATTEMPTS):
            answer = self._ask(json.dumps({"segments": segments}) + "\n")
            if answer:
                return json.loads(answer)["translations"]
            status = self.process.wait()
            self.process = None
        raise InputError(
            f"{self.model / 'model.bin'}: the engine ended with status {status}, twice, at the request that begins"
            f" {segments[0][:60]!r} ({self._complaint()}); is this a model for Bergamot?"
        )

    def _ask(self, request: str) -> str:
        """Send a line, wait for a line; empty when the engine has died."""
        try:
            self.process = self.process or self._start()
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        answer = self.process.stdout.readline()
        return answer if answer.endswith("\n") else ""

    def _start(self) -> subprocess.Popen:
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=self.messages, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.command[0]}: cannot start the engine's Python ({error.strerror}); make env"
            ) from None

    def _complaint(self) -> str:
        """The first error in what the engine said, or the last it said at all."""
        self.messages.seek(0)
        lines = [line for line in self.messages.read().decode("utf-8", errors="replace").split("\n") if line.strip()]
        errors = [line for line in lines if "Error: " in line]
        return (errors[:1] or lines[-1:] or ["no message"])[0].strip()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.messages.close()
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


def positive(text: str) -> int:
    """A command-line number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


def words(segments: list[str]) -> int:
    return sum(len(segment.split()) for segment in segments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=Path, required=True, help="JSONL of id, instruction, input, output")
    parser.add_argument("--model", type=Path, required=True, help="folder made by translation_model.py")
    parser.add_argument("--language", required=True, help="target language, for messages")
    parser.add_argument("--shard", type=int, default=0, help="number of this shard, from 0")
    parser.add_argument("--shards", type=positive, default=1, help="how many shards there are")
    parser.add_argument("--chunk-rows", type=positive, default=16, help="rows in one request to the engine")
    parser.add_argument("--engine-python", type=Path, required=True, help="Python 3.10 with bergamot 0.4.5")
    parser.add_argument("--workers", type=positive, default=1, help="the engine's threads")
    parser.add_argument("--journal", type=Path, required=True, help="where answers are kept as they come")
    parser.add_argument("--output", type=Path, required=True, help="JSONL of id, instruction, input, output, flags")
    arguments = parser.parse_args()
    if not 0 <= arguments.shard < arguments.shards:
        raise InputError(
            f"--shard {arguments.shard}: must be from 0 to {arguments.shards - 1} of --shards {arguments.shards}"
        )

    rows = read_rows(arguments.seed)
    model = verified_model(arguments.model)
    chunks = chunks_of_shard(rows, arguments.chunk_rows, arguments.shard, arguments.shards)
    requests = [distinct_segments(chunk) for chunk in chunks]
    translated = []
    with (
        Journal(arguments.journal) as journal,
        Engine(arguments.engine_python, arguments.model, arguments.workers) as engine,
        tqdm(total=sum(map(words, requests)), desc=arguments.language, unit="word", mininterval=5) as progress,
    ):
        known = len(journal)
        for chunk, request in zip(chunks, requests, strict=True):
            key = item_key(engine=bergamot_engine.VERSION, model=model, segments=request)
            if request and key not in journal:
                journal[key] = engine.translate(request)
            answers = journal[key] if request else []
            translations = dict(zip(request, answers, strict=True))
            translated += [translated_row(row, translations) for row in chunk]
            progress.update(words(request))
        asked = len(journal) - known
    write_jsonl(arguments.output, translated)
    print(
        f"{arguments.output}: {len(translated):,} rows in {len(requests):,} requests, {asked:,} of them new",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line(main)
