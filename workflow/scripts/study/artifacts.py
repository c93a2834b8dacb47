"""The results that a reader looks at, and the files of the runs behind them."""

from collections.abc import Mapping
from pathlib import Path

from study.matrix import Matrix, Run
from study.selections import Selections
from study.short_forms import asked
from study.wildcards import Wildcards

FIGURE_SUFFIXES = [".pdf", ".png", ".csv", ".json", "-column.pdf", "-column.png"]  # the files of a figure
TABLES = ["table1", "table2", "scores", "languages", "overlap", "costs"]
MORE_OF_TABLES = ["<results>/tables/scores.tex", "<results>/tables/overlap-pairs.csv"]
PAGES = {  # category and title in the report
    "claims": ("Claims", "Claims of the paper"),
    "table1": ("Tables", "Table 1: hyperparameters"),
    "table2": ("Tables", "Table 2: answers in the wrong language that were rated highly"),
    "scores": ("Tables", "Scores of all runs"),
    "languages": ("Tables", "Languages of the answers"),
    "overlap": ("Tables", "Overlap of prompts and training rows"),
    "judges": ("Tables", "Judges"),
    "costs": ("Costs", "Trainings"),
}


def figure_files(figure: str) -> list[str]:
    """The files of a figure."""
    return [f"<results>/figures/{figure}{kind}" for kind in FIGURE_SUFFIXES]


def markdown_of(page: str) -> str:
    """The file that a page of the report is made from."""
    return f"<results>/tables/{page}.md" if page in TABLES else f"<results>/{page}.md"


class Artifacts:
    """Files below <results>, of the runs and figures of a matrix."""

    def __init__(self, config: Mapping, matrix: Matrix, selections: Selections):
        self._matrix, self._selections = matrix, selections
        self._judges = [judge["name"] for judge in asked(config)]
        self._rating = [judge["name"] for judge in config["judges"]]
        self.tables = [
            f"<results>/tables/{table}.{kind}" for table in TABLES for kind in ("md", "csv")
        ] + MORE_OF_TABLES
        self.judges = ["<results>/judges.md", "<results>/judges.csv"]
        self.claims = ["<results>/claims.md", "<results>/claims.csv"]
        self.pages = [f"<results>/pages/{page}.html" for page in PAGES]
        self.curves = ["<results>/figures/curves.png", "<results>/figures/curves.csv"]
        self.answers = ["<results>/answers.html", "<results>/pages/answers"]

    @property
    def fonts(self) -> list[str]:
        """Files of the fonts used in figures."""
        return sorted(str(path) for path in Path("resources/fonts").glob("*.ttf"))

    @property
    def figures(self) -> list[str]:
        """The files of all figures that have something to show, including the budget figure."""
        drawn = [f"figure{number}" for number in self._matrix.figures]
        drawn += ["budget"] if self._selections.budget_runs else []
        return [path for figure in drawn for path in figure_files(figure)]

    def files_behind(self, figure: str) -> list[str]:
        """A figure's files and those of the runs that it shows, stage by stage."""
        runs = [run.path for run in self._matrix.shown_in(figure)]
        return [
            *(f"<results>/models/{run}" for run in runs),
            *(f"<results>/responses/{run}.jsonl" for run in runs),
            *(f"<results>/ratings/{self._judges[0]}/{run}.jsonl" for run in runs),
            *(f"<results>/langid/{run}.jsonl" for run in runs),
            *figure_files(figure),
        ]

    @property
    def models(self) -> list[str]:
        """Folder of every tuned model."""
        return [f"<results>/models/{run}" for run in self._matrix.paths]

    @property
    def responses(self) -> list[str]:
        """File of every run's answers."""
        return [f"<results>/responses/{run}.jsonl" for run in self._matrix.paths]

    @property
    def ratings(self) -> list[str]:
        """File of every run's ratings by each judge, people included."""
        return [f"<results>/ratings/{judge}/{run}.jsonl" for judge in self._rating for run in self._matrix.paths]

    @property
    def scores(self) -> list[str]:
        """File of every run's scores by each judge that rates every response."""
        return [_scores(judge, run) for judge in self._judges for run in self._matrix.runs]

    def scores_in_figure(self, wildcards: Wildcards) -> list[str]:
        """The scores that a figure shows: those of the first judge."""
        return [_scores(self._judges[0], run) for run in self._matrix.shown_in(f"figure{wildcards.number}")]


def _scores(judge: str, run: Run) -> str:
    return f"<results>/scores/{judge}/{run.path}.parquet"
