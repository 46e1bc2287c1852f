"""``dss api``: every operation of the API, as its method has it."""

import difflib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from dss_client._endpoints import ENDPOINTS
from dss_client._request import Endpoint

from .._app import App, CliContext, Command, app
from ..operations import is_list, option, option_name
from ..output_file import written_to

if TYPE_CHECKING:
    from dss_client import DSSClient

_LEAST_SIMILAR = 0.5


class OperationCommand(Command):
    """A command that calls an operation."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        options: list[click.Parameter] = [option(each) for each in endpoint.parameters]
        text = f"{endpoint.summary}.\n\n{endpoint.description}".strip()
        super().__init__(
            endpoint.name.replace("_", "-"),
            params=[*options, *_own_options(endpoint)],
            callback=self._call,
            help=text.replace("\n\n* ", "\n\n\b\n* ", 1),
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take several words after an option that takes a list, as the reference client does."""
        lists = {option_name(each) for each in self.endpoint.parameters if is_list(each)}
        return super().parse_args(ctx, list(_spread(args, lists)))

    def _call(self, **values: Any) -> None:
        context = click.get_current_context()
        cli = context.ensure_object(CliContext)
        own = {name: values.pop(name) for name in _OWN if name in values}
        given: dict[str, Any] = {}
        for parameter in self.endpoint.parameters:
            value = values[parameter.name]
            if is_list(parameter):
                value = list(itertools.chain.from_iterable(value)) if value else None
            if value is not None or parameter.required:
                given[parameter.name] = [] if value is None else value
        with cli.client() as dss:
            _answer(dss, self.endpoint, given, own)


_OWN = ("output", "jsonl", "paginate", "limit")


def _own_options(endpoint: Endpoint) -> list[click.Parameter]:
    options: list[click.Parameter] = [
        click.Option(
            ["--output", "-o", "output"],
            metavar="FILE",
            help="Write there, whole or not at all; - is standard output.",
        )
    ]
    if not endpoint.is_content:
        options.append(
            click.Option(["--jsonl"], is_flag=True, help="Print a line of JSON for each item.")
        )
    if endpoint.item_path:
        options += [
            click.Option(
                ["--paginate/--no-paginate"],
                default=True,
                help="Ask for all pages (the default), or for the first one only.",
            ),
            click.Option(
                ["--limit"], type=click.IntRange(min=1), metavar="N", help="Stop after N items."
            ),
        ]
    return options


def _spread(args: list[str], lists: set[str]) -> Iterator[str]:
    """Repeat an option before each of the words that follow it."""
    option = ""
    for word in args:
        if word in lists:
            option = word
        elif option and not (word.startswith("-") and word != "-"):
            yield option
            yield word
        else:
            option = ""
            yield word


def _answer(
    dss: "DSSClient", endpoint: Endpoint, given: dict[str, Any], own: dict[str, Any]
) -> None:
    method: Any = getattr(dss, endpoint.name)
    if endpoint.is_content and not given.get(endpoint.location_switch or ""):
        given.pop(endpoint.location_switch or "", None)
        with method.stream(**given) as content, written_to(own["output"], raw=True) as out:
            for piece in content:
                out.write(piece)
        return
    with written_to(own["output"]) as out:
        for text in _texts(method, endpoint, given, own):
            out.write(f"{text}\n".encode())
            out.flush()  # the reader of a pipe gets each line at once


def _texts(
    method: Any, endpoint: Endpoint, given: dict[str, Any], own: dict[str, Any]
) -> Iterator[str]:
    from ..results import PagedResult, merged, plain_json

    jsonl: bool = own.get("jsonl", False)
    if not endpoint.item_path:
        result: object = method(**given)
        if result is None:
            result = dict[str, object]()  # an answer that says nothing
        yield result if isinstance(result, str) else plain_json(result, one_line=jsonl)
        return
    pages: Iterator[Any] = method.paginate(**given)
    if not own["paginate"]:
        pages = itertools.islice(pages, 1)
    paged = PagedResult(pages, endpoint.item_path, own["limit"])
    if jsonl:
        for item in paged.items():
            yield plain_json(item, one_line=True)
    else:
        yield plain_json(merged(paged), one_line=False)


class Api(App):
    """The group of all operations."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all operations."""
        return [name.replace("_", "-") for name in sorted(ENDPOINTS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an operation.

        Raises:
            click.UsageError: There is no such operation; the message suggests similar names.
        """
        name = cmd_name.replace("-", "_")
        if name in ENDPOINTS:
            return OperationCommand(ENDPOINTS[name])
        near = difflib.get_close_matches(cmd_name, self.list_commands(ctx), 3, _LEAST_SIMILAR)
        hint = f"did you mean {' or '.join(near)}?" if near else "see dss api --help"
        raise click.UsageError(f"there is no operation {cmd_name!r}: {hint}", ctx)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the operations with what they do."""
        rows = [(name.replace("_", "-"), ENDPOINTS[name].summary) for name in sorted(ENDPOINTS)]
        with formatter.section("Operations"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of an operation."""
        return [
            CompletionItem(name, help=ENDPOINTS[name.replace("-", "_")].summary)
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]


@app.group("api", cls=Api)
def api() -> None:
    """Call any operation of the API.

    Each has its own --help. Results are JSON, those of all pages put together. Lists take several
    words, each a JSON object; @FILE reads JSON from a file, and - from standard input.
    """
