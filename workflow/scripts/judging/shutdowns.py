"""When a provider stops serving a model, as far as resources/model-shutdowns.yaml knows."""

import datetime
from functools import cache

from basics.paths import REPOSITORY
from basics.reading import read_yaml
from serving.client import host_of

SHUTDOWNS = REPOSITORY / "resources" / "model-shutdowns.yaml"


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
