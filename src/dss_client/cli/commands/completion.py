"""``dss completion``: completion of commands, options and their values in a shell."""

import click
from click.shell_completion import get_completion_class

from dss_client._files import write_file

from .._app import app

_VARIABLE = "_DSS_COMPLETE"
_FOLDER = {
    "bash": ".local/share/bash-completion/completions/dss",
    "zsh": ".zfunc/_dss",
    "fish": ".config/fish/completions/dss.fish",
}
_NOTE = {"zsh": "Have ~/.zfunc in fpath before compinit: fpath+=~/.zfunc; autoload -Uz compinit"}


@app.command()
@click.argument("shell", type=click.Choice(sorted(_FOLDER)))
@click.option("--install", is_flag=True, help="Write it where that shell looks for it.")
def completion(shell: str, install: bool) -> None:
    r"""Print the completion script for SHELL.

    Eval it, or let --install write it.

    \b
    bash, zsh:  eval "$(dss completion bash)"
    fish:       dss completion fish | source
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    script = kind(app, {}, "dss", _VARIABLE).source()
    if not install:
        click.echo(script)
        return
    from dss_client.settings import home_directory

    path = home_directory() / _FOLDER[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, f"{script}\n")
    click.echo(f"Written to {path}; new shells complete dss.")
    if shell in _NOTE:
        click.echo(_NOTE[shell])
