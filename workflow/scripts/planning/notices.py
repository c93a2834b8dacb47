"""Messages to those who wait for a run: mail, Slack, Matrix, a webhook of their own, or whatever else Apprise knows.

Their addresses (https://appriseit.com/services/) are in APPRISE_URLS, as for Apprise's own command. They contain
passwords and tokens, so they are in no file and no message.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING

from basics.errors import InputError, exit_in_one_line

if TYPE_CHECKING:
    from apprise import Apprise

ADDRESSES = "APPRISE_URLS"  # separated by spaces


def recipients() -> "Apprise | None":
    """Those to whom messages are sent, if any. Raises InputError for an address that Apprise does not know."""
    if not (given := os.environ.get(ADDRESSES, "").split()):
        return None
    from apprise import Apprise

    found = Apprise()
    for place, address in enumerate(given, start=1):
        if not found.add(address):
            raise InputError(
                f"{ADDRESSES}: Apprise does not know address {place} of {len(given)}, which is not shown because it may"
                " have a password; https://appriseit.com/services/ has the forms, such as mailto:// or json://"
            )
    return found


@exit_in_one_line()
def check_recipients_or_exit() -> None:
    """Check the addresses before the first job."""
    recipients()


def notify(title: str, text: str) -> None:
    """Send a message, and say so if that fails, which ends no run."""
    if (to := recipients()) and not to.notify(title=title, body=text):
        print(f"warning: {ADDRESSES}: a message could not be sent: {title}", file=sys.stderr, flush=True)


def notify_meanwhile(title: str, text: str) -> None:
    """Send a message without waiting until it has arrived."""
    threading.Thread(target=notify, args=(title, text)).start()
