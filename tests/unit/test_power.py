"""What a planned study could tell from chance."""

import json
import math

import pytest

from planning import power
from reporting.bootstrap import PromptScores
from reporting.claim_rules import read_claims
from reporting.evidence import lifted, weigh
from studies import CONFIG, LANGUAGES, paper, preset, wildcards
from study.matrix import Matrix
from study.recipes import Recipes
from study.selections import Selections

CLAIMS = read_claims(CONFIG.parent / "resources" / "claims.yaml")
SEVEN = {"draw": ["figure7"]}


def selections(study: dict) -> Selections:
    return Selections(study, Matrix(study), Recipes(study), LANGUAGES)


def of_claim(name: str, study: dict) -> power.Told:
    return power.in_claim(name, CLAIMS[name], json.loads(selections(study).claims()), power.simulated_studies(study))


def of_figure(number: int, study: dict) -> power.Told:
    settings = json.loads(selections(study).figure(wildcards(number=str(number))))
    return power.in_figure(settings, power.simulated_studies(study))


@pytest.fixture(scope="module")
def families() -> dict:
    """A study of Figure 7 alone."""
    return paper(**SEVEN)


def test_cells_are_those_of_the_runs_with_their_number_of_trainings():
    cells = power.trainings_of_cells(preset("three-seeds"))
    assert cells["lora", "llama-7b", "mono-es", "es"] == 3
    assert cells["lora", "pythia-70m", "mono-es", "es"] == 1
    assert ("lora", "llama-7b", "mono-es", "fr") not in cells


@pytest.mark.parametrize("needed", [10, -20, 149.5])
def test_the_least_lift_is_found_to_within_a_point(needed):
    assert power._least_lift(lambda lift: lift >= needed, 150) == pytest.approx(needed, abs=1)


def test_where_nothing_would_do_there_is_no_effect():
    assert power._in_most([power.Question(0, lambda lift: False)], 150, 1) is None


def test_the_effect_suffices_in_four_of_five_studies():
    needs = [10, 20, 30, 40, 50]
    questions = [power.Question(0, lambda lift, need=need: lift >= need) for need in needs]
    assert power._in_most(questions, 150, 1) == pytest.approx(40, abs=1)
    assert power._in_most(questions, 150, -1) == pytest.approx(-40, abs=1), "for a claim that expects less"


def test_a_difference_of_that_size_is_told_in_about_80_percent_of_other_studies(families):
    told = of_figure(7, families)
    scores = power.simulated_studies(families | {"random_seed": 7})
    pair = next(power._pairs(figure_settings(families)))

    def finds(study: PromptScores, points: float) -> bool:
        one, other = (study.values(cells[0]) for cells in pair)
        drawn = study.resamples({"resamples": 500, "seed": 1})
        return weigh(lifted(one - other, points, 50), drawn, 0.95, {"above": 0}).holds <= 0.025

    assert told.effect is not None
    assert sum(finds(study, told.effect) for study in scores) >= 0.6 * len(scores)
    assert sum(finds(study, told.effect / 3) for study in scores) <= 0.5 * len(scores)


def figure_settings(study: dict) -> dict:
    return json.loads(selections(study).figure(wildcards(number="7")))


def test_fewer_prompts_tell_less(families):
    few = paper(**SEVEN, data={"prompts_used": 25})
    share = [of_figure(7, study).effect / (3 * study["data"]["prompts_used"]) for study in (families, few)]
    assert share[1] > 1.2 * share[0]


def test_trainings_that_differ_by_their_seeds_tell_less_than_trainings_that_agree():
    seeds = {"values": [42, 43, 44], "runs": {"lora": ["seven-billion"]}}
    agree, differ = (
        of_claim("families-llama", paper(**SEVEN, seeds=seeds, plan={"scores": {"seeds": percent}}))
        for percent in (0, 4)
    )
    assert (agree.trainings, differ.trainings) == (3, 3)
    assert differ.effect > 1.5 * agree.effect > 0


def test_a_claim_has_its_unit_and_a_count_of_cases_the_lead_in_each(families):
    llama, counted = (of_claim(name, families) for name in ("families-llama", "families"))
    assert (llama.unit, counted.unit, llama.trainings) == ("points of 150", "points of 150", 1)
    assert counted.effect > llama.effect, "one case is harder to tell than their mean"
    size = of_claim("size", paper(draw=["figure3"]))
    assert size.unit == "points of 150 for ten times the size"


def test_a_claim_that_expects_less_has_an_effect_below_0(families):
    assert of_claim("families-languages", families).effect < 0


def test_a_claim_of_no_difference_or_of_what_the_study_lacks_has_none(families):
    assert len(CLAIMS["lora-small"]["expect"]) == 2
    assert of_claim("lora-small", paper(draw=["figure2"])).effect is None
    assert of_claim("english-peak", families).effect is None


def test_the_same_configuration_gives_the_same_effects(families):
    assert of_figure(7, families) == of_figure(7, families)


def test_a_workflow_without_figures_and_claims_asks_for_nothing():
    assert power.smallest_effects(wildcards(jobs=[], config={})) == {}


def test_sweeps_are_compared_between_their_first_two_values():
    settings = json.loads(selections(preset("pinch")).figure(wildcards(number="9")))
    one, other = next(power._pairs(settings))
    assert one[0][2] != other[0][2] and one[0][3] == other[0][3]
    settings = json.loads(selections(preset("learning-rate")).figure(wildcards(number="10")))
    one, other = next(power._pairs(settings))
    assert one[0][0] != other[0][0] and one[0][1:] == other[0][1:]


def test_a_lift_is_spread_over_the_prompts_alone():
    import numpy as np

    assert lifted(np.zeros(5), 6, 3).tolist() == [2, 2, 2, 0, 0]
    assert math.isclose(lifted(np.zeros((2, 3)), 6, 3).sum(), 12)
