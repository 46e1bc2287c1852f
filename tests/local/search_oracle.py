"""What search queries mean, told by looking at every value of a document (docs/behaviour.md 10.5).

Slow and simple, to hold the index against. It takes well-formed queries only.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Scalar = str | int | float | bool
EXACT = {"_id", "uuid", "manifest.version"}
DAY = "%Y-%m-%d"
SECOND = "%Y-%m-%dT%H:%M:%SZ"
VERSION = "%Y-%m-%dT%H%M%S.%fZ"


def matches(query: Mapping[str, Any], document_id: str, source: Mapping[str, Any]) -> bool:
    values = [("_id", document_id), *scalars(source, "")]
    return holds(query, values)


def holds(query: Mapping[str, Any], values: list[tuple[str, Scalar]]) -> bool:
    [(kind, body)] = query.items()
    match kind:
        case "match_all":
            return True
        case "bool":
            return bool_holds(body, values)
        case "nested":
            return holds(body["query"], values)
        case "constant_score":
            return holds(body["filter"], values)
        case "ids":
            return any(value in body["values"] for path, value in values if path == "_id")
        case "exists":
            return exists(body["field"], values)
        case _:
            [(path, wanted)] = body.items()
            return field_holds(kind, path, wanted, values)


def bool_holds(body: Mapping[str, Any], values: list[tuple[str, Scalar]]) -> bool:
    must = [*body.get("must", []), *body.get("filter", [])]
    should = body.get("should", [])
    least = body.get("minimum_should_match", 0)
    if isinstance(least, str):
        share = int(len(should) * abs(int(least[:-1])) / 100)
        least = len(should) - share if least.startswith("-") else share
    elif least < 0:
        least += len(should)
    least = max(least, 0 if must or not should else 1)
    return (
        all(holds(clause, values) for clause in must)
        and not any(holds(clause, values) for clause in body.get("must_not", []))
        and (not should or sum(holds(clause, values) for clause in should) >= least)
    )


def field_holds(kind: str, path: str, wanted: Any, values: list[tuple[str, Scalar]]) -> bool:
    here = [value for at, value in values if at == path]
    above = path.removesuffix(".text")
    words = {
        word
        for at, value in values
        if path.endswith(".text") and at == above and isinstance(value, str) and analysed(at)
        for word in split(value)
    }
    exact = path in EXACT
    texts = [text if exact else text.lower() for text in map(as_text, here) if text is not None]
    match kind:
        case "match":
            found = words.intersection(split(as_string(wanted)))
            return bool(found) or any(equal(value, wanted, exact) for value in here)
        case "term" | "terms":
            several = wanted if kind == "terms" else [wanted]
            equals = any(equal(value, each, exact) for value in here for each in several)
            return equals or bool(words.intersection(map(as_string, several)))
        case "range":
            return any(within(value, wanted, exact) for value in here)
        case "prefix":
            start = wanted if exact else wanted.lower()
            return any(text.startswith(start) for text in [*texts, *words])
        case "wildcard":
            form = wanted if exact else wanted.lower()
            return any(fnmatch.fnmatchcase(text, form) for text in [*texts, *words])
        case "regexp":
            pattern = wanted if exact else wanted.lower()
            return any(re.fullmatch(pattern, text, re.DOTALL) for text in [*texts, *words])
    raise AssertionError(kind)


def exists(path: str, values: list[tuple[str, Scalar]]) -> bool:
    above = path.removesuffix(".text")
    return any(
        at == path
        or at.startswith(f"{path}.")
        or (
            path.endswith(".text")
            and at == above
            and isinstance(value, str)
            and analysed(at)
            and split(value)
        )
        for at, value in values
    )


def equal(value: Scalar, wanted: Scalar, exact: bool) -> bool:
    if isinstance(value, bool):
        return as_string(wanted).lower() == as_string(value)
    if isinstance(value, int | float):
        return not isinstance(wanted, bool) and number(wanted) == value
    if isinstance(wanted, str) and not exact and (span := dates(wanted)):
        stored = dates(value) if len(value) >= 10 else None
        if stored and span[0] <= stored[0] <= span[1]:
            return True
    if len(value) > 256:
        return False
    text = as_string(wanted)
    return value == text if exact else value.lower() == text.lower()


def within(value: Scalar, bounds: Mapping[str, Any], exact: bool) -> bool:
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if isinstance(value, int | float) and not isinstance(value, bool):
        numbers = {name: number(bound) for name, bound in given.items()}
        return all(it is not None and compare(name, value, it) for name, it in numbers.items())
    text = as_text(value)
    spans = {
        name: dates(bound) if isinstance(bound, str) and not exact else None
        for name, bound in given.items()
    }
    if given and all(spans.values()):
        stored = dates(str(value)) if len(str(value)) >= 10 and not exact else None
        edges = {
            name: span[1] if name in {"gt", "lte"} else span[0]
            for name, span in spans.items()
            if span
        }
        return stored is not None and all(compare(n, stored[0], e) for n, e in edges.items())
    if text is None or not all(isinstance(bound, str) for bound in given.values()):
        return False
    lowered = text if exact else text.lower()
    return all(
        compare(name, lowered, bound if exact else bound.lower()) for name, bound in given.items()
    )


def compare(name: str, value: Any, bound: Any) -> bool:
    match name:
        case "gt":
            return bool(value > bound)
        case "gte":
            return bool(value >= bound)
        case "lt":
            return bool(value < bound)
        case _:
            return bool(value <= bound)


def dates(text: str) -> tuple[datetime, datetime] | None:
    """Return the first and last moment of a year, a day, a second, or a DSS_VERSION."""
    if re.fullmatch("[0-9]{4}", text) and text > "0000":
        year = int(text)
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, 59, 59, 999999, UTC)
    forms = (
        (DAY, timedelta(days=1)),
        (SECOND, timedelta(seconds=1)),
        (VERSION, timedelta(microseconds=1)),
    )
    for form, length in forms:
        try:
            start = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return start, start + length - timedelta(microseconds=1)
    return None


def as_text(value: Scalar) -> str | None:
    """Return a stored string that is indexed as a whole, or true or false."""
    if isinstance(value, bool):
        return as_string(value)
    return value if isinstance(value, str) and len(value) <= 256 else None


def as_string(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: Scalar) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def analysed(path: str) -> bool:
    return path != "_id" and not path.startswith("manifest.")


def split(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"\w+", text)]


def scalars(value: Any, path: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item, path)
    elif value is not None:
        yield path, value
