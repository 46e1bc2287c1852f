"""Names of files inside a bundle (docs/behaviour.md 4.3, S11)."""

from dss_client.errors import DSSError


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
