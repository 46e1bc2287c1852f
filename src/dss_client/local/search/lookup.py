"""Which documents of the index match a query.

The index narrows: it tells which documents surely match, and which may. What it cannot tell is
decided by `tree.matches`, which looks at the documents themselves.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter

from attrs import frozen

from dss_client.types import JSONObject

from .document import HERE, NUMBER, TEXT, WORD, Document, Kind, Term
from .entries import source_of
from .tokens import AFTER_ALL, MOST_EXACT, text_of, token
from .tree import Between, Bool, Exists, Like, OneOf, Phrase, Query, matches

Ids = set[int] | frozenset[int]

_STEPS = 10_000  # of SQLite's machine between two looks at the clock


class TooSlow(Exception):
    """A query took too long."""


@frozen
class Found:
    """The documents that match: those that surely do, and all that may."""

    sure: Ids
    possible: Ids


class Lookup:
    """One query's view of the index.

    Args:
        connection: The index, in a transaction.
        seconds: How long it may take.
    """

    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > self._end, _STEPS)

    def find(self, query: Query) -> Ids:
        """Return the ids of the documents that match.

        Raises:
            TooSlow: It takes too long.
        """
        try:
            found = self._narrow(query)
            unsure = found.possible - found.sure
            return found.sure | {
                number
                for number, fqid, source in self.sources(unsure)
                if matches(query, Document.of(fqid, source))
            }
        except TimeoutError as error:
            raise TooSlow from error
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise TooSlow from error

    @cached_property
    def all(self) -> frozenset[int]:
        """The ids of all documents."""
        return frozenset(self._ids("id", "documents"))

    def sources(self, ids: Ids) -> Iterator[tuple[int, str, JSONObject]]:
        """Yield ids, FQIDs and documents."""
        rows = self._connection.execute(
            "SELECT id, fqid, source FROM documents WHERE id IN (SELECT value FROM json_each(?))",
            [json.dumps(list(ids))],
        )
        for number, fqid, packed in rows:
            self._check_time()
            yield number, fqid, source_of(packed)

    def _narrow(self, query: Query) -> Found:
        self._check_time()
        match query:
            case Bool():
                return self._narrow_bool(query)
            case OneOf():
                paths = self._paths if query.path is None else [query.path]
                tokens = [token(path, query.kind, term) for path in paths for term in query.terms]
                return _found(self._with_tokens(tokens), _are_exact(query.kind, query.terms))
            case Between():
                exact = _are_exact(query.kind, (bound for _, bound in query.bounds))
                return _found(self._between(query, exact=exact), exact)
            case Like():
                first = token(query.path, query.kind, query.prefix)
                return _found(self._with_texts(first, query.test), True)
            case Phrase():
                return self._narrow_phrase(query)
            case Exists():
                # Texts, numbers and what is longer or below have kinds that are neighbours.
                first, last = token(query.path, HERE), token(query.path, TEXT, AFTER_ALL)
                return _found(self._with_terms("term BETWEEN ? AND ?", first, last), True)

    def _narrow_bool(self, query: Bool) -> Found:
        clauses = iter(query.must)
        first = next(clauses, None)
        found = Found(self.all, self.all) if first is None else self._narrow(first)
        sure, possible = found.sure, found.possible
        for clause in clauses:
            if not possible:
                break
            found = self._narrow(clause)
            sure, possible = sure & found.sure, possible & found.possible
        for clause in query.must_not:
            found = self._narrow(clause)
            sure, possible = sure - found.possible, possible - found.sure
        if query.least > 0:
            several = [self._narrow(clause) for clause in query.should]
            sure = sure & _in_many([found.sure for found in several], query.least)
            possible = possible & _in_many([found.possible for found in several], query.least)
        return Found(sure, possible)

    def _narrow_phrase(self, query: Phrase) -> Found:
        if query.path is None:
            paths = self._paths_with(query.words[0])
            phrases = (Phrase(path, query.words) for path in paths)
            return self._narrow(Bool(should=tuple(phrases), least=1))
        short = self._with_texts(token(query.path, TEXT), query.is_in)
        clauses = (OneOf(query.path, WORD, frozenset({word})) for word in query.words)
        has_words = self._narrow(Bool(must=tuple(clauses))).possible
        # Of strings that are too long for a term, the index has the words only.
        is_long = self._with_tokens([token(query.path, HERE)])
        return Found(has_words & short, has_words & (short | is_long))

    def _paths_with(self, word: str) -> list[str]:
        tokens = {token(path, WORD, word): path for path in self._paths}
        rows = self._connection.execute(
            "SELECT DISTINCT term FROM places WHERE term IN (SELECT value FROM json_each(?))",
            [json.dumps(list(tokens))],
        )
        return [tokens[term] for (term,) in rows]

    @cached_property
    def _paths(self) -> list[str]:
        return [path for (path,) in self._connection.execute("SELECT path FROM fields")]

    def _with_tokens(self, tokens: list[str]) -> set[int]:
        return self._with_terms("term IN (SELECT value FROM json_each(?))", json.dumps(tokens))

    def _between(self, query: Between, *, exact: bool) -> set[int]:
        first = token(query.path, query.kind)
        where, values = ["term BETWEEN ? AND ?"], [first, first + AFTER_ALL]
        for name, bound in query.bounds:
            where.append(f"term {name if exact else name[0] + '='} ?")
            values.append(token(query.path, query.kind, bound))
        return self._with_terms(" AND ".join(where), *values)

    def _with_texts(self, first: str, test: Callable[[str], object]) -> set[int]:
        """Return the documents of all texts that pass a test, of those that begin with a token."""
        rows = self._connection.execute(
            "SELECT term, doc FROM places WHERE term BETWEEN ? AND ?", (first, first + AFTER_ALL)
        )
        found: set[int] = set()
        for text, several in groupby(rows, itemgetter(0)):
            self._check_time()
            if test(text_of(text)):
                found.update(number for _, number in several)
        return found

    def _with_terms(self, where: str, *values: str) -> set[int]:
        return self._ids("doc", f"places WHERE {where}", *values)

    def _ids(self, column: str, rows: str, *values: str) -> set[int]:
        # One text is several times as fast as a row for each number.
        sql = f"SELECT json_group_array({column}) FROM {rows}"  # noqa: S608 - values are bound
        [text] = self._connection.execute(sql, values).fetchone()
        return set(json.loads(text))

    def _check_time(self) -> None:
        if time.monotonic() > self._end:
            raise TooSlow


def _found(ids: Ids, exact: bool) -> Found:
    return Found(ids if exact else frozenset(), ids)


def _are_exact(kind: Kind, terms: Iterable[Term]) -> bool:
    """Tell whether no other terms share the tokens of these."""
    return kind != NUMBER or all(abs(float(term)) < MOST_EXACT for term in terms)


def _in_many(several: list[Ids], least: int) -> Ids:
    """Return the ids that are in so many sets, or more."""
    if least == 1:
        return frozenset[int]().union(*several)
    counts = Counter(chain.from_iterable(several))
    return {number for number, count in counts.items() if count >= least}
