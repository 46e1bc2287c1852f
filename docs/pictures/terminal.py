"""Draws docs/pictures/terminal.svg, the picture of the README, from what commands really print.

python docs/pictures/terminal.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dss_client.local import LocalDSS

QUERY = '{"query": {"match": {"files.donor_organism_json.genus_species.text": "homo sapiens"}}}'
COMMANDS = [
    ["cat", "human.json"],
    ["dss", "search", "@human.json"],
    ["dss", "download-search", "@human.json", "--download-dir", "data"],
    ["dss", "verify", "data"],
]
# As rich's own format, but without its font of a foreign host.
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, Menlo, Consolas, monospace;
  white-space: pre;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Run the commands, and draw what they print."""
    console = Console(record=True, width=90, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with LocalDSS(sample=True) as server, tempfile.TemporaryDirectory() as folder:
        Path(folder, "human.json").write_text(f"{QUERY}\n", encoding="utf-8")
        environ = {**os.environ, "DSS_URL": server.url, "PATH": programs}
        for command in COMMANDS:
            console.print(Text(f"$ {' '.join(command)}", style="bold"))
            done = subprocess.run(
                command, cwd=folder, env=environ, capture_output=True, text=True, check=True
            )
            console.print(Text(done.stdout, overflow="fold"))
    picture = Path(__file__).with_suffix(".svg")
    picture.write_text(console.export_svg(title="dss", code_format=FORMAT, unique_id="t"))


if __name__ == "__main__":
    main()
