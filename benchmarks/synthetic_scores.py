"""Made-up scores of the paper's whole matrix, with known effects: for tests and benchmarks.

A plan says what is expected of a cell (method, family, size, recipe, language): a mean rating and the share of answers
in the right language (reporting/simulation.py).

The judge is called "synthetic", and figures of these scores bear the watermark SYNTHETIC.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from reporting.bootstrap import Cell, PromptScores, arrange  # noqa: E402
from reporting.simulation import Expected, drawn  # noqa: E402

JUDGE = "synthetic"
WATERMARK = "SYNTHETIC"
UNSEEN, DISTANT = ("bn", "no"), ("bg", "ru", "zh")  # DISTANT from English, by the paper
AHEAD, LEVEL = (
    {("pythia", "bg"), ("open-llama", "fr")},
    {("llama", "es"), ("bloom", "es"), ("bloom", "fr")},
)  # downsampled
PEAK = 1.1  # billions of parameters, of the model that stands out in the paper


# A plan: (method, family, billions, recipe, language) -> what is expected there.
Plan = Callable[[str, str, float, str, str], Expected]


def paper(method: str, family: str, billions: float, recipe: str, lang: str) -> Expected:
    """Everything that the paper states is true."""
    large, llama = billions > 6, family in ("llama", "open-llama")
    rating = 1.55 + 0.2 * math.log10(10 * billions) - 0.1 * (lang in UNSEEN) + 0.1 * llama
    rating += 0.3 * (lang == "en") - 0.4 * (method == "lora" and lang in DISTANT)
    if method == "lora":
        gain = 0.9 * min(max(math.log10(billions) / math.log10(6.9), 0), 1)
        if lang == "en" and family in ("pythia", "bloom"):
            gain = -0.15 * (billions > 2)
        match = {"multilingual": 0.99, "downsampled": 0.95}.get(recipe, 0.98)
    else:
        gain = -0.3
        match = {"multilingual": 0.9, "downsampled": 0.9}.get(recipe, 0.98)
    less = 0.9 if method == "lora" and large and lang not in UNSEEN else 0.1
    if large and (family, lang) in AHEAD:
        less = -0.15
    elif large and (family, lang) in LEVEL:
        less = 0.0
    rating += {"multilingual": gain, "downsampled": gain - less}.get(recipe, 0)
    if lang in UNSEEN and recipe == "downsampled":
        rating += 0.3
    if recipe == "mono-en" and lang != "en":
        match = 0.15 if lang in DISTANT else 0.3
        if method == "full" and lang in ("zh", *UNSEEN):
            match = 0.95
        if method == "lora" and family == "bloom" and billions == PEAK:
            match = 0.8
    elif recipe == "mono-en" and billions == PEAK:
        rating -= 0.3
    return Expected(min(rating, 3.0), match)


def reverse(method: str, family: str, billions: float, recipe: str, lang: str) -> Expected:
    """The opposite of everything that the paper states is true."""
    english = recipe == "mono-en" and lang != "en"
    rating = 2.4 - 0.2 * math.log10(10 * billions) - 0.15 * (family in ("llama", "open-llama"))
    if method == "lora":
        gain = 1.0 if lang == "en" and family in ("pythia", "bloom") else -0.3 - 0.27 * math.log10(10 * billions)
        match = {"multilingual": 0.75, "downsampled": 0.85}.get(recipe, 0.85) - 0.1 * (1 - math.log10(billions))
    else:
        gain = 0.3
        match = {"multilingual": 0.95, "downsampled": 0.7}.get(recipe, 0.7)
    rating += {"multilingual": gain, "downsampled": gain + 0.3 * (lang not in (*UNSEEN, "en"))}.get(recipe, 0)
    if english:
        rating += 0.3
        match = 0.99 if lang in DISTANT or (method == "lora" and lang in UNSEEN) else 0.8
        if method == "full" and lang in ("zh", *UNSEEN):
            match = 0.2
    if method == "lora" and family == "bloom" and billions == PEAK and recipe == "mono-en":
        match, rating = (0.8, rating + 0.8) if lang == "en" else (0.5, rating)
    elif lang == "en":
        match = 0.55
    return Expected(min(max(rating, 1.0), 3.0), match)


def nothing(method: str, family: str, billions: float, recipe: str, lang: str) -> Expected:
    """All cells are alike."""
    return Expected(2.0, 0.8)


def read_config() -> dict:
    return yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))


def matrix(config: Mapping) -> list[Cell]:
    """Every (method, model, recipe, language) that the figures of a configuration show."""
    seen, unseen = config["languages"]["seen"], config["languages"]["unseen"]
    cells: dict[Cell, None] = {}
    for content in config["figures"].values():
        for method, selections in content["runs"].items():
            for model in (model for name in selections for model in config["select"][name]):
                for lang in unseen if content["kind"] == "unseen" else seen:
                    recipes = ["multilingual", "downsampled"]
                    recipes += ["mono-en"] if content["kind"] != "family" else []
                    recipes += [f"mono-{lang}"] if content["kind"] != "unseen" else []
                    cells |= dict.fromkeys((method, model, recipe, lang) for recipe in recipes)
    return list(cells)


def expected(plan: Plan, cells: Iterable[Cell], config: Mapping) -> list[Expected]:
    """What a plan expects of each cell."""
    models = config["models"]
    return [
        plan(method, models[model]["family"], models[model]["billions"], recipe, lang)
        for method, model, recipe, lang in cells
    ]


def prompt_scores(cells: list[Cell], ratings: np.ndarray, matches: np.ndarray) -> PromptScores:
    """The scores in the form that claims and figures use, without going through a table; ratings and matches have the
    shape (cells, prompts), or (trainings, cells, prompts)."""
    trainings, prompts = 1 if ratings.ndim == 2 else len(ratings), ratings.shape[-1]
    values = np.array([ratings * matches, ratings * (1 - matches)]).reshape(2, trainings, len(cells), prompts)
    return arrange(
        {cell: values[:, :, row] for row, cell in enumerate(cells)},
        prompts,
        answers=dict.fromkeys(cells, trainings * prompts),
        unrated=dict.fromkeys(cells, 0),
        trainings=dict.fromkeys(cells, trainings),
    )


def planted(cells: list[Cell], planned: list[Expected], prompts: int) -> PromptScores:
    """Scores that equal the expectation at every prompt, so that their statistics are the planted effects."""
    rating, match = (np.repeat(column[:, None], prompts, axis=1) for column in np.array(planned).T)
    return prompt_scores(cells, rating, match)


def full_matrix(plan: Plan = paper, seed: int = 1, config: Mapping | None = None) -> pl.DataFrame:
    """A score table of the paper's whole matrix, with score.py's columns."""
    config = config or read_config()
    prompts, cells = config["data"]["prompts_expected"], matrix(config)
    ratings, matches = drawn(expected(plan, cells, config), prompts, seed)
    size = len(cells) * prompts
    columns = dict(zip(("method", "model", "recipe", "lang"), zip(*cells, strict=True), strict=True))
    rating, match = ratings.ravel(), matches.ravel().astype(bool)
    table = pl.DataFrame({name: np.repeat(values, prompts) for name, values in columns.items()}).with_columns(
        judge=pl.lit(JUDGE),
        seed=pl.lit(42),
        id=pl.Series(np.tile([f"prompt-{number:02}" for number in range(prompts)], len(cells))),
        prompt=pl.lit("What is synthetic?"),
        response=pl.lit("This is."),
        response_sha256=pl.lit("0" * 64),
        decoding=pl.lit("synthetic"),
        rating=pl.Series(rating),
        ratings=pl.Series([[int(value)] for value in rating], dtype=pl.List(pl.Int8)),
        explanation=pl.lit("It was drawn."),
        judge_model=pl.lit(JUDGE),
        fingerprint=pl.lit(None, pl.String),
        label=pl.Series(np.where(match, "right", "eng_Latn")),
        probability=pl.lit(0.9),
        match=pl.Series(match),
        lines_match=pl.Series(match),
        code_decides=pl.lit(False),
        words_match=pl.Series(match),
        score=pl.Series(rating * match),
    )
    assert len(table) == size
    return table.select("judge", pl.all().exclude("judge"))


LETTERS = {
    "bg": (0x430, 32),
    "ru": (0x430, 32),
    "zh": (0x4E00, 3000),
    "bn": (0x995, 36),
}  # first, number; others: Latin
VOCABULARY = 5000  # words of a language
WORDS = {"prompt": 15, "response": 45, "explanation": 45}  # the median, of a log-normal distribution


def made_up(lang: str, median: int, rows: int, generator: np.random.Generator) -> list[str]:
    """Texts of made-up words in the letters of a language; words are as frequent as Zipf's law has it."""
    first, letters = LETTERS.get(lang, (ord("a"), 26))
    length = 2 if lang == "zh" else 6
    words = ["".join(map(chr, word)) for word in first + generator.integers(letters, size=(VOCABULARY, length))]
    share = 1 / np.arange(1, VOCABULARY + 1)
    lengths = np.maximum(generator.lognormal(np.log(median), 0.8, size=rows), 1).astype(int)
    drawn_words = iter(generator.choice(VOCABULARY, size=lengths.sum(), p=share / share.sum()))
    space = "" if lang == "zh" else " "
    return [space.join(words[next(drawn_words)] for _ in range(length)) for length in lengths]


def with_texts(scores: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """The scores with prompts, responses in the language found, and explanations in English, of plausible lengths."""
    generator = np.random.default_rng(seed)
    parts = []
    for (lang,), part in scores.partition_by("lang", as_dict=True, maintain_order=True).items():
        ids = part["id"].unique(maintain_order=True)
        asked = dict(zip(ids, made_up(lang, WORDS["prompt"], len(ids), generator), strict=True))
        right, wrong = (made_up(each, WORDS["response"], len(part), generator) for each in (lang, "en"))
        parts.append(
            part.with_columns(
                prompt=part["id"].replace_strict(asked),
                response=pl.when("match").then(pl.Series(right)).otherwise(pl.Series(wrong)),
                explanation=pl.Series(made_up("en", WORDS["explanation"], len(part), generator)),
            )
        )
    return pl.concat(parts)
