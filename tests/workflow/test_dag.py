"""The DAG of the paper and of the miniature: what would run, how often, and what a single target asks for."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from judging.sheets import Answer, write_sheet
from real_parts import real_parts
from real_prompts import real_prompts
from snake import DEMO, REPOSITORY, Job, checkout, counts, dry_run, snakemake


def decodes(jobs) -> int:
    """One decode is one run answering the prompts of one language."""
    answers = [job.command for job in jobs if job.rule == "respond"]
    return sum(len(re.findall(r"\b[a-z]{2}=\S+\.jsonl", command)) for command in answers)


@pytest.fixture(scope="module")
def paper() -> list[Job]:
    """All jobs of the paper."""
    return dry_run("all_figures")


def test_the_paper_is_160_trainings_510_decodes_and_25500_judge_calls(paper):
    assert counts(paper)["train"] == 160
    assert counts(paper)["micro_batch"] == 15 + 5, "one a model and method"
    assert decodes(paper) == 510
    assert decodes(paper) * 50 == 25_500
    rated = [job for job in paper if job.rule == "judge_on_gpu"]
    assert len(rated) == counts(paper)["respond"], "every response is judged, once"
    assert all("--expected 50 " in job.command for job in paper if job.rule == "prompts")


def test_the_middle_size_samples_the_seed_and_takes_the_same_rows_of_published_translations():
    jobs = dry_run("--configfile", "config/small.yaml", "--", "all_figures")
    assert (counts(jobs)["train"], counts(jobs)["micro_batch"], counts(jobs)["take_translation"]) == (15, 3, 2)
    [seed] = [job.command for job in jobs if job.rule == "seed"]
    assert "--rows 1000 --random-seed 42" in seed
    assert all(
        "--sampled-from results/small/downloads/" in job.command for job in jobs if job.rule == "take_translation"
    )
    assert all("--expected 50 --use 20 " in job.command for job in jobs if job.rule == "prompts")


@real_parts
@real_prompts
def test_the_run_with_real_parts_converts_its_base_and_has_two_judges():
    files = ("--configfile", "config/real.yaml", "tests/workflow/real_texts.yaml", "--config", "experiment=untouched")
    made = counts(dry_run(*files, "--", "all_figures"))
    assert (made["train"], made["base_from_gguf"], made["tokenizer_from_gguf"], made["judge"]) == (5, 1, 1, 10)


def test_the_judges_report_has_every_rating_of_every_judge_and_their_prices(tmp_path):
    other = {"name": "other", "label": "Other", "model": "other", "base_url": "https://judge.example/v1"}
    judges = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())["judges"]
    overlay = tmp_path / "judges.yaml"
    overlay.write_text(json.dumps({"judges": [*judges, other]}))
    jobs = dry_run("--configfile", str(overlay), "--", "all_figures")
    [report] = [job.command for job in jobs if job.rule == "judge_report"]
    rated = {
        job.command.split("--output ")[1].split()[0] for job in jobs if job.rule in ("judge_at_api", "judge_on_gpu")
    }
    named = re.findall(r"(\S+)=(results/paper/ratings/\S+\.jsonl)", report)
    assert {path for _, path in named} == rated
    assert all(path.startswith(f"results/paper/ratings/{judge}/") for judge, path in named)
    assert {judge for judge, _ in named} == {judges[0]["name"], "other"}
    assert ('"other"' in report, "--missing zero" in report) == (False, True), "its price is not known"


RUN = "lora/bloom-560m/multilingual"


def with_a_person(folder) -> Path:
    """A config with the paper's judges and a person, whose sheet has one answer."""
    answer = Answer(RUN, "es", "1", "¿Qué?", "Nada.")
    write_sheet(folder / "sheet.csv", folder / "key.jsonl", [answer])
    sheet = (folder / "sheet.csv").read_text(encoding="utf-8-sig").replace("Nada.,,", "Nada.,2,")
    (folder / "sheet.csv").write_text(sheet, encoding="utf-8")
    person = {"name": "ann", "label": "Ann", "human": f"{folder}/sheet.csv", "sheet_key": f"{folder}/key.jsonl"}
    judges = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())["judges"]
    overlay = folder / "people.yaml"
    overlay.write_text(json.dumps({"judges": [person, *judges]}))
    return overlay


def test_ratings_by_people_are_one_job_for_all_runs_and_no_scores(paper, tmp_path):
    jobs = dry_run("--configfile", str(with_a_person(tmp_path)), "--", "all_figures")
    assert counts(jobs) - counts(paper) == {"human_ratings": 1}, "not a figure, table or call more"
    [job] = [job.command for job in jobs if job.rule == "human_ratings"]
    assert f"--sheet {tmp_path}/sheet.csv --key {tmp_path}/key.jsonl" in job
    assert len(re.findall(r"results/paper/responses/\S+\.jsonl", job)) == 160
    [report] = [job.command for job in jobs if job.rule == "judge_report"]
    assert report.count(" ann=results/paper/ratings/ann/") == 160 and " --people ann " in report


def test_a_sheet_for_people_is_made_only_when_asked_for(paper, tmp_path):
    assert "rating_sheet" not in counts(paper)
    jobs = dry_run("--config", "rating_sheet={languages: [es, 'no']}", "--", "results/paper/rating-sheet.csv")
    [job] = [job.command for job in jobs if job.rule == "rating_sheet"]
    assert "--rows 400 --languages es no --seed 1 --sheet results/paper/rating-sheet.csv" in job
    assert len(re.findall(r"results/paper/responses/\S+\.jsonl", job)) == 160 and "judge" not in counts(jobs)


def test_controls_are_made_and_rated_once_for_the_judges_report(paper, tmp_path):
    made = counts(paper)
    assert (made["controls"], made["judge_controls_on_gpu"]) == (1, 1)
    [command] = [job.command for job in paper if job.rule == "controls"]
    assert re.findall(r"(\w+)=resources/controls/\1\.jsonl", command) == [
        "en",
        "es",
        "fr",
        "bg",
        "ru",
        "zh",
        "bn",
        "no",
    ]
    [report] = [job.command for job in paper if job.rule == "judge_report"]
    assert "--controls qwen3-30b=results/paper/controls/qwen3-30b.jsonl " in report
    overlay = tmp_path / "without.yaml"
    overlay.write_text("controls: null\n")
    jobs = dry_run("--configfile", str(overlay), "--", "all_figures")
    assert not {"controls", "judge_controls_on_gpu"} & counts(jobs).keys()


def test_controls_of_a_served_judge_ask_for_its_gpu():
    jobs = counts(dry_run("--configfile", "config/small.yaml", "--", "results/small/controls/report.md"))
    assert jobs == {"controls": 1, "judge_controls_on_gpu": 1, "control_report": 1}, "no model is needed"


def test_an_empty_note_is_still_an_argument(paper):
    noted = [job for job in paper if "--note" in job.command]
    assert {"table2", "claims", "costs", "summary", "answer_browser"} <= {job.rule for job in noted}
    assert all("--note= " in job.command for job in noted), "the paper's note is empty"


def test_what_a_reader_looks_at_is_made_once(paper):
    made = counts(paper)
    assert [made[rule] for rule in ("claims", "costs", "budget", "score_table", "page_claims")] == [1] * 5
    assert [made[rule] for rule in ("table1", "table2", "language_table", "judge_report", "summary")] == [1] * 5
    assert [made[rule] for rule in ("overlap", "page_overlap", "answer_browser")] == [1] * 3
    assert [made[rule] for rule in ("claims", "costs", "budget", "score_table")] == [1] * 4
    assert made["figure"] == 6


def languages_compared(jobs) -> tuple[list[str], list[str]]:
    """The languages whose prompts, and those whose rows, the table of overlap is made from."""
    [command] = [job.command for job in jobs if job.rule == "overlap"]
    return re.findall(r"--prompts (\w+)=", command), re.findall(r"--rows (\w+)=", command)


def test_the_overlap_is_of_the_prompts_answered_and_the_rows_trained_on(paper):
    tested, trained = languages_compared(paper)
    assert tested == ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"]
    assert sorted(trained) == sorted(["en", "es", "fr", "bg", "ru", "zh", "cs", "de", "fi"])


def budget_of(jobs) -> dict:
    """What the figure of budgets is asked to show."""
    [command] = [job.command for job in jobs if job.rule == "budget"]
    return json.loads(re.search(r"--selection '(.*?)' --config", command)[1])


def test_the_budget_is_of_every_model_whose_tuning_answers_the_languages_trained_on(paper, tmp_path):
    shown = budget_of(paper)
    assert {method: len(models) for method, models in shown["runs"].items()} == {"lora": 8 + 5 + 2, "full": 5}
    without_english = [model for model, series in shown["runs"]["lora"].items() if "English" not in series]
    assert without_english == ["llama-7b", "open-llama-7b"], "Figure 7 has no English-only tuning"
    [costs] = [job.command for job in paper if job.rule == "costs"]
    assert len(set(re.findall(r"results/paper/models/\S+", costs))) == 160
    overlay = tmp_path / "unseen.yaml"
    overlay.write_text(json.dumps({"figures": {f"figure{number}": {"kind": "unseen"} for number in range(2, 8)}}))
    assert "budget" not in counts(dry_run("--configfile", str(overlay), "--", "all_figures"))


def test_claims_are_about_every_figures_models_measured_or_not(paper):
    [command] = [job.command for job in paper if job.rule == "claims"]
    selection = json.loads(re.search(r"--selection '(.*?)' --missing-tolerated", command)[1])
    assert {
        figure: {method: len(models) for method, models in runs.items()}
        for figure, runs in selection["figures"].items()
    } == {
        "figure2": {"lora": 8},
        "figure3": {"lora": 5},
        "figure4": {"full": 5},
        "figure5": {"lora": 5, "full": 5},
        "figure6": {"lora": 13, "full": 5},
        "figure7": {"lora": 4},
    }
    assert (selection["languages"]["unseen"], selection["names"]["no"]) == (["bn", "no"], "Norwegian")
    assert selection["uncertainty"] == {"level": 0.95, "resamples": 2000, "seed": 42}


def test_claims_may_be_a_users_own(tmp_path):
    overlay = tmp_path / "mine.yaml"
    mine = shutil.copy(REPOSITORY / "resources" / "claims.yaml", tmp_path / "my-claims.yaml")
    overlay.write_text(json.dumps({"claims": str(mine)}))
    jobs = dry_run("--configfile", str(overlay), "--", "results/paper/claims.md")
    assert f"--claims {mine} " in next(job.command for job in jobs if job.rule == "claims")


def test_full_pythia_adds_64_trainings_184_decodes_and_9200_judge_calls():
    jobs = dry_run("--configfile", "config/presets/full-pythia.yaml", "--", "all_figures")
    assert counts(jobs)["train"] == 160 + 64
    assert decodes(jobs) == 510 + 184
    assert decodes(jobs) * 50 == 25_500 + 9_200


def test_authors_code_is_the_paper_with_full_pythia_at_its_early_checkpoint():
    jobs = dry_run("--configfile", "config/presets/authors-code.yaml", "--", "all_figures")
    assert (counts(jobs)["train"], decodes(jobs)) == (160 + 64, 510 + 184)
    full, lora = (
        [job.command for job in jobs if job.rule == "train" and f"--method {method} " in job.command]
        for method in ("full", "lora")
    )
    assert all("/tokens/" in command and "/alpaca-no-newline/" in command for command in full)
    assert all("/alpaca/" in command for command in lora)
    assert {"pythia" in command for command in full} == {True, False}
    assert all(("-step3000 " in command) == ("/bases/pythia" in command) for command in full)
    assert not any("step3000" in command for command in lora)
    answers = [job.command for job in jobs if job.rule == "respond"]
    assert all(("alpaca-indented.json" in command) == ("--method full " in command) for command in answers)


def test_fast_is_the_paper_answered_greedily():
    jobs = dry_run("--configfile", "config/presets/fast.yaml", "--", "all_responses")
    assert (counts(jobs)["train"], decodes(jobs)) == (160, 510)
    assert all('"beams": 1' in job.command for job in jobs if job.rule == "respond")


def test_vllm_answers_from_whole_models_and_merges_the_adapters_for_it():
    jobs = dry_run("--configfile", "config/presets/vllm.yaml", "--", "all_responses")
    lora, full = (
        [job.command for job in jobs if job.rule == "respond" and f"/responses/{method}/" in job.command]
        for method in ("lora", "full")
    )
    assert counts(jobs)["merge"] == len(lora) == 64 + 40 + 16
    assert all("--model results/vllm/merged/lora/" in command for command in lora)
    assert all("--model results/vllm/models/full/" in command for command in full)
    assert all("--method full " in command and "vllm serve {model}" in command for command in lora + full)


def test_todays_bases_take_the_place_of_the_papers():
    jobs = dry_run("--configfile", "config/presets/modern.yaml", "--", "all_figures")
    made = counts(jobs)
    assert (made["fetch_base"], made["fetch_tokenizer"], made["train"]) == (10, 5, 14 * 8)
    assert all("results/modern/" in job.command for job in jobs if job.rule in ("train", "respond"))
    shown = sorted(int(re.search(r'"number": (\d+)', job.command)[1]) for job in jobs if job.rule == "figure")
    assert shown == [2, 3, 4, 5, 6, 7, 12]


def test_harmonised_is_as_many_runs_as_the_paper():
    jobs = dry_run("--configfile", "config/presets/harmonised.yaml", "--", "all_responses")
    assert (counts(jobs)["train"], decodes(jobs)) == (160, 510)
    assert counts(jobs)["tokenize"] == 4 * 8, "methods of one template share their tokens"


def test_the_paper_downloads_what_it_declares_and_makes_no_model_of_its_own(paper):
    made = counts(paper)
    assert made["fetch_base"] == 15
    assert made["fetch_tokenizer"] == 4
    assert made["fetch_translation_model"] == 8
    assert made["download"] == 1 + 8 + 1 + 1, "seed, prompts, language identifier, English words"
    assert not {"pretrain", "train_tokenizer", "train_langid", "corpus"} & made.keys()


TRAININGS = {2: 64, 3: 40, 4: 40, 5: 30, 6: 144, 7: 32}  # by figure


def test_every_figure_can_be_asked_for_alone():
    for number, expected in TRAININGS.items():
        assert counts(dry_run(f"figure{number}"))["train"] == expected, f"figure{number}"


def test_figures_of_the_runs_that_have_scores_ask_for_no_other_run(tmp_path):
    house = checkout(tmp_path / "checkout")
    scores = house / "results" / "demo" / "scores" / "stand-in" / "lora"
    for run in ("tiny-pythia-s/multilingual", "tiny-pythia-m/mono-es"):
        (scores / run).parent.mkdir(parents=True, exist_ok=True)
        (scores / f"{run}.parquet").touch()
    jobs = dry_run(*DEMO, "--config", "runs=scored", "--", "all_figures", directory=house)
    shown = {re.search(r'"number": (\d)', job.command)[1]: job.command for job in jobs if job.rule == "figure"}
    assert sorted(shown) == ["2", "6", "7"], "the others have no run that is scored"
    assert "tiny-pythia-m/mono-es.parquet" in shown["2"] and "multilingual.parquet" not in shown["7"]
    assert "tiny-bloom-s" in shown["6"], "models without scores are still part of the figure, as missing"
    assert counts(jobs)["respond"] == 2


def test_one_model_and_recipe_can_be_asked_for_by_its_path():
    made = counts(dry_run("results/paper/models/lora/bloom-560m/multilingual"))
    assert (made["train"], made["recipe"], made["tokenize"], made["translate"]) == (1, 2, 2, 8)
    assert made["micro_batch"] == 1, "for which the other recipe is, the English rows"
    assert "respond" not in made


def test_adding_a_model_is_one_entry_in_a_selection(tmp_path):
    overlay = tmp_path / "more.yaml"
    overlay.write_text("select: {seven-billion: [llama-7b, open-llama-7b, pythia-6.9b, bloom-7b1, pythia-12b]}\n")
    jobs = dry_run("--configfile", str(overlay), "--", "figure7")
    assert counts(jobs)["train"] == TRAININGS[7] + 8
    added = [job for job in jobs if job.rule == "respond" and "/pythia-12b/" in job.command]
    assert len(added) == 8 and decodes(added) > 8, "in every language that the figure shows"


def test_published_translations_take_the_place_of_the_engine_by_one_line(tmp_path):
    overlay = tmp_path / "published.yaml"
    overlay.write_text("translation: {source: published}\n")
    jobs = dry_run("--configfile", str(overlay), "--", "all_translations")
    made = counts(jobs)
    assert (made["take_translation"], made["flag_translation"]) == (8, 8)
    assert not {"translate", "translate_shard", "segment", "fetch_translation_model"} & made.keys()
    fetched = [job.command for job in jobs if job.rule == "download" and "/published/" in job.command]
    assert len(fetched) == 8 and all("--git-blob" in command for command in fetched)


def models_at(folder: Path, paper: list[Job], methods: list[str]) -> Path:
    """A config whose models come from `folder`, where every model of the paper's is, as far as a dry run looks."""
    files = {"lora": "adapter_config.json", "full": "config.json"}
    for job in paper:
        found = re.search(r"--output results/paper/models/(lora|full)/(\S+)", job.command)
        if found and found.group(1) in methods:
            path = folder / found.group(1) / found.group(2) / files[found.group(1)]
            path.parent.mkdir(parents=True)
            path.touch()
    source = {method: "released" if method in methods else "trained" for method in files}
    places = {method: {"path": f"{folder}/{method}/{{model}}/{{recipe}}"} for method in methods}
    overlay = folder / "released.yaml"
    overlay.write_text(json.dumps({"train": {"source": source}, "released": places}))
    return overlay


def test_released_models_take_the_place_of_every_training(paper, tmp_path):
    released = dry_run("--configfile", str(models_at(tmp_path, paper, ["lora", "full"])))
    assert (counts(released)["train"], counts(released)["fetch_tuned"]) == (0, 160)
    assert "tokenize" not in counts(released) and "translate" not in counts(released), "nothing is trained on"
    assert languages_compared(released)[1] == [], "nor do prompts overlap with it"
    assert decodes(released) == decodes(paper)
    assert counts(released)["judge_on_gpu"] == counts(paper)["judge_on_gpu"]


def test_one_method_may_be_released_and_the_other_trained(paper, tmp_path):
    made = counts(dry_run("--configfile", str(models_at(tmp_path, paper, ["full"])), "--", "all_models"))
    assert (made["train"], made["fetch_tuned"]) == (120, 40)


def test_a_released_model_is_fetched_from_the_repository_that_the_names_give_by_its_pin(tmp_path):
    """Under names that all lead to one repository, because few have a pin."""
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    recipes = [*(f"mono-{lang}" for lang in config["languages"]["seen"]), *config["recipes"]]
    overlay = tmp_path / "released.yaml"
    names = {
        "recipes": dict.fromkeys(recipes, "ru"),
        "full": {"models": dict.fromkeys(config["select"]["bloom"], "bloom-1b1")},
    }
    overlay.write_text(json.dumps({"train": {"source": {"lora": "trained", "full": "released"}}, "released": names}))
    fetched = [
        job.command for job in dry_run("--configfile", str(overlay), "--", "all_models") if job.rule == "fetch_tuned"
    ]
    pin = yaml.safe_load((REPOSITORY / "resources" / "released-models.yaml").read_text())["models"][
        "HPLT/sft-fpft-ru-bloom-1b1"
    ]
    options = f"--repo HPLT/sft-fpft-ru-bloom-1b1 --revision {pin['revision']} "
    assert len(fetched) == 40
    assert all(f"{options}--sha256 model.safetensors={pin['sha256']['model.safetensors']}" in job for job in fetched)


def test_flags_are_dropped_from_all_recipes_or_from_one(paper, tmp_path):
    overlay = tmp_path / "flags.yaml"
    overlay.write_text("recipe: {drop_flags: [copied, language]}\nrecipes: {downsampled: {drop_flags: []}}\n")
    recipes = [
        job.command for job in dry_run("--configfile", str(overlay), "--", "all_recipes") if job.rule == "recipe"
    ]
    assert len(recipes) == 8
    for command in recipes:
        dropped = re.findall(r"--drop-flag (\w+)", command)
        assert dropped == ([] if "--name downsampled " in command else ["copied", "language"])
    assert not any("--drop-flag" in job.command for job in paper)


def test_the_miniature_has_the_shape_of_the_paper(paper):
    rules = {job.rule for job in paper}
    demo = {job.rule for job in dry_run("--forceall", *DEMO, "--", "all_figures")}
    fetched = {"download", "fetch_base", "fetch_tokenizer", "fetch_translation_model"}
    made = {"corpus", "train_tokenizer", "pretrain", "train_langid", "unpack_translation_model"}
    sets = {"micro_batch"}  # the miniature does; test_demo.py asks for it
    assert rules - demo == fetched | sets | {"judge_on_gpu", "judge_controls_on_gpu"}
    assert demo - rules == made | {"judge", "judge_controls"}, "its judge needs no GPU"


def test_the_catalogue_entry_is_the_same_workflow_and_its_default_target_is_all_figures(paper):
    assert counts(dry_run("--snakefile", "workflow/Snakefile")) == counts(paper)


def test_the_preflight_of_the_paper_is_one_job_of_each_kind_and_downloads_no_more_than_these_need():
    jobs = dry_run("--configfile", "config/presets/full-pythia.yaml", "--", "preflight")
    made = counts(jobs)
    trained = [job.command for job in jobs if job.rule == "preflight_training"]
    assert sorted(re.findall(r"preflight/train/(\S+)\.json", " ".join(trained))) == [
        *("full/bloom-3b", "full/pythia-1.4b", "full/pythia-12b", "lora/bloom-3b", "lora/pythia-12b"),
    ]
    assert made["fetch_base"] == 3 and made["fetch_judge"] == made["fetch_translation_model"] == 1
    assert (made["preflight_translation"], made["preflight_identifier"], made["preflight_judge_on_gpu"]) == (1, 1, 1)
    assert made.keys().isdisjoint({"train", "respond", "translate_shard", "tokenize", "micro_batch"})
    [large] = [command for command in trained if "preflight/train/full/pythia-12b.json" in command]
    assert "-- workflow/scripts/launch.py --ranks 8 workflow/scripts/train.py --method full" in large
    assert '"zero_stage": 3' in large and '"micro_batch_tokens": "auto"' in large


def test_a_preflight_of_released_models_tries_their_answers(paper, tmp_path):
    jobs = dry_run("--configfile", str(models_at(tmp_path, paper, ["lora", "full"])), "--", "preflight")
    made = counts(jobs)
    assert "preflight_training" not in made and "preflight_translation" not in made
    tried = [job.command for job in jobs if job.rule == "preflight_answers"]
    named = re.findall(r"preflight/respond/(\S+)\.json", " ".join(tried))
    assert sorted(named) == ["full/bloom-1b1", "full/bloom-3b", "full/bloom-7b1", "lora/bloom-3b", "lora/pythia-12b"]
    assert made["fetch_tuned"] == 5


def test_a_preflight_of_several_nodes_and_of_a_judge_at_an_api(tmp_path):
    row = {"up_to": 13, "ranks": 16, "memory": "480GB", "runtime": "36h", "zero_stage": 3}
    (tmp_path / "nodes.json").write_text(json.dumps({"compute": {"full": [row]}}))
    files = ("--configfile", "config/presets/judge-openai.yaml", str(tmp_path / "nodes.json"))
    jobs = dry_run(*files, "--", "preflight")
    full = [job.command for job in jobs if job.rule == "preflight_training_on_nodes"]
    assert all("launch.py --ranks 8 --nodes 2 " in command for command in full) and len(full) == 1
    assert counts(jobs)["preflight_judge_at_api"] == 1 and "fetch_judge" not in counts(jobs)


def test_the_local_profile_plans_the_paper():
    """So does that for Slurm: test_submissions.py counts its jobs."""
    result = snakemake("--dry-run", "--profile", "profiles/local", "all_figures")
    assert result.returncode == 0, result.stdout
    assert re.search(r"^train +160$", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("preset", "trainings"),
    [
        ("languages", 2 * 9),
        ("pinch", 2 * 5),
        ("equal-tokens", 13 * 8),
        ("learning-rate", 2 * 5),
    ],
)
def test_a_study_beyond_the_paper_trains_what_its_figures_show(preset, trainings):
    jobs = counts(dry_run("--configfile", f"config/presets/{preset}.yaml", "--", "all_figures"))
    assert jobs["train"] == jobs["respond"] == trainings
    assert jobs["figure"] == (2 if preset == "equal-tokens" else 1)


def test_three_seeds_add_80_trainings_to_the_papers_and_draw_the_samples_again(tmp_path):
    jobs = dry_run("--configfile", "config/presets/three-seeds.yaml", "--", "all_figures")
    assert counts(jobs)["train"] == counts(jobs)["score"] == 160 + 80
    assert counts(jobs)["micro_batch"] == 15 + 5, "the further trainings need no search of their own"
    drawn = {re.search(r"--name (\S+)", job.command)[1]: job.command for job in jobs if job.rule == "recipe"}
    assert "--rows one-language" in drawn["downsampled-seed43"]
    assert "--seed 42 --sample-seed 43" in drawn["downsampled-seed43"]
    assert "--sample-seed" not in drawn["downsampled"]
    assert "multilingual-seed43" not in drawn, "it has all rows, whatever the seed"
    [scored] = [
        job.command for job in jobs if job.rule == "score" and "/lora/llama-7b/multilingual-seed43." in job.command
    ]
    assert "--recipe multilingual --seed 43" in scored


def test_a_run_that_no_figure_shows_is_refused_in_one_line():
    said = snakemake("--dry-run", "--", "results/paper/responses/full/pythia-70m/mono-en.jsonl")
    assert said.returncode == 1 and "Traceback" not in said.stdout
    assert "error: full/pythia-70m/mono-en is not in any figure that is drawn" in said.stdout


def test_no_page_names_a_target_where_a_file_is_read():
    """`--configfile a.yaml target` takes the target for a second file: `--` goes between them."""
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.rglob("config/**/*.yaml")]
    for page in pages:
        assert not re.search(r"--configfile \S+\.yaml [a-z]+_[a-z]+$", page.read_text(encoding="utf-8"), re.M), page
