"""Each call of the system that a download makes fails once, at its n-th use, for every n.

The short form stops at the fifth.

That run fails with an error of ours, or comes through. It leaves nothing wrong behind, and the next
one succeeds.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .apart import Apart, Ended, Wanted, download, partials, tree
from .forked import CALLS, Break
from .lab import LAB, long_or_short
from .wire import Wire

CONTENTS = {"below/small": b"a" * 1_000, "large": b"b" * 400_000}
ERRORS = long_or_short(("EIO", "ENOSPC", "EACCES", "EROFS", "EINVAL"), ("EIO",))
LAYOUTS = long_or_short(("bundle", "manifest", "manifest, bundles"), ("bundle",))
MODES = long_or_short((False, True), (False,))
USES = long_or_short(200, 5)  # that fail at most
SECONDS = 300.0 if LAB else 40.0


def faults(
    url: str,
    what: Wanted,
    folder: Path,
    call: str,
    error: str,
    wanted: dict[str, bytes],
    options: dict[str, Any],
) -> list[str]:
    """Fail each use of a call in turn; return what was not as it should be."""
    found: list[str] = []
    for number in range(1, USES + 1):
        place = folder / str(number)
        failed = download(
            url, what, place, breaks=[Break(call, error, "", number, number)], **options
        )
        if failed.calls.get(call, 0) < number:
            break
        again = download(url, what, place, **options)
        found += [f"{call} {number}: {text}" for text in wrong(place, call, failed, again, wanted)]
    return found


def wrong(
    place: Path, call: str, failed: Ended, again: Ended, wanted: dict[str, bytes]
) -> Iterator[str]:
    """Yield what is not as it should be after a run that failed and another."""
    if not failed.is_ours:
        yield f"raised {failed.error}: {failed.message}"
    if not again.ok:
        yield f"the next run: {again.error}: {again.message}"
    for path in (place / ".hca" / "v2" / "files_2_4").rglob("*"):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            yield f"the content of {path.name} is wrong"
    found = tree(place)
    if {name: found.get(name) for name in wanted} != wanted:
        yield "the tree is wrong"
    if call in {"unlink", "remove"}:  # so that something had to stay
        return
    if len(found) > len(wanted):
        yield f"left behind: {sorted(found)}"
    if partials(place):
        yield f"left behind: {[path.name for path in partials(place)]}"


@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.parametrize("is_async", MODES, ids=lambda is_async: "async" if is_async else "sync")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", ["create", *CALLS])
def test_each_use_of_a_call_may_fail(
    apart: Apart,
    wire: Wire,
    tmp_path: Path,
    call: str,
    error: str,
    layout: str,
    is_async: bool,
) -> None:
    bundle = wire.add_bundle(CONTENTS)
    what: Wanted = bundle.fqid
    options: dict[str, Any] = {"durable": True, "threads": 2, "is_async": is_async}
    if layout != "bundle":
        what = bundle.write_manifest(tmp_path / "listed.tsv")
        options |= {"output_dir": tmp_path / "out"}
        options |= {"layout": "none" if layout == "manifest" else "bundle"}
    wanted = {} if layout == "manifest" else {f"{bundle.fqid}/{n}": c for n, c in CONTENTS.items()}
    running = apart.start(faults, wire.url, what, tmp_path / "d", call, error, wanted, options)
    assert running.result(SECONDS) == []
