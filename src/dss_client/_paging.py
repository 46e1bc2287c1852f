"""Page links: RFC 8288 ``Link`` headers, read as leniently as the service writes them.

The service writes ``rel='next'`` with single quotes, repeats parameters, sends ``token=None`` and
absolute URLs with a scheme of its own (docs/behaviour.md 1 and 7). Only the link's query is taken
over: the next page is asked of the same path on the same host, so no link can send a token
elsewhere.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from attrs import evolve

from ._request import Request
from .errors import DSSError

__all__ = ["next_link", "next_request"]

_LINK = re.compile(r"<(?P<url>[^>]*)>(?P<params>(?:\s*;\s*[\w*-]+\s*=\s*\"[^\"]*\"|\s*;[^;,<]*)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;,]+))", re.IGNORECASE)


def next_link(header: str | None) -> str | None:
    """Return the URL whose relation is ``next``, or None."""
    for link in _LINK.finditer(header or ""):
        for quoted, single, bare in _REL.findall(link["params"]):
            if "next" in (quoted or single or bare).lower().split():
                return link["url"]
    return None


def next_request(request: Request, headers: Mapping[str, str]) -> Request | None:
    """Return the request of the next page, or None after the last.

    The body, if any, is sent again.

    Raises:
        DSSError: The link leads back to the page it came with; to follow it would never end.
    """
    link = next_link(headers.get("link"))
    if link is None:
        return None
    query = dict(request.query)
    query.update(parse_qsl(link.partition("?")[2].partition("#")[0], keep_blank_values=True))
    if query.get("token") in {"", "None"}:
        del query["token"]
    following = evolve(request, query=tuple(query.items()))
    if dict(following.query) == dict(request.query):
        raise DSSError(
            f"{request.endpoint.name}: the service's link to the next page leads back to the same"
            f" page ({request.path}); the listing is incomplete"
        )
    return following
