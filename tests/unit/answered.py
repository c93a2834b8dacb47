"""Score tables of a few answers, and the page that answer_browser.py makes of them."""

import base64
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {
    "methods": {"lora": "LoRA", "full": "Full-parameter"},
    "models": {"bloom-s": "BLOOM 560M", "bloom-m": "BLOOM 1.1B"},
    "languages": {"en": "English", "es": "Spanish", "ar": "Arabic", "zh": "Chinese"},
}
KINDS = {
    "seed": pl.Int64,
    "rating": pl.Float64,
    "ratings": pl.List(pl.Int8),
    "explanation": pl.String,
    "label": pl.String,
    "score": pl.Float64,
}


def answer(lang: str = "en", id: str = "cat", rating: float | None = 2, match: bool = True, **changes: object) -> dict:
    """A row of a score table."""
    row = {
        "judge": "ann",
        "method": "lora",
        "model": "bloom-s",
        "recipe": "multilingual",
        "seed": 42,
        "lang": lang,
        "id": id,
        "prompt": f"What is a {id}, in {lang}?",
        "response": "An animal.",
        "rating": rating,
        "ratings": [rating],
        "explanation": "It is right.",
        "label": {"en": "eng_Latn", "es": "spa_Latn", "ar": "arb_Arab", "zh": "zho_Hans"}[lang],
        "probability": 0.9876,
        "match": match,
        "score": None if rating is None else rating * match,
    }
    return row | changes


def run(folder: Path, scores: pl.DataFrame | list[dict], *options: object) -> subprocess.CompletedProcess:
    """Make FOLDER/answers.html."""
    table = scores if isinstance(scores, pl.DataFrame) else pl.DataFrame(scores, schema_overrides=KINDS)
    table.write_parquet(folder / "scores.parquet")
    command = [sys.executable, REPOSITORY / "workflow" / "scripts" / "answer_browser.py"]
    command += ["--scores", folder / "scores.parquet", "--names", json.dumps(NAMES)]
    command += ["--languages", REPOSITORY / "resources" / "languages.yaml"]
    command += [
        "--parts",
        REPOSITORY / "resources" / "answers",
        "--pages",
        folder / "pages",
        "--output",
        folder / "answers.html",
        *options,
    ]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, encoding="utf-8")


def made(folder: Path, scores: pl.DataFrame | list[dict], *options: object) -> Path:
    """The page."""
    done = run(folder, scores, *options)
    assert done.returncode == 0, done.stderr
    return folder / "answers.html"


def data_of(page: Path) -> dict:
    """What is packed into a page."""
    packed = re.search(r'id="data">([\w+/=]+)<', page.read_text(encoding="utf-8"))[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))
