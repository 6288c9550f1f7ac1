"""What the environment sets between us and the API, and what to do about it when no connection is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from batchtui.core.text import inert_line

_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""In the order in which the HTTP library asks them."""

_FOR_HTTP = ("http_proxy", "HTTP_PROXY")
"""Never asked, since all goes over https; but a client is not made if they are no URLs."""

_EXCEPT = ("no_proxy", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_NOT_READ = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def fault_of(error: Exception, environment: Mapping[str, str], is_proxy: Callable[[str], object]) -> tuple[str, str]:
    """Which setting keeps a client from being made, and what to do. `is_proxy` raises if a URL cannot be a proxy's."""
    if isinstance(error, OSError) and (name := _set(_CERTIFICATES, environment)):
        said = inert_line(environment[name], 200)
        return f"{name} is {said}, which holds no certificates that can be read", f"Correct {name}, or unset it."
    if isinstance(error, ImportError) and (name := _socks(environment)):
        do = f"Install it: pip install socksio. Or set {name} to an http:// proxy, or unset it."
        return f"{name} names a SOCKS proxy, which needs the package socksio", do
    for name in (*_PROXIES, *_FOR_HTTP):
        try:
            if environment.get(name):
                is_proxy(environment[name] if "://" in environment[name] else f"http://{environment[name]}")
        except Exception:  # noqa: BLE001 - whatever it is that the library cannot use
            return f"{name} is not the URL of a proxy that can be used", f"Write {name}=http://HOST:PORT, or unset it."
    if name := _set(_EXCEPT, environment):
        return f"{name} is not a list of hosts", f"Write {name}=host1,host2 without ports or brackets, or unset it."
    return "", ""


def advice(reason: str, host: str, environment: Mapping[str, str]) -> str:
    """What to check in the environment after a connection to a host was not made for a reason; empty if nothing.

    Without a `host`, it is this machine, which no proxy is asked for.
    """
    if _UNTRUSTED in reason:
        return _trust(reason, environment)
    name = proxy_for(host, environment)
    if not name:
        return ""
    if "407" in reason or "roxy Authentication" in reason:
        return f"The proxy wants a name and a password: {name}=http://NAME:PASSWORD@HOST:PORT"
    return f"It goes through the proxy {_place(environment[name])} of {name}: check that, or except {host} in NO_PROXY."


def proxy_for(host: str, environment: Mapping[str, str]) -> str:
    """The variable that names the proxy through which calls to a host go; empty if they go directly."""
    name = _set(_PROXIES, environment)
    excepted = not host or _excepted(host, environment.get(_set(_EXCEPT, environment), ""))
    return "" if excepted else name


def way_to(host: str, environment: Mapping[str, str]) -> str:
    """How calls get to a host: `directly`, or `through the proxy HOST:PORT of NAME`; and whose certificates count."""
    name, trusted = proxy_for(host, environment), _set(_CERTIFICATES, environment)
    way = f"through the proxy {_place(environment[name])} of {name}" if name else "directly"
    return way + (f", trusting {trusted}" if trusted and host else "")


def next_hop(host: str, environment: Mapping[str, str]) -> str:
    """The host that a call to a host connects to: itself, or its proxy."""
    name = proxy_for(host, environment)
    return (urlsplit(f"//{_place(environment[name])}").hostname or "") if name else host


def _trust(reason: str, environment: Mapping[str, str]) -> str:
    if "not yet valid" in reason or "has expired" in reason:
        return "Check the clock of this machine: it decides whether a certificate is valid."
    if name := _set(_CERTIFICATES, environment):
        return f"Check {name}: its certificates are trusted in place of the usual ones."
    if name := _set(_NOT_READ, environment):
        return f"{name} is not read here: set SSL_CERT_FILE to the same file."
    return "If a proxy in between reads along, set SSL_CERT_FILE to the file of its certificate."


def _excepted(host: str, listed: str) -> bool:
    names = [one.strip().lstrip(".").lower() for one in listed.split(",")]
    return any(one == "*" or f".{host}".endswith(f".{one}") for one in names if one)


def _socks(environment: Mapping[str, str]) -> str:
    return next((name for name in (*_PROXIES, *_FOR_HTTP) if environment.get(name, "").lower().startswith("socks")), "")


def _set(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    return next((name for name in names if environment.get(name)), "")


def _place(url: str) -> str:
    """The host and the port of a proxy, without a name and a password."""
    return inert_line(url.rpartition("://")[2].rpartition("@")[2].rstrip("/"), 100)
