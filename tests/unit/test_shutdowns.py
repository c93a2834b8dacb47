"""The dated table of models that end."""

import datetime
import re

import pytest
import yaml

from basics.errors import InputError
from basics.paths import REPOSITORY
from basics.reading import read_yaml
from judging.shutdowns import SHUTDOWNS, check_end, shutdown_date

SHIPPED = sorted((REPOSITORY / "config").rglob("*.yaml"))
PAGES = sorted([*(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("*/README.md"), REPOSITORY / "README.md"])

OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("base_url", "model", "ends"),
    [
        (OPENAI, "gpt-3.5-turbo-0125", "2026-10-23"),
        (OPENAI, "gpt-4o-mini", "2027-01-14"),
        (OPENAI, "ft:gpt-4o-mini-2024-07-18:lab::9x", "2027-01-14"),
        ("https://API.openai.com:443/v1", "gpt-4", "2026-10-23"),
    ],
)
def test_a_model_ends_on_the_day_that_its_provider_gives(base_url, model, ends):
    assert shutdown_date(base_url, model) == datetime.date.fromisoformat(ends)


@pytest.mark.parametrize(
    ("base_url", "model"), [(OPENAI, "gpt-6-luna"), ("https://my-server.example/v1", "gpt-3.5-turbo")]
)
def test_a_model_that_the_table_does_not_know_has_no_end(base_url, model):
    assert shutdown_date(base_url, model) is None


def test_each_entry_of_the_table_is_a_date():
    table = read_yaml(SHUTDOWNS)
    assert {type(day) for models in table.values() for day in models.values()} == {datetime.date}


END = datetime.date(2026, 10, 23)


@pytest.mark.parametrize(
    ("until", "told"),
    [("2026-08-01", ""), ("2026-10-22", "warning: judge 'mine': m is not served from 2026-10-23 on\n")],
)
def test_a_model_that_ends_soon_after_its_last_use_is_told(capsys, until, told):
    check_end("mine", "m", END, datetime.date.fromisoformat(until))
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("until", ["2026-10-23", "2027-01-01"])
def test_a_model_that_ends_before_its_last_use_is_refused(until):
    with pytest.raises(
        InputError, match=f"not served from 2026-10-23 on, and may be called until {until}; take a model"
    ):
        check_end("mine", "m", END, datetime.date.fromisoformat(until))


def test_a_model_without_a_known_end_may_be_used_at_any_time(capsys):
    check_end("mine", "m", None, datetime.date.max)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_no_shipped_configuration_asks_a_judge_that_will_be_gone_within_months(path):
    """Of the table: a judge without an end there may still be withdrawn, and the table was read on the day it says."""
    for judge in yaml.safe_load(path.read_text(encoding="utf-8")).get("judges", []):
        assert shutdown_date(judge.get("base_url", "http://127.0.0.1"), judge["model"]) is None


def test_no_page_shows_a_judge_that_will_be_gone_within_months():
    named = {
        model: page.name for page in PAGES for model in re.findall(r"\bmodel: ([\w./-]+)", page.read_text("utf-8"))
    }
    assert "gpt-6-luna" in named
    assert {model: page for model, page in named.items() if shutdown_date(OPENAI, model)} == {}
