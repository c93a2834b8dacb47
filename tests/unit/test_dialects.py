"""Endpoints differ in what they take and answer: parameters, the bodies of errors, and what a 200 may hold."""

import contextlib
import json

import pytest

from basics.errors import InputError
from basics.settings import make_settings
from judge_endpoint import NO_COMPLETION, completion, like_gpt_5, started
from judge_job import KEY, Job, questions
from judging.endpoint import request_body
from judging.settings import JudgeSettings, determinants
from serving.error_bodies import reason, refused_parameter, refuses_content

BASE = {"name": "j", "model": "m", "base_url": "http://127.0.0.1:1/v1"}


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture
def endpoint():
    with contextlib.ExitStack() as servers:
        yield lambda *fault, **options: servers.enter_context(started(*fault, **options))


def settings(**values):
    return make_settings(JudgeSettings, BASE | values)


# ---- what is sent


def test_by_default_a_request_is_the_one_that_every_endpoint_took_before():
    message = {"role": "user", "content": "Rate this."}
    assert request_body(settings(), "Rate this.", seed=None) == {
        "model": "m",
        "messages": [message],
        "temperature": 0,
        "max_tokens": 512,
    }


def test_a_reasoning_model_gets_its_own_name_of_the_length_limit_and_no_temperature():
    judge = settings(temperature=None, length_limit="max_completion_tokens", max_tokens=4000, reasoning_effort="low")
    body = request_body(judge, "Rate this.", seed=7)
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": "m",
        "max_completion_tokens": 4000,
        "reasoning_effort": "low",
        "seed": 7,
    }


def test_a_system_prompt_comes_first_and_further_parameters_are_sent_as_they_are():
    body = request_body(settings(system="Be strict.", extra_body={"top_k": 1}), "Rate this.", seed=None)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["top_k"] == 1


@pytest.mark.parametrize("key", ["model", "messages", "temperature", "max_tokens", "seed"])
def test_further_parameters_cannot_replace_those_that_have_keys_of_their_own(key):
    with pytest.raises(InputError, match=f"has {key}, which other keys of the judge set; take it out"):
        settings(extra_body={key: 1})


def test_a_dialect_that_is_not_used_leaves_the_keys_of_journals_as_they_were():
    assert list(determinants(settings())) == ["model", "base_url", "temperature", "max_tokens", "seed"]
    changed = {"system": "s", "length_limit": "max_completion_tokens", "reasoning_effort": "low"}
    changed |= {"reply_format": "json", "extra_body": {"top_k": 1}}
    for key, value in changed.items():
        assert determinants(settings(**{key: value})) == determinants(settings()) | {key: value}


# ---- parameters that an endpoint refuses


def test_a_model_that_takes_neither_max_tokens_nor_a_temperature_is_judged_by_after_a_change_of_each_key(job, endpoint):
    server = endpoint(refusal=like_gpt_5)
    judge = {"base_url": server.url, "concurrency": 1}
    status, last = job.run(judge, questions(30))
    assert status == 1 and "does not take our max_tokens (Unsupported parameter: " in last
    assert last.endswith("in judges.tested, set length_limit: max_completion_tokens")
    assert sum(server.calls.values()) == 1, "the first call tells"

    judge |= {"length_limit": "max_completion_tokens"}
    status, last = job.run(judge, questions(30))
    assert status == 1 and last.endswith("in judges.tested, set temperature: null, and none is sent")
    assert not job.output.exists()

    status, last = job.run(judge | {"temperature": None}, questions(30))
    assert status == 0, last
    assert [row["rating"] for row in job.rows()] == [2] * 30


MODERATED = {"code": 403, "message": "The prompt was flagged by moderation", "metadata": {"reasons": ["violence"]}}
FILTERED = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "code": "content_filter",
    "innererror": {"content_filter_result": {"violence": {"filtered": True}, "hate": {"filtered": False}}},
}
EXTRA = {"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}
NOT_A_NUMBER = {
    "code": 400,
    "message": "Field 'seed': [json.exception.type_error.302] type must be number, but is string",
    "type": "invalid_request_error",
}
BODIES = {  # of errors, as the client gives them: what is told, the parameter that is refused, whether for its content
    "OpenAI": (like_gpt_5({"max_tokens": 1})[1]["error"], "Unsupported parameter: 'max_tokens'", "max_tokens", False),
    "OpenAI, older": ({"message": "Unrecognized request argument supplied: seed"}, "Unrecognized", "seed", False),
    "vLLM": ({"object": "error", "message": "maximum context length is 2048", "code": 400}, "maximum", None, False),
    "vLLM, a value": ({"message": "not an integer", "param": "body.seed", "code": 400}, "not an", "seed", False),
    "llama.cpp": ({"message": "request (9031 tokens) exceeds the available", "code": 400}, "request (", None, False),
    "llama.cpp, a value": (NOT_A_NUMBER, "Field 'seed': ", "seed", False),
    "transformers serve": ({"detail": "Unexpected fields in the request: {'x'}"}, "Unexpected fields", "x", False),
    "TGI": ("Input validation error: `temperature` must be strictly positive", "Input", "temperature", False),
    "Ollama": ("model 'x' not found", "model 'x' not found", None, False),
    "FastAPI": ({"detail": [EXTRA]}, "seed: Extra inputs are not permitted", "seed", False),
    "FastAPI, plain": ({"detail": "Not Found"}, "Not Found", None, False),
    "OpenRouter": (MODERATED, "The prompt was flagged by moderation (violence)", None, True),
    "Azure": (FILTERED, FILTERED["message"] + " (violence)", None, True),
    "a page": ("<html>", "<html>", None, False),
    "nothing": (None, "", None, False),
}  # fmt: skip


@pytest.mark.parametrize(("body", "told", "parameter", "content"), BODIES.values(), ids=BODIES)
def test_the_bodies_of_errors_tell_what_is_wrong(body, told, parameter, content):
    assert reason(body).startswith(told)
    assert refused_parameter(body) == parameter
    assert refuses_content(body) is content


def test_a_prompt_that_moderation_refuses_is_null_and_the_others_are_rated(job, endpoint):
    server = endpoint(lambda prompt, n: (403, {}, {"error": MODERATED}) if "Question 1?" in prompt else None)
    status, last = job.run({"base_url": server.url}, questions(3))
    assert status == 0, last
    assert [row["rating"] for row in job.rows()] == [2, None, 2]
    assert "flagged by moderation (violence)" in job.rows()[1]["explanation"]


def test_half_a_character_in_the_reason_of_a_refusal_is_replaced(job, endpoint):
    server = endpoint(lambda prompt, n: (413, {}, "too long \ud83d") if "Question 1?" in prompt else None)
    status, last = job.run({"base_url": server.url}, questions(3))
    assert status == 0, last
    assert job.rows()[1]["explanation"].endswith("too long ?")


def test_a_key_without_permission_ends_the_job_at_once(job, endpoint):
    server = endpoint(lambda prompt, n: (403, {}, f"the key {KEY} may not use this model"))
    status, last = job.run({"base_url": server.url, "concurrency": 1}, questions(30))
    assert status == 1 and "the key *** may not use this model" in last
    assert sum(server.calls.values()) == 1


# ---- answers with status 200 that are none


@pytest.mark.parametrize("body", NO_COMPLETION, ids=range(len(NO_COMPLETION)))
def test_a_200_that_is_no_completion_is_never_kept_as_a_reply(job, endpoint, body):
    sick = [True]
    server = endpoint(lambda prompt, n: (200, {}, body) if sick[0] else None)
    judge = {"base_url": server.url, "patience": 0.2}
    status, last = job.run(judge, questions(1))
    assert status == 1 and "no answer in 0.2 s (patience)" in last
    assert not job.journal.exists() or job.journal.read_bytes() == b""

    sick[0] = False
    status, last = job.run(judge, questions(1))
    assert status == 0 and "1 calls now and 0 from the journal" in last


def test_an_error_within_a_200_is_treated_by_its_code(job, endpoint):
    dead = json.dumps({"error": {"message": "No auth credentials found", "code": 401}}).encode()
    server = endpoint(lambda prompt, n: (200, {}, dead))
    status, last = job.run({"base_url": server.url, "concurrency": 1}, questions(30))
    assert status == 1 and "No auth credentials found" in last
    assert sum(server.calls.values()) == 1


def cut(text, **message):
    """A completion that max_tokens cut."""
    whole = json.loads(completion(text))
    whole["choices"][0] |= {"finish_reason": "length"}
    whole["choices"][0]["message"] |= message
    return json.dumps(whole).encode()


CUT = {
    "within the template's example": cut('I am asked for this format: "[rating]", for example: "Rating: [[2]]'),
    "within its reasoning": cut("<think>The answer ends with the words Rating: [[3]], which the user wrote"),
    "before it said anything": cut(None, reasoning_content="Surely a Rating: [[3]], or is it"),
}


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_reply_that_was_cut_holds_no_rating_and_is_counted(job, endpoint, body):
    server = endpoint(lambda prompt, n: (200, {}, body) if "Question 1?" in prompt else None)
    status, last = job.run({"base_url": server.url, "retries": 0}, questions(3))
    assert status == 0, last
    assert [(row["rating"], row["finish"]) for row in job.rows()] == [(2, "stop"), (None, "length"), (2, "stop")]
    assert "1 without a rating (1 replies cut at max_tokens)" in last


# ---- judges that never rate


def test_a_judge_that_never_rates_ends_the_job_early_with_what_it_says(job, endpoint):
    server = endpoint(lambda prompt, n: (200, {}, "Hello! How can I\nhelp you today?"))
    judge = {"base_url": server.url, "concurrency": 1}
    status, last = job.run(judge, questions(100))
    assert status == 1 and not job.output.exists()
    assert "none of 20 replies holds a rating; the last is 'Hello! How can I help you today?'" in last
    assert sum(server.calls.values()) == 20

    status, last = job.run(judge | {"give_up_after": None, "retries": 0}, questions(100))
    assert status == 0 and "100 without a rating" in last


def test_a_single_rating_is_enough_to_go_on(job, endpoint):
    server = endpoint(lambda prompt, n: (200, {}, "Hello!") if "Question 0?" not in prompt else None)
    status, last = job.run({"base_url": server.url, "concurrency": 1, "retries": 0}, questions(40))
    assert status == 0 and "39 without a rating" in last


# ---- replies that must hold a rating


def test_a_pattern_lets_only_replies_through_that_end_in_a_rating_in_the_words_of_the_template():
    pattern = request_body(settings(reply_format="pattern"), "", None)["structured_outputs"]["regex"]
    assert pattern == r"[^\[\]]{1,496}Rating: \[\[[123]\]\]"


def test_a_json_schema_asks_for_an_explanation_and_then_a_rating(job, endpoint):
    asked = []
    reply = json.dumps({"explanation": "It names a [[1]] in passing.", "rating": 3})
    server = endpoint(lambda prompt, n: (200, {}, reply), refusal=lambda request: asked.append(request))
    status, last = job.run({"base_url": server.url, "reply_format": "json"}, questions(1))
    assert status == 0, last
    schema = asked[0]["response_format"]["json_schema"]
    assert schema["strict"] is True and list(schema["schema"]["properties"]) == ["explanation", "rating"]
    assert job.rows()[0]["rating"] == 3
