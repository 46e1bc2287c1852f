"""Scenarios as documents: what is read, and what is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from dss_client.local.faults.scenario import BadScenario, Rule, Scenario

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"


@pytest.mark.parametrize("content", [None, [], {}, {"rules": []}, Scenario()])
def test_a_scenario_without_rules(content: Any) -> None:
    assert Scenario.of(content) == Scenario()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "Input should be"),
        ({"rulez": []}, "rulez: no such field; did you mean 'rules'?"),
        ([{}], "rules[0]: it says which requests, but not what happens to them"),
        ([{"close": 1}, {"on": "get_bundel", "close": 1}], "rules[1].on: there is no operation"),
        ([{"on": "get_bundel", "close": 1}], "did you mean 'get_bundle'?"),
        ([{"statsu": 1}], "rules[0].statsu: no such field; did you mean 'status'?"),
        ([{"nth": 0, "status": 500}], "rules[0].nth: must be a number from 1 on, a list of them"),
        ([{"probability": 2, "status": 500}], "rules[0].probability: must be a number from 0 to 1"),
        ([{"status": 99}], "rules[0].status: must be the answer's status, from 200 to 599"),
        ([{"status": 204, "body": "x"}], "an answer with status 204 has no body"),
        ([{"status": 500, "expired": True}], "expired and status exclude each other"),
        ([{"close": 1, "stall": 2}], "close and stall exclude each other"),
        ([{"stall_seconds": 1}], "stall_seconds goes with stall"),
        ([{"close": "begin"}], "rules[0].close: must be a position in the body, or 'start'"),
        ([{"flip": "x"}], "rules[0].flip: must be positions"),
        ([{"headers": {"a b": "x"}}], "rules[0].headers: must be headers to set"),
        ([{"headers": {"Content-Length": "1"}}], "follows from the body: use short"),
        ([{"headers": {"a": "x\r\nb: c"}}], "a header is of printable ASCII characters"),
        ([{"delay": -1}], "rules[0].delay: must be seconds before the answer"),
    ],
)
def test_what_is_not_valid_is_told_with_its_place(content: Any, message: str) -> None:
    with pytest.raises(BadScenario) as caught:
        Scenario.of(content)
    assert message in str(caught.value)


def test_all_places_are_told_once() -> None:
    with pytest.raises(BadScenario) as caught:
        Scenario.of([{"nth": "x", "status": 1, "flip": "y"}, {}])
    places = [part.partition(":")[0] for part in str(caught.value).split("; ")]
    assert places == ["rules[0].nth", "rules[0].status", "rules[0].flip", "rules[1]"]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"rules": [{"status": 503}]}')
    assert Scenario.of(path).rules == [Rule(status=503)]
    for content, message in (
        (b'{\n "rules": [,]}', r"faults\.json: Invalid JSON: .* line 2 column 12"),
        (b"\xff", "Invalid JSON"),
        (b"[{}]", r"faults\.json: rules\[0\]: it says"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadScenario, match=message):
            Scenario.of(path)


def test_the_documentation_has_every_field_and_valid_examples() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert [name for name in Rule.model_fields if f"`{name}`" not in text] == []
    schema = Scenario.model_json_schema()
    assert set(schema["$defs"]["Rule"]["properties"]) == set(Rule.model_fields)
    examples = [part.partition("```")[0] for part in text.split("```json\n")[1:]]
    assert len(examples) >= 3
    for example in examples:
        assert Scenario.of(json.loads(example)).rules
