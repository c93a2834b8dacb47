"""Measure the peak memory of the rules that compute on CPUs, each with the paper's amount of data.

    make bench-memory                                    half an hour
    make bench-memory BENCH="--rules recipe tokenize"    only these, on what an earlier run has made

Runs the commands of the workflow's own rules, as Snakemake prints them, in a checkout of its own: for each rule the job
that reads most. What they read is made up: 52,002 seed rows (synthetic_rows.py), their "translations" into eight
languages with other letters, a tokenizer with as many tokens as BLOOM's, a language identifier of OpenLID's size,
25,500 answers and ratings in 160 runs (synthetic_scores.py), and the records of as many trainings. The shards of the
one language that is assembled are made up, too: bench_translation.py measures the engine. Memory is the largest of
twenty readings a second, over the processes of the job, which the rule's `mem_mb` must cover: its own, or the default
of profiles/slurm/config.yaml. Writes memory.json and memory.md, and prints the latter. Needs 4 GB of disk.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

import polars as pl  # noqa: E402

import synthetic_scores  # noqa: E402
from basics.command_line import command_line  # noqa: E402  (measuring knows where they are)
from basics.errors import InputError  # noqa: E402
from basics.reading import iter_jsonl, read_yaml  # noqa: E402
from basics.tables import write_parquet  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from data.rows import FIELDS  # noqa: E402
from measuring import REPOSITORY, measure, processor, table  # noqa: E402
from synthetic_rows import synthetic_rows  # noqa: E402
from translating.requests import iter_rows  # noqa: E402

ROWS, REPEATED, NUMBERS = 52_002, 0.05, 0.08
TRANSLATED = "bg"  # measured in all steps: its letters take two bytes
VOCABULARY = 250_880  # of BLOOM
DIMENSIONS, BUCKETS = 256, 1_000_000  # of OpenLID, as published: 1.2 GB
LATIN = "abcdefghijklmnopqrstuvwxyz"
RESULTS = "results/paper"
TARGETS = ("all_figures", "all_exports", "all_recipes", f"{RESULTS}/rating-sheet.csv")
LARGEST = {  # the job to measure, where it is not just any: an output of it
    "translate": f"{TRANSLATED}/rows.jsonl",
    "flag_translation": f"{TRANSLATED}.jsonl",
    "recipe": "recipes/multilingual",
    "tokenize": "tokens/bloom/alpaca/multilingual",
    "prompts": f"prompts/{TRANSLATED}.jsonl",
    "langid": "langid/lora/bloom-560m/mono-en.jsonl",
    "score": "lora/bloom-560m/mono-en.parquet",
    "figure": "figures/figure2.pdf",
}
RULES = (
    "seed", "prompts", "segment", "translate", "flag_translation", "export_translations", "recipe", "tokenize",
    "overlap", "langid", "score", "collect_scores", "rating_sheet", "judge_report", "costs", "curves", "figure",
    "budget", "claims", "score_table", "language_table", "table2", "answer_browser", "export_answers",
)  # fmt: skip


class Job(NamedTuple):
    """A job of a rule: the command, the megabytes that it asks for, its outputs and its log."""

    command: str
    asked: int
    outputs: list[str]
    log: str


# ---- what is made up


def in_letters_of(lang: str, text: str) -> str:
    """A text in the letters of a language; in Chinese, every two letters are one character."""
    if lang == "zh":
        first, characters = synthetic_scores.LETTERS[lang]
        return re.sub("[A-Za-z]{1,2}", lambda pair: chr(first + crc32(pair[0].lower().encode()) % characters), text)
    return text.translate(letters_of(lang))


@cache
def letters_of(lang: str) -> dict[int, str]:
    """The letters of a language in place of those of English."""
    first, _ = synthetic_scores.LETTERS.get(lang, (0, 0))
    shift = sum(map(ord, lang)) % 25 + 1
    letters: dict[int, str] = {}
    for number, letter in enumerate(LATIN):
        other = chr(first + (number + shift) % 32) if first else LATIN[(number + shift) % len(LATIN)]
        letters |= {ord(letter): other, ord(letter.upper()): other.upper()}
    return letters


def make_seed(folder: Path) -> None:
    """The seed rows, as published, and the test prompts."""
    write_json(folder / "made" / "seed.json", list(synthetic_rows(ROWS, REPEATED, NUMBERS)))
    scores = synthetic_scores.with_texts(synthetic_scores.full_matrix())
    for (lang,), asked in scores.unique(["lang", "id"], maintain_order=True).partition_by("lang", as_dict=True).items():
        for path in (folder / "made" / f"prompts_{lang}.jsonl", folder / RESULTS / "prompts" / f"{lang}.jsonl"):
            write_jsonl(path, asked.select("id", "prompt").to_dicts())


def make_translations(folder: Path, languages: Sequence[str]) -> None:
    """The rows of the languages, with flags but for TRANSLATED, which has the shards that they are assembled from."""
    for lang in languages:
        if lang == TRANSLATED:
            requests = iter_jsonl(folder / RESULTS / "seed" / "segments.jsonl")
            answers = (
                {"chunk": each["chunk"], "translations": [in_letters_of(lang, text) for text in each["segments"]]}
                for each in requests
            )
            shards = folder / RESULTS / "translated" / lang / "shards"
            write_jsonl(shards / "0.jsonl", (answer | {"pieced": []} for answer in answers))
            for shard in range(1, 16):
                write_jsonl(shards / f"{shard}.jsonl", [])
        else:
            rows = iter_rows(folder / RESULTS / "seed" / "train.jsonl")
            translated = (
                {"id": row["id"]} | {field: in_letters_of(lang, row[field]) for field in FIELDS} | {"flags": []}
                for row in rows
            )
            write_jsonl(folder / RESULTS / "translated" / f"{lang}.jsonl", translated)


def make_tokenizer(folder: Path, languages: Sequence[str]) -> None:
    """A tokenizer that has learnt VOCABULARY tokens from some rows of each language."""
    made = folder / RESULTS / "tokenizers" / "bloom"
    corpus = folder / "made" / "corpus.txt"
    rows = iter_rows(folder / RESULTS / "seed" / "train.jsonl")
    texts = [" ".join(" ".join(row[field] for field in FIELDS).split()) for row in islice(rows, 6000)]
    write_text(corpus, "\n".join(in_letters_of(lang, text) for lang in languages for text in texts) + "\n")
    write_text(corpus, corpus.read_text(encoding="utf-8") + "\n".join(texts) + "\n")
    program = [sys.executable, folder / "workflow/scripts/train_tokenizer.py", "--corpus", corpus]
    program += ["--template", folder / "resources/templates/alpaca.json", "--vocabulary", VOCABULARY]
    measure([*program, "--output", made])


def make_identifier(path: Path) -> None:
    """A language identifier with OpenLID's labels and size, which has learnt next to nothing."""
    import fasttext

    labels = [
        label for entry in read_yaml(REPOSITORY / "resources/languages.yaml").values() for label in entry["labels"]
    ]
    corpus = path.with_suffix(".txt")
    words = [f"w{number}" for number in range(170_000)]
    lines = [" ".join(words[start : start + 100]) for start in range(0, len(words), 100)]
    write_text(
        corpus,
        "".join(f"__label__{labels[number % len(labels)]} {line}\n" for number, line in enumerate(lines)),
    )
    options = {"dim": DIMENSIONS, "bucket": BUCKETS, "minn": 2, "maxn": 5, "minCount": 1, "epoch": 1, "thread": 1}
    fasttext.train_supervised(str(corpus), **options, verbose=0).save_model(str(path))


def make_runs(folder: Path) -> None:
    """The answers and ratings of every run, the records of their trainings, and the configuration."""
    shutil.copy(REPOSITORY / "config" / "config.yaml", folder / RESULTS)
    judge = synthetic_scores.read_config()["judges"][0]["name"]
    usage = {"prompt_tokens": 300, "completion_tokens": 100}
    for name, rows in scores_by_run():
        answers = rows.select("lang", "id", "prompt", "response").to_dicts()
        ratings = [
            {"lang": row["lang"], "id": row["id"], "repeat": 1, "rating": int(row["rating"]), "attempts": 1}
            | {"explanation": row["explanation"], "model": judge, "fingerprint": None, "usage": usage}
            for row in rows.to_dicts()
        ]
        write_jsonl(folder / RESULTS / "responses" / f"{name}.jsonl", answers)
        write_json(folder / RESULTS / "responses" / f"{name}.json", {"decoding": "synthetic"})
        write_jsonl(folder / RESULTS / "ratings" / judge / f"{name}.jsonl", ratings)
        write_json(folder / RESULTS / "models" / name / "training.json", training_record())


def make_scores(folder: Path) -> None:
    """The scores of every run."""
    judge = synthetic_scores.read_config()["judges"][0]["name"]
    for name, rows in scores_by_run():
        write_parquet(folder / RESULTS / "scores" / judge / f"{name}.parquet", rows.with_columns(judge=pl.lit(judge)))


def scores_by_run() -> Iterator[tuple[str, pl.DataFrame]]:
    """The made-up scores of each run, method/model/recipe."""
    scores = synthetic_scores.with_texts(synthetic_scores.full_matrix())
    for run, rows in scores.partition_by("method", "model", "recipe", as_dict=True).items():
        yield "/".join(map(str, run)), rows


def training_record() -> dict:
    """What train.py says of a training of 1,000 steps that is evaluated every ten."""
    losses = {
        "train": [(step, 1.5) for step in range(1, 1001)],
        "validation": [(step, 1.6) for step in range(0, 1001, 10)],
    }
    record = {"device": "synthetic", "ranks": 1, "seconds": 3600.0, "steps": 1000, "examples": 52_000, "losses": losses}
    record |= {"tokens": 3 * 10**7, "padded_tokens": 3 * 10**7, "flops": 1e18, "mfu": 0.4, "peak_memory": 2**34}
    return record | {"tokens_per_second": 1e4, "resumed_from_step": None}


# ---- the jobs


def checkout(folder: Path) -> None:
    """A copy of the workflow whose configuration names what is made up."""
    for name in ("Snakefile", "workflow", "config", "envs", "resources", "CITATION.cff", "LICENSE"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    made = {
        "data": {
            "seed": "made-seed",
            "prompts": "made-prompts",
            "identifier": "made-identifier",
            "english_words": None,
        },
        "sources": {
            "made-seed": {"path": "made/seed.json"},
            "made-prompts": {"path": "made/prompts_{lang}.jsonl"},
            "made-identifier": {"path": "made/identifier.bin"},
        },
        "controls": None,
    }
    write_json(folder / "made" / "config.json", made)


def default_memory() -> int:
    """The megabytes that the SLURM profile asks for, for a rule that does not say."""
    profile = (REPOSITORY / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8")
    found = re.search(r"^  mem_mb: (\d+)", profile, re.MULTILINE)
    assert found, "the profile has a default"
    return int(found[1])


def jobs_of(folder: Path) -> Iterator[tuple[str, Job]]:
    """Each job of the workflow with its rule, as Snakemake prints it."""
    command = [sys.executable, "-m", "snakemake", "--directory", folder, "--snakefile", folder / "Snakefile"]
    command += ["--dry-run", "--forceall", "--printshellcmds", "--configfile", folder / "made" / "config.json"]
    command += ["--default-resources", f"mem_mb={default_memory()}", "--", *TARGETS]
    for block in measure(command).output.split("\n\n"):
        parts = re.search(
            r"rule (\w+):.*?output: (.*?)\n.*?log: (.*?)\n.*?mem_mb=(\d+).*?Shell command: (.*)", block, re.DOTALL
        )
        if parts:
            rule, outputs, log, asked, shell = parts.groups()
            yield rule, Job(shell, int(asked), outputs.split(" (")[0].split(", "), log)


def chosen(jobs: Iterator[tuple[str, Job]]) -> dict[str, Job]:
    """The job to measure of each rule."""
    found: dict[str, Job] = {}
    for rule, job in jobs:
        if rule in RULES and any(output.endswith(LARGEST.get(rule, "")) for output in job.outputs):
            found.setdefault(rule, job)
    if missing := [rule for rule in RULES if rule not in found]:
        raise InputError(f"{missing[0]}: Snakemake has printed no such job; correct RULES or LARGEST")
    return found


def run(folder: Path, rule: str, job: Job) -> dict:
    """Run a job as Snakemake does, and measure it."""
    for output in map(folder.joinpath, job.outputs):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
    (folder / job.log).parent.mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        seen = measure(["bash", "-c", f"cd {folder} && {job.command}"], PATH=path)
    except InputError:
        raise InputError(f"{folder / job.log}: {rule} has failed; see there") from None
    return {"rule": rule, "seconds": seen.wall, "cpu": seen.cpu, "peak": seen.peak, "asked": job.asked}


def make_inputs(folder: Path, rule: str) -> None:
    """Make up what a rule reads and no rule before it has written."""
    config = synthetic_scores.read_config()
    languages = [lang for lang in config["languages"]["train"] if lang != "en"]
    if rule == "seed":
        make_seed(folder)
    elif rule == "translate":
        make_translations(folder, languages)
    elif rule == "flag_translation":
        make_identifier(folder / "made" / "identifier.bin")
    elif rule == "tokenize":
        make_tokenizer(folder, languages)
    elif rule == "langid":
        make_runs(folder)
    elif rule == "collect_scores":
        make_scores(folder)


def report(measured: Sequence[dict]) -> str:
    lines = []
    for each in measured:
        under = "yes" if each["peak"] <= each["asked"] * 1e6 else "NO"
        lines.append(
            [f"`{each['rule']}`", f"{each['peak'] / 1e6:,.0f}", f"{each['asked']:,}", under, f"{each['cpu']:.0f}"]
        )
    head = ["rule", "peak, MB", "asks for, MB", "under", "s of CPU"]
    return f"{processor()}, {os.cpu_count()} cores.\n\n{table(head, lines)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", nargs="+", choices=RULES, help="measure only these (default: all)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    folder = (arguments.output / "memory").resolve()
    if not arguments.rules:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "made").mkdir(parents=True)
        checkout(folder)
        make_inputs(folder, "seed")
        (folder / "made" / "identifier.bin").touch()
    elif not folder.is_dir():
        raise InputError(f"{folder}: no such folder; measure all rules first")
    measured = []
    jobs = chosen(jobs_of(folder))
    for rule in arguments.rules or RULES:
        if not arguments.rules and rule != "seed":
            make_inputs(folder, rule)
        measured.append(run(folder, rule, jobs[rule]))
        print(json.dumps(measured[-1]), file=sys.stderr, flush=True)
    write_json(arguments.output / "memory.json", measured)
    write_text(arguments.output / "memory.md", report(measured))
    print(report(measured))


if __name__ == "__main__":
    command_line(main)
