"""The dated table of models that end."""

import datetime

import pytest

from basics.reading import read_yaml
from judging.shutdowns import SHUTDOWNS, shutdown_date

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
