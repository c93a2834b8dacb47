"""Have a judge rate every response of one run from 1 to 3, with the prompt of the paper's Figure 1.

Each response is judged in a new conversation, by any endpoint that speaks the chat-completions protocol. --judge is a
JSON object:

    name                  name of the judge in this study
    model                 name of the model at the endpoint
    base_url              URL of the endpoint, including /v1, such as https://api.openai.com/v1
    key_env               environment variable with the API key (default: OPENAI_API_KEY)
    serve                 instead of base_url: a command that serves the judge on 127.0.0.1 at {port}; it is started
                          before the first call and stopped at the end, and needs no key
    secrets               environment variables to hide from the server (default: OPENAI_API_KEY)
    start_timeout         seconds that `serve` may take to become ready (default: 600)
    system                a system prompt (default: none)
    temperature           null sends none, as OpenAI's reasoning models require (default: 0)
    max_tokens            maximum length of a reply, reasoning included (default: 512)
    length_limit          name that the endpoint has for it: max_tokens or max_completion_tokens (default: max_tokens)
    reasoning_effort      sent if given (default: none)
    reply_format          text; pattern, by which vLLM lets only replies through that end in a rating; or json, a schema
                          that OpenAI and others take (default: text)
    extra_body            further parameters of a request, such as vLLM's or OpenRouter's (default: none)
    seed                  sent with the first attempt; each further attempt has a different one (default: none sent)
    repeats               ratings per response (default: 1)
    retries               further attempts after a reply without a rating (default: 3)
    give_up_after         replies without a single rating after which the job ends; null: never (default: 20)
    concurrency           simultaneous calls (default: 8)
    requests_per_minute   limit on calls, including retries (default: none)
    tokens_per_minute     limit on the tokens of prompts and replies (default: none)
    timeout               seconds that a call may take, from the connection to the last byte (default: 120)
    patience              seconds for which a call may keep failing before the job ends (default: 600)
    price                 {prompt, completion}: US dollars per million tokens (default: none)
    budget                US dollars for all replies in the judge's journals, of this job and in --spent-in; a call
                          that could exceed it is not started (default: none)
    api                   calls, or batch (judging/batches.py; default: calls)
    poll                  with batch, seconds between two checks of a batch (default: 60)

A response without a rating after the last attempt gets the rating null; so does one whose prompt the endpoint refuses,
with the explanation `refused: ...`. Both are counted, never dropped. `attempts` is the number of replies for a rating,
`finish` why the last one ended: a reply that was cut (`length`) holds no rating, since it may have been quoting one.

Every reply is journalled as soon as it arrives, so a restarted job requests only what is missing: what was refused, and
what had not been requested yet. On SIGTERM or SIGINT, no further calls are started, and the job waits up to 20 s for
those in progress. Only a kill -9, or a machine that goes down, loses paid replies: those that arrive at that moment, at
most `concurrency` of them. Limits per minute and the budget hold across all jobs with the same --spent-in, which keep
there what they have under way and have spent.
"""

import argparse
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from basics.command_line import command_line
from basics.errors import InputError
from basics.hashing import item_key
from basics.journal import Journal
from basics.kinds import text_fault
from basics.reading import read_jsonl
from basics.settings import read_settings
from basics.writing import write_jsonl
from judging.batches import Batches, Requests
from judging.endpoint import Endpoint, Refused, api_key, as_reply, is_reply, open_endpoint, prompt_bound, request_body
from judging.ledger import Ledger, OverBudget, open_ledger
from judging.replies import CUT, cut_note, quoted, rating_in
from judging.settings import JudgeSettings, determinants, reply_key, sent_seed
from judging.spending import NO_USAGE, Usage, charged_usage, cost
from judging.template import read_template

GRACE = 20.0  # seconds for calls in progress to finish after a signal
REFUSED_ALL = 10  # refusals without any accepted prompt that end the job


class Question(NamedTuple):
    """A prompt, and the number of the repeat: 1, 2, ..."""

    prompt: str
    repeat: int


@dataclass(frozen=True)
class Verdict:
    """The result for one question: the last reply, its rating, why it ended, and the usage of all attempts."""

    rating: int | None
    explanation: str
    attempts: int
    finish: str | None
    model: str | None
    fingerprint: str | None
    usage: Usage


class Judge:
    """Rates prompts, from the replies in the journal or, where they are missing, by calls."""

    def __init__(self, settings: JudgeSettings, journal: Journal):
        self.settings = settings
        self.asked = 0  # replies received in this job, not found in the journal
        self.refused = 0
        self.unreported: dict[str, Usage] = {}  # by journal key, what counts beyond what was reported
        self._accepted = False  # whether the endpoint has answered any of our prompts
        self._unrated = 0  # replies before the first that holds a rating
        self._rates = False  # whether any reply holds one
        self._journal = journal
        self._determinants = determinants(settings)
        self._lock = threading.Lock()
        self._refusals: dict[str, str] = {}  # from batches: journal key -> reason

    def recall(self, question: Question) -> Verdict | None:
        """The verdict, if the journal holds all replies that it needs; otherwise None."""
        try:
            return self._verdict(question, ask=None)
        except KeyError:
            return None

    def rate(self, question: Question, ask: Endpoint | None) -> Verdict:
        """The verdict; missing replies are requested from `ask`. Raises KeyError for a missing one if that is None."""
        return self._verdict(question, ask)

    def check_accepted(self, refusal: str) -> None:
        """Raise InputError if every prompt was refused: then the fault is not in one prompt."""
        if self.refused and not self._accepted:
            raise InputError(
                f"judge {self.settings.name!r}: each of {self.refused} calls was {refusal}; correct its settings"
            )

    def _verdict(self, question: Question, ask: Endpoint | None) -> Verdict:
        usage = NO_USAGE
        reply: dict[str, Any] = {"model": None, "fingerprint": None}
        for attempt in self._attempts():
            try:
                reply = self._reply(question, attempt, ask)
            except Refused as refusal:
                return self._refused_verdict(str(refusal), attempt - 1, reply, usage)
            usage = {key: usage[key] + reply["usage"][key] for key in usage}
            rating = rating_in(reply)
            if rating is not None:
                self._rates = True
                break
            if ask is not None:
                self._give_up_on(reply)
        return Verdict(rating, reply["text"], attempt, reply.get("finish"), reply["model"], reply["fingerprint"], usage)

    def _give_up_on(self, reply: dict) -> None:
        """Count a reply without a rating. Raises InputError at the count `give_up_after` if none has held a rating."""
        settings = self.settings
        with self._lock:
            self._unrated += 1
            if self._rates or settings.give_up_after is None or self._unrated < settings.give_up_after:
                return
        raise InputError(
            f"judge {settings.name!r}: none of {self._unrated} replies holds a rating; the"
            f" last{cut_note(reply, settings.max_tokens)} is {quoted(reply)}; take another model, or change"
            f" reply_format or max_tokens in judges.{settings.name}; with give_up_after: null, the job continues all"
            " the same"
        )

    def _reply(self, question: Question, attempt: int, ask: Endpoint | None) -> dict:
        key = self._key(question, attempt)
        if key in self._refusals:
            raise Refused(self._refusals[key])
        if ask is not None and key not in self._journal:
            self._keep(key, ask(question.prompt, sent_seed(self.settings, attempt, question.repeat)))
        reply = self._journal[key]
        if "bound" in reply:
            self.unreported[key] = {part: reply["bound"][part] - reply["usage"][part] for part in NO_USAGE}
        self._accepted = True
        return reply

    def _key(self, question: Question, attempt: int) -> str:
        return reply_key(self._determinants, question.prompt, attempt, question.repeat)

    def _keep(self, key: str, reply: dict) -> None:
        self._journal[key] = reply | {"at": time.time()}
        with self._lock:
            self.asked += 1

    def ask_in_batches(self, questions: Iterable[Question], ledger: Ledger) -> None:
        """Bring all replies that the verdicts need into the journal, except for refusals."""
        questions = list(questions)
        bounds = {self._key(q, n): prompt_bound(self.settings, q.prompt) for q in questions for n in self._attempts()}

        def keep(key: str, completion: object) -> None:
            reply = as_reply(completion, bounds[key])
            ledger.add(charged_usage(reply))
            self._keep(key, reply)

        self._refusals = Batches(
            self.settings,
            api_key(self.settings),
            job=item_key(first=sorted({self._key(q, 1) for q in questions if q.repeat == 1})),
            requests=lambda attempt: self._missing_requests(questions, attempt),
            keep=keep,
            check_budget=lambda requests: self._check_budget([bounds[key] for key in requests], ledger),
        ).ask()

    def _missing_requests(self, questions: list[Question], attempt: int) -> Requests:
        """By journal key, the requests of an attempt without a reply, where all earlier replies hold no rating."""
        wanted = {}
        for question in questions:
            *before, key = (self._key(question, number) for number in range(1, attempt + 1))
            due = all(k in self._journal and rating_in(self._journal[k]) is None for k in before)
            if due and key not in self._journal:
                seed = sent_seed(self.settings, attempt, question.repeat)
                wanted[key] = request_body(self.settings, question.prompt, seed)
        return wanted

    def _attempts(self) -> range:
        return range(1, self.settings.retries + 2)

    def _check_budget(self, bounds: list[Usage], ledger: Ledger) -> None:
        """Raise InputError if a batch could exceed the budget: it cannot be stopped half-way."""
        settings = self.settings
        if settings.budget is None or settings.price is None:  # a budget comes with a price
            return
        batch, spent = sum(cost(bound, settings.price) for bound in bounds), ledger.spent
        if spent + batch > settings.budget:
            raise InputError(
                f"judge {settings.name!r}: a batch of {len(bounds)} requests could cost ${batch:.4f}, and"
                f" ${spent:.4f} of the budget of ${settings.budget:g} is spent; raise judges.{settings.name}.budget,"
                " or use api: calls, which stop when it is used up"
            )

    def _refused_verdict(self, why: str, replies: int, last: dict, usage: Usage) -> Verdict:
        verdict = Verdict(None, f"refused: {why}", replies, None, last["model"], last["fingerprint"], usage)
        with self._lock:
            self.refused += 1
            if self.refused >= REFUSED_ALL:
                self.check_accepted(verdict.explanation)
        return verdict


def next_result(results: SimpleQueue) -> tuple:
    """Wait for a result, with a timeout: Python ignores a signal that arrives just before it starts to wait."""
    while True:
        try:
            return results.get(timeout=0.2)
        except Empty:
            continue


def rate_all(
    questions: list[Question], rate: Callable[[Question], Verdict], ask: Endpoint, settings: JudgeSettings
) -> dict[Question, Verdict]:
    """Rate questions, `concurrency` at a time. After the first failure, or a signal, only calls in progress finish.

    The threads are daemons, so that the job can end while one of them hangs in a call.
    """
    from tqdm import tqdm

    waiting, results = deque(questions), SimpleQueue()

    def work() -> None:
        while waiting and not ask.stop.is_set():
            try:
                question = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                results.put((question, rate(question), None))
            except Exception as error:
                results.put((question, None, error))  # before `stop`, so that this error is raised and not a Stopped
                ask.stop.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(settings.concurrency, len(questions)))]
    verdicts = {}
    try:
        for thread in threads:
            thread.start()
        for _ in tqdm(questions, desc="judge", unit="rating", mininterval=5):
            question, verdict, error = next_result(results)
            if error is not None:
                raise error
            verdicts[question] = verdict
    except BaseException as error:
        ask.stop.set()
        grace = GRACE if isinstance(error, SystemExit) else settings.timeout
        print(f"judge {settings.name}: ending; calls in progress have {grace:g} s", file=sys.stderr, flush=True)
        end = time.monotonic() + grace
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        raise
    return verdicts


def first_refusal(verdicts: Iterable[Verdict]) -> str:
    """The explanation of the first refusal; empty if there is none."""
    return next((verdict.explanation for verdict in verdicts if verdict.explanation.startswith("refused:")), "")


def ask_all(
    questions: list[Question], judge: Judge, ledger: Ledger, log: Path, linger: float
) -> dict[Question, Verdict]:
    """Verdicts on questions that the journal cannot answer. Raises InputError when the budget is used up."""
    settings = judge.settings
    try:
        with open_endpoint(settings, ledger, log, linger) as ask:
            verdicts = rate_all(questions, lambda question: judge.rate(question, ask), ask, settings)
    except OverBudget:
        left = sum(judge.recall(question) is None for question in questions)
        raise InputError(
            f"judge {settings.name!r}: the next call could exceed the budget of ${settings.budget:g}:"
            f" ${ledger.spent:.4f} spent, {left} ratings of this run left; raise judges.{settings.name}.budget and"
            " run again"
        ) from None
    judge.check_accepted(first_refusal(verdicts.values()))
    return verdicts


def judge_prompts(
    prompts: list[str], judge: Judge, spent_in: Path | None, journal: Path, linger: float
) -> dict[Question, Verdict]:
    """A verdict for every prompt and repeat. Equal prompts share verdicts. If the journal has all, nothing starts."""
    settings = judge.settings
    questions = [Question(prompt, repeat) for prompt in prompts for repeat in range(1, settings.repeats + 1)]
    verdicts = {q: verdict for q in questions if (verdict := judge.recall(q)) is not None}
    missing = [question for question in dict.fromkeys(questions) if question not in verdicts]
    if not missing:
        return {question: verdicts[question] for question in questions}
    with open_ledger(settings, journal, spent_in) as ledger:
        if settings.api == "batch":
            judge.ask_in_batches(dict.fromkeys(questions), ledger)
            verdicts |= {question: judge.rate(question, ask=None) for question in missing}
            judge.check_accepted(first_refusal(verdicts[question] for question in questions))
        else:
            verdicts |= ask_all(missing, judge, ledger, Path(f"{journal}.server.log"), linger)
    return {question: verdicts[question] for question in questions}


def read_responses(path: str) -> list[dict]:
    """Read a run's responses. Raises InputError if a (lang, id) appears twice, or has no text that can be sent."""
    rows = read_jsonl(path, fields={"lang": str, "id": str, "prompt": None, "response": None}, empty="responses")
    seen = set()
    for row in rows:
        if (row["lang"], row["id"]) in seen:
            raise InputError(f"{path}: two responses for lang {row['lang']}, id {row['id']}; keep one")
        seen.add((row["lang"], row["id"]))
        for field in ("prompt", "response"):
            if fault := text_fault(row[field]):
                raise InputError(
                    f"{path}: lang {row['lang']}, id {row['id']}: the {field} {fault}; make the file again"
                )
    return rows


def output_rows(
    responses: list[dict], prompts: list[str], verdicts: dict[Question, Verdict], repeats: int
) -> list[dict]:
    """The output: responses in order, each with its repeats. The first of several responses that share a call has its
    usage, so that the rows add up to the total usage."""
    rows, counted = [], set()
    for response, prompt in zip(responses, prompts, strict=True):
        for repeat in range(1, repeats + 1):
            question = Question(prompt, repeat)
            row = {"lang": response["lang"], "id": response["id"], "repeat": repeat, **asdict(verdicts[question])}
            rows.append(row | {"usage": NO_USAGE} if question in counted else row)
            counted.add(question)
    return rows


def summary_line(judge: Judge, responses: int, rows: list[dict], verdicts: Iterable[Verdict]) -> str:
    """One line on the whole run. Calls, tokens and money that equal prompts share are counted once."""
    settings, verdicts = judge.settings, list(verdicts)
    rated = [row["rating"] for row in rows if row["rating"] is not None]
    mean = f"{sum(rated) / len(rated):.2f}" if rated else "-"
    usage = {key: sum(verdict.usage[key] for verdict in verdicts) for key in NO_USAGE}
    counted = {key: usage[key] + sum(more[key] for more in judge.unreported.values()) for key in NO_USAGE}
    repeated = f" rated {settings.repeats} times" if settings.repeats > 1 else ""
    cut = sum(row["finish"] == CUT for row in rows)
    notes = [f"{judge.refused} calls refused"] if judge.refused else []
    notes += [f"{cut} replies cut at max_tokens"] if cut else []
    unreported = len(judge.unreported)
    notes += (
        [f"{unreported} replies without a credible usage, which count as the most they can be"] if unreported else []
    )
    noted = f" ({', '.join(notes)})" if notes else ""
    money = f", ${cost(counted, settings.price):.4f}" if settings.price else ""
    return (
        f"judge {settings.name}: {responses} responses{repeated}, mean rating {mean}, "
        f"{len(rows) - len(rated)} without a rating{noted}; "
        f"{judge.asked} calls now and {sum(verdict.attempts for verdict in verdicts) - judge.asked} from the journal, "
        f"{usage['prompt_tokens']} + {usage['completion_tokens']} tokens{money}"
    )


def exit_on_signal(number: int, _: object) -> None:
    """Exit with the signal's status and ignore further signals: a terminal and Snakemake both send one."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", required=True, help="JSON lines: lang, id, prompt, response")
    parser.add_argument("--template", required=True, help="prompt with ${instruction} and ${response}")
    parser.add_argument("--judge", required=True, metavar="JSON", help="the judge's settings, as above")
    parser.add_argument("--journal", required=True, type=Path, help="replies so far; kept if the job fails")
    parser.add_argument(
        "--spent-in", type=Path, metavar="FOLDER", help="this judge's journals, which count towards limits and budget"
    )
    parser.add_argument(
        "--linger",
        type=float,
        default=0,
        help="seconds for which a judge's server then waits for the next job on this machine, which need not start it"
        " again; 0: it ends with this job (default: 0)",
    )
    parser.add_argument("--output", required=True, help="JSON lines: a rating for each response and repeat, in order")
    arguments = parser.parse_args()

    settings = read_settings(JudgeSettings, arguments.judge)
    template = read_template(arguments.template)
    responses = read_responses(arguments.responses)
    prompts = [template.substitute(instruction=row["prompt"], response=row["response"]) for row in responses]

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, exit_on_signal)
    with Journal(arguments.journal, is_reply) as journal:
        if journal.unsound:
            told = f"{arguments.journal}: {len(journal.unsound)} entries are not answers and are asked for again"
            print(told, file=sys.stderr, flush=True)
        judge = Judge(settings, journal)
        verdicts = judge_prompts(prompts, judge, arguments.spent_in, arguments.journal, arguments.linger)
    rows = output_rows(responses, prompts, verdicts, settings.repeats)
    write_jsonl(arguments.output, rows)
    print(summary_line(judge, len(responses), rows, verdicts.values()), file=sys.stderr)


if __name__ == "__main__":
    command_line(main)
