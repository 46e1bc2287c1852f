"""Proxies and certificates: as they were given to a client, else as the environment names them.

Nothing is read before it is needed, so that a broken setting disturbs only those who need it.
"""

import ipaddress
import os
import re
import ssl
from os import PathLike
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

from .errors import InvalidArgument

__all__ = [
    "CertificateFiles",
    "FilePath",
    "Network",
    "Proxy",
    "UnusableSetting",
    "ca_setting",
    "is_certificate_fault",
    "is_loopback",
    "lacks_tls",
    "proxy_for",
    "tls_hint",
]

FilePath = str | PathLike[str]
"""The path of a file."""

CertificateFiles = FilePath | tuple[FilePath, FilePath]
"""A PEM file with a certificate and its key, or one file for each."""

_UNTRUSTED = (
    "the certificate is not trusted: if it is your organisation's own, name the file of its"
    " authority in SSL_CERT_FILE (or REQUESTS_CA_BUNDLE), or give it to the client as ca_file="
)
_UNWELCOME = (
    "the server wants a certificate from its clients, or refuses the one that it got: give the"
    " client one that the server accepts, with its key, as client_certificate="
)
_PLAIN = (
    "the server does not speak TLS: if it is one of http, write http:// in the URL (or in the"
    " proxy's)"
)
# What comes in place of TLS, in the words of each version of the library.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
# What servers say of a client's certificate; of one that is missing, before TLS 1.3, the last.
_ALERT = re.compile(r"ALERT_(\w*CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)")
_LOGIN_WANTED = 407
_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
_USER = re.compile(r"(?:(?<=//)|^(?!.*//)).*@")  # a password may hold what else ends it


class UnusableSetting(OSError):
    """A setting is needed, and cannot be used."""


@frozen
class Network:
    """How a client gets to the API and to storage; what is None is left to the environment.

    Attributes:
        proxy: URL of the proxy for all hosts, this machine included. It may hold a password.
        ca_file: PEM file of the authorities to trust, and no others.
        client_certificate: PEM files of the certificate to show to servers that ask for one, and
            of its key; they may be the same.
    """

    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    client_certificate: tuple[str, str] | None = None

    @classmethod
    def of(
        cls,
        proxy: str | None,
        ca_file: FilePath | None,
        client_certificate: CertificateFiles | None,
    ) -> "Network":
        """Accept what is given to a client. Paths become absolute, as they may travel.

        Raises:
            InvalidArgument: The proxy is not a URL that leads to one.
        """
        if proxy is not None:
            url = _with_scheme(proxy)
            if _scheme_of(url) not in _SCHEMES:
                raise InvalidArgument(
                    f"proxy={_shown(proxy)!r} is not a valid proxy: expected http://HOST:PORT"
                )
            proxy = url
        pair: tuple[str, str] | None = None
        if client_certificate is not None:
            both = client_certificate
            certificate, key = both if isinstance(both, tuple) else (both, both)
            pair = _absolute(certificate), _absolute(key)
        return cls(proxy, None if ca_file is None else _absolute(ca_file), pair)


@frozen
class Proxy:
    """A proxy that leads to a host.

    Attributes:
        url: Its URL, which may hold a password.
        variable: Which variable or argument names it.
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


def proxy_for(scheme: str, host: str, port: int, network: Network) -> Proxy | None:
    """Return the proxy that leads to a host: the one that was given, else the environment's.

    Raises:
        UnusableSetting: It is needed, and cannot be used.
    """
    if network.proxy is not None:
        return Proxy(network.proxy, "the argument proxy=")
    if is_loopback(host):
        return None
    known = getproxies()
    kind = scheme if known.get(scheme) else "all"
    value = known.get(kind)
    if not value or proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    variable = _variable(f"{kind}_proxy")
    url = _with_scheme(value)
    if _scheme_of(url) not in _SCHEMES:
        raise UnusableSetting(
            f"{variable}={_shown(value)!r} is not a valid proxy: expected http://HOST:PORT;"
            f" correct it, or name {host} in NO_PROXY"
        )
    return Proxy(url, variable)


def _absolute(path: FilePath) -> str:
    return str(Path(path).absolute())


def _with_scheme(value: str) -> str:
    return value if "://" in value else f"http://{value}"


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


def is_certificate_fault(error: BaseException | None) -> bool:
    """Tell whether one side of a connection refused the other's certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    return isinstance(error, ssl.SSLError) and bool(_ALERT.search(str(error.reason)))


def lacks_tls(error: BaseException | None) -> bool:
    """Tell whether the other side of a connection does not speak TLS."""
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", "") in _NOT_TLS


def tls_hint(error: BaseException | None) -> str:
    """Return what to do about a refused certificate, or no TLS; empty for any other error."""
    if lacks_tls(error):
        return _PLAIN
    if not is_certificate_fault(error):
        return ""
    return _UNTRUSTED if isinstance(error, ssl.SSLCertVerificationError) else _UNWELCOME


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
