"""Measure the translation stage: speed against the bare engine, the authors' script and other engines; peak memory.

    make bench-translation                           six minutes or so
    make bench-translation BENCH="--rows real.json"  the same on real rows (JSON list or JSON lines, as seed.py takes)
    make bench-translation BENCH="--long"            an hour: more rows, both architectures, long rows for memory

Every engine has one thread. The weights are random, at the dimensions of the published models (random_model.py); the
rows, unless they are given, are nonsense in Alpaca's shape (synthetic_rows.py). What is compared is run in turns, each
in a process of its own; a ratio is the median over the turns. Ratios are given in wall time and in CPU time: on a busy
machine, trust the latter. Writes translation.json and translation.md, and prints the tables.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path += [str(SCRIPTS), str(HERE)]

import random_model  # noqa: E402
import synthetic_rows  # noqa: E402
from basics.command_line import command_line  # noqa: E402
from basics.reading import iter_jsonl  # noqa: E402
from basics.writing import write_json, write_jsonl, write_text  # noqa: E402
from data.rows import FIELDS, normalise, read_rows  # noqa: E402
from measuring import Measured, Notebook, measure, processor, table  # noqa: E402
from translating.engine import PORTABLE  # noqa: E402

ENGINE_PYTHON = REPOSITORY / ".venv-bergamot" / "bin" / "python"
PEERS = {"PYTHONPATH": str(REPOSITORY / ".venv-bench")}  # what envs/bench.lock adds
PROGRAMS = ("segment", "translate_shard", "translate")

REPEATED = 0.05  # share of the words, in the main data; docs/benchmarks.md says why
OTHER_REPEATED = (0.0, 0.2)
NUMBERS = 0.11  # share of real sentences with something that must reappear in the translation
AUTHORS_CACHE = 50  # sentences, in the authors' script
BATCH_WORDS = re.search(r"mini-batch-words: (\d+)", random_model.translation_model.CONFIG)[1]
FEW_ROWS, MANY_ROWS = 5_000, 50_000

OURS, SHARD, RAW, AUTHORS = "our way", "translate_shard", "raw engine", "authors' way"
RAW_REQUESTS = "raw engine, our requests"
AUTHORS_ANY = "authors' way, kernels as they come"


# ---- the data


def words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


class Data:
    """Rows in a folder, in the form that each way of translating starts from."""

    def __init__(self, folder: Path, name: str, rows: list[dict]):
        folder.mkdir(parents=True)
        self.folder, self.name = folder, name
        self.seed, self.rows, self.texts = (folder / file for file in ("seed.jsonl", "rows.json", "texts.json"))
        write_jsonl(self.seed, ({"id": number} | row for number, row in enumerate(rows)))
        write_json(self.rows, rows)
        self.words = words([text for row in rows for text in row.values()])

        self.requests = folder / "requests.jsonl"
        measure([sys.executable, SCRIPTS / "segment.py", "--seed", self.seed, "--output", self.requests])
        self.prose = [text for request in iter_jsonl(self.requests) for text in request["segments"]]
        write_json(self.texts, self.prose)


def synthetic(count: int, repeated: float, numbers: float = 0.0, length: float = 1.0) -> list[dict]:
    return list(synthetic_rows.synthetic_rows(count, repeated, numbers, length))


def main_data(folder: Path, given: Path | None, count: int) -> Data:
    """The rows on which most things are measured."""
    if not given:
        return Data(folder / "main", f"{REPEATED:.0%} repeated", synthetic(count, REPEATED))
    rows = normalise(read_rows(given), given)[:count]
    return Data(folder / "main", given.name, [{field: row[field] for field in FIELDS} for row in rows])


def sentences_of(segments: list[str]) -> list[str]:
    """Distinct sentences, none so long that an engine would cut it."""
    sentences = [sentence for text in segments for sentence in re.split(r"(?<=[.!?])\s+", text)]
    return [sentence for sentence in dict.fromkeys(sentences) if 3 < len(sentence.split()) <= 60]


# ---- ways of translating


def run_ours(data: Data, model: Path) -> dict[str, Measured]:
    """Run segment.py, translate_shard.py and translate.py as the workflow does, with nothing done yet."""
    segments, shard, rows, journal = (data.folder / f"{name}.jsonl" for name in (*PROGRAMS, "journal"))
    for left in data.folder.glob(f"{journal.name}*"):
        left.unlink()
    options = {
        "segment": ["--seed", data.seed, "--output", segments],
        "translate_shard": [
            *("--segments", segments, "--model", model, "--language", "xx", "--shard", 0, "--shards", 1),
            *("--engine-python", ENGINE_PYTHON, "--workers", 1, "--journal", journal, "--output", shard),
        ],
        "translate": ["--seed", data.seed, "--segments", segments, "--shards", shard, "--output", rows],
    }
    return {name: measure([sys.executable, SCRIPTS / f"{name}.py", *options[name]]) for name in PROGRAMS}


def our_way(notebook: Notebook, data: Data, model: Path) -> None:
    seen = run_ours(data, model)
    pieced = sum(len(request["pieced"]) for request in iter_jsonl(data.folder / "translate_shard.jsonl"))
    notebook.note(SHARD, data.name, seen[SHARD].wall, seen[SHARD].cpu, pieced=pieced)
    peaks = {name: part.peak for name, part in seen.items()}
    wall, cpu = (sum(getattr(part, clock) for part in seen.values()) for clock in ("wall", "cpu"))
    notebook.note(OURS, data.name, wall, cpu, peaks=peaks)


def raw_engine(model: Path, texts: Path, *options: object) -> list:
    output = texts.with_name("raw.json")
    program = [ENGINE_PYTHON, HERE / "raw_engine.py", "--config", model / "config.yml"]
    return [*program, "--texts", texts, "--output", output, *options]


def one_call(notebook: Notebook, data: Data, model: Path, subject: str) -> None:
    """The engine alone, with all texts in one call. The whole time of the program counts, as it does for ours."""
    texts, options = {
        RAW: (data.texts, []),
        RAW_REQUESTS: (data.requests, []),
        # Every value of every row, including code and repetitions.
        AUTHORS: (data.rows, ["--cache", AUTHORS_CACHE]),
        AUTHORS_ANY: (data.rows, ["--cache", AUTHORS_CACHE, "--any-kernels"]),
    }[subject]
    seen = measure(raw_engine(model, texts, *options))
    counts = json.loads(seen.output)
    notebook.note(subject, data.name, seen.wall, seen.cpu, peak=seen.peak, pieces=counts["target_pieces"])


# ---- the parts of the measurement


def speed(notebook: Notebook, model: Path, data: Data, repeat: int, others: list[Data], lossy: Data | None) -> str:
    """Ours, the raw engine's and the authors' way in turns; then on rows with less and with more repetition."""
    one_row = Data(data.folder / "one", "one row", synthetic(1, 0.0, length=0.05))
    notebook.start_up.clear()
    our_way(notebook, one_row, model)
    for subject in (RAW, RAW_REQUESTS, AUTHORS, AUTHORS_ANY):
        one_call(notebook, one_row, model, subject)
    notebook.take_off_start_up(one_row.name)

    for _ in range(repeat):
        our_way(notebook, data, model)
        for subject in (RAW, RAW_REQUESTS, AUTHORS, AUTHORS_ANY):
            one_call(notebook, data, model, subject)
    for other in others:
        our_way(notebook, other, model)
        one_call(notebook, other, model, AUTHORS)
    if lossy:
        our_way(notebook, lossy, model)
        one_call(notebook, lossy, model, RAW)

    def row(what: str, ours: str, theirs: str, data: Data, amount: int, aim: str = "") -> list[str]:
        paces = [f"{amount / notebook.median(it, data.name, lambda turn: turn.wall):,.0f}" for it in (ours, theirs)]
        return [what, data.name, *paces, *notebook.ratios(ours, theirs, data.name), aim]

    prose = words(data.prose)
    pieces = [notebook.turns_of(subject, data.name)[0].details["pieces"] for subject in (RAW_REQUESTS, RAW)]
    rows = [
        row("`translate_shard` : raw engine, one call", SHARD, RAW, data, prose, "0.95"),
        row("`translate_shard` : raw engine, the same requests", SHARD, RAW_REQUESTS, data, prose),
        row("all three programs : raw engine, one call", OURS, RAW, data, prose),
    ]
    if lossy:
        rows.append(row("`translate_shard` : raw engine, one call", SHARD, RAW, lossy, words(lossy.prose)))
    rows.append(row("all three programs : authors' way", OURS, AUTHORS, data, data.words, "1.2"))
    rows += [row("all three programs : authors' way", OURS, AUTHORS, other, other.words) for other in others]
    rows.append(row("all three programs : authors' way, kernels as they come", OURS, AUTHORS_ANY, data, data.words))
    head = ["ours : theirs", "rows", "ours, words/s", "theirs, words/s", "ratio, wall", "ratio, CPU", "aim"]
    start_up = " and ".join(f"{notebook.start_up[subject][0]:.1f} s" for subject in (OURS, RAW))
    pieced = notebook.turns_of(SHARD, data.name)[0].details["pieced"]
    peak = max(notebook.turns_of(OURS, data.name)[0].details["peaks"].values())
    authors_peak = notebook.turns_of(AUTHORS, data.name)[0].details["peak"]
    notes = [
        f"Model {model.name}; {data.words:,} words in the first set, of which ours sends {prose:,} to the engine.",
        f"Segments translated twice because random weights lose what must be kept: {pieced / len(data.prose):.0%}.",
        f"Start-up, once per shard, is not counted: {start_up} for ours and the raw engine.",
        f"Split into our requests, the engine decodes {pieces[0] / pieces[1] - 1:+.1%} target pieces"
        " relative to one call.",
        f"Peak memory: ours {peak / 2**20:,.0f} MB, the authors' {authors_peak / 2**20:,.0f} MB.",
    ]
    return "\n".join(notes) + "\n\n" + table(head, rows)


def engines(notebook: Notebook, model: Path, data: Data, repeat: int) -> str:
    """Bergamot, CTranslate2 and Transformers in turns, on sentences; the last, being slow, gets few of them."""
    name = f"sentences, {model.name}"
    folder = model.with_name(f"{model.name}-peers")
    notebook.log("making the other engines' model")
    peer, vocabulary = [sys.executable, HERE / "peer.py"], ["--vocabulary", model / "vocab.spm"]
    measure([*peer, "make", "--architecture", model.name, *vocabulary, "--output", folder], **PEERS)
    sentences = sentences_of(data.prose)[:700]
    many, few = folder / "many.json", folder / "few.json"
    write_json(many, sentences)
    by_length = sorted(sentences, key=len)
    write_json(few, [sentence for place in range(0, len(by_length), 150) for sentence in by_length[place:][:30]])

    def other(engine: str, sentences: Path, batch_words: object) -> list:
        options = ["--engine", engine, "--model", folder, "--sentences", sentences, "--batch-words", batch_words]
        return [*peer, "run", *vocabulary, *options]

    ours = "Bergamot, int8, as we run it"
    commands = {
        ours: raw_engine(model, many),
        "Bergamot, int8, kernels as they come": raw_engine(model, many, "--any-kernels"),
        "CTranslate2, int8": other("ctranslate2", many, BATCH_WORDS),
        "CTranslate2, int8, larger batches": other("ctranslate2", many, 2048),
        "CTranslate2, int8, held at AVX2": other("ctranslate2", many, BATCH_WORDS),
        "Transformers, float32": other("transformers", few, BATCH_WORDS),
    }
    for _ in range(repeat):
        for subject, command in commands.items():
            held = {"CT2_FORCE_CPU_ISA": "AVX2"} if "AVX2" in subject else {}
            counts = json.loads(measure(command, **PEERS, **held).output)
            notebook.note(subject, name, counts.pop("seconds"), counts.pop("cpu"), **counts)

    rows = []
    for subject in commands:
        counts = notebook.turns_of(subject, name)[0].details
        length = counts["target_pieces"] / counts["source_pieces"]
        pace = notebook.median(subject, name, lambda turn: turn.details["target_pieces"] / turn.cpu)
        ratios = ["1", "1"] if subject == ours else notebook.ratios(ours, subject, name, "target_pieces")
        rows.append(
            [subject, counts["sentences"], f"{counts['target_pieces']:,}", f"{length:.2f}", f"{pace:,.0f}", *ratios]
        )
    head = ["engine", "sentences", "target pieces", "per source piece", "target pieces per CPU second"]
    ratio = "Bergamot as we run it is faster by, wall"
    about = f"Model {model.name}, greedy search; aim: 1.5 times as fast as one of the others."
    return f"{about}\n\n" + table([*head, ratio, "CPU"], rows)


def memory(notebook: Notebook, folder: Path, texts: list[str], length: float) -> str:
    """The peak memory of each program with few rows and with many, using a fast model."""
    model = make_model(notebook, folder, "mite", texts)
    peaks = []
    for count in (FEW_ROWS, MANY_ROWS):
        notebook.log(f"memory: {count:,} rows")
        data = Data(folder / f"memory-{count}", f"{count:,} rows", synthetic(count, REPEATED, length=length))
        seen = run_ours(data, model)
        peaks.append({name: part.peak for name, part in seen.items()})
        wall, cpu = (sum(getattr(part, clock) for part in seen.values()) for clock in ("wall", "cpu"))
        times = {name: part.cpu for name, part in seen.items()}
        notebook.note("memory", data.name, wall, cpu, peaks=peaks[-1], words=data.words, times=times)
    few, many = peaks
    sizes = [[f"{it[name] / 2**20:,.0f} MB" for it in peaks] for name in PROGRAMS]
    rows = [
        [f"`{name}`", *size, f"{many[name] / few[name]:.2f}", "1.10"]
        for name, size in zip(PROGRAMS, sizes, strict=True)
    ]
    head = ["peak resident memory", f"{FEW_ROWS:,} rows", f"{MANY_ROWS:,} rows", "ratio", "aim, at most"]
    about = f"Outputs have {length:.0%} of Alpaca's length; a small model, including the engine."
    return f"{about}\n\n" + table(head, rows)


def make_model(notebook: Notebook, folder: Path, architecture: str, texts: list[str]) -> Path:
    notebook.log(f"making a model of random weights, {architecture}")
    model = folder / "models" / architecture
    # `texts` may be too few for a vocabulary of 32,000 pieces.
    more = [text for row in synthetic_rows.synthetic_rows(1500, 0.0, seed=2) for text in row.values() if text]
    random_model.make_model(model, architecture, texts + more + synthetic_rows.lexicon())
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, help="JSON list or JSON lines of instruction, input, output")
    parser.add_argument("--count", type=int, help="rows to translate (default 256; 1024 with --long)")
    parser.add_argument("--repeat", type=int, help="turns (default 3; 5 with --long)")
    parser.add_argument("--long", action="store_true", help="measure for an hour")
    parser.add_argument("--only", nargs="+", choices=["speed", "engines", "memory"], help="parts to do (default all)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()
    parts = arguments.only or ["speed", "engines", "memory"]
    count = arguments.count or (1024 if arguments.long else 256)
    repeat = arguments.repeat or (5 if arguments.long else 3)

    notebook, tables = Notebook(), []
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        for architecture in ("tiny", "base-memory") if arguments.long else ("tiny",):
            folder = Path(place) / architecture
            data = main_data(folder, arguments.rows, count)
            model = make_model(notebook, folder, architecture, data.prose)
            if "speed" in parts:
                others, lossy = [], None
                if not arguments.rows:
                    others = [
                        Data(folder / str(share), f"{share:.0%} repeated", synthetic(count, share))
                        for share in OTHER_REPEATED
                    ]
                    lossy = Data(folder / "numbers", "all numbers lost", synthetic(count, REPEATED, NUMBERS))
                tables.append(speed(notebook, model, data, repeat, others, lossy))
            if "engines" in parts:
                tables.append(engines(notebook, model, data, repeat))
        if "memory" in parts:
            tables.append(memory(notebook, Path(place), data.prose, 1.0 if arguments.long else 0.1))

    machine = f"{processor()}, {os.cpu_count()} cores; our kernels: {' '.join(PORTABLE.values())}"
    heading = f"{machine}. Medians of {repeat} turns, extremes in brackets.\n"
    report = "\n".join([heading, *tables])
    turns = [turn._asdict() for turn in notebook.turns]
    write_json(arguments.output / "translation.json", {"machine": machine, "turns": turns})
    write_text(arguments.output / "translation.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
