"""What the log of a job says of its end."""

import re
from pathlib import Path

ERROR = "error: "  # how the last line of our programs begins when they fail
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
TAIL = 64 * 1024  # bytes at the end of a log in which it is looked for


def log_error(log: Path) -> str:
    """The line `error: ...` that our programs end with, or else the last line. Its control characters are written out:
    a log may repeat what an endpoint or a model wrote, and a terminal would obey it."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL))
            lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return "no log"
    line = next((line for line in reversed(lines) if line.startswith(ERROR)), lines[-1] if lines else "empty log")
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], line)
