"""Names of files inside a bundle (docs/behaviour.md 4.3, S11)."""

from pathlib import PurePosixPath

from dss_client.errors import DSSError

_CONTENT_TYPES = {
    ".json": "application/json",
    ".gz": "application/gzip",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".pdf": "application/pdf",
}
_OTHER_TYPE = "application/octet-stream"


class BadName(DSSError, ValueError):
    """A name that no file of a bundle may have."""


def check_name(name: str) -> None:
    """Refuse a name that the specification's pattern or S11 forbids.

    Raises:
        BadName: The message says what is wrong with it.
    """
    reason = _fault(name)
    if reason:
        raise BadName(f"{name!r} cannot be the name of a file in a bundle: {reason}")


def _fault(name: str) -> str | None:
    parts = name.split("/")
    if not name:
        return "it is empty"
    if "" in parts:
        return "it starts or ends with '/', or has an empty part"
    if "." in parts or ".." in parts or name.startswith("~/"):
        return "it has a part '.' or '..', or starts with '~/'"
    if "./" in name or "/." in name:
        return "'./' and '/.' are forbidden anywhere; rename files and directories with such dots"
    if "\\" in name or any(ord(letter) < 0x20 or letter == "\x7f" for letter in name):
        return "it holds a backslash or a control character"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not Unicode text"
    return None


def content_type_of(name: str) -> str:
    """Return the content type for a file's name; a compression suffix decides."""
    return _CONTENT_TYPES.get(PurePosixPath(name).suffix.lower(), _OTHER_TYPE)


def file_key(name: str) -> str:
    """Return the key of a file in a search document (docs/behaviour.md 10.2)."""
    key = name.replace(".", "_")
    if not key.endswith("_json"):
        return key
    parts = key.removesuffix("_json").split("_")
    return "_".join(parts[:-1] or parts) + "_json"
