"""How terms stand in the index: as tokens of SQLite's full text search, in the order of the terms.

A token is the field, the kind and the term. Full text search takes it as it is: the tokenizer knows
one separator only, and what it would change (capital letters) or refuse (control characters) is
written with two characters.
"""

import re
import struct
from functools import lru_cache
from hashlib import blake2b

from .document import DATE, HERE, WORD, Document, Kind, Term, terms_at

SEPARATOR = "\n"
AFTER_ALL = "\U0010ffff"
MOST_EXACT = 2**53
"""Numbers from here on may share a token with their neighbours."""

_WRITTEN_OTHERWISE = re.compile(r"[\x00-\x1f@-Z]")
_CODES = {
    **{code: "\x01" + chr(0x21 + code) for code in range(0x20)},
    **{code: "@" + chr(code).lower() for code in range(ord("@"), ord("Z") + 1)},
}
_READ = re.compile(r"\x01(.)|@(.)")
_SIGNS = "\x01" + "".join(filter(lambda sign: not sign.isalnum(), map(chr, range(0x20, 0x80))))
_MIDDLE = 1 << 63
_FIELD_BYTES = 6
_BEFORE_TERM = 2 * _FIELD_BYTES + 1


def tokenizer() -> str:
    """Return the tokenizer as a statement of SQLite names it, quotes included."""
    signs = _SIGNS.replace("'", "''").replace('"', '""')
    return f"\"ascii tokenchars '{signs}'\""


@lru_cache(10_000)
def field(path: str) -> str:
    """Return what stands for a path."""
    return blake2b(path.encode(), digest_size=_FIELD_BYTES).hexdigest()


def token(path: str, kind: Kind, term: Term = "") -> str:
    """Return the token of a term."""
    return field(path) + kind + _written(kind, term)


def text_of(text_token: str) -> str:
    """Return the text or word of a token."""
    written = text_token[_BEFORE_TERM:]
    if "@" not in written and "\x01" not in written:
        return written
    return _READ.sub(lambda it: chr(ord(it[1]) - 0x21) if it[1] else it[2].upper(), written)


def tokens_of(document: Document) -> str:
    """Return everything that a document can be found by, as full text search takes it."""
    tokens = [f"{field(path)}{HERE}" for path in document.above]
    for path, values in document.values.items():
        for kind, terms in terms_at(path, values).items():
            start = field(path) + kind
            if kind == WORD:  # words have no signs that are written otherwise
                tokens += [f"{start}{word}" for word in terms]
            else:
                tokens += [start + _written(kind, term) for term in terms]
    return SEPARATOR.join(tokens)


def _written(kind: Kind, term: Term) -> str:
    if isinstance(term, str):
        return term.translate(_CODES) if _WRITTEN_OTHERWISE.search(term) else term
    if kind == DATE:
        return f"{int(term) + _MIDDLE:016x}"
    [bits] = struct.unpack(">q", struct.pack(">d", term + 0.0))
    return f"{bits + _MIDDLE if bits >= 0 else -bits - 1:016x}"
