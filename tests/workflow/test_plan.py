"""What a run will take: the paper's figures, those of what is there by now, the miniature's against what it spent."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from judge_endpoint import started
from judging.shutdowns import day_in
from snake import DEMO, REPOSITORY, checkout, counts, dry_run

RESULTS = REPOSITORY / "results" / "demo"


@pytest.fixture
def house(tmp_path):
    """A checkout in which nothing is made."""
    return checkout(tmp_path)


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "workflow/scripts/plan.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def plan(folder: Path, *arguments: str) -> dict:
    """The plan of `plan.py ARGUMENTS`, which must succeed."""
    asked = ask(folder, *arguments)
    assert asked.returncode == 0, asked.stderr
    [path] = re.findall(r"^\S+/plan\.md, (\S+)$", asked.stderr, flags=re.MULTILINE)
    assert (folder / path).with_suffix(".md").read_text(encoding="utf-8") == asked.stdout
    return json.loads((folder / path).read_text(encoding="utf-8"))


def device_hours(result: dict) -> float:
    return sum(row["device_hours"] for row in result["trainings"])


def jobs(result: dict, key: str) -> Counter:
    return Counter({row["rule"]: row[key] for row in result["jobs"] if row[key]})


def test_the_paper_takes_970_hours_of_an_a100_and_25500_calls_and_560_for_controls(house):
    result = plan(house)
    assert device_hours(result) == pytest.approx(970, rel=0.01)
    assert len(result["trainings"]) == 160 and all(row["hours_source"] == "assumed" for row in result["trainings"])
    longest = result["longest"]
    assert (longest["method"], longest["model"], longest["recipe"]) == ("lora", "pythia-12b", "multilingual")
    assert longest["device_hours"] == pytest.approx(117, abs=0.5)
    assert (longest["devices"], longest["attempts"], longest["walltime_hours"]) == (4, 1, 36)
    [judge] = result["judges"]
    assert (judge["calls"], judge["calls_left"]) == (25_500 + 8 * 10 * 7, 25_500 + 560)
    assert judge["dollars_left"] is None
    figures, claims = result["power"]["figures"], result["power"]["claims"]
    assert [name for name, *_ in figures] == [f"Figure {number}" for number in range(2, 8)]
    assert all(15 < effect < 40 for name, effect, *_ in figures if name != "Figure 6"), "of 150, with fifty prompts"
    assert [name for name, effect, *_ in claims if effect is None] == ["lora-small"], (
        "it says that there is no difference"
    )
    assert result["wall_hours"] * result["devices"] > device_hours(result)
    starts = 8 * 16 * 4 * 10  # of shards in eight languages: four cores for ten seconds each
    assert result["translation_core_hours"] == pytest.approx((8 * 51_760 / 12 + starts) / 3600)
    assert not (house / ".snakemake" / "log").exists() and not list((house / ".snakemake" / "locks").iterdir())


def test_rows_of_compute_with_too_little_time_or_far_too_much_are_told_with_what_to_write(house):
    said = ask(house, "--offline").stdout
    advice = [
        line for line in plan(house, "--offline")["time_limits"] if "compute.lora, the row with up_to 3.5" in line
    ]
    short, long = advice
    assert "pythia-2.8b/multilingual needs 27 h (assumed) of its 24h: write runtime: 33h" in short
    assert "pythia-70m to bloom-560m need 43 min (assumed) to 4.5 h (assumed) of its 24h: put before it" in long
    assert "{ up_to: 0.07, ranks: 1, memory: 64GB, runtime: 1h }" in long
    assert all(f"- {line}." in said for line in advice)


def found(house: Path, kind: str, **measured: object) -> None:
    """Findings of the preflight, as its programs write them."""
    path = house / f"results/paper/preflight/{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {"ok": True, "line": "ok", "step": "answers", "seconds": {}, "node": {}}
    path.write_text(json.dumps(known | {"measured": measured}))


def test_the_speeds_of_the_preflight_replace_what_is_assumed_for_models_of_nearly_that_size(house):
    before = plan(house, "--offline")
    trained = {"ranks": 4, "start_up": 600.0, "answers_per_second": 0.5, "peak_memory": 70 * 2**30}
    found(house, "train/lora/pythia-12b", model="pythia-12b", method="lora", tokens_per_second=1000.0, **trained)
    found(house, "train/lora/bloom-3b.failed", model="bloom-3b", method="lora", tokens_per_second=1.0, **trained)
    found(house, "translate/es", rows_per_second=6.0)
    found(house, "judge/qwen3-30b", seconds=40.0)
    after = plan(house, "--offline")
    rows = [
        {(row["method"], row["model"], row["recipe"]): row for row in each["trainings"]} for each in (before, after)
    ]
    large, seven, small, full = (
        [each[key, model, "multilingual"] for each in rows]
        for key, model in (
            ("lora", "pythia-12b"),
            ("lora", "pythia-6.9b"),
            ("lora", "pythia-2.8b"),
            ("full", "bloom-7b1"),
        )
    )
    assert large[1]["hours"] == pytest.approx(large[1]["tokens"] / 1000 / 3600)
    assert large[1]["needed_hours"] == pytest.approx(large[1]["hours"] + 600 / 3600)
    assert seven[1]["hours"] == pytest.approx(seven[1]["tokens"] / 1000 / 3600 * 6.9 / 12)
    assert [pair[1]["hours_source"] for pair in (large, seven, small, full)] == [
        "preflight",
        "preflight",
        "assumed",
        "assumed",
    ]
    assert small[0] == small[1] and full[0] == full[1], "four times as small, and of another method"
    assert (large[1]["device_memory_gib"], large[1]["device_memory_source"]) == (70, "preflight")
    answers = {(row["method"], row["model"]): row["hours_source"] for row in after["answerings"]}
    assert answers["lora", "pythia-6.9b"] == "preflight" and answers["lora", "pythia-70m"] == "assumed"
    assert after["translation_core_hours"] == pytest.approx(2 * before["translation_core_hours"], rel=0.1)
    assert after["wall_hours"] > 2 * before["wall_hours"]
    assert any("pythia-12b/multilingual needs" in line and "(preflight)" in line for line in after["time_limits"])


def test_a_judge_that_is_sold_costs_what_its_calls_cost(house):
    [judge] = plan(house, "--offline", "--configfile", "config/presets/judge-openai.yaml")["judges"]
    assert judge["dollars_left"] == pytest.approx(26_060 * (700 * 0.1 + 100 * 0.5) / 1e6)


def test_a_judge_that_is_shut_down_before_the_planned_end_is_told_in_one_line_after_the_plan(house, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-alive")
    with started(models={"mine": {"shutdown_date": str(day_in(7 * 24))}}) as endpoint:
        judge = {"name": "mine", "label": "Mine", "model": "mine", "base_url": endpoint.url}
        (house / "mine.yaml").write_text(json.dumps({"judges": [judge]}))
        asked = ask(house, "--configfile", "mine.yaml")
        assert (asked.returncode, *asked.stderr.splitlines()[1:]) == (
            0,
            f"warning: judge 'mine': mine is not served from {day_in(7 * 24)} on",
            "judge mine: 'm' answers (rating 2)",
        ), "sixteen devices are planned to take three days"
        with_one = ask(house, "--configfile", "mine.yaml", "--config", "plan={devices: 1}")
        offline = ask(house, "--configfile", "mine.yaml", "--offline")
        assert sum(endpoint.calls.values()) == 1
    assert with_one.returncode == 1 and with_one.stdout.startswith("# What all_figures of paper will take")
    [_, line] = with_one.stderr.splitlines()
    assert line.startswith(
        f"error: judge 'mine': mine is not served from {day_in(7 * 24)} on, and may be called until "
    )
    assert offline.returncode == 0 and offline.stderr.endswith("judge mine is not asked whether it answers\n")


def test_on_an_h100_it_is_305_hours(house):
    planned = plan(house, "--config", "plan={device: H100}", "--", "all_models")
    assert device_hours(planned) == pytest.approx(305, rel=0.01)


def test_todays_bases_fit_into_their_rows_of_compute(house):
    result = plan(house, "--configfile", "config/presets/modern.yaml")
    assert len(result["trainings"]) == 14 * 8, "ten bases by LoRA, four by all parameters too, in eight recipes"
    longest = result["longest"]
    assert (longest["model"], longest["recipe"], longest["attempts"]) == ("eurollm-9b", "multilingual", 1)
    assert device_hours(result) == pytest.approx(808, rel=0.01)
    assert result["judges"][0]["calls"] == 18_000 + 560


def test_jobs_are_those_that_snakemake_would_run(house):
    for target in ("figure3", "results/paper/models/lora/bloom-560m/multilingual"):
        result = plan(house, "--", target)
        assert jobs(result, "left") == counts(dry_run(target, directory=house))
        assert result["targets"] == [target]


def test_a_training_longer_than_its_limit_is_counted_in_attempts_and_compared_with_the_profile(house):
    rows = {"compute": {"lora": [{"up_to": 13, "ranks": 1, "memory": "64GB", "runtime": "4h"}]}}
    (house / "short.yaml").write_text(json.dumps(rows))
    target = "results/paper/models/lora/pythia-12b/multilingual"
    result = plan(house, "--configfile", "short.yaml", "--", target)
    assert (result["longest"]["attempts"], result["longest"]["attempts_allowed"]) == (31, 5)
    assert "raise `runtime`" in (house / "results/paper/plan.md").read_text(encoding="utf-8")


def test_rows_and_tokens_are_counted_as_soon_as_they_are_there(house):
    """A recipe of which the tokens are there, but no model: made up, and newer than all that it is made from."""
    target = "results/demo/models/lora/tiny-bloom-s/mono-en"
    assumed = plan(house, *DEMO, "--", target)
    assert [row["tokens_source"] for row in assumed["trainings"]] == ["assumed"]
    assert assumed["seed_rows"] == {"value": 174, "source": "counted"}, "the seed is a file of the repository"
    tokens = house / "results/demo/tokens/tiny-bloom/alpaca/mono-en"
    for folder in ("corpus", "tokenizers/tiny-bloom", "recipes/mono-en", "bases/tiny-bloom-s", "seed"):
        (house / "results/demo" / folder).mkdir(parents=True, exist_ok=True)
    (house / "results/demo/seed/train.jsonl").write_text('{"id": 0}\n')
    for lang in ("en", "es", "fr", "bg", "ru", "zh", "bn", "no"):
        (house / f"results/demo/corpus/{lang}.txt").write_text("text\n")
    for folder in ("tokenizers/tiny-bloom", "recipes/mono-en", "bases/tiny-bloom-s"):
        (house / "results/demo" / folder / ".snakemake_timestamp").touch()
    tokens.mkdir(parents=True)
    (tokens / ".snakemake_timestamp").touch()
    for folder in ("tokenizers/tiny-bloom", "bases/tiny-bloom-s", "tokens/tiny-bloom/alpaca/mono-en"):
        (house / f"results/demo/{folder}.sha256").touch()
    (tokens / "counts.json").write_text(json.dumps({"train": {"en": {"rows": 3, "tokens": 100}}, "validation": {}}))
    counted = plan(house, *DEMO, "--", target)
    assert [(row["tokens"], row["tokens_source"]) for row in counted["trainings"]] == [(500, "counted")], "five epochs"


def test_mistakes_are_told_in_one_line(house):
    (house / "bad.yaml").write_text("plan: {device: B200}\n")
    for arguments, line in {
        ("--configfile", "bad.yaml"): "error: config: plan.device: 'B200' is not one of H200, .*plan.flops",
        ("--config", "plan={tokens_a_row: {blom: 1}}"): "error: config: plan.tokens_a_row.blom: .*did you mean 'bloom'",
        ("--config", "plan={mfu: 2}"): "error: config: plan.mfu: 2 is greater than the maximum of 1",
        ("figure99",): "error: No rule to produce figure99",
        ("--profile", "nowhere"): "error: nowhere/config.yaml: no such file; name a folder of profiles/",
        ("--configfile", "nowhere.yaml"): "error: nowhere.yaml: no such file; make it, or correct its path",
    }.items():
        asked = ask(house, *arguments)
        assert asked.returncode == 1 and re.match(line, asked.stderr) and asked.stderr.count("\n") == 1, asked.stderr


def test_what_a_plan_assumes_changes_nothing_that_is_made(tmp_path):
    """Figures are drawn again when results/<experiment>/config.yaml changes, which is without the assumptions."""
    (tmp_path / "more.yaml").write_text("plan: {devices: 99}")
    commands = [
        [job.command for job in dry_run(*arguments, "--", "results/paper/config.yaml")]
        for arguments in ((), ("--configfile", str(tmp_path / "more.yaml")))
    ]
    assert commands[0] == commands[1] and "devices" not in commands[0][0]


# --- the miniature, against what it spent ----------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path):
    """A checkout with the finished miniature."""
    return checkout(tmp_path, "results/demo", ".snakemake/metadata")


def on_the_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.demo
def test_the_miniature_takes_what_was_planned_before_it_began(house, miniature):
    planned = plan(house, *DEMO)
    records = [json.loads(path.read_text()) for path in RESULTS.glob("models/*/*/*/training.json")]
    assert len(planned["trainings"]) == len(records) == 48
    tokens = sum(row["tokens"] for row in planned["trainings"])
    assert tokens == pytest.approx(sum(record["tokens"] for record in records), rel=0.25)
    files = [*RESULTS.glob("ratings/*/*/*/*.jsonl"), RESULTS / "controls/stand-in.jsonl"]
    ratings = sum(path.read_bytes().count(b"\n") for path in files)
    replies = sum(path.read_bytes().count(b"\n") for path in RESULTS.glob("journals/judge/**/*.jsonl"))
    assert planned["judges"][0]["calls"] == planned["judges"][0]["calls_left"] == ratings == replies
    assert planned["disk"]["total"] == pytest.approx(on_the_disk(RESULTS), rel=0.25)
    there = [path for path in RESULTS.rglob("*") if path.is_file()]
    records = [path for path in (REPOSITORY / ".snakemake/metadata").rglob("*") if path.is_file()]
    assert planned["files_left"] == pytest.approx(len(there) + len(records), rel=0.25)


@pytest.mark.demo
def test_jobs_are_exact_and_tokens_too_where_only_the_models_are_left(finished, miniature):
    before = plan(finished, *DEMO)
    assert not jobs(before, "left") - Counter(all_figures=1), "all is done"
    spent = {(row["method"], row["model"], row["recipe"]): row["tokens"] for row in before["trainings"]}
    assert {row["tokens_source"] for row in before["trainings"]} == {"measured"}
    shutil.rmtree(finished / "results/demo/models")
    left = plan(finished, *DEMO)
    assert jobs(left, "left") == counts(dry_run(*DEMO, directory=finished))
    assert {(row["method"], row["model"], row["recipe"]): row["tokens"] for row in left["trainings"]} == spent
    assert {row["tokens_source"] for row in left["trainings"]} == {"counted"}
    assert left["disk"]["now"] + left["disk"]["left"] == left["disk"]["total"]


@pytest.mark.demo
def test_hours_of_what_is_left_are_reckoned_by_what_was_measured(finished, miniature):
    shutil.rmtree(finished / "results/demo/models/lora/tiny-bloom-s/mono-es")
    shutil.rmtree(finished / "results/demo/models/lora/tiny-bloom-m")
    rows = {(row["model"], row["recipe"]): row for row in plan(finished, *DEMO)["trainings"] if row["method"] == "lora"}
    left, english = rows["tiny-bloom-s", "mono-es"], rows["tiny-bloom-s", "mono-en"]
    assert (left["left"], english["left"], left["hours_source"]) == (True, False, "measured")
    assert left["hours"] / left["tokens"] == pytest.approx(
        sum(row["hours"] for (model, _), row in rows.items() if model == "tiny-bloom-s" and not row["left"])
        / sum(row["tokens"] for (model, _), row in rows.items() if model == "tiny-bloom-s" and not row["left"])
    )
    assert {row["hours_source"] for (model, _), row in rows.items() if model == "tiny-bloom-m"} == {"measured"}, (
        "by models of nearly the size"
    )
