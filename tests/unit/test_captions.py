"""The captions of `snakemake --report` are Jinja templates of reStructuredText, rendered here as Snakemake does."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from study.short_forms import expanded

REPOSITORY = Path(__file__).resolve().parents[2]
REPORT = REPOSITORY / "workflow" / "report"
CONFIG = expanded(yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8")))


def caption(name, note="", **wildcards):
    """The caption as HTML; a warning from docutils counts as an error."""
    job = SimpleNamespace(config=CONFIG | {"note": note}, wildcards=SimpleNamespace(**wildcards))
    source = (REPORT / name).read_text(encoding="utf-8")
    text = Environment(undefined=StrictUndefined).from_string(source).render(snakemake=job)
    return publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 2})["body"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (2, "Evaluation score (y) of LoRA fine-tuning"),
        (4, "Evaluation score (y) of full-parameter fine-tuning"),
        (5, "of LoRA and full-parameter fine-tuning"),
        (6, "What language identification takes off"),
        (7, "models of several families (x)"),
    ],
)
def test_a_figures_caption_names_its_axes_judge_and_maximum(number, words):
    text = " ".join(caption("figure.rst", number=str(number)).split())
    assert f"Figure {number}." in text
    assert words in text
    assert "Squares: multilingual" in text
    assert "maximum is 150" in text
    assert CONFIG["judges"][0]["label"] in text


def test_captions_repeat_the_note_so_that_a_stand_in_is_called_one():
    note = "Miniature with a stand-in judge."
    for name in ("figure.rst", "table2.rst", "judges.rst", "languages.rst", "claims.rst"):
        assert note in caption(name, note, number="2"), name


def test_the_caption_of_the_claims_names_the_level_of_their_intervals():
    text = " ".join(caption("claims.rst").split())
    assert "95 % bootstrap confidence interval over prompts" in text and "in points of the score" in text


def test_table_1_is_said_to_come_from_the_settings():
    assert "settings of this run" in caption("table1.rst")


def test_the_caption_of_the_overlap_says_what_is_alike_and_where_the_texts_are():
    text = " ".join(caption("overlap.rst").split())
    assert "Jaccard similarity of character n-grams" in text and "tables/overlap-pairs.csv" in text
