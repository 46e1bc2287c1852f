"""Scenarios as documents: what is read, what is refused, and whom a rule chooses."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.faults.identify import operation_id
from dss_client.local.faults.scenario import BadScenario, Faults, Rule, Scenario, Target
from dss_client.local.validation import operations

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
API = Target("api", "get_bundle", "GET", f"/v1/bundles/{UUID}", "aws")
STORAGE = Target("storage", "", "GET", f"/dss-local-checkout-gcp/bundles/{UUID}.1/a b.json", "gcp")
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "faults.md"


def fired(rules: list[dict[str, Any]], *requests: Target) -> list[str | None]:
    faults = Faults([{"status": 500, **rule} for rule in rules])
    acting = [faults.due(request) for request in requests]
    return [rule.name if rule else None for rule in acting]


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ({}, [True, True]),
        ({"on": "*"}, [True, True]),
        ({"on": "api"}, [True, False]),
        ({"on": "storage"}, [False, True]),
        ({"on": "get_bundle"}, [True, False]),
        ({"on": "get_file"}, [False, False]),
        ({"on": ["get_file", "storage"]}, [False, True]),
        ({"on": []}, [False, False]),
        ({"method": "get"}, [True, True]),
        ({"method": "HEAD"}, [False, False]),
        ({"uuid": UUID.upper()}, [True, True]),
        ({"uuid": "00000000-0000-4000-8000-000000000000"}, [False, False]),
        ({"replica": "aws"}, [True, False]),
        ({"replica": "gcp"}, [False, True]),
        ({"key": "a b"}, [False, True]),
        ({"key": "/bundles/"}, [True, True]),
        ({"on": "storage", "replica": "aws"}, [False, False]),
    ],
)
def test_whom_a_rule_selects(rule: dict[str, Any], chosen: list[bool]) -> None:
    names = fired([{"name": "it", **rule}], API, STORAGE)
    assert [name == "it" for name in names] == chosen


@pytest.mark.parametrize(
    ("nth", "numbers"),
    [
        (1, [1]),
        (3, [3]),
        ([1, 4], [1, 4]),
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"from": 3}, [3, 4, 5, 6, 7]),
        ({"to": 2}, [1, 2]),
        ({"from": 2, "to": 6, "every": 2}, [2, 4, 6]),
        ({"every": 3}, [1, 4, 7]),
    ],
)
def test_which_of_the_selected_requests(nth: object, numbers: list[int]) -> None:
    names = fired([{"name": "it", "on": "api", "nth": nth}], *[API, STORAGE] * 7)
    assert [index // 2 + 1 for index, name in enumerate(names) if name] == numbers


def test_the_first_rule_that_is_due_acts_and_all_count() -> None:
    faults = Faults([{"nth": 2, "status": 500}, {"name": "all", "status": 503}])
    acting = [faults.due(API) for _ in range(3)]
    assert [rule.status for rule in acting if rule] == [503, 500, 503]
    assert [(each.name, each.selected, each.fired) for each in faults.counts] == [
        ("rules[0]", 3, 1),
        ("all", 3, 2),
    ]


@given(st.integers(), st.floats(0, 1))
def test_a_seed_makes_the_same_choices(seed: int, probability: float) -> None:
    faults = Faults([{"probability": probability, "seed": seed, "status": 500}])
    first = [faults.due(API) is not None for _ in range(50)]
    faults.reset()
    assert faults.counts[0].selected == 0
    assert [faults.due(API) is not None for _ in range(50)] == first
    if probability in {0.0, 1.0}:
        assert set(first) == {probability == 1.0}


def test_probability_is_about_its_share() -> None:
    faults = Faults([{"probability": 0.3, "status": 500}])
    assert 200 < sum(faults.due(API) is not None for _ in range(1000)) < 400


@pytest.mark.parametrize("content", [None, [], {}, {"rules": []}, Scenario()])
def test_a_scenario_without_rules(content: Any) -> None:
    faults = Faults(content)
    assert faults.scenario == Scenario()
    assert faults.due(API) is None
    assert faults.counts == ()


def test_a_bad_scenario_leaves_the_old_one_in_force() -> None:
    faults = Faults([{"name": "old", "status": 500}])
    with pytest.raises(BadScenario, match=r"rules\[0\]"):
        faults.use([{}])
    assert faults.counts[0].name == "old"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "Input should be"),
        ({"rulez": []}, "rulez: no such field; did you mean 'rules'?"),
        ({"rules": {}}, "rules: "),
        ([1], "rules[0]: "),
        ([{}], "rules[0]: it says which requests, but not what happens to them"),
        ([{"on": "api", "nth": 2, "name": "x"}], "rules[0]: it says which requests, but not"),
        ([{"close": 1}, {"on": "get_bundel", "close": 1}], "rules[1].on: there is no operation"),
        ([{"on": "get_bundel", "close": 1}], "did you mean 'get_bundle'?"),
        ([{"on": "?!", "close": 1}], "see docs/faults.md"),
        ([{"statsu": 1}], "rules[0].statsu: no such field; did you mean 'status'?"),
        ([{"!?": 1}], "rules[0].!?: no such field"),
        ([{"nth": 0, "status": 500}], "rules[0].nth: must be a number from 1 on, a list of them"),
        ([{"nth": {"frm": 1}, "status": 500}], "rules[0].nth: "),
        ([{"probability": 2, "status": 500}], "rules[0].probability: must be a number from 0 to 1"),
        ([{"status": 99}], "rules[0].status: must be the answer's status, from 200 to 599"),
        ([{"status": "500"}], "rules[0].status: must be"),
        ([{"status": 204, "body": "x"}], "an answer with status 204 has no body"),
        ([{"status": 500, "expired": True}], "expired and status exclude each other"),
        ([{"expired": True, "redirect": "loop"}], "expired and redirect exclude each other"),
        ([{"close": 1, "stall": 2}], "close and stall exclude each other"),
        ([{"short": 1, "overlong": 2}], "short and overlong exclude each other"),
        ([{"short": 1, "reset": 2}], "reset and short exclude each other"),
        ([{"honest_length": True}], "honest_length goes with short or overlong"),
        ([{"stall_seconds": 1}], "stall_seconds goes with stall"),
        ([{"close": "begin"}], "rules[0].close: must be a position in the body, or 'start'"),
        ([{"flip": "x"}], "rules[0].flip: must be positions"),
        ([{"headers": {"a b": "x"}}], "rules[0].headers: 'a b' is not a valid name of a header"),
        ([{"headers": {"Content-Length": "1"}}], "use short or overlong"),
        ([{"headers": {"a": "x\r\nb: c"}}], "a header is of printable ASCII characters"),
        ([{"etag": "\n"}], "rules[0].etag: a header is of printable ASCII characters"),
        ([{"retry_after": "\x00"}], "rules[0].retry_after: a header is of printable"),
        ([{"retry_after": {"date": 1}}], "rules[0].retry_after: must be seconds, any text, or"),
        ([{"delay": -1}], "rules[0].delay: must be seconds before the answer"),
    ],
)
def test_what_is_no_scenario_is_told_with_its_place(content: Any, message: str) -> None:
    with pytest.raises(BadScenario) as caught:
        Scenario.of(content)
    assert message in str(caught.value)


def test_all_places_are_told_once() -> None:
    with pytest.raises(BadScenario) as caught:
        Scenario.of([{"nth": "x", "status": 1, "flip": "y"}, {}])
    places = [part.partition(":")[0] for part in str(caught.value).split("; ")]
    assert places == ["rules[0].nth", "rules[0].status", "rules[0].flip", "rules[1]"]


def test_a_scenario_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"rules": [{"status": 503}]}))
    assert Scenario.of(path).rules == [Rule(status=503)]
    path.write_text('{\n "rules": [,]}')
    with pytest.raises(BadScenario, match=r"faults\.json: line 2, column 12: this is not JSON"):
        Scenario.of(path)
    path.write_bytes(b"\xff")
    with pytest.raises(BadScenario, match="this is not JSON in UTF-8"):
        Scenario.of(path)
    path.write_text("[{}]")
    with pytest.raises(BadScenario, match=r"faults\.json: rules\[0\]: it says"):
        Scenario.of(path)
    with pytest.raises(FileNotFoundError):
        Scenario.of(tmp_path / "missing.json")


def test_every_field_is_documented() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert [name for name in Rule.model_fields if f"`{name}`" not in text] == []
    schema = Scenario.model_json_schema()
    assert set(schema["$defs"]["Rule"]["properties"]) == set(Rule.model_fields)


def test_the_examples_of_the_documentation_are_scenarios() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    examples = [part.partition("```")[0] for part in text.split("```json\n")[1:]]
    assert len(examples) >= 3
    for example in examples:
        assert Scenario.of(json.loads(example)).rules


def test_every_operation_is_told_by_its_address() -> None:
    for operation in operations():
        path = operation.path.replace("{", "").replace("}", "")
        assert operation_id(operation.method, f"/v1{path}") == operation.id
        assert operation_id(operation.method, f"/v1{path}/") == operation.id
    assert operation_id("HEAD", "/v1/events") == "get_events"
    assert operation_id("DELETE", "/v1/events") == ""
    assert operation_id("GET", "/v1/nothing") == ""
    assert operation_id("HEAD", "/v1/search") == ""
