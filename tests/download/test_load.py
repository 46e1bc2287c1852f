"""How busy the process is."""

import time

import pytest

from dss_client.download.load import Load


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"monotonic": 100.0, "process_time": 5.0}
    for name in now:
        monkeypatch.setattr(time, name, lambda name=name: now[name])
    return now


@pytest.mark.parametrize(
    ("cpu", "light"),
    [(0.4, True), (0.6, False), (3, False)],
)
def test_it_is_light_below_half_a_processor(
    clocks: dict[str, float], cpu: float, light: bool
) -> None:
    load = Load()
    clocks["monotonic"] += 1
    clocks["process_time"] += cpu
    assert load.is_light() is light


def test_each_look_begins_anew(clocks: dict[str, float]) -> None:
    load = Load()
    clocks["monotonic"] += 1
    clocks["process_time"] += 1
    assert not load.is_light()
    clocks["monotonic"] += 1
    assert load.is_light()
