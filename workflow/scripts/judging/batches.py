"""Ask a judge through OpenAI's Batch API: half the price, separate rate limits, an answer within a day.

A judge whose `api` is `batch` is asked in rounds. Round r is attempt r for every prompt that needs one: all prompts in
the first round, then those whose reply held no rating. The requests of a round are uploaded as the lines of a file; a
batch is created from the file and polled every `poll` seconds until it is final. Its replies go to the journal in
exactly the form in which calls put them there, so that the two can be mixed. Requests that failed or expired are sent
again in a new batch of the same round, at most `retries` times; then the job ends, and the next one continues from the
journal.

**The journal is the only local state.** What is in progress is recorded at the endpoint: each batch carries the
metadata `job` and `round`, where `job` is a hash of all first attempts of the job, regardless of what has been answered
and of how many repeats are requested. A round begins by listing the endpoint's batches and adopts its own. So a job
that was killed between any two steps, even after a batch was created and before the job learned of it, finds that
batch again and pays for nothing twice. From a batch that was already final when it was found, only the replies count:
its failures belong to an earlier job, and those requests are sent again. A file that was uploaded but never used is
not run; the endpoint deletes it eventually.

Creating a batch is the one request that is not simply repeated when its answer is lost, because the endpoint may have
carried it out: the batch is looked for first, by its input file. All other requests are repeated for up to `patience`
seconds while the failures are transient. This assumes that an endpoint lists every batch that it has created.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from basics.errors import InputError
from basics.reading import parse_json
from judging.endpoint import NotAnswered, parameter_fault
from judging.settings import JudgeSettings
from serving.client import (
    BROKEN_JSON,
    REFUSALS,
    Answer,
    Garbled,
    checked_answer,
    in_one_line,
    is_transient,
    longest_reply,
    openai_client,
    without_key,
)
from serving.error_bodies import reason

if TYPE_CHECKING:
    from openai.types import Batch, FileObject

URL = "/v1/chat/completions"
WINDOW = "24h"  # the only value the API accepts
LINES, BYTES = 50_000, 200_000_000  # maximum per batch; platform.openai.com/docs/guides/batch
FINAL = ("completed", "failed", "expired", "cancelled")
FILE_STEP = 2**18  # bytes of a file that move within each `timeout`
REPEATS = 3  # retries by the client itself, before `patience` comes into play

Requests = dict[str, dict]  # journal key -> body of the request


class Batches:
    """All requests of one job to one judge, sent in batches.

    `job` is the job's identity. `requests(r)` returns the requests of attempt r that still have no reply;
    `keep(key, completion)` stores a reply, and raises NotAnswered for what is none. `check_budget` may raise InputError
    before requests are sent. `lines` is the maximum number of requests in a batch.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        key: str,
        job: str,
        requests: Callable[[int], Requests],
        keep: Callable[[str, object], None],
        check_budget: Callable[[Requests], None] = lambda requests: None,
        lines: int = LINES,
    ):
        self.refused: dict[str, str] = {}  # journal key -> why the endpoint refuses that prompt
        self._settings, self._key, self._job = settings, key, job
        self._requests, self._keep, self._check_budget, self._lines = requests, keep, check_budget, lines
        place = settings.base_url or ""
        self._client = openai_client(place, key, settings.timeout, REPEATS)
        self._longest = longest_reply(settings.max_tokens)
        self._files = openai_client(place, key, settings.timeout, REPEATS, LINES * self._longest, FILE_STEP).files
        self._last_error = ""  # the last error of a request without an answer

    def ask(self) -> dict[str, str]:
        """Run all rounds; return the refusals. Raises InputError when the endpoint fails permanently."""
        with report_interruption(self._settings.name):
            for number in range(1, self._settings.retries + 2):
                if self._missing(number):
                    self._round(number)
        return self.refused

    def _missing(self, number: int) -> Requests:
        return {key: body for key, body in self._requests(number).items() if key not in self.refused}

    def _round(self, number: int) -> None:
        """Get every request of a round answered or refused."""
        under_way = []
        for batch in self._with_patience(lambda: self._own_batches(number)):
            if batch.status in FINAL:
                self._collect(batch, number, from_earlier=True)
            else:
                under_way.append(batch)
        for left in range(self._settings.retries + 1, -1, -1):
            for batch in self._wait(under_way, number):
                self._collect(batch, number)
            missing = self._missing(number)
            if not missing:
                return
            if left:
                self._check_budget(missing)
                under_way = [
                    self._create(number, part, lines)
                    for part, lines in enumerate(split_into_files(missing, self._lines), 1)
                ]
        raise self._failure(
            f"round {number}: {len(missing)} requests have no answer after {self._settings.retries + 1} batches"
            f" ({self._last_error or 'the endpoint gives no reason'}); all answers are kept: run again for the rest"
        )

    # ---- the endpoint

    def _own_batches(self, number: int) -> "list[Batch]":
        """This job's batches of a round, oldest first."""
        import openai

        try:
            listed = list(self._client.batches.list(limit=100))
        except AttributeError:  # what the client raises when the list is text
            raise Garbled("a list of batches that is not JSON") from None
        except openai.APIStatusError as error:
            if error.status_code not in (404, 405):
                raise
            raise self._failure(
                f"{self._settings.base_url} has no Batch API ({error.status_code}); use api: calls"
            ) from None
        ours = {"job": self._job, "round": str(number)}
        return [batch for batch in reversed(listed) if ours.items() <= (batch.metadata or {}).items()]

    def _create(self, number: int, part: int, lines: list[bytes]) -> "Batch":
        """A new batch of these lines."""
        with tempfile.TemporaryFile() as content:
            content.writelines(lines)
            file = self._with_patience(lambda: self._upload(content, f"{self._job}-{number}.jsonl"))
        metadata = {"job": self._job, "round": str(number), "part": str(part)}

        def once() -> "Batch":
            for batch in self._own_batches(number):
                if batch.input_file_id == file.id:  # created by an earlier attempt whose answer was lost
                    return batch
            create = self._client.with_options(max_retries=0).batches.create
            return checked_answer(
                create(input_file_id=file.id, endpoint=URL, completion_window=WINDOW, metadata=metadata)
            )

        return self._with_patience(once)

    def _upload(self, content: IO[bytes], name: str) -> "FileObject":
        content.seek(0)
        return checked_answer(self._files.create(file=(name, content, "application/jsonl"), purpose="batch"))

    def _wait(self, found: "Iterable[Batch]", number: int) -> "Iterator[Batch]":
        """Yield each batch as soon as it is final."""
        from tqdm import tqdm

        batches = {batch.id: batch for batch in found}
        pending = dict(batches)
        with tqdm(desc=f"judge, round {number}", unit="response", disable=not batches, mininterval=5) as progress:
            while pending:
                counts = [batch.request_counts for batch in batches.values() if batch.request_counts]
                progress.total = sum(count.total for count in counts) or None
                progress.update(sum(count.completed + count.failed for count in counts) - progress.n)
                for batch in [batch for batch in pending.values() if batch.status in FINAL]:
                    del pending[batch.id]
                    yield batch
                if pending:
                    time.sleep(self._settings.poll)
                pending = {name: self._with_patience(lambda name=name: self._retrieve(name)) for name in pending}
                batches |= pending

    def _retrieve(self, name: str) -> "Batch":
        return checked_answer(self._client.batches.retrieve(name))

    def _with_patience(self, request: Callable[[], Answer]) -> Answer:
        """The answer to a request, which is repeated while failures are transient, for up to `patience` seconds."""
        import httpx2
        import openai

        end = time.monotonic() + self._settings.patience
        pause = min(self._settings.poll, self._settings.patience / 10)
        while True:
            try:
                return request()
            except (openai.APIError, httpx2.TransportError, Garbled, *BROKEN_JSON) as error:
                what = f"{type(error).__name__}: {self._in_one_line(error)}"
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise self._failure(f"{what}; unfinished batches continue, and the next run finds them") from None
            self._log(f"{what}; trying again")
            time.sleep(pause)

    # ---- results of a batch

    def _collect(self, batch: "Batch", number: int, from_earlier: bool = False) -> None:
        """Keep the replies of a final batch. Raises InputError if it is from this run and failed as a whole."""
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            self._with_patience(lambda file=file: self._fetch(file, batch, number, from_earlier))
        if from_earlier:
            return
        errors = (batch.errors and batch.errors.data) or []
        if errors:
            texts = (getattr(error, "message", None) or getattr(error, "code", None) or "" for error in errors)
            self._last_error = self._in_one_line("; ".join(texts))
        if batch.status == "failed":
            raise self._failure(f"batch {batch.id} failed: {self._last_error or 'the endpoint gives no reason'}")
        if batch.status == "cancelled":  # somebody decided that; it is not for us to undo
            raise self._failure(f"batch {batch.id} was cancelled; all answers are kept: run again for the rest")

    def _fetch(self, file: str, batch: "Batch", number: int, from_earlier: bool) -> None:
        """Read a file of results line by line. Ids that are not, or no longer, missing are skipped."""
        import openai

        wanted, stray = self._missing(number), []
        try:
            with self._files.with_streaming_response.content(file) as stream:
                for place, line in enumerate(byte_lines(stream.iter_bytes(), self._longest), 1):
                    result = self._read(line) if line.strip() else {}
                    if result is None:
                        stray.append(place)
                    elif wanted.pop(str(result.get("custom_id")), None):
                        self._take(str(result["custom_id"]), result, from_earlier)
        except openai.NotFoundError:
            if not from_earlier:
                raise
            self._log(f"batch {batch.id}: its file {file} is gone; its requests are sent again")
        if stray:
            places = ", ".join(map(str, stray[:5])) + (", ..." if len(stray) > 5 else "")
            self._log(f"batch {batch.id}: {len(stray)} lines of its file {file} are not JSON objects (line {places})")

    def _read(self, line: bytes) -> dict | None:
        """The JSON object in a line, or None if it is not one."""
        try:
            result = parse_json(line)
        except ValueError:
            return None
        return without_key(result, self._key) if isinstance(result, dict) else None

    def _take(self, key: str, result: dict, from_earlier: bool) -> None:
        """Keep the reply to a request, or note why there is none."""
        response = result.get("response")
        response = response if isinstance(response, dict) else {}
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            try:
                self._keep(key, body)
            except NotAnswered as fault:
                self._last_error = self._in_one_line(fault)
            return
        error = result.get("error") or (body.get("error") if isinstance(body, dict) else None)
        if fault := parameter_fault(self._settings, error):
            raise self._failure(self._in_one_line(fault))
        code = error.get("code") if isinstance(error, dict) else None
        why = self._in_one_line(reason(error) or code or f"status {status}")
        if status not in REFUSALS:
            self._last_error = why
        elif not from_earlier:
            self.refused[key] = why

    # ---- messages

    def _failure(self, what: str) -> InputError:
        return InputError(f"judge {self._settings.name!r}: {what}")

    def _log(self, what: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"judge {self._settings.name!r}: {what}", file=sys.stderr)

    def _in_one_line(self, what: object) -> str:
        return in_one_line(what, self._key)


def request_line(key: str, body: dict) -> bytes:
    """One line of a batch's input file."""
    line = {"custom_id": key, "method": "POST", "url": URL, "body": body}
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def split_into_files(requests: Requests, lines: int = LINES, size: int = BYTES) -> Iterator[list[bytes]]:
    """The lines of input files, each of at most `lines` lines and `size` bytes (unless a single line is longer)."""
    part, length = [], 0
    for line in (request_line(key, body) for key, body in requests.items()):
        if part and (len(part) == lines or length + len(line) > size):
            yield part
            part, length = [], 0
        part.append(line)
        length += len(line)
    if part:
        yield part


def byte_lines(chunks: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Lines of a byte stream, split only at \\n, since U+2028 may be part of a JSON string. Blank lines are empty.

    Raises Garbled at a line of more than `longest` bytes.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > longest:
            raise Garbled(f"a line of more than {longest:,} bytes")
    if rest:
        yield rest


@contextmanager
def report_interruption(name: str) -> Generator[None]:
    """Within the block, SIGTERM and SIGINT end the program at once, with a message on what happens to the batches."""

    def stop(number: int, _: object) -> None:
        text = f"\njudge {name!r}: stopped; unfinished batches continue at the endpoint, and the next run finds them\n"
        os.write(sys.stderr.fileno(), text.encode())  # the stream itself may be in the middle of a write
        sys.exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
