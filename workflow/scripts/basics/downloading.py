"""Downloading a file over a secure connection."""

import gzip
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tqdm import tqdm

from basics.errors import InputError

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 60.0  # seconds until the first bytes, and for every further STEP
STEP = 2**16  # bytes; a server that is slower than this is as good as none
REDIRECTS = 10  # at most


def fetch(url: str, path: Path, longest: int | None = None) -> None:
    """Download the file at `url` to `path`, with a progress bar; it has at most `longest` bytes, if that is known.

    Redirects are followed, but never from https to a connection that others could tamper with.

    Raises InputError when the download fails, stalls, is incomplete, too long or not secure; OSError when `path` cannot
    be written.
    """
    import httpx2

    from basics.transport import Transport

    check_secure(url, url)
    arrived, size = 0, None
    try:
        with (
            httpx2.Client(
                transport=Transport(STEP),
                timeout=TIMEOUT,
                follow_redirects=True,
                max_redirects=REDIRECTS,
                event_hooks={"response": [lambda response: check_redirect(url, response)]},
            ) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise InputError(f"cannot download {url} ({response.status_code} {response.reason_phrase})")
            size = response.headers.get("Content-Length")
            with (
                path.open("wb") as file,
                tqdm(total=int(size) if size else None, unit="B", unit_scale=True, mininterval=5) as done,
            ):
                for piece in response.iter_raw():
                    arrived += len(piece)
                    if longest is not None and arrived > longest:
                        raise InputError(f"{url}: longer than the {longest:,} bytes that it may have")
                    file.write(piece)
                    done.update(len(piece))
    except httpx2.RequestError as error:
        why = str(error) or type(error).__name__
        if not arrived:
            raise InputError(f"cannot download {url} ({why})") from None
        of = f" of {size}" if size else ""
        raise InputError(f"{url}: the connection broke off after {arrived}{of} bytes ({why}); run again") from None
    except httpx2.InvalidURL as error:
        raise InputError(f"cannot download {url} ({error})") from None


def check_secure(asked: str, url: str) -> None:
    """Raise InputError unless `url`, where `asked` leads, is https or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(f"cannot download {asked} ({error})") from None
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise InputError(f"cannot download {asked} (not https; files are downloaded over https only)")


def check_redirect(asked: str, response: "httpx2.Response") -> None:
    """Raise InputError if a response sends on to an address that is not secure, or less than its own."""
    if not response.has_redirect_location:
        return
    target = response.url.join(response.headers["Location"])
    if response.url.scheme == "https" and target.scheme != "https":
        raise InputError(f"cannot download {asked} (redirected to {target}, which is not https)")
    check_secure(asked, str(target))


def unpack(packed: Path, path: Path, name: object) -> None:
    """Unpack a .gz file into `path`. Raises InputError, which calls it `name`, when it is truncated or corrupt."""
    try:
        with gzip.open(packed) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: cannot unpack it ({error})") from None
