"""Proxies and certificates: what is wrong is named by its variable, with what to do, and no password is shown."""

from __future__ import annotations

import httpx2
import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import ASK_LATER, failed
from batchtui.core.api.surroundings import advice
from batchtui.core.errors import ApiError, BadInput, Unreachable

ALL = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
ALL += ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
UNTRUSTED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
NOBODY = "http://me:hunter2@127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def asked(base_url: str = "https://api.example.invalid") -> BadInput | Unreachable:
    api = AnthropicApi(Credentials("test", "sk-ant-test", base_url), answer_timeout=5, idle_timeout=5)
    try:
        await api.page()
    except (BadInput, Unreachable) as error:
        return error
    finally:
        await api.close()
    raise AssertionError("it was answered")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", ("ALL_PROXY", "SOCKS", "socksio")),
        ("HTTPS_PROXY", "socks5h://127.0.0.1:9", ("HTTPS_PROXY", "SOCKS", "socksio")),
        ("ALL_PROXY", "socks4://127.0.0.1:9", ("ALL_PROXY is not the URL of a proxy", "ALL_PROXY=http://")),
        ("https_proxy", "ftp://127.0.0.1:9", ("https_proxy is not the URL of a proxy",)),
        ("HTTP_PROXY", "ftp://127.0.0.1:9", ("HTTP_PROXY is not the URL of a proxy",)),
        ("NO_PROXY", "[::1", ("NO_PROXY is not a list of hosts", "NO_PROXY=")),
        ("SSL_CERT_FILE", "/nowhere.pem", ("SSL_CERT_FILE is /nowhere.pem", "unset")),
        ("SSL_CERT_FILE", __file__, (f"SSL_CERT_FILE is {__file__}", "unset")),
    ],
)
async def test_what_keeps_a_client_from_being_made_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, value)
    error = await asked()
    assert isinstance(error, BadInput)
    for word in words:
        assert word in f"{error.message} {error.hint}"
    for other in {"HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"} - {name, name.upper()}:
        assert other not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_that_is_not_there_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, NOBODY)
    error = await asked()
    assert f"proxy 127.0.0.1:9 of {name}" in error.hint
    assert "NO_PROXY" in error.hint
    assert ASK_LATER in error.hint
    assert "hunter2" not in f"{error.message} {error.hint}"


async def test_without_a_proxy_or_past_it_none_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await asked()).hint == ASK_LATER
    monkeypatch.setenv("HTTPS_PROXY", NOBODY)
    assert (await asked("http://127.0.0.1:9")).hint == ASK_LATER
    for listed in ("api.example.invalid", "other, .example.invalid", "*"):
        assert advice("refused", "api.example.invalid", {"ALL_PROXY": NOBODY, "NO_PROXY": listed}) == ""
    assert advice("refused", "api.example.invalid", {"ALL_PROXY": NOBODY, "NO_PROXY": "ample.invalid"})


def test_a_proxy_that_wants_a_password_is_told_from_one_that_is_not_there() -> None:
    said = str(httpx2.ProxyError("407 Proxy Authentication Required"))
    assert "HTTPS_PROXY=http://NAME:PASSWORD@HOST" in advice(said, "api.anthropic.com", {"HTTPS_PROXY": "http://p:1"})


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({}, "set SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "/a.pem"}, "Check SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": "/a"}, "Check SSL_CERT_DIR"),
        ({"REQUESTS_CA_BUNDLE": "/a.pem"}, "REQUESTS_CA_BUNDLE is not read here: set SSL_CERT_FILE"),
        ({"CURL_CA_BUNDLE": "/a.pem", "HTTPS_PROXY": "http://p:1"}, "CURL_CA_BUNDLE is not read here"),
    ],
)
def test_a_certificate_that_is_not_trusted_leads_to_the_variable_that_counts(
    environment: dict[str, str], word: str
) -> None:
    assert word in advice(UNTRUSTED, "api.anthropic.com", environment)


def test_a_413_speaks_of_size_whoever_said_it_and_other_refusals_of_theirs() -> None:
    api = failed(413, "Request exceeds the maximum size", "", None, "key", "")
    assert "too large" in api.message
    assert "--split" in api.hint
    proxy = failed(413, None, "", None, "key", "nginx")
    assert "--split" in proxy.hint
    assert "nginx" in proxy.message
    assert isinstance(proxy, ApiError)
    assert "--split" in proxy.with_next("It was not bought.").hint
    assert proxy.hint.endswith("It was not bought.")
    assert "credit" in failed(402, "Your credit balance is too low", "", None, "key", "").hint
    assert "spend limit" in failed(429, "Limit", "workspace_spend_limit", None, "key", "").hint
    assert "--split" not in failed(502, None, "", None, "key", "nginx").hint
