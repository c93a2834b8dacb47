"""A full disk for a single process: it may write no file beyond a size."""

import resource
import signal
from collections.abc import Callable


def files_up_to(size: int) -> Callable[[], None]:
    """A `preexec_fn` of subprocess; -1 sets no limit. Writing more fails with EFBIG, as on a full disk with ENOSPC."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit
