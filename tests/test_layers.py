"""Imports point down only: which module may import what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dss_client"
MODULES = sorted(SOURCE.rglob("*.py"))
GENERATOR = sorted((ROOT / "generator").rglob("*.py"))


def dotted(path: Path) -> str:
    """Return the name of a module, such as ``dss_client.local.server``."""
    base = SOURCE.parent if path.is_relative_to(SOURCE) else ROOT
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[str]:
    """Return the names of all that a file imports, also inside functions."""
    package = dotted(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    return list(imports_in(path.read_text(encoding="utf-8"), package))


def imports_in(text: str, package: list[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from . import x` imports a module, `from .x import y` a name of one.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of(path: Path, *prefixes: str) -> list[str]:
    return [
        name
        for name in imports(path)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
    ]


def imports_at_once(path: Path) -> list[str]:
    """Return the names of what a module imports when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.Import, ast.ImportFrom)
    tree.body = [node for node in tree.body if isinstance(node, kinds)]
    return list(imports_in(ast.unparse(tree), dotted(path).split(".")[:-1]))


def inside(path: Path, *parts: str) -> bool:
    return path.relative_to(SOURCE).parts[0] in parts


def ids(path: Path) -> str:
    return dotted(path)


def test_the_reader_of_imports_sees_every_kind() -> None:
    text = "import a.b\nfrom . import c\ndef f():\n    from ..d import e\n    from g.h import i\n"
    assert set(imports_in(text, ["p", "q"])) == {"a.b", "p.q.c", "p.d.e", "g.h.i"}
    assert dotted(SOURCE / "local" / "server.py") == "dss_client.local.server"
    assert dotted(SOURCE / "local" / "__init__.py") == "dss_client.local"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_nothing_imports_the_generator(path: Path) -> None:
    assert imports_of(path, "generator", "openapi_python_client") == []


@pytest.mark.parametrize("path", [p for p in MODULES if not inside(p, "local", "cli")], ids=ids)
def test_the_sdk_does_not_import_what_extras_bring(path: Path) -> None:
    extras: tuple[str, ...] = (
        "click",
        "rich",
        "tqdm",
        "starlette",
        "uvicorn",
        "jsonschema",
        "google_crc32c",
    )
    if path == SOURCE / "progress.py":
        assert {name.split(".")[0] for name in imports_at_once(path)}.isdisjoint(extras)
        extras = tuple(set(extras) - {"rich", "tqdm"})
    if path not in {SOURCE / "__main__.py", SOURCE / "testing.py"}:
        assert imports_of(path, "dss_client.local", "dss_client.cli", *extras) == []


@pytest.mark.parametrize("path", [p for p in MODULES if not inside(p, "hca")], ids=ids)
def test_nothing_stands_on_the_facade_for_hca(path: Path) -> None:
    assert imports_of(path, "dss_client.hca") == []


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "local")], ids=ids)
def test_the_embedded_service_does_not_import_the_client(path: Path) -> None:
    own = imports_of(path, "dss_client")
    allowed = (
        "dss_client.local",
        "dss_client._spec",
        "dss_client._files",
        "dss_client._version",
        "dss_client.errors",
        "dss_client.types",
        "dss_client.versions",
    )
    assert [name for name in own if not name.startswith(allowed)] == []


@pytest.mark.parametrize(
    "path", [SOURCE / "models.py", *sorted((SOURCE / "operations").glob("*.py"))], ids=ids
)
def test_generated_code_stands_on_few_modules(path: Path) -> None:
    allowed = tuple(
        f"dss_client.{name}"
        for name in (
            "_async_transport",
            "_model",
            "_operation",
            "_request",
            "_transport",
            "models",
            "operations",
        )
    )
    assert [name for name in imports_of(path, "dss_client") if not name.startswith(allowed)] == []
    outside = {name.split(".")[0] for name in imports(path)} - {"dss_client"}
    assert outside <= {"collections", "contextlib", "pydantic", "typing"}


# From the bottom up: a module of the core imports those before it only.
LAYERS = [
    "_version",
    "_files",
    "types",
    "errors",
    "versions",
    "_model",
    "_retry",
    "_options",
    "_request",
    "_paging",
    "_storage",
    "_exchange",
    "_transport",
    "_async_transport",
    "_operation",
    "models",
    "operations",
    "settings",
]


@pytest.mark.parametrize("name", LAYERS)
def test_imports_of_the_core_point_down(name: str) -> None:
    below = LAYERS[: LAYERS.index(name)]
    path = SOURCE / name
    for each in [SOURCE / f"{name}.py"] if not path.is_dir() else sorted(path.glob("*.py")):
        used = {full.split(".")[1] for full in imports_of(each, "dss_client")}
        if name == "_operation":
            used -= {"_async_transport"}
        assert used <= {*below, name}, each


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "download")], ids=ids)
def test_downloads_know_the_client_by_type_only(path: Path) -> None:
    """They stand on a small protocol, so that a test or a mirror can take the client's place."""
    at_run_time = [
        name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and "client" in (node.module or "").split(".")[-1:]
        for name in [node.module]
    ]
    assert at_run_time == []


def test_http_is_spoken_in_few_places() -> None:
    sdk = [path for path in MODULES if not inside(path, "cli", "local")]
    speakers = {dotted(path) for path in sdk if imports_of(path, "httpx", "httpcore")}
    assert speakers == {
        "dss_client._async_transport",
        "dss_client._exchange",
        "dss_client._operation",
        "dss_client._transport",
        "dss_client.auth.plain_http",
        "dss_client.client",
    }


def test_the_foreign_parser_is_imported_in_one_place() -> None:
    users = {dotted(path) for path in GENERATOR if imports_of(path, "openapi_python_client")}
    assert users == {"generator.ir"}
