"""What rules use besides the objects of matrix.smk: constraints, digests of code, the configuration as text."""

import re

import pytest
import yaml

from basics import code_digest
from studies import CONFIG, wildcards
from study.configuration import read_configs, text_of
from study.wildcards import one_of


def test_a_constraint_is_a_regular_expression_that_matches_only_the_names():
    constraint = one_of(["bloom-3b", "pythia-1.4b"])
    assert re.fullmatch(constraint, "pythia-1.4b")
    assert not re.fullmatch(constraint, "pythia-1x4b")


def test_a_constraint_without_names_matches_nothing_in_a_study():
    assert one_of([]) == "none"


def test_a_digest_of_programs_is_computed_only_on_demand():
    asked = code_digest.code_of("no_such_program")
    with pytest.raises(FileNotFoundError):
        asked(wildcards())
    assert code_digest.code_of("train", "launch")(wildcards()) == code_digest.code_digest("train", "launch")


def test_the_configuration_is_kept_as_it_was_given_except_for_what_changes_no_result():
    config, changing_nothing = read_configs([CONFIG / "config.yaml"]), ("plan", "check_judges", "check_submissions")
    kept = yaml.safe_load(text_of(config))
    assert kept == {key: value for key, value in config.items() if key not in changing_nothing}
    other = {"plan": {"device": "H100"}, "check_judges": "offline", "check_submissions": "skip"}
    assert text_of(config | other) == text_of(config)
    assert text_of({"note": "ключ", "b": 1, "a": 2}) == "note: ключ\nb: 1\na: 2\n"
