"""A judge at an API is asked before a run spends anything: what is wrong with it is one line, told before any job."""

import json
import subprocess
import sys

import pytest

from basics.errors import InputError
from basics.settings import make_settings
from judge_endpoint import HANG, completion, like_gpt_5, started
from judge_job import KEY, SCRIPTS, TEMPLATE, Job, questions, read_rows
from judging import trial
from judging.settings import JudgeSettings
from judging.shutdowns import day_in
from judging.template import read_template
from judging.trial import JOURNAL, try_judge
from planning.jobs import Call
from planning.start import check_judges_or_exit

WEEK, YEAR = 7 * 24, 365 * 24  # hours
NO_RATING = "I am a language model,\nand I rate nothing."
NO_CREDIT = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
UNKNOWN = {
    "message": "The model `m` does not exist or you do not have access to it.",
    "type": "invalid_request_error",
    "param": None,
    "code": "model_not_found",
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def call(server, folder, **more):
    """How jobs call a judge at that endpoint."""
    judge = {"name": "j", "model": "m", "base_url": server.url, "price": {"prompt": 100, "completion": 1000}, **more}
    return Call(json.dumps(judge), str(TEMPLATE), str(folder / "j"))


def told(capsys, *calls, hours=0, ask=True):
    """What a check that goes well prints, line by line."""
    check_judges_or_exit(calls, day_in(hours), ask)
    return capsys.readouterr().err.splitlines()


def refused(*calls, hours=0, ask=True):
    """The lines with which a start ends."""
    with pytest.raises(SystemExit) as end:
        check_judges_or_exit(calls, day_in(hours), ask)
    return str(end.value).splitlines()


def ending(hours):
    return {"m": {"shutdown_date": str(day_in(hours))}, "other": {"shutdown_date": None}}


# ---- a judge that answers


def test_a_judge_is_asked_for_one_rating_in_the_words_of_the_study(tmp_path, capsys):
    with started(models={"m": {}}, key=KEY) as server:
        assert told(capsys, call(server, tmp_path)) == ["judge j: 'm' answers (rating 2, $0.0040)"]
    [(prompt, calls)] = server.calls.items()
    assert calls == 1
    assert prompt == TEMPLATE.read_text(encoding="utf-8").rstrip("\n").replace(
        "${instruction}", "What is the capital of France?"
    ).replace("${response}", "The capital of France is Paris.")


def test_its_call_counts_towards_the_budget_of_the_judge(tmp_path, capsys):
    with started() as server:
        judge = call(server, tmp_path, max_tokens=10, budget=0.25)
        assert len(told(capsys, judge)) == 1
        [kept] = read_rows(tmp_path / "j" / JOURNAL)
        assert kept["value"]["usage"] == {"prompt_tokens": 10, "completion_tokens": 3}

        job = Job(tmp_path)
        settings = json.loads(judge.judge)
        status, last = job.run(settings | {"budget": 0.05}, questions(1), spent_in=tmp_path / "j")
        assert status == 1 and "could exceed the budget of $0.05: $0.0040 spent" in last

        [line] = refused(call(server, tmp_path, max_tokens=10, budget=0.01))
        assert "could exceed the budget of $0.01: $0.0040 spent; raise judges.j.budget" in line


def test_each_start_asks_again(tmp_path, capsys):
    with started() as server:
        for count in (1, 2):
            told(capsys, call(server, tmp_path))
            assert sum(server.calls.values()) == len(read_rows(tmp_path / "j" / JOURNAL)) == count


@pytest.mark.parametrize("models", [None, {}, {"a name that is none": {"id": 7}}])
def test_an_endpoint_that_lists_no_models_is_judged_by_its_answer(tmp_path, capsys, models):
    with started(models=models) as server:
        assert told(capsys, call(server, tmp_path)) == ["judge j: 'm' answers (rating 2, $0.0040)"]


def test_a_model_that_answers_by_a_name_that_is_not_listed_is_told(tmp_path, capsys):
    with started(models={"other": {}}) as server:
        said = told(capsys, call(server, tmp_path))
    assert said[1:] == ["warning: judge 'j': the endpoint does not list 'm', but answers"]


def test_judges_that_their_jobs_serve_are_not_asked(tmp_path, capsys):
    served = Call(json.dumps({"name": "served", "model": "m", "serve": "false"}), str(TEMPLATE), str(tmp_path))
    assert told(capsys, served) == []
    assert told(capsys, served, ask=False) == []
    settings = make_settings(JudgeSettings, json.loads(served.judge))
    with pytest.raises(InputError, match="its job serves it, so there is no API to ask"):
        try_judge(settings, read_template(str(TEMPLATE)), tmp_path, day_in(0))


# ---- one that does not


FAULTS = {
    "a key that is dead": (
        {"key": "sk-another", "models": {"m": {}}},
        "Incorrect API key provided: ***. You can find your API key at https://platform.openai.com",
        "; export a key that it accepts as OPENAI_API_KEY",
    ),
    "a model that is dead": (
        {"fault": lambda prompt, n: (404, {}, {"error": UNKNOWN}), "models": {"z": {}, "m-20": {}, "m-2": {}}},
        "The model `m` does not exist or you do not have access to it",
        "; the endpoint does not list 'm', but 'm-2', 'm-20', 'z': correct judges.j.model",
    ),
    "a model that is dead, of an endpoint without a list": (
        {"fault": lambda prompt, n: (404, {}, {"error": UNKNOWN}), "models": None},
        "The model `m` does not exist or you do not have access to it",
        "; correct judges.j.model or base_url",
    ),
    "a model that takes no max_tokens": (
        {"refusal": like_gpt_5, "models": {"m": {}}},
        "the endpoint does not take our max_tokens",
        "in judges.j, set length_limit: max_completion_tokens",
    ),
    "an account without credit": (
        {"fault": lambda prompt, n: (429, {}, {"error": NO_CREDIT})},
        "the call failed: RateLimitError",
        "You exceeded your current quota.",
    ),
    "a reply without a rating": (
        {"fault": lambda prompt, n: (200, {}, NO_RATING)},
        "its reply to a question holds no rating: 'I am a language model, and I rate nothing.'",
        "; take another model, or change reply_format or max_tokens in judges.j",
    ),
    "a reply that was cut": (
        {"fault": lambda prompt, n: (200, {}, completion("Rating: [[2]]").replace(b'"stop"', b'"length"'))},
        "its reply to a question, cut at max_tokens (512), holds no rating",
        "; take another model, or change reply_format or max_tokens in judges.j",
    ),
    "a question that is refused": (
        {"fault": lambda prompt, n: (400, {}, "the content filter says no")},
        "a question was refused: ",
        "; correct its settings",
    ),
    "an endpoint that is busy for longer than a start waits": (
        {"fault": lambda prompt, n: (503, {}, "overloaded")},
        "no answer in 0.2 s (patience)",
        "overloaded",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("behaviour", "reason", "remedy"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_with_its_reason_and_a_remedy(tmp_path, monkeypatch, behaviour, reason, remedy):
    monkeypatch.setattr(trial, "SHORT", 0.2)
    with started(**behaviour) as server:
        [line] = refused(call(server, tmp_path))
    assert line.startswith("error: judge 'j': ") and reason in line and remedy in line, line
    assert line.endswith(" (check_judges: offline starts without asking)") and KEY not in line


def test_an_endpoint_that_is_not_there_is_told_at_once(tmp_path):
    with started() as server:
        gone = call(server, tmp_path)
    [line] = refused(gone)
    assert f"no answer from {server.url}: Connection error. ([Errno 111] Connection refused); start it, or" in line


def test_an_endpoint_that_never_answers_is_not_waited_for_as_long_as_in_a_job(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SHORT", 0.2)
    with started(fault=lambda prompt, n: (HANG, {}, "")) as server:
        [line] = refused(call(server, tmp_path, timeout=0.3))
    assert "no answer in 0.2 s (patience): APITimeoutError: Request timed out." in line
    assert sum(server.calls.values()) == 1


def test_a_key_that_is_not_set_is_told_by_the_name_of_its_variable(tmp_path):
    with started() as server:
        [line] = refused(call(server, tmp_path, key_env="ANOTHER_KEY"))
    assert "no API key; set the environment variable ANOTHER_KEY" in line
    assert not server.calls


def test_of_several_judges_each_has_a_line_of_its_own(tmp_path):
    with started(fault=lambda prompt, n: (200, {}, NO_RATING)) as mute, started(key="another") as closed:
        lines = refused(call(mute, tmp_path, name="mute"), call(closed, tmp_path, name="closed"))
    assert ["'closed'" in lines[0], "'mute'" in lines[1]] == [True, True]


# ---- one that ends


def test_a_model_that_has_ended_is_refused_without_a_call(tmp_path):
    with started(models=ending(hours=-24)) as server:
        [line] = refused(call(server, tmp_path))
    assert f"m is not served from {day_in(-24)} on" in line and not server.calls


def test_a_model_that_ends_next_week_is_a_warning_and_before_the_planned_end_it_is_refused(tmp_path, capsys):
    with started(models=ending(WEEK)) as server:
        warning, answer = told(capsys, call(server, tmp_path))
        assert warning == f"warning: judge 'j': m is not served from {day_in(WEEK)} on" and "answers" in answer
        [line] = refused(call(server, tmp_path), hours=2 * WEEK)
    assert f"m is not served from {day_in(WEEK)} on, and may be called until {day_in(2 * WEEK)}; take a model" in line


@pytest.mark.parametrize("given", [None, "soon", 20261023])
def test_a_date_that_is_none_is_no_end(tmp_path, capsys, given):
    with started(models={"m": {"shutdown_date": given}}) as server:
        assert len(told(capsys, call(server, tmp_path), hours=YEAR)) == 1


def test_without_a_call_a_model_is_still_looked_up_in_our_table(tmp_path, capsys):
    judge = {"name": "j", "model": "gpt-3.5-turbo-0125", "base_url": "https://api.openai.com/v1"}
    [line] = refused(Call(json.dumps(judge), str(TEMPLATE), str(tmp_path)), ask=False)
    assert "gpt-3.5-turbo-0125 is not served from 2026-10-23 on" in line and "check_judges" not in line
    judge["model"] = "gpt-6-luna"
    assert told(capsys, Call(json.dumps(judge), str(TEMPLATE), str(tmp_path)), ask=False) == [
        "judge j is not asked whether it answers"
    ]
    assert not list(tmp_path.iterdir())


# ---- by hand


def by_hand(server, folder, *more):
    settings = json.dumps({"name": "j", "model": "m", "base_url": server.url})
    command = [sys.executable, str(SCRIPTS / "check_judge.py"), "--judge", settings, "--template", str(TEMPLATE)]
    return subprocess.run([*command, "--journals", str(folder), *more], capture_output=True, text=True)


def test_a_judge_can_be_asked_by_hand(tmp_path):
    with started(models=ending(WEEK)) as server:
        asked = by_hand(server, tmp_path)
        assert (asked.returncode, asked.stdout) == (0, "judge j: 'm' answers (rating 2)\n"), asked.stderr
        asked = by_hand(server, tmp_path, "--until", str(day_in(WEEK)))
    assert asked.returncode == 1 and asked.stderr.startswith("error: judge 'j': m is not served from ")
    assert asked.stderr.count("\n") == 1
