"""HTTP exchanges that come to an end, for the clients of httpx.

What httpx calls a timeout bounds each read, so a server that sends a byte now and then would hold its caller for ever.
Here it bounds the whole exchange, from the connection to the last byte; or, where a file is moved, every step of it.
"""

import os
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies

import httpcore2
import httpx2

from basics.errors import InputError
from basics.hosts import is_reached_directly

FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)


class Clock:
    """The time that an exchange has left: `seconds` in all or, with `step`, for every `step` bytes that move."""

    def __init__(self, seconds: float, step: int | None):
        self._seconds, self._step = seconds, step
        self._end, self._moved = time.monotonic() + seconds, 0

    def left(self) -> float:
        """Seconds. Raises ReadTimeout if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            bound = f" for {self._step} bytes" if self._step else ""
            raise httpcore2.ReadTimeout(f"not done after {self._seconds:g} s{bound}")
        return left

    def moved(self, count: int) -> None:
        """Note that so many bytes have moved."""
        self._moved += count
        if self._step and self._moved >= self._step:
            self._end, self._moved = time.monotonic() + self._seconds, 0


class Stream(httpcore2.NetworkStream):
    """A connection whose operations take a Clock as their `timeout`, and have the time that it has left.

    The connection outlives an exchange. But httpcore passes the timeouts of a request on to each of its operations as
    they are, so they can be the clock of that request.
    """

    def __init__(self, inner: httpcore2.NetworkStream):
        self._inner = inner

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        content = self._inner.read(max_bytes, timeout.left())
        timeout.moved(len(content))
        return content

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        self._inner.write(buffer, timeout.left())
        timeout.moved(len(buffer))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: Any = None) -> "Stream":
        return Stream(self._inner.start_tls(ssl_context, server_hostname, timeout.left()))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Backend(httpcore2.SyncBackend):
    """Opens such connections. Each address of a host's name has the time that is left."""

    def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: str | None = None, socket_options: Any = None
    ) -> Stream:
        return Stream(super().connect_tcp(host, port, timeout.left(), local_address, socket_options))


class Body(httpx2.SyncByteStream):
    """The body of a response as it arrives."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with errors_of_httpx():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class Transport(httpx2.BaseTransport):
    """A transport for httpx2.Client whose timeouts bound the whole of each exchange or, with `step`, every `step` bytes
    of it; a request without a timeout has `otherwise`, in seconds. It uses the environment's proxies; raises InputError
    for one that cannot be used."""

    def __init__(self, step: int | None = None, otherwise: float = 60.0):
        self._step, self._otherwise = step, otherwise
        self._certificates = httpx2.create_ssl_context()
        self._pools: dict[str | None, httpcore2.ConnectionPool] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        given = request.extensions["timeout"]["read"]
        seconds = self._otherwise if given is None else given
        clock = Clock(seconds, self._step)
        timeouts = {"pool": seconds, "connect": clock, "write": clock, "read": clock}
        assert isinstance(request.stream, Iterable)
        with errors_of_httpx():
            response = self._pool(request.url).handle_request(
                httpcore2.Request(
                    request.method,
                    httpcore_url(request.url),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions | {"timeout": timeouts},
                )
            )
        return httpx2.Response(
            response.status, headers=response.headers, stream=Body(response.stream), extensions=response.extensions
        )

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _pool(self, url: httpx2.URL) -> httpcore2.ConnectionPool:
        """The connections for a URL: those of its proxy, or the direct ones."""
        proxy = proxy_for(url)
        key = str(proxy.url) if proxy else None
        if key not in self._pools:
            by_way_of = httpcore2.Proxy(httpcore_url(proxy.url), proxy.raw_auth, proxy.headers.raw) if proxy else None
            self._pools[key] = httpcore2.ConnectionPool(
                self._certificates, by_way_of, max_connections=None, keepalive_expiry=5.0, network_backend=Backend()
            )
        return self._pools[key]


def httpcore_url(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def proxy_for(url: httpx2.URL) -> httpx2.Proxy | None:
    """The environment's proxy for a URL; None for this machine, which no proxy can reach, and the hosts of NO_PROXY.

    Raises:
        InputError: if it is not an HTTP proxy, naming the variable.
    """
    if is_reached_directly(url.host):
        return None
    proxies = getproxies()
    kind = next((kind for kind in (url.scheme, "all") if proxies.get(kind)), None)
    if kind is None:
        return None
    given = proxies[kind]
    try:
        proxy = httpx2.Proxy(given if "://" in given else f"http://{given}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https"):
        named = f"{kind}_proxy"
        variable = next((name for name in os.environ if name.lower() == named and os.environ[name] == given), named)
        sort = "a SOCKS proxy" if given.lower().startswith("socks") else "no proxy that can be used"
        raise InputError(
            f"the environment variable {variable} names {sort}; give it the URL of an HTTP proxy (http://host:port),"
            f" or add {url.host} to NO_PROXY"
        )
    return proxy


@contextmanager
def errors_of_httpx() -> Generator[None]:
    """Within the block, what httpcore raises becomes what httpx raises, which has the same names."""
    try:
        yield
    except FAILURES as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error
