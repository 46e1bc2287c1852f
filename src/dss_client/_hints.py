"""What to do where a URL or a token is wrong: sentences at the end of error messages."""

import json
import re

from ._endpoints import DEFAULT_URL
from ._options import Options

__all__ = [
    "is_json_object",
    "names_tls",
    "not_a_dss",
    "refused_token",
    "unreachable",
    "wants_https",
]

_RETIRED = (
    "The public DSS was switched off: point the client at a deployment with DSSClient(url),"
    " DSS_URL or the config file, or run one yourself with `dss serve --sample`. A manifest of the"
    " data portal needs none: --urls file_url (urls=) downloads from its column of URLs"
)
# What servers of https say to a request of http: nginx and Go name the one, Apache the other.
_NAMES_TLS = re.compile(rb"\bhttps\b|ssl-enabled", re.IGNORECASE)
_REMEDIES = {
    "token argument": "give the client another one",
    "token function": "have it return another one",
    "DSS_TOKEN": "set another one there, or unset DSS_TOKEN and run dss login",
    "service account": (
        "look at GOOGLE_APPLICATION_CREDENTIALS, which names its key, and at DSS_TOKEN_AUDIENCE"
    ),
    "stored login": "run dss login again",
    "configuration of hca": "run dss login",
}


def _url(options: Options) -> str:
    return f"{options.base_url} (from {options.url_from})"


def unreachable(options: Options) -> str:
    """Return what to do if nothing answers at the URL of a deployment."""
    if options.base_url == DEFAULT_URL:
        return _RETIRED
    return (
        f"Is {_url(options)} the right URL, and is the service running? `dss serve` runs a DSS on"
        " this machine"
    )


def wants_https(options: Options) -> str:
    """Return what to do if a service may be one of https, and was asked by http."""
    return f"If the service is one of https, write https:// in the URL {_url(options)}"


def not_a_dss(options: Options) -> str:
    """Return what to do if what answers is not JSON, as a DSS speaks it."""
    return (
        f"This does not look like the API of a DSS, which answers in JSON: is {_url(options)} the"
        " right URL? It usually ends in /v1"
    )


def refused_token(origin: str, *, is_known: bool) -> str:
    """Return what to do about a token that was refused.

    Args:
        origin: Where it comes from.
        is_known: The service knows the account, and it may not do this.
    """
    if is_known:
        return f"The token ({origin}) does not allow this: dss whoami shows whose it is"
    return f"The token ({origin}) was refused: {_REMEDIES.get(origin, 'use another one')}"


def is_json_object(content: bytes) -> bool:
    """Tell whether a body is a JSON object, as all answers of a DSS in JSON are."""
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def names_tls(content: bytes) -> bool:
    """Tell whether a refusal says that the service is one of https."""
    return _NAMES_TLS.search(content) is not None
