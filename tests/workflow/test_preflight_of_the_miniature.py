"""The preflight of the miniature, as `snakemake preflight` runs it: each kind, the page, and the plan after it."""

import json
import subprocess
import sys

import pytest

from basics.reading import read_json
from snake import DEMO, checkout, counts, dry_run, snakemake

pytestmark = pytest.mark.demo
KINDS = ["translate/es", "train/full/tiny-bloom-m", "train/lora/tiny-pythia-m", "judge/stand-in", "identify"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("preflight"))


def preflight(house, *files: str) -> tuple[int, str]:
    """Its exit status, and what it says."""
    done = snakemake("--profile", "profiles/local", *DEMO, *files, "--", "preflight", directory=house)
    return done.returncode, done.stdout


def planned(house) -> dict:
    """The plan of the miniature."""
    command = [sys.executable, "workflow/scripts/plan.py", *DEMO]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return read_json(house / "results/demo/plan.json")


def test_each_kind_of_job_is_tried_and_one_that_fails_hides_no_other_and_is_tried_again(house):
    before = planned(house)
    dead = {"judges": [{"name": "stand-in", "label": "-", "model": "stand-in", "serve": "false {port}"}]}
    (house / "dead.json").write_text(json.dumps(dead))
    status, said = preflight(house, "dead.json")
    page = (house / "results/demo/preflight.md").read_text(encoding="utf-8")
    assert status == 1 and page in said and "4 of 5 kinds of job of demo are ok." in page
    assert page.count("- judge/stand-in: start: the server ended with status 1") == 1
    assert all(f"| {kind} " in page for kind in KINDS)

    again = dry_run(*DEMO, "--", "preflight", directory=house)
    assert counts(again) == {"preflight_judge": 1, "preflight": 1}
    status, said = preflight(house)
    page = (house / "results/demo/preflight.md").read_text(encoding="utf-8")
    assert status == 0 and page in said and "5 of 5 kinds of job of demo are ok." in page and "## To do" not in page

    results = house / "results/demo/preflight"
    found = {kind: read_json(results / f"{kind}.json") for kind in KINDS}
    assert {path.relative_to(results).with_suffix("").as_posix() for path in results.rglob("*.json")} == {*KINDS}
    measured = {kind: each["measured"] for kind, each in found.items()}
    assert measured["train/full/tiny-bloom-m"]["all_reduce"]["backend"] == "gloo"
    assert measured["train/full/tiny-bloom-m"]["ranks"] == 2 and measured["train/lora/tiny-pythia-m"]["ranks"] == 1
    assert measured["translate/es"]["rows"] == 128 and measured["translate/es"]["rows_per_second"] > 1
    assert (measured["identify"]["lines"], measured["judge/stand-in"]["rating"]) == (10, 3)

    after = planned(house)
    sources = [{row["hours_source"] for row in each["trainings"]} for each in (before, after)]
    assert sources == [{"assumed"}, {"preflight"}] and before["wall_hours"] != after["wall_hours"]
    rates = {
        row["method"]: row["tokens"] / row["hours"] / 3600
        for row in after["trainings"]
        if row["model"] == "tiny-bloom-m"
    }
    assert rates["full"] == pytest.approx(measured["train/full/tiny-bloom-m"]["tokens_per_second"])
