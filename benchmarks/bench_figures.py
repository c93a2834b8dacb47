"""Measure how long it takes to get from the scores of the paper's whole matrix to all figures, tables and claims.

    make bench-figures                         a minute or two
    make bench-figures BENCH="--turns 3"       medians of three turns

The scores are synthetic (synthetic_scores.py), one file per run as score.py writes them, and so are the records of the
trainings. *All by Snakemake* runs the workflow's own rules on two cores from there, in a checkout of its own;
Snakemake's own time counts. *Ours* is figure.py, Figures 2 to 4, one after another; *seaborn's bands* are the same
lines drawn by seaborn.lineplot, which bootstraps the prompts itself, with as many resamples. Writes figures.json and
figures.md, and prints the latter.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

import polars as pl  # noqa: E402

import synthetic_scores  # noqa: E402
from basics.command_line import command_line, positive  # noqa: E402  (measuring knows where they are)
from basics.writing import write_json, write_text  # noqa: E402  (measuring knows where they are)
from measuring import REPOSITORY, Notebook, measure, processor, table  # noqa: E402

AIM = 30  # seconds, on two cores
ALL, OURS, PEER = "all by Snakemake", "figure.py", "seaborn's bands"
ALLOWED = [
    "collect_scores", "config_copy", "figure", "budget", "costs", "claims", "score_table", "language_table", "table1",
    "table2",
]  # fmt: skip
SIZES = (2, 3, 4)  # the figures that the peer draws
TOKENS = 30_000_000


def checkout(folder: Path) -> Path:
    """A copy of the workflow with the scores of every run and the records of every training."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("Snakefile", "workflow", "config", "envs", "resources"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    config = synthetic_scores.read_config()
    scores = synthetic_scores.full_matrix(config=config)
    judge = config["judges"][0]["name"]
    for (method, model, recipe), run in scores.partition_by("method", "model", "recipe", as_dict=True).items():
        path = folder / "results" / "paper" / "scores" / judge / method / model / f"{recipe}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        run.with_columns(judge=pl.lit(judge)).write_parquet(path)
        tokens = TOKENS * (9 if recipe == "multilingual" else 1)
        record = {"device": "synthetic", "ranks": 1, "tokens": tokens, "padded_tokens": tokens, "examples": 52_000}
        record |= {"steps": 1000, "flops": 1e18, "mfu": 0.4, "tokens_per_second": 1e4, "peak_memory": 2**34}
        trained = folder / "results" / "paper" / "models" / method / model / recipe
        trained.mkdir(parents=True)
        write_json(trained / "training.json", record)
    return folder


def outputs() -> list[str]:
    """What a reader looks at, except what needs the ratings themselves."""
    figures = [f"figures/{name}.pdf" for name in (*(f"figure{number}" for number in range(2, 8)), "budget")]
    tables = [f"tables/{name}.md" for name in ("table1", "table2", "scores", "languages", "costs")]
    return [f"results/paper/{name}" for name in (*figures, *tables, "claims.md")]


def snakemake(folder: Path, *options: str) -> list[str]:
    """The command that runs Snakemake in the checkout, restricted to the rules that come after the scores."""
    place = ["--directory", str(folder), "--snakefile", str(folder / "Snakefile")]
    return [sys.executable, "-m", "snakemake", *place, "--allowed-rules", *ALLOWED, *options]


def settings_of(folder: Path, number: int) -> dict:
    """The settings that the rule passes to figure.py."""
    target = f"results/paper/figures/figure{number}.pdf"
    printed = measure(snakemake(folder, "--dry-run", "--printshellcmds", "--force", "--", target)).output
    command = next(line for line in printed.splitlines() if "figure.py --scores" in line)
    return json.loads(command.split("--figure '")[1].split("' --config")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=positive, default=1, help="default 1")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "bench", help="folder")
    arguments = parser.parse_args()

    notebook = Notebook()
    folder = checkout(arguments.output / "figures")
    everything = folder / "scores.parquet"
    synthetic_scores.full_matrix().write_parquet(everything)
    settings = {}
    for _ in range(arguments.turns):
        seen = measure(snakemake(folder, "--cores", "2", "--quiet", "all", "--forceall", "--", *outputs()))
        notebook.note(ALL, "everything", seen.wall, seen.cpu)
    for number in SIZES:
        settings[number] = folder / f"figure{number}.json"
        write_text(settings[number], json.dumps(settings_of(folder, number)))
    for _ in range(arguments.turns):
        for subject, script in ((OURS, REPOSITORY / "workflow/scripts/figure.py"), (PEER, HERE / "figures_peer.py")):
            wall = cpu = 0.0
            for number in SIZES:
                command = [sys.executable, script, "--scores", everything, "--figure", settings[number]]
                command += ["--output-prefix", folder / subject.replace("'", "") / f"figure{number}"]
                if subject == OURS:
                    command += [
                        "--config",
                        REPOSITORY / "config/config.yaml",
                        "--fonts",
                        REPOSITORY / "resources/fonts",
                    ]
                seen = measure(command)
                wall, cpu = wall + seen.wall, cpu + seen.cpu
            notebook.note(subject, "Figures 2 to 4", wall, cpu)
    seconds = {
        subject: [
            f"{notebook.median(subject, data, lambda turn, clock=clock: getattr(turn, clock)):.1f}"
            for clock in ("wall", "cpu")
        ]
        for subject, data in ((ALL, "everything"), (OURS, "Figures 2 to 4"), (PEER, "Figures 2 to 4"))
    }
    report = "\n".join(
        [
            f"{processor()}, 2 cores; medians of {arguments.turns}.",
            "",
            table(
                ["way", "what", "s", "s of CPU", "aim, under"],
                [
                    [ALL, "6 figures, budget, 5 tables, claims", *seconds[ALL], AIM],
                    [OURS, "Figures 2 to 4", *seconds[OURS], ""],
                    [PEER, "Figures 2 to 4", *seconds[PEER], ""],
                ],
            ),
            f"seaborn's bands : ours, CPU: {notebook.ratios(OURS, PEER, 'Figures 2 to 4')[1]}.",
        ]
    )
    write_json(arguments.output / "figures.json", {"turns": [turn._asdict() for turn in notebook.turns]})
    write_text(arguments.output / "figures.md", report)
    print(report)


if __name__ == "__main__":
    command_line(main)
