"""Measure how much of an endpoint's rate limit the judge reaches, and that it never passes it.

    make bench-judging                              two minutes
    make bench-judging BENCH="--responses 3000"     for longer

The endpoint (slow_endpoint.py) takes 0.3 s a call and notes when requests come; the limit is 1,200 a minute. Ours is
judge.py by its command line; the peer (judging_peer.py) is the plain openai client in as many threads, without limits.
Requests are counted in every window of a minute, which the limit is for, and of a second. Writes judging.json and
judging.md, which it also prints.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path += [str(SCRIPTS), str(HERE)]

from basics.command_line import command_line, positive  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from measuring import Notebook, measure, processor, table  # noqa: E402

DELAY = 0.3  # seconds a call
ALLOWED = 1200  # requests a minute
CONCURRENCY = 16  # ALLOWED keeps 6 calls of DELAY under way; twice that and some, for when calls are slow
OURS, PEER = "judge.py", "openai client, no limits"
AIM = 0.95


class Seen(NamedTuple):
    """Requests as the endpoint saw them: how many, how many a minute, and the most in any minute and second."""

    requests: int
    pace: float
    most_a_minute: int
    most_a_second: int


def most_within(times: list[float], seconds: float) -> int:
    """The most of the sorted `times` that any window of so many seconds holds."""
    return max(bisect_left(times, start + seconds) - number for number, start in enumerate(times))


def seen(times: list[float]) -> Seen:
    times = sorted(times)
    pace = 60 * (len(times) - 1) / (times[-1] - times[0])
    return Seen(len(times), pace, most_within(times, 60), most_within(times, 1))


@contextmanager
def slow_endpoint() -> Iterator[str]:
    """The endpoint's address, while it is up."""
    command = [sys.executable, str(HERE / "slow_endpoint.py"), "--delay", str(DELAY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.terminate()


def judge_command(base_url: str, responses: int, folder: Path) -> list:
    """Ours, on responses of no importance."""
    rows = ({"lang": "en", "id": str(n), "prompt": f"Question {n}?", "response": "Yes."} for n in range(responses))
    write_jsonl(folder / "responses.jsonl", rows)
    judge = {"name": "slow", "model": "slow", "base_url": base_url, "concurrency": CONCURRENCY}
    options = {
        "--responses": folder / "responses.jsonl",
        "--template": REPOSITORY / "resources" / "templates" / "judge.txt",
        "--judge": json.dumps(judge | {"requests_per_minute": ALLOWED}),
        "--journal": folder / "journal.jsonl",
        "--output": folder / "ratings.jsonl",
    }
    return [sys.executable, SCRIPTS / "judge.py", *(part for option in options.items() for part in option)]


def peer_command(base_url: str, responses: int, folder: Path) -> list:
    options = ["--base-url", base_url, "--calls", responses, "--concurrency", CONCURRENCY]
    return [sys.executable, HERE / "judging_peer.py", *options]


def ask(notebook: Notebook, way: str, responses: int) -> Seen:
    """Let a way ask for so many ratings; what the endpoint saw of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, slow_endpoint() as base_url:
        command = {OURS: judge_command, PEER: peer_command}[way](base_url, responses, Path(folder))
        took = measure(command, OPENAI_API_KEY="none-needed")
        with urllib.request.urlopen(f"{base_url}/times") as answer:
            counted = seen(json.load(answer))
    notebook.note(way, f"{responses} calls", took.wall, took.cpu, **counted._asdict())
    return counted


def report(ours: Seen, peer: Seen) -> str:
    def row(way: str, it: Seen) -> list[object]:
        share = f"{it.pace / ALLOWED:.3f}"
        return [way, f"{it.requests:,}", f"{it.pace:,.0f}", share, f"{it.most_a_minute:,}", it.most_a_second]

    head = ["way", "requests", "per minute", "share of the limit", "most in 60 s", "most in 1 s"]
    limits = ["limit", "", f"{ALLOWED:,}", f"aim: {AIM} to 1", f"{ALLOWED:,}", f"{ALLOWED / 60:g}"]
    kept = ours.most_a_minute <= ALLOWED
    return table(head, [row(OURS, ours), row(PEER, peer), limits]) + (
        f"\nOurs {'never passes' if kept else 'PASSES'} the limit; the client without one is"
        f" {peer.pace / ours.pace:.1f} times as fast as ours. A call takes {DELAY:g} s, {CONCURRENCY} at a time.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=positive, default=1500, help="ratings to ask for; default 1500, 76 seconds")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    notebook = Notebook()
    ours, peer = (ask(notebook, way, arguments.responses) for way in (OURS, PEER))
    machine = f"{processor()}, {os.cpu_count()} cores"
    text = f"{machine}.\n\n{report(ours, peer)}"
    write_json(arguments.output / "judging.json", {"machine": machine, "ours": ours._asdict(), "peer": peer._asdict()})
    write_text(arguments.output / "judging.md", text)
    print(text)


if __name__ == "__main__":
    command_line(main)
