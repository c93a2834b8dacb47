"""HTTP exchanges by way of proxies, which the environment names."""

import httpx2
import pytest

from basics.errors import InputError
from basics.transport import Transport, proxy_for
from judge_endpoint import started
from loopback import nowhere

PROXIES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def status_of(url):
    with httpx2.Client(transport=Transport(), timeout=5) as client:
        return client.get(url, headers={"Authorization": "Bearer x"}).status_code


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://user:secret@", ""])
def test_other_machines_are_reached_by_the_proxy_of_the_environment(monkeypatch, name, scheme):
    with started(models={}) as proxy:
        monkeypatch.setenv(name, f"{scheme}127.0.0.1:{proxy.server_port}")
        assert status_of("http://far.example/v1/models") == 200
        assert proxy.keys == {"Bearer x"}


def test_this_machine_and_the_hosts_of_no_proxy_are_reached_directly(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", nowhere())
    with started(models={}) as server:
        assert status_of(f"http://127.0.0.1:{server.server_port}/v1/models") == 200
    monkeypatch.setenv("NO_PROXY", "far.example")
    assert proxy_for(httpx2.URL("http://far.example/")) is None


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("socks5://user:secret@127.0.0.1:9", "a SOCKS proxy"),
        ("ftp://user:secret@host", "no proxy that can be used"),
        ("http://user:secret@host:port", "no proxy that can be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(monkeypatch, name, given, told):
    monkeypatch.setenv(name, given)
    with pytest.raises(InputError, match=rf"^the environment variable {name} names {told};.*NO_PROXY$") as error:
        status_of("https://far.example/v1/models")
    assert "secret" not in str(error.value)
