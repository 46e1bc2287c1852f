"""Headers of a request, in any form that web frameworks use."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar, cast

from .errors import HeaderMissing, HeaderRepeated

__all__ = ["HeaderFields", "Headers", "HeadersLike", "as_utf8", "wsgi_headers"]

T_co = TypeVar("T_co", covariant=True)


class HeadersLike(Protocol[T_co]):
    """An object with headers as pairs: a mapping, or an `email.message.Message`."""

    def items(self) -> Iterable[tuple[T_co, T_co]]:
        """Return names with values; a header that was sent several times comes several times."""
        ...


Headers = (
    HeadersLike[str]
    | HeadersLike[bytes]
    | Iterable[tuple[str, str]]
    | Iterable[tuple[bytes, bytes]]
)
"""Headers as a mapping or as pairs, in any letter case, as text or bytes."""

_Pairs = Iterable[tuple[str | bytes, str | bytes]]
_WITHOUT_PREFIX = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def wsgi_headers(environ: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the headers of a WSGI request.

    Args:
        environ: What the server hands to the application.
    """
    return [
        (name.removeprefix("HTTP_").replace("_", "-"), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in _WITHOUT_PREFIX and value)
    ]


def as_utf8(text: str) -> str:
    """Return a header's text as its sender meant it, if its bytes are UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


class HeaderFields:
    """Headers by their names in lower case.

    Args:
        headers: The headers as they came.
    """

    def __init__(self, headers: Headers) -> None:
        items: Callable[[], _Pairs] | None = getattr(headers, "items", None)
        pairs = cast("_Pairs", headers) if items is None else items()
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(_text(name).lower(), []).append(_text(value).strip(" \t"))

    def get(self, name: str) -> str | None:
        """Return the value of a header, None where there is none.

        Raises:
            HeaderRepeated: There are several.
        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise HeaderRepeated(f"the header {name} was sent {len(values)} times")
        return values[0] if values else None

    def need(self, name: str) -> str:
        """Return the value of a header that has to be there.

        Raises:
            HeaderMissing: The header was not sent.
            HeaderRepeated: There are several.
        """
        value = self.get(name)
        if value is None:
            raise HeaderMissing(f"the header {name} was not sent")
        return value


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
