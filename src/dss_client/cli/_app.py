"""The command group: options that every command takes, and errors as one line each."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from attrs import define

from dss_client import DSSError, InvalidArgument, InvalidVersion, MissingExtra, __version__
from dss_client.versions import InvalidUUID

from . import USAGE_ERROR
from .groups import GROUPS
from .interrupts import status_of
from .output import one_line
from .retries import retries_told

if TYPE_CHECKING:
    from dss_client import DSSClient

__all__ = ["App", "CliContext", "Command", "app", "pass_cli_context"]


@define
class CliContext:
    """The values of the options that every command takes.

    Attributes:
        url: The deployment; None leaves it to ``DSS_URL`` and the config file.
        as_json: Whether standard output is to be one JSON document.
        retries: Retries of each request; None for the client's own policy.
        debug: Whether to log requests, and to show where errors come from.
    """

    url: str | None = None
    as_json: bool = False
    retries: int | None = None
    debug: bool = False

    def client(self) -> "DSSClient":
        """Return a client of the deployment.

        Raises:
            InvalidArgument: The URL is not valid.
            ConfigError: The config file cannot be used.
        """
        from dss_client import DSSClient

        return DSSClient(self.url, retries=self.retries)


_WORDS = f"{__name__}.words"

pass_cli_context = click.make_pass_decorator(CliContext, ensure=True)


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Note an option wherever it stands: one before the command holds unless repeated after it."""
    if value is not None:
        setattr(context.ensure_object(CliContext), str(option.name), value)


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"dss-client {__version__}")
        context.exit()


def _log_to_stderr(context: click.Context, option: click.Parameter, value: bool | None) -> None:
    if value:
        import logging

        logging.basicConfig(format="%(relativeCreated)7d ms %(name)s: %(message)s")
        logging.getLogger("dss_client").setLevel(logging.DEBUG)
    _remember(context, option, value)


def _option(
    *names: str, callback: Callable[..., None] = _remember, **settings: Any
) -> click.Option:
    return click.Option(names, callback=callback, expose_value=False, **settings)


_COMMON = (
    _option("--url", metavar="URL", help="Base URL of the deployment; DSS_URL when not given."),
    _option(
        "--json", "as_json", is_flag=True, default=None, help="Print one JSON document instead."
    ),
    _option(
        "--retries",
        type=click.IntRange(min=0),
        metavar="N",
        help="Attempts after the first one fails.",
    ),
    _option(
        "--debug",
        is_flag=True,
        default=None,
        callback=_log_to_stderr,
        help="Log requests, and show where an error comes from.",
    ),
    _option(
        "--version",
        is_flag=True,
        is_eager=True,
        callback=_print_version,
        help="Print the version of dss-client.",
    ),
)


class _Common(click.Command):
    """Takes the common options, except those whose name it uses itself (``--version``)."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the own parameters and the common ones."""
        own = super().get_params(ctx)
        taken = {name for parameter in own for name in parameter.opts}
        return [*own, *(option for option in _COMMON if taken.isdisjoint(option.opts))]


class Command(_Common):
    """A command whose errors are one line, and whose exit status is as `main` says."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.ClickException: It failed; the message is for the user.
        """
        try:
            with retries_told():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as interrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(status_of(interrupt))
        except Exception as error:
            if ctx.ensure_object(CliContext).debug:
                _show_trace(error)
            raise _for_user(error, ctx) from error


class App(_Common, click.Group):
    """A group of commands."""

    command_class: type[click.Command] | None = Command


class _Root(App):
    """The group of all commands; it knows what they are called elsewhere, and once were."""

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - as click has it
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the commands under their headings."""
        width = max(map(len, self.commands))
        room = formatter.width - width - 6
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (name.ljust(width), self.commands[name].get_short_help_str(room))
                        for name in names
                    ]
                )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words of the command."""
        words = list(args)
        left = super().parse_args(ctx, args)
        ctx.meta[_WORDS] = words[len(words) - len(left) - 1 :]
        return left

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.UsageError: It cannot be understood; the message may hold the right form.
        """
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            from .reference_words import replacement, right_form

            words = ctx.meta[_WORDS]
            if instead := replacement(words):
                raise click.UsageError(instead, error.ctx) from error
            form = right_form(self, ctx, words)
            if not form:
                raise
            is_about_value = isinstance(error, click.BadParameter)
            text = error.format_message() if is_about_value else error.message
            sentence = text if text.endswith((".", "?", "!")) else f"{text}."
            raise click.UsageError(f"{sentence} Use: dss {form}", error.ctx) from error


def _show_trace(error: Exception) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


class _MissingExtra(click.ClickException):
    exit_code = USAGE_ERROR


def _for_user(error: Exception, context: click.Context) -> click.ClickException:
    text = one_line(str(error))
    if isinstance(error, InvalidArgument | InvalidUUID | InvalidVersion):
        return click.UsageError(text, context)
    if isinstance(error, MissingExtra):
        return _MissingExtra(text)
    if isinstance(error, DSSError | OSError | ValueError):
        return click.ClickException(text)
    name = type(error).__name__
    return click.ClickException(f"unexpected {name}: {text} (--debug shows where)")


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own --help. Start with: dss demo",
)
def app() -> None:
    """Work with a DSS, the Data Storage System of the Human Cell Atlas.

    Options given here can also be given after the command.
    """
