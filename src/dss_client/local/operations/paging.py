"""Page headers and links (docs/behaviour.md 7)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode


def page_headers(content_key: str, next_url: str | None) -> dict[str, str]:
    """Return the headers of one page; `next_url` is None on the last one."""
    headers = {
        "X-OpenAPI-Paginated-Content-Key": content_key,
        "X-OpenAPI-Pagination": "false" if next_url is None else "true",
    }
    if next_url is not None:
        headers["Link"] = f'<{next_url}>; rel="next"'
    return headers


def page_status(next_url: str | None) -> int:
    """Return 206 when another page follows, else 200."""
    return 200 if next_url is None else 206


def with_query(url: str, changes: Mapping[str, str | int | None]) -> str:
    """Return a URL with query parameters set, which moves them to the end; None removes one."""
    base, _, query = url.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in changes]
    added = [(name, str(value)) for name, value in changes.items() if value is not None]
    return f"{base}?{urlencode(kept + added)}"
