"""What a user of the reference client, or of an earlier version, types, in today's words."""

import shlex
from collections.abc import Sequence

import click

from dss_client._endpoints import ENDPOINTS
from dss_client.errors import DSSError

from .params import BundleId

__all__ = ["replacement", "right_form"]

# Options of the reference client that are arguments here.
_ARGUMENTS = {
    "download": "--bundle-uuid",
    "download-collection": "--uuid",
    "get-bundle": "--uuid",
    "upload": "--src-dir",
}
_COMMANDS = {"clear-hca-cache": "clear-cache"}
_OF_JOBS = frozenset({"plan", "run", "merge"})
_FILTERS = frozenset({"--data-filter", "--metadata-filter"})
_NEED_BUNDLE = frozenset({"download", "get-bundle"})
_GET_BUNDLE = frozenset({"--uuid", "--version", "--replica"})
_SECRETS = frozenset({"--access-token", "--hmac-secret-key"})


def replacement(words: Sequence[str]) -> str:
    """Return what took the place of a command that is gone; empty if it is not one."""
    name = words[0] if words else ""
    if name not in _OF_JOBS:
        return ""
    return (
        f"There is no command '{name}' any more: no directory of jobs is needed. Run the download"
        " itself in each job, with its part of the whole: dss download-manifest --manifest TSV"
        " --download-dir DIR --shard I/N; then once without --shard"
    )


def right_form(group: click.Group, context: click.Context, words: Sequence[str]) -> str:
    """Return the command that means what `words` mean to ``hca``; empty where none is known.

    Args:
        group: The group of all commands.
        context: Its context.
        words: What follows ``dss`` and its options.
    """
    left = list(words)
    while left[:1] == ["dss"]:
        del left[0]
    form = _translated(group, left) if left else []
    if not form or form == list(words) or not _is_known(group, context, form):
        return ""
    return shlex.join(_masked(form))


def _translated(group: click.Group, words: list[str]) -> list[str]:
    name, *rest = words
    name = _COMMANDS.get(name, name)
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    is_operation = name.replace("-", "_") in ENDPOINTS
    if is_operation and (name not in group.commands or ("--uuid" in given and given - _GET_BUNDLE)):
        bare = ["--uuid"] if rest and _is_bundle(rest[0]) else []  # as our own commands take it
        return ["api", name, *bare, *rest]
    return [name, *_rewritten(name, rest)] if name in group.commands else []


def _rewritten(name: str, words: list[str]) -> list[str]:
    """Return the words of a command, each filter with one pattern and no name of an argument."""
    argument = _ARGUMENTS.get(name)
    arguments: list[str] = []
    others: list[str] = []
    option, is_first = "", True  # what the next word belongs to
    for word in words:
        if word.startswith("--"):
            option, is_joined, value = word.partition("=")
            is_first = True
            if option != argument:
                others.append(word)
            elif is_joined:
                arguments.append(value)
            if is_joined:
                option = ""
        elif option == argument:
            arguments.append(word)
            option = ""
        elif option in _FILTERS and (is_first or not _is_bundle(word)):
            others += [word] if is_first else [option, word]
            is_first = False
        else:
            others.append(word)
            option = ""
    if name == "upload" and not any(word.startswith("--staging-bucket") for word in others):
        others += ["--staging-bucket", "BUCKET"]
    if name in _NEED_BUNDLE and others != words and not (arguments or any(map(_is_bundle, others))):
        arguments.append("UUID")
    return [*arguments, *others]


def _is_bundle(word: str) -> bool:
    try:
        BundleId.parse(word)
    except DSSError:
        return False
    return True


def _is_known(group: click.Group, context: click.Context, form: list[str]) -> bool:
    """Tell whether a command takes all options of a form."""
    command: click.Command | None = group
    rest = form
    while isinstance(command, click.Group) and rest:
        command = command.get_command(context, rest[0])
        rest = rest[1:]
    parameters = command.get_params(context) if command else []
    taken = {name for each in parameters for name in (*each.opts, *each.secondary_opts)}
    return all(word.partition("=")[0] in taken for word in rest if word.startswith("--"))


def _masked(form: list[str]) -> list[str]:
    """Return the words without the values of secrets."""
    masked: list[str] = []
    for word in form:
        option, is_joined, _ = word.partition("=")
        if is_joined and option in _SECRETS:
            masked.append(f"{option}=...")
        else:
            masked.append("..." if masked and masked[-1] in _SECRETS else word)
    return masked
