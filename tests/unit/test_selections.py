"""What figures, tables, the budget figure and claims are told to show, and the files that a reader looks at."""

import json

import pytest

from studies import LANGUAGES, miniature, paper, preset, run, wildcards
from study.artifacts import PAGES, Artifacts, figure_files, markdown_of
from study.matrix import Matrix
from study.recipes import Recipes
from study.selections import Selections

SERIES = ["multilingual", "monolingual", "English", "downsampled"]


def selections(config: dict) -> Selections:
    return Selections(config, Matrix(config), Recipes(config), LANGUAGES)


def figure(config: dict, number: int) -> dict:
    return json.loads(selections(config).figure(wildcards(number=str(number))))


@pytest.fixture(scope="module")
def papers() -> Selections:
    return selections(paper())


def test_a_figure_is_told_all_that_it_shows():
    shown = figure(paper(note="A note."), 5)
    bloom = ["bloom-560m", "bloom-1b1", "bloom-1b7", "bloom-3b", "bloom-7b1"]
    assert (shown["number"], shown["kind"], shown["note"]) == (5, "unseen", "A note.")
    assert shown["runs"] == {"lora": bloom, "full": bloom}
    assert list(shown["models"]) == bloom, "each once"
    assert shown["models"]["bloom-3b"] == {"family": "bloom", "label": "BLOOM", "billions": 3.0}
    assert shown["panels"] == ["bn", "no"]
    assert shown["languages"] == {"bn": "Bengali", "no": "Norwegian"}
    assert shown["own"] == {"bn": "বাংলা", "no": "norsk"}
    assert shown["methods"] == {"lora": "LoRA", "full": "Full-parameter"}
    assert shown["uncertainty"] == {"level": 0.95, "resamples": 2000, "seed": 42}
    assert shown["judge"] == "Qwen3-30B-A3B-Instruct-2507"
    assert not {"sweep", "series", "labels"} & shown.keys()


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (2, "Figure 2: LoRA on Pythia"),
        (5, "Figure 5: LoRA and full-parameter on BLOOM, unseen languages"),
        (6, "Figure 6: Score lost to language identification"),
        (7, "Figure 7: LoRA on 7B models of several families"),
    ],
)
def test_the_list_of_the_report_names_a_figure_by_its_number_and_a_short_title(papers, number, line):
    assert papers.listed(wildcards(number=str(number))) == {"title": line}


def test_panels_are_the_languages_seen_unless_the_figure_is_of_unseen_ones():
    assert figure(paper(), 2)["panels"] == ["en", "es", "fr", "bg", "ru", "zh"]


def test_the_most_that_a_run_can_score_is_the_best_rating_of_every_prompt():
    assert (figure(paper(), 2)["maximum"], figure(miniature(), 2)["maximum"]) == (3 * 50, 3 * 10)


@pytest.mark.parametrize(
    ("number", "title"),
    [
        (2, "LoRA fine-tuning on Pythia at different sizes"),
        (4, "Full-parameter fine-tuning on BLOOM at different sizes"),
        (5, "LoRA and full-parameter fine-tuning on BLOOM at different sizes, tested on unseen languages"),
        (
            6,
            "Score lost to language identification: LoRA and full-parameter fine-tuning on BLOOM and Pythia",
        ),
        (7, "LoRA fine-tuning on 7B models of several families"),
    ],
)
def test_titles_are_the_papers_captions(number, title):
    assert figure(paper(), number)["title"] == title


def test_a_figure_of_a_sweep_is_told_what_changes_and_by_which_values():
    shown = figure(preset("learning-rate"), 10)
    assert shown["title"] == "LoRA fine-tuning on BLOOM, by learning rate"
    assert shown["sweep"]["name"] == "learning rate"
    assert shown["sweep"]["of"] == "lora"
    assert shown["sweep"]["members"][:2] == [[3e-05, "lora-lr-3e-05"], [0.0001, "lora-lr-0.0001"]]


def test_a_sweep_of_recipes_has_a_name_in_words():
    shown = figure(preset("languages"), 8)
    assert shown["title"].endswith(", by number of training languages")
    assert shown["sweep"]["of"] == "recipes"


def test_series_have_the_papers_names_or_those_of_the_configuration():
    shown = figure(preset("equal-tokens"), 2)
    assert shown["series"] == ["multilingual", "monolingual", "English", "equal-tokens"]
    assert shown["labels"] == {
        "multilingual": "Multilingual",
        "monolingual": "Monolingual",
        "English": "English-only",
        "equal-tokens": "Equal tokens",
    }


# The budget figure


def test_the_budget_shows_series_that_answer_every_language_seen(papers):
    runs = papers.budget_runs
    assert {method: len(models) for method, models in runs.items()} == {"lora": 15, "full": 5}
    assert runs["full"]["bloom-3b"] == SERIES
    assert runs["lora"]["llama-7b"] == ["multilingual", "monolingual", "downsampled"], (
        "Figure 7 has no English-only tuning"
    )


def test_the_budget_shows_a_users_recipes_after_the_papers_series():
    shown = selections(preset("equal-tokens")).budget_runs
    assert shown["lora"]["bloom-3b"] == ["multilingual", "monolingual", "English", "equal-tokens"]


def test_figures_of_unseen_languages_alone_leave_nothing_for_the_budget():
    unseen = {f"figure{number}": {"kind": "unseen"} for number in range(2, 8)}
    assert selections(paper(figures=unseen)).budget_runs == {}


def test_the_budget_is_told_its_models_labels_and_judge(papers):
    shown = json.loads(papers.budget())
    assert shown["runs"] == papers.budget_runs
    assert (len(shown["models"]), list(shown["labels"]), shown["prompts"]) == (15, SERIES, 50)
    assert shown["langs"] == ["en", "es", "fr", "bg", "ru", "zh"]
    assert shown["trained"] == 9, "Czech, German and Finnish are trained on, too"
    assert shown["missing_tolerated"] == 0.02
    assert shown["judge"] == {"name": "qwen3-30b", "label": "Qwen3-30B-A3B-Instruct-2507"}
    assert (shown["methods"]["full"], shown["note"]) == ("Full-parameter", "")
    assert shown["uncertainty"]["resamples"] == 2000


# Claims and tables


def test_claims_are_about_every_figures_models_by_method(papers):
    told = json.loads(papers.claims())
    assert told["figures"]["figure7"] == {"lora": ["llama-7b", "open-llama-7b", "pythia-6.9b", "bloom-7b1"]}
    assert [len(models) for models in told["figures"]["figure6"].values()] == [13, 5]
    assert told["models"]["pythia-12b"] == {"family": "pythia", "billions": 12.0}
    assert (told["families"]["open-llama"], told["methods"]["full"]) == ("OpenLLaMA", "Full-parameter")
    assert told["languages"] == {"seen": ["en", "es", "fr", "bg", "ru", "zh"], "unseen": ["bn", "no"]}
    assert (told["names"]["no"], len(told["names"]), told["prompts"]) == ("Norwegian", 8, 50)


def test_claims_about_a_sweep_of_methods_are_about_its_members():
    told = json.loads(selections(preset("learning-rate")).claims())
    assert told["figures"]["figure10"]["lora-lr-0.001"] == ["bloom-1b7", "bloom-7b1"]


def test_table_1_has_the_hyperparameters_of_every_method_and_what_lora_adapts(papers):
    told = json.loads(papers.hyperparameters())
    assert list(told) == ["lora", "full"]
    assert told["lora"]["modules"]["LLaMA"] == ["q_proj", "k_proj", "v_proj"]
    assert list(told["lora"]["modules"]) == ["Pythia", "BLOOM", "LLaMA", "OpenLLaMA"]
    assert (told["lora"]["rank"], told["full"]["batch"]) == (8, 256)


def test_table_1_has_derived_methods_after_the_papers():
    told = json.loads(selections(preset("learning-rate")).hyperparameters())
    assert list(told) == [
        "lora",
        "full",
        *(f"lora-lr-{rate}" for rate in ("3e-05", "0.0001", "0.0003", "0.001", "0.003")),
    ]
    assert (told["lora-lr-0.001"]["label"], told["lora-lr-0.001"]["like"]) == ("LoRA, learning rate 0.001", "lora")
    assert told["lora-lr-0.001"]["learning_rate"] == 0.001
    assert list(told["lora"]["modules"]) == ["BLOOM"], "only of the families that are trained"


def test_the_table_of_scores_names_its_languages(papers):
    assert papers.named_languages()[-2:] == ["bn=Bengali", "no=Norwegian"]
    assert papers.uncertainty == {"level": 0.95, "resamples": 2000, "seed": 42}


# Files


def artifacts(config: dict) -> Artifacts:
    matrix = Matrix(config)
    return Artifacts(config, matrix, Selections(config, matrix, Recipes(config), LANGUAGES))


def test_a_figure_is_six_files():
    assert figure_files("figure2") == [
        "<results>/figures/figure2.pdf",
        "<results>/figures/figure2.png",
        "<results>/figures/figure2.csv",
        "<results>/figures/figure2.json",
        "<results>/figures/figure2-column.pdf",
        "<results>/figures/figure2-column.png",
    ]


def test_a_figures_target_has_the_files_of_its_runs_too():
    files = artifacts(paper()).files_behind("figure3")
    assert len(files) == 4 * 40 + 6
    for file in (
        "<results>/models/lora/bloom-3b/mono-es",
        "<results>/responses/lora/bloom-3b/mono-es.jsonl",
        "<results>/ratings/qwen3-30b/lora/bloom-3b/mono-es.jsonl",
        "<results>/langid/lora/bloom-3b/mono-es.jsonl",
        "<results>/figures/figure3.pdf",
    ):
        assert file in files


def test_figures_are_those_that_are_drawn_and_the_budget_where_it_has_something_to_show():
    assert len(artifacts(paper()).figures) == 6 * (6 + 1)
    assert "<results>/figures/budget.json" in artifacts(paper()).figures
    assert artifacts(paper(draw=["figure5"])).figures == figure_files("figure5")


def test_every_run_has_a_model_answers_and_each_judges_ratings_and_scores():
    config = paper()
    config["judges"] = [*config["judges"], config["judges"][0] | {"name": "second"}]
    files = artifacts(config)
    assert [len(each) for each in (files.models, files.responses, files.ratings, files.scores)] == [160, 160, 320, 320]
    assert files.models[0] == "<results>/models/lora/pythia-70m/multilingual"
    assert files.responses[0] == "<results>/responses/lora/pythia-70m/multilingual.jsonl"
    assert files.ratings[160] == "<results>/ratings/second/lora/pythia-70m/multilingual.jsonl"
    assert files.scores[160] == "<results>/scores/second/lora/pythia-70m/multilingual.parquet"
    shown = files.scores_in_figure(wildcards(number="7"))
    assert len(shown) == 32
    assert shown[0] == f"<results>/scores/qwen3-30b/{run('lora/llama-7b/multilingual').path}.parquet"


def test_tables_claims_and_judges_are_pages_and_numbers(monkeypatch):
    files = artifacts(paper())
    assert len(files.tables) == 6 * 2 + 2, "each as Markdown and csv; scores as LaTeX, pairs of the overlap"
    assert {"<results>/tables/costs.csv", "<results>/tables/scores.tex"} < set(files.tables)
    assert files.judges == ["<results>/judges.md", "<results>/judges.csv"]
    assert files.claims == ["<results>/claims.md", "<results>/claims.csv"]
    assert files.pages == [f"<results>/pages/{page}.html" for page in PAGES]
    assert files.curves == ["<results>/figures/curves.png", "<results>/figures/curves.csv"]
    assert files.answers == ["<results>/answers.html", "<results>/pages/answers"]
    assert (markdown_of("costs"), markdown_of("claims")) == ("<results>/tables/costs.md", "<results>/claims.md")


def test_figures_depend_on_the_shipped_fonts(tmp_path, monkeypatch):
    (tmp_path / "resources" / "fonts").mkdir(parents=True)
    for name in ("b.ttf", "a.ttf", "README.md"):
        (tmp_path / "resources" / "fonts" / name).touch()
    monkeypatch.chdir(tmp_path)
    assert artifacts(paper()).fonts == ["resources/fonts/a.ttf", "resources/fonts/b.ttf"]


# --- the paper's figures ---------------------------------------------------------------------------------------------


def test_figure_6_lacks_full_parameter_pythia_unless_the_preset_adds_it():
    told = {number: figure(paper(), number)["lacking"] for number in range(2, 8)}
    assert told == {2: [], 3: [], 4: [], 5: [], 6: ["full-parameter fine-tuning on Pythia"], 7: []}
    assert figure(preset("full-pythia"), 6)["lacking"] == []


def test_a_miniature_with_families_of_its_own_lacks_nothing_of_the_papers_figures():
    assert [figure(miniature(), number)["lacking"] for number in range(2, 8)] == [[]] * 6
