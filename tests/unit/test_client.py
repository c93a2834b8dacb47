"""The openai client of judges and servers: what it is made with, what its key never reaches, what is tried again."""

import logging
import os
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from basics.errors import InputError
from serving import client

KEY = "sk-secret"


def test_a_client_waits_and_repeats_as_it_is_told_and_logs_no_request():
    logging.getLogger("openai").setLevel(logging.DEBUG)  # as OPENAI_LOG=debug does
    made = client.openai_client("http://far.example/v1", KEY, timeout=3, max_retries=1)
    assert (str(made.base_url), made.api_key, made.timeout, made.max_retries) == ("http://far.example/v1/", KEY, 3, 1)
    assert not logging.getLogger("openai").isEnabledFor(logging.INFO)


def test_the_client_takes_nothing_from_the_environment_that_is_not_removed_there(monkeypatch):
    asked = set()

    class Noting(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    monkeypatch.setattr(os, "environ", Noting(os.environ, OPENAI_ORG_ID="org"))
    made = client.openai_client("http://127.0.0.1:9/v1", KEY, timeout=3, max_retries=1)
    made.with_options(timeout=5)
    assert {name for name in asked if name.startswith("OPENAI")} <= {*client.AMBIENT, "OPENAI_LOG"}
    assert "OPENAI_CUSTOM_HEADERS" in asked and "OPENAI_ORG_ID" not in os.environ


@pytest.mark.parametrize("url", ["https://user:secret@host/v1", "https://secret@host", "http://u:secret@[x/v1"])
def test_a_password_in_a_url_is_refused_without_it(url):
    with pytest.raises(InputError, match=r"^base_url has a user name or a password.*; take it out") as error:
        client.host_of(url)
    assert "secret" not in str(error.value)


def test_white_space_around_a_key_is_not_of_it(monkeypatch):
    monkeypatch.setenv("A_KEY", f" \t{KEY}\r\n")
    assert client.key_from_environment("A_KEY", "judge 'j'") == KEY


def test_the_key_is_cut_out_of_every_text_however_deep():
    answer = {"text": f"{KEY}, {KEY}", "choices": [{"message": f"<{KEY}>"}, None, 3], "n": 1.5}
    assert client.without_key(answer, KEY) == {"text": "***, ***", "choices": [{"message": "<***>"}, None, 3], "n": 1.5}
    assert client.in_one_line(ValueError(f"a\n  {KEY}\tb"), KEY) == "a *** b"


@pytest.mark.parametrize("key", [None, "", " ", "sk-“quoted”", "sk-\nsecret"])
def test_a_key_that_cannot_be_sent_is_refused_by_the_name_of_its_variable(monkeypatch, key):
    monkeypatch.delenv("A_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("A_KEY", key)
    with pytest.raises(InputError, match=r"^judge 'j': .*environment variable A_KEY") as error:
        client.key_from_environment("A_KEY", "judge 'j'")
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        ({}, True),
        ({"status_code": 429, "code": None}, True),
        ({"status_code": 503}, True),
        ({"status_code": 429, "code": "insufficient_quota"}, False),
        ({"status_code": 400}, False),
        ({"status_code": 401}, False),
    ],
)
def test_what_may_pass_is_told_by_the_status_and_the_credit(failure, passes):
    assert client.is_transient(SimpleNamespace(**failure)) is passes


def test_the_wait_that_a_server_asks_for_is_in_milliseconds_seconds_or_a_date():
    assert client.retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert client.retry_after({"retry-after": "9"}) == 9
    assert client.retry_after({"retry-after": "-9"}) == 0
    assert client.retry_after({"retry-after": formatdate(time.time() + 60)}) == pytest.approx(60, abs=2)
    assert client.retry_after({"retry-after": "nan"}) is None
    assert client.retry_after({}) is None


def test_an_answer_that_is_not_of_the_protocol_is_garbled():
    assert client.checked_answer(answer := SimpleNamespace(id="batch_1")) is answer
    for answer in ("<html>", SimpleNamespace(), [3]):
        with pytest.raises(client.Garbled):
            client.checked_answer(answer)
