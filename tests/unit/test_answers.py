"""How answers are made and rated: languages, weights, templates and search of a run; judges, their jobs and keys."""

import json

import pytest

from studies import miniature, paper, preset, run, wildcards
from study.answers import Answers
from study.compute import Compute
from study.judges import SIDE_BY_SIDE, Judges
from study.matrix import Matrix

SERVED = {"name": "served", "label": "Served", "model": "m", "serve": "vllm serve m --port {port}"}
CALLED = {"name": "called", "label": "Called", "model": "n", "base_url": "https://judge.example/v1"}
BATCH = CALLED | {"name": "batch", "api": "batch", "key_env": "BATCH_KEY"}


def judges(*entries: dict, **changes) -> Judges:
    config = paper(**changes)
    config["judges"] = [*entries] or config["judges"]
    return Judges(config, Compute(config))


def answers(config: dict) -> Answers:
    return Answers(config, Matrix(config), Judges(config, Compute(config)))


@pytest.fixture(scope="module")
def papers() -> Answers:
    return answers(paper())


def test_a_run_answers_the_prompts_of_the_languages_that_its_figures_need(papers):
    answering = run("lora/pythia-70m/mono-es")
    assert papers.languages(answering) == ["es"]
    assert papers.prompts(answering) == ["<results>/prompts/es.jsonl"]
    assert papers.prompt_options(answering, wildcards(prompts=["es.jsonl"])) == ["es=es.jsonl"]
    assert len(papers.prompts(run("lora/bloom-3b/multilingual"))) == 8


def test_a_run_that_no_figure_shows_ends_the_program_with_one_line(papers):
    with pytest.raises(SystemExit) as ended:
        papers.languages(run("full/pythia-70m/mono-en"))
    assert str(ended.value) == (
        "error: full/pythia-70m/mono-en is not in any figure that is drawn, so nothing says which languages it should"
        " answer; add its model or recipe to one (figures.<name>.runs, series; draw)"
    )


def test_an_adapter_stays_beside_its_base(papers):
    answering = run("lora/bloom-3b/mono-es")
    assert not papers.is_merged(answering)
    assert papers.method(answering) == "lora"
    assert papers.weights(answering) == "<results>/models/lora/bloom-3b/mono-es"


def test_a_served_engine_gets_whole_models():
    served = answers(preset("vllm"))
    adapter, whole = run("lora/bloom-3b/mono-es"), run("full/bloom-3b/mono-es")
    assert (served.is_merged(adapter), served.is_merged(whole)) == (True, False)
    assert (served.method(adapter), served.method(whole)) == ("full", "full")
    assert served.weights(adapter) == "<results>/merged/lora/bloom-3b/mono-es"
    assert served.weights(whole) == "<results>/models/full/bloom-3b/mono-es"


def test_a_method_answers_with_its_own_template_or_that_of_its_training(papers):
    assert papers.template(run("full/bloom-3b/mono-es")) == "resources/templates/alpaca.json"
    own = answers(preset("authors-code"))
    assert own.template(run("full/bloom-3b/mono-es")) == "resources/templates/alpaca-indented.json"
    assert "template" not in json.loads(own.settings(run("full/bloom-3b/mono-es"))), "the template is an input"


def test_a_method_decodes_as_the_configuration_says(papers):
    full = json.loads(papers.settings(run("full/bloom-3b/mono-es")))
    assert (full["beams"], full["repetition_penalty"], full["cut_at"]) == (4, 1.1, "\n### ")
    assert "secrets" not in full
    assert papers.precision(run("full/bloom-3b/mono-es")) == "bf16"


def test_an_engine_does_not_get_the_judges_keys():
    settings = json.loads(answers(preset("vllm")).settings(run("lora/bloom-3b/mono-es")))
    assert settings["secrets"] == ["OPENAI_API_KEY"]


# Judges


def test_the_first_judge_is_the_one_that_figures_show():
    several = judges(CALLED, SERVED)
    assert several.names == ["called", "served"]
    assert several.first["label"] == "Called"


def test_known_prices_are_passed_on():
    assert json.loads(judges(CALLED, SERVED | {"price": {"prompt": 1, "completion": 2}}).prices) == {
        "served": {"prompt": 1, "completion": 2}
    }
    assert json.loads(judges().prices) == {}, "whoever serves a model pays for the GPU"


def test_a_judge_has_a_key_unless_its_job_serves_it():
    several = judges(CALLED, BATCH, SERVED)
    assert several.key_variable("called") == "OPENAI_API_KEY"
    assert several.keys_wanted({"called", "batch", "served"}) == {"OPENAI_API_KEY": "called", "BATCH_KEY": "batch"}
    assert several.keys_wanted(["served"]) == {}


def test_a_server_sees_no_judges_key():
    several = judges(CALLED, BATCH, SERVED)
    assert several.secrets({"serve": "vllm"}) == {"secrets": ["BATCH_KEY", "OPENAI_API_KEY"]}
    assert several.secrets({"base_url": "https://judge.example/v1"}) == {}


def test_a_judges_settings_exclude_its_label_and_the_resources_of_its_job():
    served = SERVED | {"files": ["a"], "gpus": 2, "memory": "1GB", "runtime": "1h"}
    made = judges(served)
    assert json.loads(made.settings(wildcards(judge="served"))) == {
        "name": "served",
        "model": "m",
        "serve": "vllm serve m --port {port}",
        "secrets": ["OPENAI_API_KEY"],
    }
    assert made.files(wildcards(judge="served")) == ["a"]
    assert judges().files(wildcards(judge="qwen3-30b")) == []


@pytest.mark.parametrize(
    ("judge", "turns"),
    [(CALLED, 1), (BATCH, 0), (BATCH | {"budget": 5}, SIDE_BY_SIDE)],
    ids=["called", "batch", "batch with a budget"],
)
def test_jobs_that_call_an_api_run_side_by_side_and_a_batch_with_a_budget_alone(judge, turns):
    assert judges(judge).turns(wildcards(judge=judge["name"])) == turns


def test_a_judge_is_at_an_api_unless_its_job_serves_it():
    assert judges(CALLED, SERVED, BATCH).at_apis() == f"{CALLED['name']}|{BATCH['name']}"
    assert judges(SERVED).at_apis() == "none"


def test_a_judge_may_be_served_on_gpus():
    on_gpus = judges(CALLED, SERVED | {"gpus": 2, "memory": "128GB", "runtime": "8h"})
    served = wildcards(judge="served")
    assert on_gpus.on_gpus() == "served"
    assert (on_gpus.gpus(served), on_gpus.cores(served)) == (2, 16)
    assert (on_gpus.memory(served), on_gpus.runtime(served)) == (128_000, "8h")
    plain = judges(SERVED | {"gpus": 1})
    assert (plain.memory(served), plain.runtime(served)) == (64_000, "4h")


def test_no_judge_of_the_miniature_is_on_gpus():
    config = miniature()
    assert Judges(config, Compute(config)).on_gpus() == "none"
