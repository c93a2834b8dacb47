"""Prompts made from the template, and answers cut where the template would continue."""

import json

import pytest

from basics.errors import InputError
from data.template import Template, cut_response
from study.short_forms import answering_template, training_template
from tiny import ALPACA


def test_an_instruction_alone_takes_stanford_alpacas_wording_without_input():
    assert Template(ALPACA).prompt("Name a fruit.") == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nName a fruit.\n\n### Response:\n"
    )


def test_an_instruction_with_an_input_takes_the_wording_with_it():
    assert Template(ALPACA).prompt("Translate.", "la casa") == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request."
        "\n\n### Instruction:\nTranslate.\n\n### Input:\nla casa\n\n### Response:\n"
    )


def test_braces_in_the_data_are_left_as_they_are():
    prompt = Template(ALPACA).prompt("Explain {input} and {0}.", "{instruction} {}")
    assert "### Instruction:\nExplain {input} and {0}.\n" in prompt
    assert "### Input:\n{instruction} {}\n" in prompt


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ({"prompt_input": "{instruction}{input}"}, "'prompt_no_input' is missing"),
        (
            {"prompt_input": "{instruction}", "prompt_no_input": "{instruction}"},
            "prompt_input: must contain {input} exactly once",
        ),
        (["no", "object"], "'prompt_input' is missing"),
    ],
)
def test_a_template_without_its_texts_or_fields_is_refused_in_one_line(tmp_path, texts, complaint):
    path = tmp_path / "template.json"
    path.write_text(json.dumps(texts))
    with pytest.raises(InputError) as error:
        Template(path)
    assert str(error.value).startswith(f"{path}") and complaint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("generated", "response"),
    [
        ("A lamp.", "A lamp."),
        ("\n A lamp. \n", "A lamp."),
        ("A lamp.\n\n### Instruction:\nAnother", "A lamp."),
        ("# Title\n## Part\ntext", "# Title\n## Part\ntext"),
        ("", ""),
    ],
)
def test_an_answer_ends_where_the_next_section_begins(generated, response):
    assert cut_response(generated, "\n### ") == response


def test_an_answer_may_end_elsewhere():
    assert cut_response(" A lamp.\n\n### Instruction:\nAnother\n\n### Response:\nOne", "### Response:") == (
        "A lamp.\n\n### Instruction:\nAnother"
    )


def test_the_authors_full_parameter_code_trains_without_the_last_line_break():
    ours, theirs = Template(ALPACA), Template(ALPACA.with_name("alpaca-no-newline.json"))
    for fields in (("Name a fruit.",), ("Translate.", "la casa")):
        assert theirs.prompt(*fields) + "\n" == ours.prompt(*fields)


def test_the_authors_full_parameter_code_answers_an_indented_prompt():
    assert Template(ALPACA.with_name("alpaca-indented.json")).prompt("Name a fruit.\nName two.") == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n    ### Instruction:\n    Name a fruit.\nName two.\n\n    ### Response:\n    "
    )


@pytest.mark.parametrize(
    ("template", "own", "trained", "answered"),
    [
        ("one.json", {}, ("one.json", "one.json"), ("one.json", "one.json")),
        ({"lora": "l.json", "full": "f.json"}, {}, ("l.json", "f.json"), ("l.json", "f.json")),
        ("one.json", {"template": "own.json"}, ("one.json", "one.json"), ("one.json", "own.json")),
    ],
    ids=["one for all", "one for each method", "one of its own to answer with"],
)
def test_methods_share_a_template_or_have_their_own(template, own, trained, answered):
    config = {"tokenize": {"template": template}, "respond": {"lora": {}, "full": own}}
    assert tuple(training_template(config, method) for method in ("lora", "full")) == trained
    assert tuple(answering_template(config, method) for method in ("lora", "full")) == answered
