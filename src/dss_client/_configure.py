"""The settings of a client: from its arguments, the environment and the files of the user.

What reads those files is only imported where they are asked for: it is most of what a client costs.
"""

from urllib.parse import urlsplit

from attrs import evolve

from ._endpoints import DEFAULT_URL
from ._environment import CertificateFiles, FilePath, Network
from ._options import AsyncToken, Options, Timeout, TokenProvider
from ._redact import redact_url
from ._retry import RetryPolicy
from .errors import InvalidArgument

__all__ = ["changed_options", "deployment", "options_of"]

_GIVEN = "url= or --url"


def deployment(url: str | None = None) -> tuple[str, str]:
    """Return the URL of the deployment to use, and what names it.

    Args:
        url: The URL that was given, if any.

    Raises:
        InvalidArgument: It is not one of a deployment.
        ConfigError: A config file cannot be used.
    """
    if url is not None:
        return _base_url(url), _GIVEN
    from .settings import load_settings, url_setting

    if configured := load_settings().url:
        return _base_url(configured), url_setting()
    if configured := _url_of_hca():
        return _base_url(configured), "the configuration of hca"
    return DEFAULT_URL, "the specification"


def _base_url(url: str) -> str:
    """Return the API's base URL, without a slash at its end.

    A URL without a path gets the API's own, and the URL of a deployment's ``swagger.json`` is
    taken for the deployment, as the reference client is configured with one.
    """
    text = url.strip().rstrip("/").removesuffix("/swagger.json").rstrip("/")
    shown = redact_url(text, presigned=True)
    refusal = f"{shown!r} is not a valid URL of a DSS: expected http(s)://HOST[:PORT]/v1"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise InvalidArgument(refusal) from None
    if not usable:
        raise InvalidArgument(refusal)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidArgument("the URL of a DSS has no query, fragment or user: give a token apart")
    return text if parts.path else text + urlsplit(DEFAULT_URL).path


def _url_of_hca() -> str | None:
    """Return the deployment that the reference client is configured with."""
    from .auth.hca_config import read_hca_config

    return read_hca_config().swagger_url


def options_of(
    url: str | None,
    token: AsyncToken | None,
    timeout: Timeout | float | None,
    retries: RetryPolicy | int | None,
    *,
    proxy: str | None,
    ca_file: FilePath | None,
    client_certificate: CertificateFiles | None,
    custom_client: bool,
) -> Options:
    """Return the settings of a client, from its arguments and whatever is configured.

    Raises:
        InvalidArgument: The URL is not one of a deployment, or the proxy's is not one of a proxy.
        ConfigError: A config file cannot be used.
    """
    base_url, url_from = deployment(url)
    limits: Timeout | None = Timeout()
    if timeout is not None:
        limits = Timeout.of(timeout)
    elif custom_client:
        limits = None
    return Options(
        base_url=base_url,
        url_from=url_from,
        timeout=limits,
        retries=RetryPolicy() if retries is None else RetryPolicy.of(retries),
        network=Network.of(proxy, ca_file, client_certificate),
        token=token,
        find_tokens=_find_tokens,
    )


def _find_tokens(base_url: str) -> TokenProvider | None:
    from .auth.sources import find_token_source

    return find_token_source(base_url)


def changed_options(
    options: Options, timeout: Timeout | float | None, retries: RetryPolicy | int | None
) -> Options:
    """Return settings with other limits."""
    if timeout is not None:
        options = evolve(options, timeout=Timeout.of(timeout))
    if retries is not None:
        options = evolve(options, retries=RetryPolicy.of(retries))
    return options
