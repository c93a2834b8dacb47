"""Downloading a file over a connection that is safe."""

import gzip
import http.client
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
import zlib
from pathlib import Path

from tqdm import tqdm

from basics.errors import InputError

TIMEOUT = 60  # seconds without a byte


def safe(url: str) -> str:
    """A URL to download from: https, or this machine. Raises URLError for another: http, file, ftp."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise urllib.error.URLError("not https, over which alone files are downloaded")
    return url


class Redirected(urllib.request.HTTPRedirectHandler):
    """Goes where it is sent, but not from https to what anybody on the way could change."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.startswith("https://"):
            raise urllib.error.URLError(f"sent on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, safe(newurl))


def fetch(url: str, path: Path) -> None:
    """Copy the file at `url` to `path`, with progress.

    Raises InputError when it cannot be had, not whole, or not over a connection that is safe; OSError when it cannot be
    written.
    """
    try:
        with urllib.request.build_opener(Redirected).open(safe(url), timeout=TIMEOUT) as response:
            size = response.headers.get("Content-Length")
            with (
                path.open("wb") as stream,
                tqdm.wrapattr(stream, "write", total=int(size) if size else None, mininterval=5) as counted,
            ):
                shutil.copyfileobj(response, counted)
    except urllib.error.HTTPError as error:
        raise InputError(f"cannot download {url} ({error.code} {error.reason})") from None
    except urllib.error.URLError as error:
        raise InputError(f"cannot download {url} ({error.reason})") from None
    except http.client.IncompleteRead as error:  # of a response that says in each block how long it is
        arrived = path.stat().st_size + len(error.partial)
        raise InputError(f"{url}: {arrived} bytes arrived and then no more; run again") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, ValueError) as error:
        raise InputError(f"cannot download {url} ({error or type(error).__name__})") from None
    if size and path.stat().st_size != int(size):
        raise InputError(f"{url}: {path.stat().st_size} bytes arrived of {size}; run again")


def unpack(packed: Path, path: Path, name: object) -> None:
    """Unpack a .gz file into `path`. Raises InputError, under `name`, when it is cut short or corrupt."""
    try:
        with gzip.open(packed) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: cannot unpack it ({error})") from None
