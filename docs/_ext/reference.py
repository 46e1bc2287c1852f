"""Writes the pages of the reference that say what the package says of itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import fields

from dss_client._endpoints import ENDPOINTS
from dss_client._request import Endpoint
from dss_client.cli._app import app as program
from dss_client.cli.commands import load_commands
from dss_client.download.options import DownloadOptions

if TYPE_CHECKING:
    from sphinx.application import Sphinx

VARIABLES = {
    "DSS_URL": "Base URL of the deployment, such as `http://127.0.0.1:8010/v1`. It replaces the one"
    " of the config file; an argument or `--url` replaces both.",
    "DSS_TOKEN": "Token for operations that change something. It goes before stored logins.",
    "DSS_CONFIG_FILE": "The config file, instead of `config.toml` in the user's configuration"
    " directory. Logins are kept next to it.",
    "DSS_STATE_DIR": "Where interrupted uploads are remembered.",
    "DSS_TOKEN_AUDIENCE": "Audience of the tokens that a service account signs.",
    "GOOGLE_APPLICATION_CREDENTIALS": "JSON file of a service account, whose tokens are sent.",
    "HCA_CONFIG_FILE": "Configuration of the reference client, whose login is used.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "Proxies; read where they are needed.",
    "SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE": "Certificates to trust.",
    "NO_COLOR": "If set, the command line shows no colours and no progress bars.",
    "XDG_CONFIG_HOME": "Where the reference client keeps its configuration.",
    "TMPDIR": "Where the results of a long download are kept while it runs.",
}
"""The environment variables, and what each does."""

FORMS = """
| call | gives |
|---|---|
| `dss.get_bundle(...)` | the answer as a typed model |
| `dss.get_bundle.raw(...)` | the same with status, headers and request id |
| `dss.get_bundle.paginate(...)` | the pages, of operations that have some |
| `dss.get_bundle.iterate(...)` | their items, one by one |
| `dss.get_file.stream(...)` | content as it comes, with its metadata |
| `dss.get_file.locate(...)` | the presigned URL, without reading |
| `dss.get_file.read_range(...)` | bytes of a range |
| `dss.get_bundle.endpoint` | the operation as a value: method, path, parameters, error codes |
| `dss.with_options(timeout=5, retries=0)` | the same client with other limits |
"""


def operations() -> Iterator[str]:
    """Yield the page of the operations."""
    yield "# Operations\n"
    yield (
        "Each is a method of `DSSClient` and `AsyncDSSClient`, of the same name, with typed"
        " arguments and results; `dss api` has them on the command line.\n"
    )
    yield FORMS
    for endpoint in ENDPOINTS.values():
        yield from operation(endpoint)


def operation(endpoint: Endpoint) -> Iterator[str]:
    """Yield what is known of an operation."""
    yield f"\n({endpoint.name})=\n## {endpoint.name}\n"
    yield f"`{endpoint.method} {endpoint.path}`: {endpoint.summary}.\n"
    yield f"{endpoint.description}\n"
    marks = {
        "It needs a token.": endpoint.secured,
        "It has pages: `.paginate` and `.iterate`.": bool(endpoint.item_path),
        "It answers with content: `.stream` and `.locate`.": endpoint.is_content,
        "It is not sent twice: a lost answer is an error.": not endpoint.repeatable,
    }
    yield " ".join(["", *(text for text, holds in marks.items() if holds)]).strip() + "\n"
    yield "| argument | in | type | |\n|---|---|---|---|"
    for each in endpoint.parameters:
        kind = " or ".join(f"`{choice}`" for choice in each.choices) or each.type
        needed = "required. " if each.required else ""
        yield f"| `{each.name}` | {each.place} | {kind} | {needed}{cell(each.description)} |"
    yield f"\nReturns `{endpoint.result}`.\n"
    codes = [
        f"{status}: {', '.join(f'`{code}`' for code in named)}"
        for status, named in endpoint.errors.items()
        if named
    ]
    if codes:
        yield f"Error codes: {'; '.join(codes)}.\n"


def options() -> Iterator[str]:
    """Yield the page of the options of downloads."""
    yield "# Options of downloads\n"
    yield (
        "Arguments of `download`, `download_bundles`, `download_manifest`,"
        " `download_collection`, `download_search` and `download_file` of both clients, as far as"
        " they apply; options of the same names on the command line.\n"
    )
    yield "| argument | default | |\n|---|---|---|"
    for each in fields(DownloadOptions):
        if "doc" in each.metadata:
            default = "" if each.default in {None, ""} or each.name == "replica" else each.default
            shown = f"`{default}`" if default != "" else ""
            yield f"| `{each.name}` | {shown} | {cell(each.metadata['doc'])} |"


def variables() -> Iterator[str]:
    """Yield the page of the environment variables."""
    yield "# Environment variables\n\n| variable | |\n|---|---|"
    for names, text in VARIABLES.items():
        shown = ", ".join(f"`{name}`" for name in names.split(", "))
        yield f"| {shown} | {text} |"


def commands() -> Iterator[str]:
    """Yield all commands but those of `dss api`, whose arguments are those of the operations."""
    load_commands()
    names = ", ".join(sorted(program.commands.keys() - {"api"}))
    yield "```{eval-rst}\n.. click:: dss_client.cli._app:app\n   :prog: dss\n   :nested: full"
    yield f"   :commands: {names}\n```"


def plain(_app: "Sphinx", _context: object, lines: list[str]) -> None:
    """Keep the stars of patterns in texts of commands from being read as markup."""
    lines[:] = [re.sub(r"(?<!\*)\*(?!\*)", r"\\*", line) for line in lines]


def error_codes() -> Iterator[str]:
    """Yield the table of the service's error codes, and the operations that list them."""
    yield "| code | status | operations |\n|---|---|---|"
    found: dict[tuple[str, str], list[str]] = {}
    for name, endpoint in ENDPOINTS.items():
        for status, codes in endpoint.errors.items():
            for code in codes:
                found.setdefault((code, status), []).append(name)
    for (code, status), names in sorted(found.items()):
        linked = ", ".join(f"[{name}](#{name})" for name in names)
        yield f"| `{code}` | {status} | {linked} |"


def cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def write(app: "Sphinx") -> None:
    """Write the pages; what has not changed is left alone."""
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for page in (operations, options, commands, variables, error_codes):
        path = folder / f"{page.__name__}.md"
        text = "\n".join(page()) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: "Sphinx") -> dict[str, bool]:
    """Have the pages written before they are read."""
    app.connect("builder-inited", write)
    app.setup_extension("sphinx_click")
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", plain)
    return {"parallel_read_safe": True}
