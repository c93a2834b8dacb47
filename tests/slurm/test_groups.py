"""Jobs of seconds share submissions on a real Slurm, one after another, and end with the bytes of a local run."""

import re

import pytest

from controller import accounts, run
from edits import change
from snake import run as run_here

pytestmark = pytest.mark.slurm
RECIPES = ("mono-en", "mono-es")
TOKENS = [f"tokens/{family}/alpaca/{recipe}" for family in ("tiny-bloom", "tiny-pythia") for recipe in RECIPES]
DATA = "*/data-00000-of-00001.arrow"


def test_translation_and_tokens_are_a_submission_a_language_and_recipe_with_the_bytes_of_a_local_run(cluster):
    run_here("--", *[f"results/demo/{tokens}" for tokens in TOKENS], directory=cluster.checkout)
    before = {job for [job] in accounts(cluster, "JobID")}
    status, said = run(cluster, "miniature.yaml", "--", *[f"results/slurm/{tokens}" for tokens in TOKENS])
    assert status == 0, said[-4000:]
    asked = {
        comment.removeprefix("rule_").split("_")[0]: (re.search(r"cpu=(\d+)", tres)[1], minutes, state)
        for job, comment, tres, minutes, state in accounts(cluster, "JobID,Comment,AllocTRES,TimelimitRaw,State")
        if job not in before
    }
    assert {name: row for name, row in asked.items() if "-" in name} == {
        "translation-es": ("1", str(2 * 12 + 10 + 15), "COMPLETED"),
        "tokens-mono-en": ("1", str(10 + 2 * 20), "COMPLETED"),
        "tokens-mono-es": ("1", str(10 + 2 * 20), "COMPLETED"),
    }
    for tokens in TOKENS:
        made, local = (
            [path.read_bytes() for path in sorted((cluster.checkout / "results" / experiment / tokens).glob(DATA))]
            for experiment in ("slurm", "demo")
        )
        assert made == local and len(made) == 2


@pytest.mark.long
def test_a_submission_fails_as_a_whole_but_nothing_is_translated_twice(cluster):
    results, target = cluster.checkout / "results/slurm", "results/slurm/translated/fr.jsonl"
    program, journal = (
        cluster.checkout / "workflow/scripts/flag_translation.py",
        results / "journals/translate/fr/0.jsonl",
    )
    broken = "    arguments = parser.parse_args()\n", "    raise InputError('planted')\n"
    change(program, *broken)
    status, said = run(cluster, "miniature.yaml", "--retries", "0", "--", target)
    assert status == 1 and "FAILED: planted" in said, said[-4000:]
    assert not (results / "translated/fr/shards/0.jsonl").exists(), "it was made, and removed with the rest"
    translated = journal.read_bytes()
    change(program, *reversed(broken))
    status, said = run(cluster, "miniature.yaml", "--retries", "0", "--", target)
    assert status == 0, said[-4000:]
    assert journal.read_bytes() == translated
