"""The miniature, end to end, as `make demo` runs it: the paper's effect shows, and reruns do no more than they must.

The tests share one run in results/demo, which is made first if it is missing, and change only copies of it.
"""

import os
import re
import shutil

import polars as pl
import pytest

from basics.reading import read_json, read_jsonl
from edits import change
from snake import DEMO, REPOSITORY, counts, dry_run, run

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("miniature")]
RESULTS = REPOSITORY / "results" / "demo"
TRAINED, SEEN, UNSEEN = ["en", "es", "fr", "bg", "ru", "zh"], ["en", "es", "bg", "zh"], ["bn", "no"]


@pytest.fixture(scope="session")
def scores() -> pl.DataFrame:
    return pl.read_parquet(RESULTS / "scores.parquet")


def test_the_micro_batch_is_found_by_the_rule_that_the_paper_uses(copy, tmp_path):
    little = "{ up_to: 1, ranks: 2, memory: 1600MB, runtime: 30m, zero_stage: 2 }"  # full after a few tries
    auto = f"train: {{ full: {{ micro_batch_tokens: auto }} }}\ncompute: {{ full: [{little}] }}\n"
    (tmp_path / "auto.yaml").write_text(auto, encoding="utf-8")
    found = "results/demo/micro_batches/full/tiny-bloom-s.json"
    run("auto.yaml", "--", found, directory=copy)
    assert read_json(copy / found)["tokens"] % 512 == 0
    wanted = dry_run(*DEMO, "auto.yaml", "--", "results/demo/models/full/tiny-bloom-s/mono-en", directory=copy)
    assert [job.rule for job in wanted] == ["train"], "the setting has changed, but the size has been found"
    assert f"--micro-batch {found}" in wanted[0].command


def test_a_repeated_training_draws_another_sample_and_joins_the_scores_of_its_run(copy, tmp_path):
    (tmp_path / "seeds.yaml").write_text(
        "select: { small-bloom: [tiny-bloom-s] }\n"
        "seeds: { values: [42, 43], runs: { lora: [small-bloom] }, recipes: [downsampled] }\n"
    )
    wanted = counts(dry_run(*DEMO, "seeds.yaml", "--", "all_figures", directory=copy))
    assert (wanted["recipe"], wanted["tokenize"], wanted["train"], wanted["respond"]) == (1, 1, 1, 1)
    run("seeds.yaml", "--", "results/demo/figures/figure3.csv", "results/demo/claims.csv", directory=copy)
    results = copy / "results" / "demo"
    first, second = (
        set(pl.read_parquet(results / "recipes" / name / "train.parquet").select("lang", "id").iter_rows())
        for name in ("downsampled", "downsampled-seed43")
    )
    assert len(first) == len(second) and first != second
    again = pl.read_parquet(results / "scores.parquet").filter(pl.col("seed") == 43)
    assert again.select("method", "model", "recipe").unique().row(0) == ("lora", "tiny-bloom-s", "downsampled")
    figure = pl.read_csv(results / "figures" / "figure3.csv")
    repeated = (pl.col("model") == "tiny-bloom-s") & (pl.col("recipe") == "downsampled")
    assert figure.filter(repeated)["trainings"].unique().to_list() == [2]
    assert figure.filter(~repeated)["trainings"].unique().to_list() == [1]


def test_figures_tables_and_summary_are_made():
    for number in range(2, 8):
        for kind in ("pdf", "png", "csv"):
            assert (RESULTS / f"figures/figure{number}.{kind}").stat().st_size > 100
    for name in (
        "tables/table1",
        "tables/table2",
        "tables/languages",
        "tables/overlap",
        "tables/scores",
        "judges",
        "claims",
    ):
        for kind in ("md", "csv"):
            assert (RESULTS / f"{name}.{kind}").stat().st_size > 100
    assert "Miniature" in (RESULTS / "answers.html").read_text(encoding="utf-8"), "its note"
    summary = (RESULTS / "summary.md").read_text(encoding="utf-8")
    assert "results/demo/figures/figure2" in summary
    assert "results/demo/judges" in summary and "results/demo/claims" in summary
    assert "stand-in" in summary, "a reader must see that the judge is a stand-in"


def test_costs_are_measured_for_every_training_and_the_budget_lacks_no_point():
    costs, budget = (pl.read_csv(RESULTS / f"{name}.csv") for name in ("tables/costs", "figures/budget"))
    assert len(costs) == 8 * 6 and costs["device_hours"].min() > 0
    assert costs.select("device", "tokens", "flops", "peak_memory_gib").null_count().sum_horizontal().item() == 0
    assert len(budget) == 8 * 4 - 2, "no figure has English-only tuning of the tiny LLaMAs"
    assert budget.select("score", "low", "high", "flops", "device_hours").null_count().sum_horizontal().item() == 0
    summary = (RESULTS / "summary.md").read_text(encoding="utf-8")
    assert "Trainings: 48 of 48 models measured, " in summary


def test_claims_are_answered_where_the_miniature_has_what_they_are_about():
    claims = pl.read_csv(RESULTS / "claims.csv")
    absent = ["lora-english", "full-monolingual-7b", "english-peak", "english-peak-in-english", "families-llama"]
    assert claims.filter(pl.col("cases") == 0)["claim"].to_list() == absent
    assert (claims["compared"] == claims["cases"]).all()
    budget = claims.filter(pl.col("claim") == "budget")
    assert budget["verdict"].to_list() == ["holds"] * 3, "English-only models answer in English"


def test_every_response_has_a_score(scores):
    runs = scores.group_by("method", "model", "recipe").len()
    assert len(runs) == 8 * 6
    assert scores["rating"].null_count() == 0
    assert (scores["score"] == scores["rating"] * scores["match"].cast(pl.Int8)).all()
    assert scores["decoding"].null_count() == scores["fingerprint"].null_count() == 0
    assert set(scores["lang"].unique()) == {*SEEN, *UNSEEN}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_multilingual_tuning_answers_in_the_language_asked_and_english_tuning_does_not(scores, method):
    asked = scores.filter(pl.col("method") == method, pl.col("lang").is_in(SEEN[1:]))
    share = dict(asked.group_by("recipe").agg(pl.col("match").mean()).iter_rows())
    assert share["multilingual"] >= share["mono-en"] + 0.5, share


def test_translations_keep_ids_count_order_and_lines():
    seed = read_jsonl(RESULTS / "seed/train.jsonl")
    assert len(seed) >= 150
    for lang in TRAINED[1:]:
        rows = read_jsonl(RESULTS / f"translated/{lang}.jsonl")
        assert [row["id"] for row in rows] == [row["id"] for row in seed]
        for row, source in zip(rows, seed, strict=True):
            for field in ("instruction", "input", "output"):
                assert row[field].count("\n") == source[field].count("\n")
        changed = sum(row["output"] != source["output"] for row, source in zip(rows, seed, strict=True))
        assert changed > len(seed) // 2, f"{lang} is not translated"


def test_no_pickled_weights_are_made():
    for path in RESULTS.rglob("*"):
        assert path.suffix not in {".pt", ".pth", ".pkl", ".ckpt"}, path
        assert path.name not in {"pytorch_model.bin", "training_args.bin"}, path


def test_a_second_run_has_nothing_to_do():
    assert "Nothing to be done" in run("--", "all_figures")


def test_a_changed_plotting_script_redraws_figures_and_retrains_nothing(copy):
    change(copy / "workflow/scripts/figure.py", "PANEL_HEIGHT = 1.45", "PANEL_HEIGHT = 1.5")
    assert set(counts(dry_run(*DEMO, "--", "all_figures", directory=copy))) == {"figure", "summary", "all_figures"}


def test_a_touched_script_runs_nothing(copy):
    os.utime(copy / "workflow/scripts/train.py")
    assert not dry_run(*DEMO, "--", "all_figures", directory=copy)


def test_a_new_language_in_the_table_runs_nothing_and_another_label_does(copy):
    table = copy / "resources/languages.yaml"
    text = table.read_text(encoding="utf-8")
    table.write_text(f"{text}xx: {{name: Esperantido, labels: [epo_Latn]}}\n", encoding="utf-8")
    assert not dry_run(*DEMO, "--", "all_figures", directory=copy)
    table.write_text(text.replace("labels: [ben_Beng]", "labels: [asm_Beng]"), encoding="utf-8")
    assert {"train_langid", "langid"} <= set(counts(dry_run(*DEMO, "--", "all_figures", directory=copy)))


def test_a_lost_model_is_trained_again_with_what_depends_on_it_and_nothing_else(copy):
    lost = copy / "results/demo/models/lora/tiny-pythia-s/mono-es"
    weights = (lost / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(lost)
    assert not dry_run(*DEMO, "--", "figure3", directory=copy), "Figure 3 does not show that model"
    ran = run("--", "figure2", directory=copy)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", ran, flags=re.MULTILINE))
    chain = ("train", "respond", "judge", "langid", "score", "figure", "figure2")
    assert jobs == dict.fromkeys(chain, "1") | {"total": str(len(chain))}
    assert (lost / "adapter_model.safetensors").read_bytes() == weights, "training is repeatable, to the byte"
    answers = "results/demo/responses/lora/tiny-pythia-s/mono-es.jsonl"
    assert (copy / answers).read_bytes() == (REPOSITORY / answers).read_bytes()
    again, first = (pl.read_csv(folder / "results/demo/figures/figure2.csv") for folder in (copy, REPOSITORY))
    assert again.drop("code").equals(first.drop("code")), "the copy is not a git checkout"
