"""Downloading a file over a secure connection."""

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

TIMEOUT = 60  # seconds without receiving a byte


def require_https(url: str) -> str:
    """The URL itself, if it is https or on this machine. Raises URLError for any other (http, file, ftp)."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise urllib.error.URLError("not https; files are downloaded over https only")
    return url


class HttpsRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to a connection that others could tamper with."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, require_https(newurl))


def fetch(url: str, path: Path) -> None:
    """Download the file at `url` to `path`, with a progress bar.

    Raises InputError when the download fails, is incomplete or is not secure; OSError when `path` cannot be written.
    """
    try:
        with urllib.request.build_opener(HttpsRedirectHandler).open(require_https(url), timeout=TIMEOUT) as response:
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
    except http.client.IncompleteRead as error:  # of a chunked response
        arrived = path.stat().st_size + len(error.partial)
        raise InputError(f"{url}: the connection broke off after {arrived} bytes; run again") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, ValueError) as error:
        raise InputError(f"cannot download {url} ({error or type(error).__name__})") from None
    if size and path.stat().st_size != int(size):
        raise InputError(f"{url}: received {path.stat().st_size} of {size} bytes; run again")


def unpack(packed: Path, path: Path, name: object) -> None:
    """Unpack a .gz file into `path`. Raises InputError, which calls it `name`, when it is truncated or corrupt."""
    try:
        with gzip.open(packed) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: cannot unpack it ({error})") from None
