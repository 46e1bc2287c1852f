"""Proxies and trusted certificates, as the environment names them.

Nothing is read before it is needed, so that a broken setting disturbs only those who need it.
"""

import ipaddress
import os
import re
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

__all__ = ["UNTRUSTED", "Proxy", "UnusableSetting", "ca_setting", "is_loopback", "proxy_for"]

UNTRUSTED = (
    "the certificate is not trusted: if it is your organisation's own, name the file of its"
    " authority in SSL_CERT_FILE (or REQUESTS_CA_BUNDLE)"
)
"""What to tell a user who meets a certificate that nobody vouches for."""

_LOGIN_WANTED = 407
_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
_USER = re.compile(r"(?:(?<=//)|^(?!.*//)).*@")  # a password may hold what else ends it


class UnusableSetting(OSError):
    """A setting of the environment is needed, and cannot be used."""


@frozen
class Proxy:
    """A proxy that the environment names.

    Attributes:
        url: Its URL, which may hold a password.
        variable: Which variable names it.
    """

    url: str = field(repr=False)
    variable: str

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    def __str__(self) -> str:
        return f"the proxy {_shown(self.url)} of {self.variable}"

    def refusal(self, status: int) -> str:
        """Return what to say of an answer that the proxy itself gave; empty if it did not."""
        return f"It was {self} that refused: it wants a login" if status == _LOGIN_WANTED else ""


def is_loopback(host: str) -> bool:
    """Tell whether a name or address, without brackets, is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy that leads to a host, if the environment names one.

    Raises:
        UnusableSetting: It is needed, and cannot be used.
    """
    if is_loopback(host):
        return None
    known = getproxies()
    kind = scheme if known.get(scheme) else "all"
    value = known.get(kind)
    if not value or proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    variable = _variable(f"{kind}_proxy")
    url = value if "://" in value else f"http://{value}"
    if _scheme_of(url) not in _SCHEMES:
        raise UnusableSetting(
            f"{variable}={_shown(value)!r} is not a valid proxy: expected http://HOST:PORT;"
            f" correct it, or name {host} in NO_PROXY"
        )
    return Proxy(url, variable)


def _shown(value: str) -> str:
    """Return a proxy without user and password."""
    return _USER.sub("", value)


def _scheme_of(url: str) -> str:
    """Return the scheme of a URL; empty where it is not a URL that leads to a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme if parts.hostname and parts.port != 0 else ""
    except ValueError:
        return ""


def _variable(name: str) -> str:
    """Return the variable as the user wrote it: the lower case wins, as in the standard library."""
    if os.environ.get(name):
        return name
    return name.upper() if os.environ.get(name.upper()) else "the system's settings"


def ca_setting() -> tuple[str, str] | None:
    """Return the variable that names trusted certificates, and its value; None for the defaults.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` come first, then those of the reference client.

    Raises:
        UnusableSetting: The path does not exist.
    """
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        value = os.environ.get(variable)
        if value:
            if not any(map(os.path.exists, value.split(os.pathsep))):
                raise UnusableSetting(
                    f"{variable}={value!r} does not exist or cannot be read: name the file of your"
                    " certificate authority, or unset it"
                )
            return variable, value
    return None
