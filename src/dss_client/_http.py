"""The only module that imports httpx: its clients, its errors and its logs.

A change of the library is a change of this file.
"""

import logging
import os
import re
import ssl
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from attrs import frozen

from ._connections import ConnectionFault, Connections, Place
from ._environment import (
    Network,
    Proxy,
    UnusableSetting,
    ca_setting,
    is_certificate_fault,
    lacks_tls,
    proxy_for,
    tls_hint,
)
from ._options import Timeout
from ._redact import REDACTED, mask, mask_error, redact_url
from .errors import DSSConnectionError, DSSError, DSSTimeout, RequestInfo

__all__ = [
    "CONNECT_ERRORS",
    "NETWORK_ERRORS",
    "UNSENT_ERRORS",
    "AsyncClient",
    "Client",
    "HTTPRequest",
    "HTTPResponse",
    "Headers",
    "Route",
    "is_permanent",
    "new_async_client",
    "new_client",
    "origin_of",
    "send_async_request",
    "send_request",
    "tls_context",
    "to_dss_error",
]

AsyncClient = httpx.AsyncClient
Client = httpx.Client
Headers = httpx.Headers
HTTPRequest = httpx.Request
HTTPResponse = httpx.Response

NETWORK_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    ssl.SSLError,  # of a server that refuses what it was sent; only sometimes one of httpx
    UnicodeError,  # of a host whose name cannot be looked up
    UnusableSetting,
)
"""What a request raises, from its URL to the end of its answer."""

CONNECT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors of a service that cannot be reached."""

UNSENT_ERRORS = (*CONNECT_ERRORS, httpx.PoolTimeout)
"""Errors that prove that no byte of the request reached the service."""

_PERMANENT_ERRORS = (
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    UnicodeError,
    UnusableSetting,
)
# What the library raises for a fault of a step, and if that was its time.
_FAULTS: dict[str, tuple[type[httpx.TransportError], type[httpx.TransportError]]] = {
    "pool": (httpx.PoolTimeout, httpx.PoolTimeout),
    "connect": (httpx.ConnectError, httpx.ConnectTimeout),
    "write": (httpx.WriteError, httpx.WriteTimeout),
    "read": (httpx.ReadError, httpx.ReadTimeout),
    "protocol": (httpx.RemoteProtocolError, httpx.RemoteProtocolError),
}
_QUERY = re.compile(r"(https?://[^\s?]+\?)\S+", re.IGNORECASE)
# What the library below says of an answer: its status is plain, its words and headers may hold what
# was sent to get it.
_ANSWER = re.compile(
    r"(response_headers\.(?:complete|failed) (?:return_value=\((?:b'[^']*', )?\d*)?).*", re.DOTALL
)


class _RedactURLs(logging.Filter):
    """Takes secrets out of httpx's own log: queries, and the words of an answer's status."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact_url(str(arg), presigned=True) if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
            if str(record.msg).startswith("HTTP Request"):
                record.args = (*record.args[:-1], "")
        return True


class _RedactHeaders(logging.Filter):
    """Takes out of what the library below logs how answers begin: it may hold secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = _QUERY.sub(rf"\1{REDACTED}", record.getMessage())
        record.msg, record.args = mask(_ANSWER.sub(rf"\1 {REDACTED}", text)), ()
        return True


for _library in ("httpx", "httpx2"):
    logging.getLogger(_library).addFilter(_RedactURLs())
for _library in ("httpcore", "httpcore2"):
    for _name in (
        "connection",
        "http11",
        "http2",
        "proxy",
        "socks",
    ):  # a filter holds for one logger only
        logging.getLogger(f"{_library}.{_name}").addFilter(_RedactHeaders())


_ENVIRONMENT = Network()


@frozen
class Route:
    """The way to a service; each has an HTTP client of its own.

    Attributes:
        tls: It is reached by https.
        proxy: The proxy that leads there.
        network: The settings that it follows.
    """

    tls: bool
    proxy: Proxy | None
    network: Network

    @classmethod
    def to(cls, url: str, network: Network = _ENVIRONMENT) -> "Route":
        """Return the way to a URL: as it was given, else as the environment asks for.

        Raises:
            httpx.InvalidURL: It is not a URL.
            UnusableSetting: The proxy cannot be used.
        """
        parts = httpx.URL(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        proxy = proxy_for(parts.scheme, parts.host, port, network)
        if proxy and proxy.parts.scheme.startswith("socks") and find_spec("socksio") is None:
            way_round = "" if network.proxy else f", or name {parts.host} in NO_PROXY"
            raise UnusableSetting(
                f"{proxy} needs support of SOCKS: pip install 'httpx[socks]'{way_round}"
            )
        return cls(parts.scheme == "https", proxy, network)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, which decide on its route.

    Raises:
        httpx.InvalidURL: It is not a URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise httpx.InvalidURL(str(error)) from None
    return f"{parts.scheme}://{parts.netloc}"


def tls_context(network: Network = _ENVIRONMENT) -> ssl.SSLContext:
    """Return what connections trust and show; made once for the same settings. Threads share it.

    Raises:
        UnusableSetting: Certificates are named that cannot be read.
    """
    given = None if network.ca_file is None else ("ca_file", network.ca_file)
    return _tls_context(given or ca_setting(), network.client_certificate)


@cache
def _tls_context(
    authorities: tuple[str, str] | None, certificate: tuple[str, str] | None
) -> ssl.SSLContext:
    context = _context_that_trusts(authorities)
    if certificate is not None:
        try:
            context.load_cert_chain(*certificate, password=_no_password)
        except OSError as error:
            raise UnusableSetting(
                f"client_certificate={certificate!r} cannot be used ({error}): name a PEM file with"
                " the certificate and its key, or a pair of files, the certificate's first"
            ) from error
    return context


def _no_password() -> str:
    """Refuse to open a key, instead of having the library ask for its password at the terminal."""
    raise UnusableSetting("the key is encrypted")


def _context_that_trusts(authorities: tuple[str, str] | None) -> ssl.SSLContext:
    if authorities is None:
        return httpx.create_ssl_context(trust_env=False)
    variable, place = authorities
    try:
        if variable != "ca_file" and any(Path(part).is_dir() for part in place.split(os.pathsep)):
            return ssl.create_default_context(capath=place)
        return ssl.create_default_context(cafile=place)
    except OSError as error:
        raise UnusableSetting(
            f"{variable}={place!r} cannot be read as certificates ({error}): name a file in PEM"
            f" format{'' if variable == 'ca_file' else ', or unset it'}"
        ) from error


def _trusted(route: Route) -> ssl.SSLContext:
    """Return the certificates to trust on a route; none if it has no TLS."""
    if route.tls or (route.proxy is not None and route.proxy.parts.scheme == "https"):
        return tls_context(route.network)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(route: Route, context: ssl.SSLContext) -> httpx.Proxy | None:
    if route.proxy is None:
        return None
    secure = route.proxy.parts.scheme == "https"
    try:
        return httpx.Proxy(route.proxy.url, ssl_context=context if secure else None)
    except (ValueError, httpx.InvalidURL) as error:
        raise UnusableSetting(f"{route.proxy} cannot be used ({error})") from None


class _OwnClient(httpx.Client):
    """A client for a route, with further connections for what is plain on it."""

    def __init__(self, route: Route) -> None:
        context = _trusted(route)
        super().__init__(
            follow_redirects=False, trust_env=False, verify=context, proxy=_proxy(route, context)
        )
        self._plain = Connections(context) if route.proxy is None else None
        self._plain_headers = dict(self.headers)

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: Timeout
    ) -> httpx.Response | None:
        """Return a whole answer; None if the library must be asked for it."""
        place = Place.of(url)
        if self._plain is None or place is None:
            return None
        try:
            answer = self._plain.ask(place, method, self._plain_headers | headers, body, timeout)
        except ConnectionFault as fault:
            cause = fault.__cause__
            kind = _FAULTS[fault.step][isinstance(cause, TimeoutError)]
            raise kind(str(fault)) from cause
        return httpx.Response(answer.status, headers=answer.headers, content=answer.content)

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if self._plain is not None:
            self._plain.close()


def new_client(route: Route) -> httpx.Client:
    """Make a client for a route; it sends no credential and no cookie of its own.

    Raises:
        UnusableSetting: Certificates are named that cannot be read.
    """
    return _OwnClient(route)


def new_async_client(route: Route) -> httpx.AsyncClient:
    """Make an asynchronous client for a route; see `new_client`."""
    context = _trusted(route)
    return httpx.AsyncClient(
        follow_redirects=False, trust_env=False, verify=context, proxy=_proxy(route, context)
    )


def send_request(
    client: httpx.Client,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None,
    timeout: Timeout | None,
    *,
    whole: bool,
) -> httpx.Response:
    """Send a request once; the answer is still to be read, unless that is done already.

    Args:
        client: The client.
        method: The method.
        url: The URL.
        headers: Sent besides those of the client.
        body: The content.
        timeout: Limits of time; those of the client when not given.
        whole: The answer is wanted as a whole.
    """
    if whole and timeout is not None and isinstance(client, _OwnClient):
        answer = client.ask(method, url, headers, body, timeout)
        if answer is not None:
            return answer
    request = _build_request(client, method, url, headers, body, timeout)
    return client.send(request, stream=True, follow_redirects=False)


async def send_async_request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None,
    timeout: Timeout | None,
    *,
    whole: bool,  # noqa: ARG001 - as `send_request`
) -> httpx.Response:
    """Send a request once, and return the answer unread; see `send_request`."""
    request = _build_request(client, method, url, headers, body, timeout)
    return await client.send(request, stream=True, follow_redirects=False)


def _build_request(
    client: httpx.Client | httpx.AsyncClient,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None,
    timeout: Timeout | None,
) -> httpx.Request:
    limits: httpx.Timeout | None = None
    if timeout is not None:
        limits = httpx.Timeout(
            connect=timeout.connect, read=timeout.read, write=timeout.write, pool=timeout.pool
        )
    return client.build_request(
        method,
        url,
        headers=headers,
        content=body,
        timeout=httpx.USE_CLIENT_DEFAULT if limits is None else limits,
    )


def is_permanent(error: Exception) -> bool:
    """Tell whether the same fault would come again: of a URL, header, certificate or setting.

    The library wraps a certificate's fault twice; what is further down may be the caller's.
    """
    return _wants_login(error) or any(
        isinstance(each, _PERMANENT_ERRORS) or is_certificate_fault(each) or lacks_tls(each)
        for each in _chain(error)
    )


def _wants_login(error: Exception) -> bool:
    """Tell whether a proxy refused to open a tunnel to somebody whom it does not know."""
    return isinstance(error, httpx.ProxyError) and str(error).startswith("407")


def _chain(error: Exception) -> tuple[BaseException | None, ...]:
    cause = error.__cause__
    return error, cause, (cause.__cause__ or cause.__context__ if cause else None)


def to_dss_error(
    error: Exception,
    request: RequestInfo,
    *,
    proxy: Proxy | None = None,
    tried: str = "",
    hint: str = "",
    secrets: tuple[str, ...] = (),
) -> DSSError:
    """Turn a fault of the library into one of ours.

    Args:
        error: The fault.
        request: What was asked for.
        proxy: The proxy that was asked to pass it on.
        tried: How often it was tried.
        hint: Further text for the user.
        secrets: What was sent that no error may show.
    """
    said = mask_error(error, secrets).removesuffix(".")
    way = f" (through {proxy})" if proxy is not None else ""
    way += f" ({tried})" if tried else ""
    suffix = f". {hint}" if hint else ""
    if isinstance(error, httpx.TimeoutException):
        text = f"no answer in time ({type(error).__name__}){way}{suffix}"
        return DSSTimeout(text, request=request)
    if proxy is not None and _wants_login(error):
        suffix = f". {proxy.refusal(407)}"
    for remedy in filter(None, map(tls_hint, _chain(error))):
        suffix = f". {remedy[0].upper()}{remedy[1:]}"
    return DSSConnectionError(f"{said}{way}{suffix}", request=request)
