"""Have a judge rate every response of one run, 1 to 3, with the prompt of the paper's Figure 1.

Each response is judged in a conversation of its own, by any endpoint that speaks the chat-completions protocol.
--judge is a JSON object:

    name                  how this judge is called here
    model                 how the endpoint calls it
    base_url              the endpoint, with its /v1, such as https://api.openai.com/v1
    key_env               the environment variable that holds the API key (default: OPENAI_API_KEY)
    serve                 instead of base_url: a command that serves the judge on 127.0.0.1 at {port}; it is started,
                          waited for, and stopped at the end, and needs no key
    start_timeout         seconds that `serve` may take until it answers (default: 600)
    temperature           (default: 0)
    max_tokens            longest reply (default: 512)
    seed                  sent with the first attempt, one more with each further one (default: none sent)
    concurrency           calls at a time (default: 8)
    requests_per_minute   ceiling for calls, repeated ones too (default: none)
    retries               times a call is repeated after 429, 5xx or a broken connection (Retry-After is honoured),
                          and times a reply that holds no rating is asked for anew (default: 3)
    timeout               seconds a call may take (default: 120)
    api                   calls, or batch for OpenAI's Batch API, see judge_batch.py (default: calls)
    poll                  seconds between two looks at a batch (default: 60)
    patience              seconds for which a request about a batch is repeated while it fails (default: 600)

A response without a rating after the last attempt gets the rating null; it is counted, never dropped. Every reply
goes to the journal as it comes, so a job that is started again pays only for what is missing.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from files import InputError, command_line, read_jsonl, sha256, write_jsonl
from journal import Journal, item_key
from judge_batch import Batches
from ratings import parse_rating
from served import HOST, Served, command_words
from settings import read_settings

HASHED = 64 * 2**20  # bytes: files of the serve command up to this size enter the journal key by their content


@dataclass(frozen=True)
class JudgeSettings:
    """The judge as the config describes it; see the head of this file."""

    name: str
    model: str
    base_url: str | None = None
    key_env: str | None = None
    serve: str | list[str] | None = None
    start_timeout: float = 600
    temperature: float = 0
    max_tokens: int = 512
    seed: int | None = None
    concurrency: int = 8
    requests_per_minute: float | None = None
    retries: int = 3
    timeout: float = 120
    api: str = "calls"
    poll: float = 60
    patience: float = 600


@dataclass(frozen=True)
class Verdict:
    """What came of judging one prompt: the last reply, its rating, and what all attempts used."""

    rating: int | None
    explanation: str
    attempts: int
    model: str | None
    fingerprint: str | None
    usage: dict[str, int]


def judge_settings(argument: str) -> JudgeSettings:
    """Read --judge. Raises InputError that names the key at fault."""
    settings = read_settings(JudgeSettings, argument)
    if bool(settings.serve) == bool(settings.base_url):
        raise InputError(f"judge {settings.name!r}: give either 'base_url' or 'serve'")
    if settings.api not in ("calls", "batch"):
        raise InputError(f"judge {settings.name!r}: 'api' is calls or batch, not {settings.api!r}")
    if settings.api == "batch" and settings.serve:
        raise InputError(
            f"judge {settings.name!r}: 'api: batch' needs 'base_url'; one that is served is asked by calls"
        )
    return settings


def read_template(path: str) -> Template:
    """Read the judge's prompt template; the line end that closes the file is not part of it."""
    try:
        template = Template(Path(path).read_text(encoding="utf-8").removesuffix("\n"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if not template.is_valid() or set(template.get_identifiers()) != {"instruction", "response"}:
        raise InputError(f"{path}: needs the placeholders ${{instruction}} and ${{response}}, no other, and $$ for $")
    return template


def determinants(settings: JudgeSettings) -> dict[str, object]:
    """What a reply depends on besides the prompt: part of the key under which the journal keeps it.

    For a served judge that is the command and the files it names.
    """
    depends = {key: getattr(settings, key) for key in ("model", "base_url", "temperature", "max_tokens", "seed")}
    if settings.serve:
        depends["serve"] = words = command_words(settings.serve)
        named = [path for path in (Path(word.rpartition("=")[2]) for word in words[1:]) if path.is_file()]
        depends["files"] = [sha256(p) if p.stat().st_size <= HASHED else p.stat().st_size for p in named]
    return depends


def api_key(settings: JudgeSettings) -> str:
    """The key from the environment; the job's own server needs none. Raises InputError naming the variable."""
    if settings.serve:
        return "none"
    variable = settings.key_env or "OPENAI_API_KEY"
    if not os.environ.get(variable):
        raise InputError(f"judge {settings.name!r}: no API key; set the environment variable {variable}")
    return os.environ[variable]


class Pace:
    """Holds callers back so that they start at most `per_minute` requests a minute, evenly spaced."""

    def __init__(self, per_minute: float):
        self._interval = 60 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        time.sleep(start - now)


class Endpoint:
    """The `openai` client for one judge. A call gives a reply: text, model, fingerprint, usage."""

    def __init__(self, settings: JudgeSettings, base_url: str, key: str):
        import openai

        pace = Pace(settings.requests_per_minute) if settings.requests_per_minute else None

        def hold_back(request: object) -> None:
            if pace and request.method == "POST":
                pace.wait()

        self._errors = openai.APIError
        self._settings = settings
        self._key = key
        self._client = openai.OpenAI(
            api_key=key,
            base_url=base_url,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=openai.DefaultHttpxClient(
                event_hooks={"request": [hold_back]},  # a hook sees the client's own retries too
                trust_env=f"//{HOST}:" not in base_url,  # a proxy in the environment cannot reach this machine
            ),
        )

    def healthy(self) -> bool:
        """Whether the endpoint lists its models."""
        try:
            self._client.with_options(max_retries=0, timeout=5).models.list()
        except self._errors:
            return False
        return True

    def __call__(self, prompt: str, attempt: int) -> dict:
        """One reply. Raises InputError when the endpoint refuses or fails for good."""
        settings = self._settings
        try:
            completion = self._client.chat.completions.create(**request_body(settings, prompt, attempt))
        except self._errors as error:
            why = " ".join(str(error).replace(self._key, "***").split())[:400]
            raise InputError(f"judge {settings.name!r}: {type(error).__name__}: {why}") from None
        except json.JSONDecodeError:
            completion = None  # answered, and perhaps charged, but nothing to read
        return as_reply(completion)


def request_body(settings: JudgeSettings, prompt: str, attempt: int) -> dict:
    """What is asked: the prompt, in a conversation of its own."""
    body = {
        "model": settings.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    return body if settings.seed is None else body | {"seed": settings.seed + attempt - 1}


def as_reply(completion: object) -> dict:
    """What is kept of a chat completion; parts that an endpoint left out become empty text, None or 0."""
    choices = getattr(completion, "choices", None)
    usage = getattr(completion, "usage", None)
    return {
        "text": (choices[0].message.content if choices and choices[0].message else None) or "",
        "model": getattr(completion, "model", None),
        "fingerprint": getattr(completion, "system_fingerprint", None),
        "usage": {key: getattr(usage, key, None) or 0 for key in ("prompt_tokens", "completion_tokens")},
    }


@contextmanager
def endpoint(settings: JudgeSettings, log: Path) -> Iterator[Endpoint]:
    """The judge, ready to be asked; one that the job serves is running for as long as the `with` lasts."""
    key = api_key(settings)
    with ExitStack() as stack:
        if not settings.serve:
            yield Endpoint(settings, settings.base_url, key)
            return
        server = stack.enter_context(Served(settings.serve, log))
        ask = Endpoint(settings, f"http://{HOST}:{server.port}/v1", key)
        server.wait(ask.healthy, settings.start_timeout)
        try:
            yield ask
        except InputError:
            server.check()  # when it has died, that is the reason to report
            raise


class Judge:
    """Rates prompts by the replies in the journal and, where it has none, by asking."""

    def __init__(self, settings: JudgeSettings, journal: Journal):
        self.settings = settings
        self.asked = 0  # calls made now, not found in the journal
        self._journal = journal
        self._determinants = determinants(settings)
        self._lock = threading.Lock()

    def recall(self, prompt: str) -> Verdict | None:
        """The verdict if the journal holds all the replies it rests on."""
        try:
            return self._verdict(prompt, ask=None)
        except KeyError:
            return None

    def rate(self, prompt: str, ask: Endpoint) -> Verdict:
        """The verdict, asking for the replies that are missing."""
        return self._verdict(prompt, ask)

    def _verdict(self, prompt: str, ask: Endpoint | None) -> Verdict:
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        for attempt in range(1, self.settings.retries + 2):
            reply = self._reply(prompt, attempt, ask)
            usage = {key: usage[key] + reply["usage"][key] for key in usage}
            rating = parse_rating(reply["text"])
            if rating is not None:
                break
        return Verdict(rating, reply["text"], attempt, reply["model"], reply["fingerprint"], usage)

    def _reply(self, prompt: str, attempt: int, ask: Endpoint | None) -> dict:
        key = self._key(prompt, attempt)
        if ask is not None and key not in self._journal:
            self._keep(key, ask(prompt, attempt))
        return self._journal[key]

    def _key(self, prompt: str, attempt: int) -> str:
        return item_key(prompt=prompt, attempt=attempt, **self._determinants)

    def _keep(self, key: str, reply: dict) -> None:
        with self._lock:
            self._journal[key] = reply
            self.asked += 1

    def ask_in_batches(self, prompts: Iterable[str]) -> None:
        """Fill the journal with all the replies that the verdicts rest on. Raises InputError when one is refused."""
        prompts = list(prompts)
        job = item_key(first=sorted(self._key(prompt, 1) for prompt in prompts))
        refused = Batches(
            self.settings,
            api_key(self.settings),
            job,
            requests=lambda attempt: self._wanted(prompts, attempt),
            keep=lambda key, completion: self._keep(key, as_reply(completion)),
        ).ask()
        for why in refused.values():
            raise InputError(f"judge {self.settings.name!r}: {len(refused)} prompts were refused: {why}")

    def _wanted(self, prompts: list[str], attempt: int) -> dict[str, dict]:
        """By journal key, the requests of an attempt that have no reply, though all replies before hold no rating."""
        wanted = {}
        for prompt in prompts:
            *before, key = (self._key(prompt, number) for number in range(1, attempt + 1))
            rated = (k not in self._journal or parse_rating(self._journal[k]["text"]) is not None for k in before)
            if key not in self._journal and not any(rated):
                wanted[key] = request_body(self.settings, prompt, attempt)
        return wanted


def rate_all(prompts: Iterable[str], rate: Callable[[str], Verdict], concurrency: int) -> dict[str, Verdict]:
    """Rate prompts, `concurrency` at a time. The first failure ends it; calls under way are waited for."""
    from tqdm import tqdm

    with ThreadPoolExecutor(concurrency) as pool:
        futures = {pool.submit(rate, prompt): prompt for prompt in prompts}
        try:
            with tqdm(total=len(futures), desc="judge", unit="response", mininterval=5) as progress:
                for future in as_completed(futures):
                    future.result()
                    progress.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return {prompt: future.result() for future, prompt in futures.items()}


def judge_prompts(prompts: list[str], judge: Judge, log: Path) -> dict[str, Verdict]:
    """A verdict for every prompt. Equal prompts share one; nothing is started when the journal has them all."""
    verdicts = {prompt: judge.recall(prompt) for prompt in prompts}
    missing = [prompt for prompt, verdict in verdicts.items() if verdict is None]
    if missing and judge.settings.api == "batch":
        judge.ask_in_batches(verdicts)
        verdicts |= {prompt: judge.recall(prompt) for prompt in missing}
    elif missing:
        with endpoint(judge.settings, log) as ask:
            verdicts |= rate_all(missing, lambda prompt: judge.rate(prompt, ask), judge.settings.concurrency)
    return verdicts


def read_responses(path: str) -> list[dict]:
    """Read a run's responses. Raises InputError when one (lang, id) comes twice."""
    rows = read_jsonl(path, fields=("lang", "id", "prompt", "response"))
    seen = set()
    for row in rows:
        if (row["lang"], row["id"]) in seen:
            raise InputError(f"{path}: two responses for lang {row['lang']}, id {row['id']}; keep one")
        seen.add((row["lang"], row["id"]))
    return rows


def summary(settings: JudgeSettings, ratings: list[int | None], verdicts: Iterable[Verdict], asked: int) -> str:
    """One line on the whole run."""
    verdicts = list(verdicts)
    rated = [rating for rating in ratings if rating is not None]
    mean = f"{sum(rated) / len(rated):.2f}" if rated else "-"
    tokens = {key: sum(verdict.usage[key] for verdict in verdicts) for key in ("prompt_tokens", "completion_tokens")}
    return (
        f"judge {settings.name}: {len(ratings)} responses, mean rating {mean}, "
        f"{len(ratings) - len(rated)} without a rating; "
        f"{asked} calls now and {sum(verdict.attempts for verdict in verdicts) - asked} from the journal, "
        f"{tokens['prompt_tokens']} + {tokens['completion_tokens']} tokens"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, help="JSON lines: lang, id, prompt, response")
    parser.add_argument("--template", required=True, help="prompt with ${instruction} and ${response}")
    parser.add_argument("--judge", required=True, metavar="JSON", help="the judge's settings, as above")
    parser.add_argument("--journal", required=True, help="replies so far; kept when the job fails")
    parser.add_argument("--output", required=True, help="JSON lines: a rating for each response, in its order")
    arguments = parser.parse_args()

    settings = judge_settings(arguments.judge)
    template = read_template(arguments.template)
    responses = read_responses(arguments.responses)
    prompts = [template.substitute(instruction=row["prompt"], response=row["response"]) for row in responses]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that a served judge is stopped
    with Journal(arguments.journal) as journal:
        judge = Judge(settings, journal)
        verdicts = judge_prompts(prompts, judge, Path(f"{arguments.journal}.server.log"))
    ratings = [verdicts[prompt] for prompt in prompts]
    write_jsonl(
        arguments.output,
        ({"lang": row["lang"], "id": row["id"], **vars(it)} for row, it in zip(responses, ratings, strict=True)),
    )
    print(summary(settings, [it.rating for it in ratings], verdicts.values(), judge.asked), file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
