"""docs/bring-your-own.md, followed word for word on a finished miniature: each section's files, then its commands."""

import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

from basics.reading import read_json, read_jsonl
from snake import REPOSITORY, environment

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("miniature")]
PAGE = (REPOSITORY / "docs" / "bring-your-own.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
KINDS = [title for title, text in SECTIONS.items() if "```bash" in text]


def follow(section: str, checkout: Path) -> Path:
    """Do what a section says, in a checkout. Returns the file that its last command asks for."""
    for language, text in re.findall(r"^```(yaml|bash)\n(.*?)^```", SECTIONS[section], flags=re.MULTILINE | re.DOTALL):
        if language == "yaml":
            (checkout / re.match(r"# (\S+\.yaml)", text)[1]).write_text(text, encoding="utf-8")
        else:
            done = subprocess.run(
                ["bash", "-e", "-c", text],
                cwd=checkout,
                env=environment(),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return checkout / text.split()[-1]


def test_the_page_has_the_nine_kinds():
    assert len(KINDS) == 9


def test_the_page_adds_a_base_model(copy):
    scores = pl.read_parquet(follow("A base model", copy))
    assert set(scores["model"]) == {"my-bloom"} and set(scores["lang"]) == {"en", "es", "bg", "zh", "bn", "no"}
    own, theirs = (
        (copy / f"results/demo/responses/lora/{model}/mono-en.jsonl").read_bytes()
        for model in ("my-bloom", "tiny-bloom-s")
    )
    assert own == theirs, "it is a copy of that model"


def test_the_page_adds_a_training_language(copy):
    scores = pl.read_parquet(follow("A training language", copy))
    assert set(scores["lang"]) == {"ru"} and scores["match"].mean() > 0.5, "it answers in Russian"
    rows, own = (read_jsonl(copy / path) for path in ("results/demo/translated/ru.jsonl", "my-data/ru.jsonl"))
    assert [row["output"] for row in rows] == [row["output"] for row in own]


def test_the_page_adds_a_test_language_and_its_prompts(copy):
    before = (copy / "results/demo/responses/lora/tiny-bloom-s/multilingual.jsonl").read_text(encoding="utf-8")
    scores = pl.read_parquet(follow("A test language and prompts", copy))
    assert scores.filter(pl.col("lang") == "fr").height == 10
    after = (copy / "results/demo/responses/lora/tiny-bloom-s/multilingual.jsonl").read_text(encoding="utf-8")
    assert set(before.splitlines()) < set(after.splitlines()), "earlier answers stay"


def test_the_page_adds_a_recipe(copy):
    scores = pl.read_parquet(follow("A recipe", copy))
    assert set(scores["recipe"]) == {"mostly-english"}
    rows = read_json(copy / "results/demo/recipes/mostly-english/manifest.json")["train_rows"]
    assert abs(rows["en"] / sum(rows.values()) - 0.8) < 0.01 and rows["es"] - rows["zh"] in (0, 1)


def test_the_page_adds_a_judge(copy):
    scores = pl.read_parquet(follow("A judge", copy))
    assert set(scores["judge"]) == {"twice"} and set(scores["ratings"].list.len()) == {2}


def test_the_page_has_people_rate(copy):
    before = (copy / "results/demo/summary.md").read_bytes()
    text = follow("Ratings by people", copy).read_text(encoding="utf-8")
    compared = re.findall(r"^\| ann +\| stand-in +\| (\w+) +\| +(\d+) \| +10 \| +\d+\.\d%", text, flags=re.MULTILINE)
    assert compared == [("all", "60"), ("English", "30"), ("Spanish", "30")]
    assert (copy / "results/demo/summary.md").read_bytes() == before, "scores are not touched"


def test_the_page_plants_controls(copy):
    page = follow("Planted controls", copy).read_text(encoding="utf-8")
    assert "on 2 prompts in each of English." in page
    others = "Spanish, Bulgarian, Chinese, Bengali and Norwegian"
    assert f"There are no controls in {others}: `controls` names no file for them." in page
    assert len(read_jsonl(copy / "results/demo/controls/stand-in.jsonl")) == 2 * 6, "none is in a wrong language"


def test_the_page_adds_a_variant_of_lora(copy):
    scores = pl.read_parquet(follow("A variant of LoRA", copy))
    assert set(scores["method"]) == {"lora-dora"}
    adapter = read_json(copy / "results/demo/models/lora-dora/tiny-bloom-s/mono-en/adapter_config.json")
    assert adapter["use_dora"] is True and adapter["r"] == 4


def test_the_page_adds_a_seed_data_set(copy):
    scores = pl.read_parquet(follow("A seed data set", copy))
    assert scores.height > 0
    rows = (copy / "results/my-seed/seed/train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len((copy / "resources/demo/seed.jsonl").read_text(encoding="utf-8").splitlines()) // 2
