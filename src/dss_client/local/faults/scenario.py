"""Faults as data: a scenario says which requests go wrong, and how.

`docs/reference/faults.md` describes the document, `Scenario.model_json_schema()` is its JSON
schema.
"""

import random
import threading
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from attrs import define, evolve, frozen
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from dss_client._endpoints import ENDPOINTS
from dss_client.errors import DSSError
from dss_client.types import Replica

from ..storage.documents import as_list

_SELECTION = frozenset(
    {"name", "on", "uuid", "replica", "key", "nth", "probability", "seed", "method"}
)
_EXCLUSIVE = (("close", "reset", "stall", "short"), ("expired", "status"), ("expired", "redirect"))


class BadScenario(DSSError, ValueError):
    """A scenario that cannot be used; the message names each place in it."""


def _known(name: str) -> str:
    names = {"*", "api", "storage", *ENDPOINTS}
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see docs/reference/faults.md"
        raise ValueError(f"there is no operation {name!r}; {hint}")
    return name


def _printable(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("a header is of printable ASCII characters")
    return text


def _settable(name: str) -> str:
    if name.lower() in {"content-length", "transfer-encoding"}:
        raise ValueError(f"{name} follows from the body: use short")
    return name


Position = Annotated[int, Field(strict=True)]
Offset = Position | Literal["start"]
Number = Annotated[int, Field(ge=1, strict=True)]
Selector = Annotated[str, AfterValidator(_known)]
HeaderText = Annotated[str, AfterValidator(_printable)]
HeaderName = Annotated[
    str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), AfterValidator(_settable)
]
_BREAK = "a position in the body, or 'start'"


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


class Rule(_Strict):
    """Which requests, and what happens to them."""

    name: str | None = Field(default=None, description="for the counts and messages")
    on: Selector | list[Selector] = Field(
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
    headers: dict[HeaderName, HeaderText | None] = Field(
        default_factory=dict[str, str | None], description="headers to set; null removes one"
    )
    body: JsonValue = Field(default=None, description="a text, or what is sent as JSON")
    expired: bool = Field(default=False, description="true answers as to an expired URL, with 403")
    redirect: HeaderText | None = Field(default=None, description="a URL")
    flip: Position | list[Position] = Field(
        default_factory=list[Position], description="positions of bytes to change (-1 is the last)"
    )
    short: Number | None = Field(default=None, description="how many bytes are missing at the end")
    close: Offset | None = Field(default=None, description=_BREAK)
    reset: Offset | None = Field(default=None, description=_BREAK)
    stall: Offset | None = Field(default=None, description=_BREAK)
    stall_seconds: float | None = Field(
        default=None, gt=0, description="seconds (forever if not given)"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for group in _EXCLUSIVE:
            given = [name for name in group if name in self.model_fields_set]
            if len(given) > 1:
                raise ValueError(f"{' and '.join(given)} exclude each other")
        if self.status in {204, 304} and self.body is not None:
            raise ValueError(f"an answer with status {self.status} has no body")
        if self.stall_seconds and self.stall is None:
            raise ValueError("stall_seconds goes with stall")
        if self.model_fields_set <= _SELECTION:
            raise ValueError("it says which requests, but not what happens to them")
        return self

    @property
    def breaks_at(self) -> Offset | None:
        """Where in the body the answer breaks off; None: it does not."""
        if self.short:
            return -self.short
        return next((at for at in (self.close, self.reset, self.stall) if at is not None), None)

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
        source = f"{content}: " if isinstance(content, Path) else ""
        try:
            if isinstance(content, Path):
                return cls.model_validate_json(content.read_bytes())
            return cls.model_validate([] if content is None else content)
        except ValidationError as error:
            raise BadScenario(f"{source}{_message(error)}") from None


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


@define
class FaultCount:
    """How often a rule was met: requests that it selected, and those that went wrong by it."""

    name: str
    selected: int = 0
    fired: int = 0


class Faults:
    """The scenario of a running service, with its counts. Safe to use from several threads."""

    def __init__(self, scenario: ScenarioLike = None) -> None:
        self._lock = threading.Lock()
        self.use(scenario)

    @property
    def idle(self) -> bool:
        """Whether there is no rule."""
        return not self._scenario.rules

    @property
    def counts(self) -> tuple[FaultCount, ...]:
        """One count for each rule, in their order."""
        with self._lock:
            return tuple(evolve(count) for _, count, _ in self._counted)

    def use(self, scenario: ScenarioLike) -> None:
        """Use another scenario from the next request on, and reset the counts.

        Raises:
            BadScenario: It is not valid; the one in force stays.
        """
        self._scenario = Scenario.of(scenario)
        self.reset()

    def reset(self) -> None:
        """Count, and draw, from the start again."""
        with self._lock:
            self._counted = [
                # Not for secrets: the same seed makes the same choices.
                (rule, FaultCount(rule.name or f"rules[{index}]"), random.Random(rule.seed))  # noqa: S311
                for index, rule in enumerate(self._scenario.rules)
            ]

    def due(self, request: Target) -> Rule | None:
        """Count a request, and return the rule that it goes wrong by."""
        acting = None
        with self._lock:
            for rule, count, draw in self._counted:
                if not rule.selects(request):
                    continue
                count.selected += 1
                hit = draw.random() < rule.probability
                if acting is None and hit and rule.due(count.selected):
                    count.fired += 1
                    acting = rule
        return acting


def _message(error: ValidationError) -> str:
    """Say what is wrong in each place; the branches of a union are one."""
    messages: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_context=False):
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"][:3])
        place = "".join(parts).removeprefix(".")
        if place not in messages or fault["type"] == "value_error":  # which says the most
            messages[place] = _reason(fault)
    return "; ".join(f"{place}: {said}" if place else said for place, said in messages.items())


def _reason(fault: ErrorDetails) -> str:
    names = [str(part) for part in fault["loc"]]
    known = Rule.model_fields.get(names[2]) if len(names) > 2 else None
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(names[-1], {*Rule.model_fields, *Scenario.model_fields}, 1)
        return "no such field" + (f"; did you mean {near[0]!r}?" if near else "")
    if known is not None and fault["type"] != "value_error":
        return f"must be {known.description}"
    return fault["msg"].removeprefix("Value error, ")
