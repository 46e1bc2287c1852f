"""Links that lead out of the site lead to the repository."""

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/dss-client/dss-client/blob/main"
_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")


def to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace links in the text of a page before it is read."""
    folder = Path(app.env.doc2path(page)).parent

    def replaced(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        if target.is_relative_to(app.srcdir) or not target.exists():
            return link[0]
        return f"]({REPOSITORY}/{target.relative_to(ROOT).as_posix()}"

    source[0] = _LINK.sub(replaced, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Have each page looked at."""
    app.connect("source-read", to_repository)
    return {"parallel_read_safe": True}
