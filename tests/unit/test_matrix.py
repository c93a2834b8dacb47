"""Which runs a configuration stands for: the paper's counts, and what `runs: scored` leaves of them."""

from collections import Counter

import pytest

from studies import miniature, paper, preset, run
from study.matrix import Matrix, Run


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix(paper())


def test_the_paper_has_160_trainings_and_510_decodes(matrix):
    assert len(matrix.runs) == 160
    assert Counter(run.method for run in matrix.runs) == {"lora": 120, "full": 40}
    assert sum(map(len, matrix.runs.values())) == 510, "one decode is one run that answers the prompts of one language"


def test_languages_seen_in_training_are_tested_and_so_are_unseen_ones(matrix):
    assert matrix.trained == ["en", "es", "fr", "bg", "ru", "zh", "cs", "de", "fi"]
    assert matrix.seen == ["en", "es", "fr", "bg", "ru", "zh"]
    assert matrix.unseen == ["bn", "no"]
    assert matrix.tested == ["en", "es", "fr", "bg", "ru", "zh", "bn", "no"]


def test_a_run_has_the_path_of_its_files():
    assert Run("lora", "bloom-560m", "mono-es").path == "lora/bloom-560m/mono-es"


@pytest.mark.parametrize(
    ("figure", "runs"),
    [("figure2", 64), ("figure3", 40), ("figure4", 40), ("figure5", 30), ("figure6", 144), ("figure7", 32)],
)
def test_a_figure_compares_the_expected_number_of_runs(matrix, figure, runs):
    assert len(matrix.runs_of(figure)) == runs


def test_a_monolingual_model_answers_its_language_and_others_answer_all(matrix):
    runs = matrix.runs_of("figure2")
    assert runs[run("lora/pythia-70m/mono-bg")] == ["bg"]
    assert runs[run("lora/pythia-70m/multilingual")] == ["en", "es", "fr", "bg", "ru", "zh"]
    assert runs[run("lora/pythia-70m/mono-en")] == ["en", "es", "fr", "bg", "ru", "zh"], (
        "English-only tuning is tested in every language"
    )
    assert matrix.runs_of("figure5")[run("full/bloom-3b/multilingual")] == ["bn", "no"]


def test_a_run_answers_the_languages_of_all_its_figures_in_the_order_of_the_study(matrix):
    assert matrix.runs[run("lora/bloom-560m/downsampled")] == matrix.tested
    assert matrix.runs[run("lora/pythia-70m/downsampled")] == matrix.seen, "no figure shows Pythia's unseen languages"
    assert run("full/pythia-70m/mono-en") not in matrix.runs


def test_paths_models_and_figures_are_listed_in_the_order_of_the_figures(matrix):
    assert matrix.paths[0] == "lora/pythia-70m/multilingual"
    assert len(matrix.paths) == 160
    assert (matrix.models[0], matrix.models[8], len(matrix.models)) == ("pythia-70m", "bloom-560m", 15)
    assert matrix.figures == ["2", "3", "4", "5", "6", "7"]


def test_only_figures_that_are_drawn_have_runs():
    drawn = Matrix(paper(draw=["figure7"]))
    assert drawn.figures == ["7"]
    assert set(drawn.models) == {"llama-7b", "open-llama-7b", "pythia-6.9b", "bloom-7b1"}


def test_a_sweep_of_methods_is_a_run_for_each_value():
    swept = Matrix(preset("learning-rate")).runs
    assert Counter(run.method for run in swept) == dict.fromkeys(
        ["lora-lr-3e-05", "lora-lr-0.0001", "lora-lr-0.0003", "lora-lr-0.001", "lora-lr-0.003"], 2
    )


def test_with_runs_scored_a_run_is_shown_once_every_judge_has_scored_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = miniature(runs="scored")
    config["judges"] = [config["judges"][0], config["judges"][0] | {"name": "second"}]
    scores = tmp_path / "results" / "demo" / "scores"

    def score(judge: str) -> None:
        path = scores / judge / "lora" / "tiny-pythia-m" / "mono-es.parquet"
        path.parent.mkdir(parents=True)
        path.touch()

    scored = run("lora/tiny-pythia-m/mono-es")
    assert not Matrix(config).is_shown(scored)
    score("stand-in")
    assert not Matrix(config).is_shown(scored)
    score("second")
    matrix = Matrix(config)
    assert matrix.is_shown(scored)
    assert matrix.runs == {scored: ["es"]}
    assert matrix.figures == ["2", "6", "7"], "the others have nothing to show"
    assert matrix.shown_in("figure3") == {}
    assert len(matrix.runs_of("figure3")) == 2 * 6, "what a figure compares does not depend on scores"


def test_without_runs_scored_every_run_is_shown(matrix):
    assert matrix.is_shown(run("lora/pythia-12b/mono-zh"))
    assert matrix.shown_in("figure4") == matrix.runs_of("figure4")
