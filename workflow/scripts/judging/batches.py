"""Ask a judge by OpenAI's Batch API: half the price, limits of its own, an answer within a day.

A judge whose `api` is `batch` is asked in rounds. Round r is attempt r for all prompts that want one: all of them in
the first, then those whose reply held no rating. The requests of a round are lines of a file that is uploaded, a batch
is created from it, polled every `poll` seconds until it is final, and its replies go to the journal in the very form
that calls give them, so that the two ways can be mixed. Lines that failed or expired are asked again in a new batch of
the round, `retries` times at most; then the job ends, and the next one goes on from the journal.

**Nothing is remembered here but the journal.** What is under way is written where it is under way: each batch carries
the metadata `job` and `round`, where `job` is a hash of all that the job will ever ask first, whatever is answered
already and however many repeats are asked for. A round begins by listing the endpoint's batches and takes up those
that are its own. So a job that was killed between any two steps, even after a batch was created and before it knew,
finds that batch again and pays for nothing twice. Of a batch that was final when it was found only the replies count:
what failed in it failed for an earlier job, and is asked again. A file that was uploaded and then not used is never
run; the endpoint deletes it in its own time.

Creating a batch is the one request that is not simply repeated when its answer is lost: the endpoint may have done
it. It is looked for first, by the file that it reads. All others are repeated, for `patience` seconds at most, while
the endpoint fails in ways that pass. All this trusts that what an endpoint has created is in its list.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from basics.errors import InputError
from basics.reading import parse_json
from serving.client import (
    BROKEN_JSON,
    REFUSALS,
    Answer,
    Garbled,
    in_one_line,
    may_pass,
    openai_client,
    sound,
    without_key,
)

URL = "/v1/chat/completions"
WINDOW = "24h"  # the only one there is
LINES, BYTES = 50_000, 200_000_000  # that a batch may hold; platform.openai.com/docs/guides/batch
FINAL = ("completed", "failed", "expired", "cancelled")
REPEATS = 3  # times that the client repeats a request by itself, before `patience` is asked

Requests = dict[str, dict]  # journal key -> body of the request


class Batches:
    """All that one job asks of one judge by batches.

    `settings` are the judge's (JudgeSettings), `job` is the job's identity. `requests(r)` gives what attempt r still
    has to ask; `keep(key, completion)` takes a reply, or None where there was one that cannot be read. `afford` may
    raise InputError against requests that are about to be asked. `lines` is the most that a batch holds.
    """

    def __init__(
        self,
        settings: Any,
        key: str,
        job: str,
        requests: Callable[[int], Requests],
        keep: Callable[[str, Any], None],
        afford: Callable[[Requests], None] = lambda requests: None,
        lines: int = LINES,
    ):
        self.refused: dict[str, str] = {}  # journal key -> what the endpoint has against that prompt
        self._settings, self._key, self._job = settings, key, job
        self._requests, self._keep, self._afford, self._lines = requests, keep, afford, lines
        self._client = openai_client(settings.base_url, key, settings.timeout, REPEATS)
        self._trouble = ""  # the last that an unanswered request was told

    def ask(self) -> dict[str, str]:
        """Ask all rounds; return what was refused. Raises InputError when the endpoint fails for good."""
        with said_when_stopped(self._settings.name):
            for number in range(1, self._settings.retries + 2):
                if self._missing(number):
                    self._round(number)
        return self.refused

    def _missing(self, number: int) -> Requests:
        return {key: body for key, body in self._requests(number).items() if key not in self.refused}

    def _round(self, number: int) -> None:
        """Have every request of a round answered or refused."""
        under_way = []
        for batch in self._patiently(lambda: self._found(number)):
            if batch.status in FINAL:
                self._collect(batch, number, history=True)
            else:
                under_way.append(batch)
        for left in range(self._settings.retries + 1, -1, -1):
            for batch in self._wait(under_way, number):
                self._collect(batch, number)
            missing = self._missing(number)
            if not missing:
                return
            if left:
                self._afford(missing)
                under_way = [
                    self._create(number, part, lines) for part, lines in enumerate(parts(missing, self._lines), 1)
                ]
        raise self._failure(
            f"round {number}: {len(missing)} requests have no answer after {self._settings.retries + 1} batches"
            f" ({self._trouble or 'the endpoint does not say why'}); what was answered is kept: run again for the rest"
        )

    # ---- the endpoint

    def _found(self, number: int) -> list:
        """This job's batches of a round, oldest first."""
        import openai

        try:
            listed = list(self._client.batches.list(limit=100))
        except AttributeError:  # the client's own, of a list that is text
            raise Garbled("a list of batches that is not JSON") from None
        except openai.APIStatusError as error:
            if error.status_code not in (404, 405):
                raise
            raise self._failure(
                f"{self._settings.base_url} has no Batch API ({error.status_code}); use api: calls"
            ) from None
        ours = {"job": self._job, "round": str(number)}
        return [batch for batch in reversed(listed) if ours.items() <= (batch.metadata or {}).items()]

    def _create(self, number: int, part: int, lines: list[bytes]) -> Any:
        """A new batch of these lines."""
        with tempfile.TemporaryFile() as content:
            content.writelines(lines)
            file = self._patiently(lambda: self._upload(content, f"{self._job}-{number}.jsonl"))
        metadata = {"job": self._job, "round": str(number), "part": str(part)}

        def once() -> Any:
            for batch in self._found(number):
                if batch.input_file_id == file.id:  # an earlier try did it, and its answer was lost
                    return batch
            create = self._client.with_options(max_retries=0).batches.create
            return sound(create(input_file_id=file.id, endpoint=URL, completion_window=WINDOW, metadata=metadata))

        return self._patiently(once)

    def _upload(self, content: IO[bytes], name: str) -> Any:
        content.seek(0)
        return sound(self._client.files.create(file=(name, content, "application/jsonl"), purpose="batch"))

    def _wait(self, batches: Iterable, number: int) -> Iterator:
        """The batches, each when it is final."""
        from tqdm import tqdm

        batches = {batch.id: batch for batch in batches}
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
                pending = {name: self._patiently(lambda name=name: self._retrieve(name)) for name in pending}
                batches |= pending

    def _retrieve(self, name: str) -> Any:
        return sound(self._client.batches.retrieve(name))

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        """The answer to a request, which is repeated while the endpoint fails in ways that pass."""
        import httpx2
        import openai

        end = time.monotonic() + self._settings.patience
        pause = min(self._settings.poll, self._settings.patience / 10)
        while True:
            try:
                return request()
            except (openai.APIError, httpx2.TransportError, Garbled, *BROKEN_JSON) as error:
                what = f"{type(error).__name__}: {self._in_a_line(error)}"
                if not may_pass(error) or time.monotonic() + pause > end:
                    raise self._failure(f"{what}; batches under way go on, and the next run finds them") from None
            self._say(f"{what}; trying again")
            time.sleep(pause)

    # ---- what came of a batch

    def _collect(self, batch: Any, number: int, history: bool = False) -> None:
        """Keep the replies of a batch that is final. One of this run's raises InputError when it failed as a whole."""
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            self._patiently(lambda file=file: self._fetch(file, batch, number, history))
        if history:
            return
        errors = (batch.errors and batch.errors.data) or []
        if errors:
            self._trouble = self._in_a_line("; ".join(error.message or error.code or "" for error in errors))
        if batch.status == "failed":
            raise self._failure(f"batch {batch.id} failed: {self._trouble or 'the endpoint does not say why'}")
        if batch.status == "cancelled":  # somebody's will, not ours to undo
            raise self._failure(f"batch {batch.id} was cancelled; what was answered is kept: run again for the rest")

    def _fetch(self, file: str, batch: Any, number: int, history: bool) -> None:
        """Take in a file of results, a line at a time. Ids that are not asked for, or no longer, are passed by."""
        import openai

        wanted, stray = self._missing(number), []
        try:
            with self._client.files.with_streaming_response.content(file) as stream:
                for place, line in enumerate(byte_lines(stream.iter_bytes()), 1):
                    result = self._read(line) if line.strip() else {}
                    if result is None:
                        stray.append(place)
                    elif wanted.pop(str(result.get("custom_id")), None):
                        self._take(str(result["custom_id"]), result, history)
        except openai.NotFoundError:
            if not history:
                raise
            self._say(f"batch {batch.id}: its file {file} is gone; what it held is asked again")
        if stray:
            places = ", ".join(map(str, stray[:5])) + (", ..." if len(stray) > 5 else "")
            self._say(f"batch {batch.id}: {len(stray)} lines of its file {file} are no JSON objects (line {places})")

    def _read(self, line: bytes) -> dict | None:
        """The object that a line holds; None when it holds none."""
        try:
            result = parse_json(line)
        except ValueError:
            return None
        return without_key(result, self._key) if isinstance(result, dict) else None

    def _take(self, key: str, result: dict, history: bool) -> None:
        """Keep a request's reply, or note why there is none."""
        from openai.types.chat import ChatCompletion

        response = result.get("response")
        response = response if isinstance(response, dict) else {}
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            self._keep(key, ChatCompletion.construct(**body) if isinstance(body, dict) else None)
            return
        error = result.get("error") or (body.get("error") if isinstance(body, dict) else None)
        why = error.get("message") or error.get("code") if isinstance(error, dict) else error
        why = self._in_a_line(why or f"status {status}")
        if status not in REFUSALS:
            self._trouble = why
        elif not history:
            self.refused[key] = why

    # ---- words

    def _failure(self, what: str) -> InputError:
        return InputError(f"judge {self._settings.name!r}: {what}")

    def _say(self, what: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"judge {self._settings.name!r}: {what}", file=sys.stderr)

    def _in_a_line(self, what: object) -> str:
        return in_one_line(what, self._key)


def request_line(key: str, body: dict) -> bytes:
    """A line of the file that a batch reads."""
    line = {"custom_id": key, "method": "POST", "url": URL, "body": body}
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def parts(requests: Requests, lines: int = LINES, size: int = BYTES) -> Iterator[list[bytes]]:
    """Requests as lines of files, each of at most so many lines and (but for a single longer line) bytes."""
    part, length = [], 0
    for line in (request_line(key, body) for key, body in requests.items()):
        if part and (len(part) == lines or length + len(line) > size):
            yield part
            part, length = [], 0
        part.append(line)
        length += len(line)
    if part:
        yield part


def byte_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a stream of bytes, which end at \\n alone: U+2028 may stand inside a string. Blank ones are empty."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


@contextmanager
def said_when_stopped(name: str) -> Generator[None]:
    """Within the block a signal to end does so at once, and says what becomes of the batches."""

    def stop(number: int, _: object) -> None:
        text = f"\njudge {name!r}: stopped; batches under way go on at the endpoint, and the next run finds them\n"
        os.write(sys.stderr.fileno(), text.encode())  # the stream itself may be in the middle of a write
        sys.exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
