"""A read-only disk, a clock that was set back, two Snakemakes at once: each gives one line or the same bytes."""

import ast
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from basics.reading import read_jsonl
from judge_endpoint import started
from judging.trial import JOURNAL
from small import OPTIONS, RESULTS, Checkout, differences
from snake import REPOSITORY

RUN = "lora/tiny-bloom-s/multilingual"
SCORES = f"{RESULTS}/scores/stand-in/{RUN}.parquet"
EARLY = ["corpus", "tokenizers", "bases", "seed", "translation_models", "translated", "recipes", "tokens"]
NOTHING = "Nothing to be done"


@pytest.fixture
def finished(unbroken, tmp_path) -> Checkout:
    return unbroken.copy(tmp_path / "checkout")


def lose(checkout: Checkout) -> None:
    """Remove what one run made, from its training to its scores, including what was paid for."""
    for path in (f"models/{RUN}", f"responses/{RUN}.jsonl", f"responses/{RUN}.json", f"ratings/stand-in/{RUN}.jsonl"):
        whole = checkout.results / path
        shutil.rmtree(whole) if whole.is_dir() else whole.unlink()
    (checkout.folder / SCORES).unlink()
    for stage in ("respond", "judge/stand-in"):
        (checkout.results / "journals" / stage / f"{RUN}.jsonl").unlink()


def sorted_keys(checkout: Checkout) -> dict[str, list[str]]:
    """The keys in each journal, sorted, because replies come in any order."""
    return {name: sorted(keys) for name, keys in checkout.journals().items()}


def refusal(checkout: Checkout) -> str:
    """The one line with which a start is refused."""
    refused = checkout.run("--", "all_figures")
    lines = [line for line in refused.stdout.splitlines() if line.startswith("error: ")]
    assert refused.returncode == 1 and len(lines) == 1 and "Traceback" not in refused.stdout, refused.stdout[-3000:]
    return lines[0]


@pytest.mark.demo
def test_read_only_results_are_refused_at_the_start(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    checkout.results.mkdir(parents=True)
    mounted = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(checkout.results)]
    if subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("cannot mount a read-only disk")
    try:
        assert refusal(checkout).startswith(f"error: {RESULTS}: cannot be written (Read-only file system)")
    finally:
        subprocess.run(["umount", str(checkout.results)], check=True)


@pytest.mark.demo
@pytest.mark.parametrize("days", [-1, 1])
def test_files_whose_dates_all_shift_are_not_made_again(finished, days):
    moment = time.time() + days * 86400
    for path in (path for path in finished.folder.rglob("*") if not path.is_symlink()):
        os.utime(path, (moment, moment))
    assert NOTHING in finished.finish()


@pytest.mark.demo
def test_after_a_clock_is_set_back_one_line_names_a_remedy_that_costs_nothing(finished):
    """The early stages are dated tomorrow. Snakemake would make the later ones again, and remove them in the end."""
    tomorrow = time.time() + 86400
    for early in EARLY:
        for path in [finished.results / early, *(finished.results / early).rglob("*")]:
            os.utime(path, (tomorrow, tomorrow))
    line = refusal(finished)
    assert "dated 24.0 hours from now" in line
    subprocess.run(re.search(r"`(find .*?)`", line)[1], shell=True, cwd=finished.folder, check=True)
    finished.finish("--touch", "--", "all_figures")
    assert NOTHING in finished.finish()


def test_no_duration_is_measured_with_a_clock_that_can_be_set():
    """Such a clock is only read for the date of a reply, for what jobs share about their calls (a test of the ledger
    sets it back), for dates that a server gives, for the day on which a model ends, for the dates of files, and for
    that on which a process of an earlier Snakemake started."""
    asking = set()
    for path in (REPOSITORY / "workflow" / "scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in ("time.time", "time.time_ns") or name.endswith(("datetime.now", ".utcnow", ".today")):
                asking.add(path.stem)
            assert not (isinstance(node, ast.ImportFrom) and node.module == "time"), (
                f"{path.name}: import the whole module time"
            )
    assert asking == {"judge", "ledger", "client", "shutdowns", "start", "trial", "orphans", "model_trials"}


@pytest.mark.demo
def test_a_second_snakemake_stops_at_the_lock_and_one_that_ignores_it_ends_with_the_same_bytes(finished):
    before, journals = finished.artifacts(), sorted_keys(finished)
    lose(finished)
    first = finished.start("--", SCORES)
    while not any((finished.folder / ".snakemake" / "locks").glob("*")):
        assert first.poll() is None
        time.sleep(0.05)
    second = finished.run("--", SCORES)
    assert second.returncode == 1 and "Error: Directory cannot be locked." in second.stdout
    assert "Traceback" not in second.stdout

    at_all_costs = finished.start("--nolock", "--", SCORES)
    said = [process.communicate()[0] for process in (first, at_all_costs)]
    assert 0 in (first.returncode, at_all_costs.returncode), said
    finished.finish("--", SCORES)  # one of the two may have removed what the other was about to read
    assert not differences(finished.artifacts(), before)
    assert sorted_keys(finished) == journals, "nothing was answered or judged twice"


@pytest.mark.demo
def test_a_run_asks_its_judge_at_an_api_for_one_rating_and_its_jobs_ask_for_no_more(finished, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-alive")
    with started() as endpoint:
        judge = {"name": "mine", "label": "Mine", "model": "mine", "base_url": endpoint.url}
        (finished.folder / "mine.yaml").write_text(json.dumps({"judges": [judge]}))
        path = f"{RESULTS}/ratings/mine/{RUN}.jsonl"
        said = finished.finish("--configfile", *OPTIONS[-2:], "mine.yaml", "--", path)
    assert "judge mine: 'm' answers (rating 2)" in said.splitlines()
    prompts = {(row["prompt"], row["response"]) for row in read_jsonl(finished.results / f"responses/{RUN}.jsonl")}
    asked = [prompt for prompt in endpoint.calls if "What is the capital of France?" in prompt]
    assert len(asked) == 1 and sum(endpoint.calls.values()) == 1 + len(prompts)
    assert finished.journals()[f"journals/judge/mine/{JOURNAL}"]
