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


def test_this_machine_is_reached_directly(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", nowhere())
    with started(models={}) as server:
        assert status_of(f"http://127.0.0.1:{server.server_port}/v1/models") == 200


@pytest.mark.parametrize(
    ("spared", "direct", "not_direct"),
    [
        ("far.example", ["far.example", "a.far.example"], ["afar.example"]),
        (".far.example, other", ["a.far.example", "other"], ["another"]),
        ("10.0.0.0/8,fd00::/8", ["10.1.2.3", "[fd00::1]"], ["11.0.0.1", "[fe00::1]", "far.example"]),
        ("*", ["far.example"], []),
    ],
)
def test_the_hosts_and_networks_of_no_proxy_are_reached_directly(monkeypatch, spared, direct, not_direct):
    monkeypatch.setenv("HTTP_PROXY", nowhere())
    monkeypatch.setenv("NO_PROXY", spared)
    assert not [host for host in direct if proxy_for(httpx2.URL(f"http://{host}/"))]
    assert all(proxy_for(httpx2.URL(f"http://{host}/")) for host in not_direct)


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
