"""Faults as data: a scenario says which requests go wrong, and how.

`docs/faults.md` describes the document; `Scenario.model_json_schema()` is its JSON schema.
"""

import json
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from attrs import field, frozen
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from dss_client._endpoints import ENDPOINTS
from dss_client.errors import DSSError
from dss_client.types import Replica

from ..storage.documents import as_list

_SELECTION = frozenset(
    {"name", "on", "uuid", "replica", "key", "nth", "probability", "seed", "method"}
)
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BODYLESS = frozenset({204, 304})

Offset = Annotated[int, Field(strict=True)] | Literal["start"]
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Position = Annotated[int, Field(strict=True)]
Number = Annotated[int, Field(ge=1, strict=True)]


class BadScenario(DSSError, ValueError):
    """A scenario that cannot be used; the message names each place in it."""


class _Strict(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True
    )


class Window(_Strict):
    """A run of the selected requests, counted from 1."""

    start: Number = Field(default=1, alias="from")
    to: Number | None = None
    every: Number = 1

    def holds(self, number: int) -> bool:
        """Whether a request's number is in the run."""
        in_time = self.start <= number and (self.to is None or number <= self.to)
        return in_time and (number - self.start) % self.every == 0


class DateIn(_Strict):
    """A moment some seconds from now, for `Retry-After` as an HTTP date."""

    date_in: float


class Rule(_Strict):
    """Which requests, and what happens to them."""

    name: str | None = Field(default=None, description="for the counts and messages")
    on: str | list[str] = Field(
        default="*", description="an operationId, 'api', 'storage', '*', or a list of these"
    )
    method: str | None = Field(default=None, description="an HTTP method")
    uuid: str | None = Field(default=None, description="a uuid in the path")
    replica: Replica | None = Field(default=None, description="'aws' or 'gcp'")
    key: str | None = Field(default=None, description="a part of the path")
    nth: Number | list[Number] | Window | None = Field(
        default=None,
        description="a number from 1 on, a list of them, or {'from': 1, 'to': 5, 'every': 2}",
    )
    probability: float = Field(default=1.0, ge=0, le=1, description="a number from 0 to 1")
    seed: int = Field(default=0, description="makes the same choices in every run")

    delay: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="seconds before the answer"
    )
    status: int | None = Field(
        default=None,
        ge=200,
        le=599,
        strict=True,
        description="the answer's status, from 200 to 599",
    )
    headers: dict[str, str | None] = Field(
        default_factory=dict[str, str | None], description="headers to set; null removes one"
    )
    body: JsonValue = Field(default=None, description="a text, or what is sent as JSON")
    expired: bool = Field(default=False, description="true answers as to an expired URL, with 403")
    redirect: str | None = Field(
        default=None, description="'loop', 'https:', 'http:', an origin, or a whole URL"
    )
    retry_after: Seconds | str | DateIn | None = Field(
        default=None, description="seconds, any text, or {'date_in': seconds}"
    )
    etag: str | None = Field(
        default=None, description="'changed', 'weak', 'missing', or a whole value"
    )
    content_range: str | None = Field(
        default=None, description="'wrong', 'size', 'missing', or a whole value"
    )
    ignore_range: bool = Field(default=False, description="true answers a Range with 200")
    content_encoding: Literal["gzip"] | None = Field(default=None, description="'gzip'")
    flip: Position | list[Position] = Field(
        default_factory=list[Position], description="positions of bytes to change (-1 is the last)"
    )
    short: Number | None = Field(default=None, description="how many bytes are missing at the end")
    overlong: Number | None = Field(
        default=None, description="how many bytes are too many at the end"
    )
    honest_length: bool = Field(
        default=False, description="true: Content-Length says what is really sent"
    )
    close: Offset | None = Field(default=None, description="a position in the body, or 'start'")
    reset: Offset | None = Field(default=None, description="a position in the body, or 'start'")
    stall: Offset | None = Field(default=None, description="a position in the body, or 'start'")
    stall_seconds: float | None = Field(
        default=None, gt=0, description="seconds (forever if not given)"
    )

    @field_validator("on")
    @classmethod
    def _known(cls, value: str | list[str]) -> str | list[str]:
        names = {"*", "api", "storage", *ENDPOINTS}
        for given in [value] if isinstance(value, str) else value:
            if given not in names:
                near = get_close_matches(given, names, 1)
                hint = f"did you mean {near[0]!r}?" if near else "see docs/faults.md"
                raise ValueError(f"there is no operation {given!r}; {hint}")
        return value

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a valid name of a header")
            if name.lower() in _FRAMING:
                raise ValueError(f"{name} follows from the body: use short or overlong")
            _check_header(text)
        return value

    @field_validator("etag", "content_range", "redirect")
    @classmethod
    def _is_header(cls, value: str | None) -> str | None:
        _check_header(value)
        return value

    @field_validator("retry_after")
    @classmethod
    def _is_retry_after(cls, value: float | str | DateIn | None) -> float | str | DateIn | None:
        if isinstance(value, str):
            _check_header(value)
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for group in (
            ("close", "reset", "stall", "short"),
            ("close", "reset", "stall", "overlong"),
            ("short", "overlong"),
            ("expired", "status"),
            ("expired", "redirect"),
        ):
            given = [name for name in group if name in self.model_fields_set]
            if len(given) > 1:
                raise ValueError(f"{' and '.join(given)} exclude each other")
        if self.status in _BODYLESS and self.body is not None:
            raise ValueError(f"an answer with status {self.status} has no body")
        if self.honest_length and not (self.short or self.overlong):
            raise ValueError("honest_length goes with short or overlong")
        if self.stall_seconds and self.stall is None:
            raise ValueError("stall_seconds goes with stall")
        if self.model_fields_set <= _SELECTION:
            raise ValueError("it says which requests, but not what happens to them")
        return self

    def selects(self, request: "Target") -> bool:
        """Whether a request is of those that this rule counts."""
        wanted = {self.on} if isinstance(self.on, str) else set(self.on)
        path = request.path.lower()
        return (
            not wanted.isdisjoint({"*", request.origin, request.operation})
            and (self.method is None or self.method.upper() == request.method)
            and (self.uuid is None or self.uuid.lower() in path)
            and (self.replica is None or self.replica == request.replica)
            and (self.key is None or self.key in request.path)
        )

    def due(self, number: int) -> bool:
        """Whether the `number`-th selected request is to go wrong, but for `probability`."""
        if isinstance(self.nth, Window):
            return self.nth.holds(number)
        return self.nth is None or number in ([self.nth] if isinstance(self.nth, int) else self.nth)


class Scenario(_Strict):
    """All rules. Each request that a rule selects counts for it; the first rule that is due acts.

    A bare list of rules stands for ``{"rules": [...]}``.
    """

    rules: list[Rule] = Field(default_factory=list[Rule], description="a list of rules")

    @model_validator(mode="before")
    @classmethod
    def _of_list(cls, content: object) -> object:
        rules = as_list(content)
        return content if rules is None else {"rules": rules}

    @classmethod
    def of(cls, content: "ScenarioLike") -> "Scenario":
        """Return the scenario that a document, a JSON file or None (no rules) stands for.

        Raises:
            BadScenario: It is not valid; the message names each place.
            OSError: The file cannot be read.
        """
        if isinstance(content, Scenario):
            return content
        source = ""
        if isinstance(content, Path):
            source = f"{content}: "
            content = _parsed(content)
        try:
            return cls.model_validate([] if content is None else content)
        except ValidationError as error:
            raise BadScenario(f"{source}{'; '.join(_places(error))}") from None


ScenarioLike = Scenario | Mapping[str, object] | Sequence[Mapping[str, object]] | Path | None


@frozen
class Target:
    """What rules see of a request.

    Attributes:
        operation: The operationId; empty for other routes and for storage.
    """

    origin: Literal["api", "storage"]
    operation: str
    method: str
    path: str
    replica: str


@frozen
class FaultCount:
    """How often a rule was met: requests that it selected, and those that went wrong by it."""

    name: str
    selected: int
    fired: int


@frozen(eq=False)
class _Counter:
    rule: Rule
    name: str
    draw: random.Random
    numbers: dict[str, int] = field(factory=lambda: {"selected": 0, "fired": 0})


class Faults:
    """The scenario of a running service, with its counts. Safe to use from several threads."""

    def __init__(self, scenario: ScenarioLike = None) -> None:
        self._lock = threading.Lock()
        self._scenario = Scenario()
        self._counters: list[_Counter] = []
        self.use(scenario)

    @property
    def scenario(self) -> Scenario:
        """The scenario in force."""
        return self._scenario

    @property
    def idle(self) -> bool:
        """Whether there is no rule."""
        return not self._counters

    @property
    def counts(self) -> tuple[FaultCount, ...]:
        """One count for each rule, in their order."""
        with self._lock:
            return tuple(FaultCount(each.name, **each.numbers) for each in self._counters)

    def use(self, scenario: ScenarioLike) -> None:
        """Use another scenario from the next request on, and reset the counts.

        Raises:
            BadScenario: It is not valid; the one in force stays.
        """
        checked = Scenario.of(scenario)
        with self._lock:
            self._scenario = checked
            self._counters = _counters(checked)

    def reset(self) -> None:
        """Count, and draw, from the start again."""
        with self._lock:
            self._counters = _counters(self._scenario)

    def due(self, request: Target) -> Rule | None:
        """Count a request, and return the rule that it goes wrong by."""
        acting = None
        with self._lock:
            for each in self._counters:
                if not each.rule.selects(request):
                    continue
                each.numbers["selected"] += 1
                hit = each.draw.random() < each.rule.probability
                if acting is None and hit and each.rule.due(each.numbers["selected"]):
                    each.numbers["fired"] += 1
                    acting = each.rule
        return acting


def _counters(scenario: Scenario) -> list[_Counter]:
    return [
        # Not for secrets: the same seed makes the same choices.
        _Counter(rule, rule.name or f"rules[{index}]", random.Random(rule.seed))  # noqa: S311
        for index, rule in enumerate(scenario.rules)
    ]


def _check_header(text: str | None) -> None:
    if text is not None and (not text.isascii() or not text.isprintable()):
        raise ValueError("a header is of printable ASCII characters")


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = f"{path}: line {error.lineno}, column {error.colno}"
        raise BadScenario(f"{place}: this is not JSON: {error.msg}") from None
    except ValueError:
        raise BadScenario(f"{path}: this is not JSON in UTF-8") from None


def _places(error: ValidationError) -> Iterator[str]:
    """Yield one message for each place; the branches of a union are one."""
    seen: set[str] = set()
    for fault in error.errors(include_url=False, include_context=False):
        names = [str(part) for part in fault["loc"]]
        known = Rule.model_fields.get(names[2]) if len(names) > 2 else None
        place = _place(fault["loc"][:3])
        if place in seen:
            continue
        seen.add(place)
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            fields = Rule.model_fields if names[0] == "rules" else Scenario.model_fields
            near = get_close_matches(names[-1], fields, 1)
            message = "no such field" + (f"; did you mean {near[0]!r}?" if near else "")
        elif known is not None and fault["type"] != "value_error":
            message = f"must be {known.description}"
        yield f"{place}: {message}" if place else message


def _place(location: tuple[int | str, ...]) -> str:
    """Spell a location as one would index it: ``rules[0].nth``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")
