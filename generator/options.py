"""The options of downloads, read from the class that declares them; nothing is imported."""

import ast
from pathlib import Path

from attrs import frozen

from .errors import GeneratorError

__all__ = ["SOURCE", "Option", "read"]

SOURCE = "download/options.py"
_CLASS = "DownloadOptions"


@frozen
class Option:
    """An option of the methods that download.

    Attributes:
        name: Its name.
        type: Its type, as Python source.
        default: Its default, likewise; None where it has to be given.
        doc: What it means.
    """

    name: str
    type: str
    default: str | None
    doc: str


def read(package: Path) -> list[Option]:
    """Return the options; a field without a text is none.

    Args:
        package: Where the package is.

    Raises:
        GeneratorError: The class is not there, or a field is not written as the others are.
    """
    path = package / SOURCE
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == _CLASS:
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            return [option for field in fields if (option := _option(path, field))]
    raise GeneratorError(f"{path} has no class {_CLASS}")


def _option(path: Path, node: ast.AnnAssign) -> Option | None:
    if not (isinstance(node.value, ast.Call) and isinstance(node.target, ast.Name)):
        raise GeneratorError(f"{path}:{node.lineno}: expected NAME: TYPE = field(...)")
    given = {keyword.arg: keyword.value for keyword in node.value.keywords}
    if "metadata" not in given:
        return None
    default = ast.unparse(given["default"]) if "default" in given else None
    doc = ast.literal_eval(given["metadata"])["doc"]
    return Option(node.target.id, ast.unparse(node.annotation), default, doc)
