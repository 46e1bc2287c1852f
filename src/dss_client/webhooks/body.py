"""The body of a notification: the payload as JSON, or as one field of a form.

A form is cut at its boundary here, byte by byte as RFC 2046 has it; the standard library reads the
heads of its parts. (Its reader of whole messages would decode what a form never encodes, and follow
messages inside of messages.)
"""

import re
from email.errors import MessageError
from email.message import Message
from email.parser import HeaderParser

from pydantic import ValidationError

from .errors import BodyMalformed, BodyUnsupported, shown
from .headers import HeaderFields
from .notification import Notification

__all__ = ["read_body", "read_form"]

_MOST_PARTS = 1_000
_MOST_HEAD = 2_048
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
# As browsers and HTTP libraries write it: quotes and ends of lines percent-encoded, all else not.
_NAME = re.compile(r';\s*name="([^"]*)"(?=\s*(?:;|\Z))', re.IGNORECASE)
_ENCODED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_ENCODED_ANY = re.compile("|".join(_ENCODED))


def read_body(headers: HeaderFields, body: bytes, payload_form_field: str) -> Notification:
    """Read a notification.

    Args:
        headers: The headers, of which the content type is read.
        body: The body.
        payload_form_field: Name of the form field that holds the payload.

    Raises:
        BodyUnsupported: It is neither JSON nor a form, or encoded.
        BodyMalformed: It is broken, or not a notification.
    """
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise BodyUnsupported(f"the body is encoded as {shown(encoding)}")
    given = headers.get("content-type") or ""
    head = Message()
    head["Content-Type"] = given.replace("\r", " ").replace("\n", " ")
    kind = head.get_content_type() if given else ""
    if kind == "application/json":
        return _notification(body, {})
    if kind != "multipart/form-data":
        raise BodyUnsupported(
            f"the body is of type {shown(given)}, neither application/json nor multipart/form-data"
        )
    fields = read_form(body, head.get_boundary("") or "")
    payload = fields.pop(payload_form_field, None)
    if payload is None:
        raise BodyMalformed(f"the form has no field {shown(payload_form_field)}")
    return _notification(payload, {name: _text(name, each) for name, each in fields.items()})


def _notification(content: bytes, fields: dict[str, str]) -> Notification:
    try:
        return Notification.of(content, fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f" at {shown(place)}" if place else ""
        # Its text can hold parts of the payload, which is not ours to repeat.
        what = first["type"].replace("_", " ")
        raise BodyMalformed(f"the payload is not a valid notification{where}: {what}") from None


def read_form(body: bytes, boundary: str) -> dict[str, bytes]:
    """Return the fields of a form by name.

    Args:
        body: The form.
        boundary: The boundary between its parts.

    Raises:
        BodyMalformed: It is not a valid form, or has two fields of one name, or far too many.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise BodyMalformed("the form has no boundary, or an impossible one")
    delimiter = f"\r\n--{boundary}".encode()
    # The first delimiter may be the beginning, without an end of line before it.
    _, *parts = (b"\r\n" + body).split(delimiter, _MOST_PARTS + 1)
    if len(parts) > _MOST_PARTS:
        raise BodyMalformed(f"the form has more than {_MOST_PARTS:,} parts")
    fields: dict[str, bytes] = {}
    for part in parts:
        if part.startswith(b"--"):
            return fields
        # Blanks may follow a delimiter, then comes the end of its line.
        padding, end, rest = part.partition(b"\r\n")
        if padding.strip(b" \t") or not end:
            raise BodyMalformed("a boundary of the form is followed by something else")
        head, end, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
        name = _name(head[2:])
        if not end:
            raise BodyMalformed("a part of the form has a head without an end")
        if name in fields:
            raise BodyMalformed(f"the form has the field {shown(name)} twice")
        fields[name] = content
    raise BodyMalformed("the form is cut off: its last boundary is missing")


def _name(head: bytes) -> str:
    """Return the name of the field that a part holds."""
    if len(head) > _MOST_HEAD:
        raise BodyMalformed("a part of the form has too long a head")
    try:
        message = HeaderParser().parsestr(head.decode("utf-8"))
        disposition = message.get("Content-Disposition", "")
        plain = _NAME.search(disposition)
        found = plain[1] if plain else _other_name(message)
        is_field = message.get_content_disposition() == "form-data"
    except (UnicodeError, LookupError, ValueError, MessageError):
        raise BodyMalformed("a part of the form has a head that cannot be read") from None
    if not is_field or found is None:
        raise BodyMalformed("a part of the form is not a field with a name")
    return _ENCODED_ANY.sub(lambda each: _ENCODED[each[0]], found)


def _other_name(message: Message) -> str | None:
    """Return a name that is written otherwise, as by RFC 2231 where it is not ASCII."""
    found = message.get_param("name", header="Content-Disposition")
    if not isinstance(found, tuple):
        return found
    charset, _, text = found
    return text.encode("latin-1").decode(charset or "ascii")


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyMalformed(f"the field {shown(name)} of the form is not UTF-8") from None
