"""The methods that download take their options from the class that declares them."""

from pathlib import Path

import pytest

from generator.__main__ import main
from generator.options import SOURCE

NEW = """
    colour: "str | None" = field(default=None, metadata={"doc": "Of the files; " "red or blue."})
    stop:"""


def change(package: Path, old: str, new: str) -> None:
    path = package / SOURCE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_option_comes_to_both_clients(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(package, "\n    stop:", NEW)
    assert main(["--check", "--package", str(package)]) == 1
    told = capsys.readouterr().err
    for client in ("_async", "_sync"):
        assert f"differs: {package / client / 'downloads.py'}" in told
    assert main(["--package", str(package)]) == 0
    for client in ("_async", "_sync"):
        text = (package / client / "downloads.py").read_text()
        assert text.count('colour: "str | None" = None') == 5
        assert text.count("colour: Of the files; red or blue.") == 5
        assert text.count("colour=colour") == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class DownloadOptions", "class Options", "has no class DownloadOptions"),
        ("\n    stop:", "\n    colour: str = 'red'\n    stop:", "expected NAME: TYPE = field(...)"),
    ],
)
def test_what_cannot_be_read_is_refused(
    package: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    change(package, old, new)
    assert main(["--package", str(package)]) == 1
    assert message in capsys.readouterr().err
