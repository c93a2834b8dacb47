"""The small miniature in a checkout of its own: to be run, broken, resumed and compared."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from snake import checkout, environment

HERE = Path(__file__).resolve().parent
RESULTS = "results/broken"
MARK = "BROKEN_MINIATURE"  # environment variable that identifies a checkout's processes, even orphaned ones
OPTIONS = ("--profile", "profiles/local", "--configfile", "config/demo.yaml", "miniature.yaml")

# How two uninterrupted runs differ, and why. Everything else is the same to the byte.
MEASURED = [
    "seconds",
    "tokens_per_second",
    "mfu",
    "peak_memory",
    "resumed_from_step",
]  # in training.json: how the run went
FROM_MEASURES = [  # made from these, or showing them
    "tables/costs.md",
    "tables/costs.csv",
    "pages/costs.html",
    "figures/budget.csv",
    "figures/budget.pdf",
    "figures/budget.png",
    "figures/budget-column.pdf",
    "figures/budget-column.png",
    "summary.md",
]
NO_ARTIFACTS = ["logs", "benchmarks", "journals", "checkpoints"]  # how a run went: times, and the order of events


class Checkout:
    """A copy of the repository without results, and the small miniature in it."""

    def __init__(self, folder: Path):
        self.folder = checkout(folder)
        for name in ("miniature.yaml", "noting_judge.py"):
            shutil.copy2(HERE / name, folder / name)

    def copy(self, folder: Path) -> "Checkout":
        """A second checkout with everything that this one has made, and with the same file times."""
        shutil.copytree(self.folder, folder, symlinks=True)
        twin = object.__new__(Checkout)
        twin.folder = folder
        return twin

    @property
    def results(self) -> Path:
        return self.folder / RESULTS

    def environment(self, **more: str) -> dict[str, str]:
        return environment() | {MARK: str(self.folder)} | more

    def start(self, *arguments: str, **more) -> subprocess.Popen:
        """Start `snakemake ARGUMENTS` on the small miniature; stdout and stderr come back together."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *OPTIONS, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | more,
        )

    def run(self, *arguments: str, **more) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **more)
        said, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, said)

    def finish(self, *arguments: str) -> str:
        """Run a command that must succeed. Returns its output."""
        done = self.run(*(arguments or ("--", "all_figures")))
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """All processes that run for this checkout, including orphans."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def outputs(self) -> dict[str, str]:
        """The rule of every output that the study declares, by the path of the output below its results."""
        table = self.run("--summary", "--", "all_figures", stderr=subprocess.DEVNULL).stdout
        rows = [line.split("\t") for line in table.splitlines()[1:]]
        return {path.removeprefix(f"{RESULTS}/"): rule for path, _, rule, *_ in rows}

    def checkpoints(self) -> list[Path]:
        return list((self.results / "checkpoints").rglob("checkpoint-*"))

    def artifacts(self) -> dict[str, object]:
        """The bytes of every file of the results, by its path, or the part of it that is the same in every run."""
        found = {}
        for path in sorted(self.results.rglob("*")):
            name = path.relative_to(self.results)
            if not path.is_file() or name.parts[0] in NO_ARTIFACTS or path.name == ".snakemake_timestamp":
                continue
            found[str(name)] = None if str(name) in FROM_MEASURES else _same(path)
        return found

    def journals(self) -> dict[str, list[str]]:
        """The keys in each journal, in the order of the file."""
        return {
            str(path.relative_to(self.results)): [json.loads(line)["key"] for line in path.read_bytes().splitlines()]
            for path in sorted((self.results / "journals").rglob("*.jsonl"))
        }

    def calls(self) -> list[str]:
        """Identifiers of the prompts that the judge was asked, call by call."""
        return (self.folder / "calls").read_text().split()


def _same(path: Path) -> object:
    if path.name != "training.json":
        return path.read_bytes()
    return {key: value for key, value in json.loads(path.read_bytes()).items() if key not in MEASURED}


def differences(ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name, "") != theirs.get(name, ""))
