"""When a provider stops serving a model, as far as resources/model-shutdowns.yaml knows."""

import datetime
import sys
from functools import cache

from basics.errors import InputError
from basics.paths import REPOSITORY
from basics.reading import read_yaml
from serving.client import host_of

SHUTDOWNS = REPOSITORY / "resources" / "model-shutdowns.yaml"
NOTICE = datetime.timedelta(days=60)  # before the end of a judge's model; a study may take weeks


def day_in(hours: float) -> datetime.date:
    """The date some hours from now."""
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)).date()


@cache
def _shutdowns() -> dict[str, dict[str, datetime.date]]:
    """Host -> model -> the first day without it."""
    return read_yaml(SHUTDOWNS, fields=())


def shutdown_date(base_url: str, model: str) -> datetime.date | None:
    """The first day on which the endpoint at `base_url` does not serve `model`; None if no such day is known.

    A fine-tuned model of OpenAI, ft:<base>:<organisation>:..., ends with its base. Raises InputError for a bad URL.
    """
    base = model.split(":")[1] if model.startswith("ft:") else model
    return _shutdowns().get(host_of(base_url), {}).get(base)


def check_end(judge: str, model: str, end: datetime.date | None, until: datetime.date) -> None:
    """Check that a judge's model, which ends on a day if that is known, is served up to the last day of its use.

    Raises:
        InputError: if it is not. One that ends within NOTICE of that day is told.
    """
    if end is None or end > until + NOTICE:
        return
    told = f"judge {judge!r}: {model} is not served from {end} on"
    if end <= until:
        raise InputError(
            f"{told}, and may be called until {until}; take a model that is, as in config/presets/judge-openai.yaml, or"
            " one with open weights"
        )
    print(f"warning: {told}", file=sys.stderr, flush=True)
