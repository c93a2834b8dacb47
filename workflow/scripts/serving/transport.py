"""What the openai client sends and receives by: bounded in time and size, and without redirects."""

from collections.abc import Iterator

import httpx2

from basics.transport import Transport

# Headers of a response that are dropped: its body is decompressed here, and its cookies would be kept and sent back.
DROPPED = {b"content-encoding", b"content-length", b"set-cookie"}


class TooLong(httpx2.ReadError):
    """A response has more bytes than it may have."""


class ApiTransport(Transport):
    """A Transport that reads at most `longest` bytes of a body, decompressed.

    A response that is longer raises TooLong; that of an error is cut, since its status says more. A redirect is not
    followed, because the key is for `base_url` alone: it becomes an error that names the other host.
    """

    def __init__(self, longest: int, step: int | None = None):
        super().__init__(step)
        self._longest = longest

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if response.has_redirect_location:
            response.close()
            return redirect_error(response.status_code, request.url, response.headers["location"])
        return bounded(response, self._longest)


def redirect_error(status: int, url: httpx2.URL, location: str) -> httpx2.Response:
    """An error in the form of the protocol's, in place of a redirect."""
    try:
        target = url.join(location)
        place = f"{target.scheme}://{target.netloc.decode()}"
    except httpx2.InvalidURL:
        place = "an invalid URL"
    message = f"a redirect to {place[:200]}, which is not followed; correct base_url"
    return httpx2.Response(status, json={"error": {"message": message}})


def bounded(response: httpx2.Response, longest: int) -> httpx2.Response:
    """The same response with its body decompressed, at most `longest` bytes of it."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in DROPPED]
    body = Bounded(response, longest)
    return httpx2.Response(response.status_code, headers=headers, stream=body, extensions=response.extensions)


class Bounded(httpx2.SyncByteStream):
    """The body of a response, decompressed as it arrives."""

    def __init__(self, response: httpx2.Response, longest: int):
        self._response, self._longest = response, longest

    def __iter__(self) -> Iterator[bytes]:
        left = self._longest
        for piece in self._response.iter_bytes():
            if len(piece) > left:
                if self._response.is_error:
                    yield piece[:left]
                    return
                raise TooLong(f"a response of more than {self._longest:,} bytes")
            left -= len(piece)
            yield piece

    def close(self) -> None:
        self._response.close()
