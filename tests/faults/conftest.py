import time

import pytest

from small import Checkout
from watch import Watch


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory) -> Checkout:
    """The small miniature, run once without a fault, with the `seconds` that it took and the `events` of its files."""
    checkout = Checkout(tmp_path_factory.mktemp("unbroken") / "checkout")
    checkout.results.mkdir(parents=True)
    began = time.monotonic()
    with Watch(checkout.results) as watch:
        checkout.finish()
    checkout.seconds, checkout.events = time.monotonic() - began, watch.events
    return checkout
