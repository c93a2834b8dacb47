"""Measure how much of an endpoint's rate limit the judge reaches, in one job and in many, and that it never passes it.

    make bench-judging                                      a quarter of an hour
    make bench-judging BENCH="--responses 3000 --runs 20"   a longer job, fewer of them

The endpoint (slow_endpoint.py) takes its time for a call and notes when requests come. In one job, a call takes 0.3 s
and the limit is 1,200 a minute: ours is judge.py by its command line; the peer (judging_peer.py) is the plain openai
client in as many threads, without limits. In many jobs, a call takes 20 ms and the limit is 2,400 a minute: Snakemake
has the synthetic answers of the paper's 160 runs judged, 25,500 calls, with the local profile, in a checkout of its
own; the limit is the time that so many calls take at the rate allowed. Requests are counted in every window of a
minute, which the limit is for, and of a second. Writes judging.json and judging.md, which it also prints.
"""

import argparse
import json
import os
import shutil
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

import polars as pl  # noqa: E402

import synthetic_scores  # noqa: E402
from basics.command_line import command_line, positive  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from measuring import Notebook, measure, processor, table  # noqa: E402

DELAY = 0.3  # seconds a call
ALLOWED = 1200  # requests a minute
CONCURRENCY = 16  # ALLOWED keeps 6 calls of DELAY under way; twice that and some, for when calls are slow
OURS, PEER = "judge.py", "openai client, no limits"
AIM = 0.95
AXES = ("method", "model", "recipe", "lang", "id")  # of an answer
MANY_DELAY, MANY_ALLOWED, MANY_AIM = 0.02, 2400, 1.1  # of many jobs: seconds a call, requests a minute, times the limit


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
def slow_endpoint(delay: float = DELAY) -> Iterator[str]:
    """The endpoint's address, while it is up."""
    command = [sys.executable, str(HERE / "slow_endpoint.py"), "--delay", str(delay)]
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


def seen_at(base_url: str) -> Seen:
    with urllib.request.urlopen(f"{base_url}/times") as answer:
        return seen(json.load(answer))


def checkout(folder: Path, runs: int, base_url: str) -> list[str]:
    """A copy of the workflow with the synthetic answers of the first so many runs, and a judge at the endpoint; the
    ratings to ask for."""
    for name in ("Snakefile", "workflow", "config", "envs", "profiles", "resources"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    judge = {"name": "slow", "label": "Slow", "model": "slow", "base_url": base_url}
    overlay = {"judges": [judge | {"requests_per_minute": MANY_ALLOWED}], "check_judges": "offline"}
    write_json(folder / "judge.json", overlay)
    answers = synthetic_scores.full_matrix().partition_by("method", "model", "recipe", as_dict=True)
    ratings = []
    for (method, model, recipe), run in list(answers.items())[:runs]:
        rows = run.select("lang", "id", "prompt", response=pl.concat_str(*AXES, separator=" "))  # no two are the same
        path = folder / "results" / "paper" / "responses" / method / model / f"{recipe}.jsonl"
        write_jsonl(path, rows.iter_rows(named=True))
        ratings.append(f"results/paper/ratings/slow/{method}/{model}/{recipe}.jsonl")
    return ratings


def ask_in_many_jobs(notebook: Notebook, runs: int) -> dict:
    """Let Snakemake have the runs judged: seconds, those of the limit, their ratio, and what the endpoint saw."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, slow_endpoint(MANY_DELAY) as base_url:
        ratings = checkout(Path(folder), runs, base_url)
        place = ["--directory", folder, "--snakefile", f"{folder}/Snakefile", "--configfile", f"{folder}/judge.json"]
        place += ["--profile", f"{folder}/profiles/local", "--allowed-rules", "judge_at_api"]
        took = measure([sys.executable, "-m", "snakemake", *place, "--", *ratings], OPENAI_API_KEY="none-needed")
        counted = seen_at(base_url)
    limit = 60 * counted.requests / MANY_ALLOWED
    result = {"runs": runs, "seconds": took.wall, "limit": limit, "ratio": took.wall / limit, "cpu": took.cpu}
    notebook.note("Snakemake", f"{runs} runs", took.wall, took.cpu, **counted._asdict())
    return result | counted._asdict()


def ask(notebook: Notebook, way: str, responses: int) -> Seen:
    """Let a way ask for so many ratings; what the endpoint saw of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, slow_endpoint() as base_url:
        command = {OURS: judge_command, PEER: peer_command}[way](base_url, responses, Path(folder))
        took = measure(command, OPENAI_API_KEY="none-needed")
        counted = seen_at(base_url)
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


def report_on_many(many: dict) -> str:
    head = ["runs", "calls", "seconds", "seconds at the limit", "ratio", "most in 60 s", "CPU seconds"]
    row = [many["runs"], f"{many['requests']:,}", f"{many['seconds']:.0f}", f"{many['limit']:.0f}"]
    row += [f"{many['ratio']:.3f}", f"{many['most_a_minute']:,}", f"{many['cpu']:.0f}"]
    kept = many["most_a_minute"] <= MANY_ALLOWED
    return table(head, [row]) + (
        f"\nThe jobs together {'never pass' if kept else 'PASS'} the limit of {MANY_ALLOWED:,} a minute; the aim is a"
        f" ratio of at most {MANY_AIM:g}. A call takes {MANY_DELAY:g} s.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=positive, default=1500, help="ratings to ask for; default 1500, 76 seconds")
    parser.add_argument("--runs", type=positive, default=160, help="runs to judge in jobs; default 160, eleven minutes")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    notebook = Notebook()
    ours, peer = (ask(notebook, way, arguments.responses) for way in (OURS, PEER))
    many = ask_in_many_jobs(notebook, arguments.runs)
    machine = f"{processor()}, {os.cpu_count()} cores"
    text = f"{machine}.\n\n{report(ours, peer)}\n{report_on_many(many)}"
    found = {"machine": machine, "ours": ours._asdict(), "peer": peer._asdict(), "many": many}
    write_json(arguments.output / "judging.json", found)
    write_text(arguments.output / "judging.md", text)
    print(text)


if __name__ == "__main__":
    command_line(main)
