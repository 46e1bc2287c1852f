"""Response header values from text that others wrote."""


def header_value(text: str) -> str:
    """Return a text as a header can carry it: no control characters, UTF-8 beyond ASCII."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.strip().encode("utf-8", "replace").decode("latin-1")
