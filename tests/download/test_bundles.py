"""What a bundle becomes: its files and its description, and what is made of its names."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dss_client import FQID, NotFound
from dss_client.download import (
    ChecksumMismatch,
    FileDownloadError,
    InvalidChecksum,
    NameClash,
    SizeMismatch,
    UnsafeName,
)
from dss_client.errors import InvalidArgument
from dss_client.versions import InvalidUUID, InvalidVersion

from .directory import sha256_of, stored
from .fetching import fail, get, mixed, states
from .sample import tree
from .wire import VERSION, Asked, Bundle, Step, Wire, contents, head

LATER = "2020-02-02T000000.000000Z"
OTHER = "bbbbbbbb-0000-4000-8000-000000000002"
DESCRIPTION = "bundle.json"


def test_files_description_and_report(wire: Wire, tmp_path: Path) -> None:
    wire.page = 2
    bundle = mixed(wire, {"cell.json": b"{}"}, {"r/1.gz": b"1", "r/2.gz": b"22", "empty": b""})
    bundle.files[1]["new"] = ["é", 1]  # what nobody has heard of yet
    report = get(wire, bundle, tmp_path)
    folder = tmp_path / bundle.fqid
    described = {"uuid": bundle.uuid, "version": VERSION, "creator_uid": 1, "files": bundle.files}
    text = json.dumps({"bundle": described}, indent=4, sort_keys=True)
    assert tree(folder) == {
        DESCRIPTION: text.encode(),
        "cell.json": b"{}",
        "r/1.gz": b"1",
        "r/2.gz": b"22",
        "empty": b"",
    }
    assert [entry.name for entry in report.files] == [DESCRIPTION, *wire_names(bundle)]
    for entry in report.files:
        assert entry.path == folder / entry.name
        assert entry.bundle == FQID(bundle.uuid, VERSION)
        assert (entry.state, entry.sha256) == ("downloaded", sha256_of(entry.path))
        assert entry.link in {"hardlink", "reflink"}
        assert stored(tmp_path, entry.sha256).read_bytes() == entry.path.read_bytes()
    assert [entry.tries for entry in report.files] == [0, 1, 1, 1, 0]
    assert len(wire.asked) == 3  # an empty file needs no request
    assert report.manifest_path is None

    again = get(wire, bundle, tmp_path)
    assert len(wire.asked) == 3
    as_first = [evolve(each, seconds=0, tries=0, state="reused") for each in report.files]
    assert [evolve(each, seconds=0) for each in again.files] == as_first


def test_no_file_is_of_the_future(wire: Wire, tmp_path: Path) -> None:
    # make, Snakemake and others would take what is made of it for out of date.
    bundle = wire.add_bundle(contents(40, 100))
    report = get(wire, bundle, tmp_path)
    assert max(entry.path.stat().st_mtime for entry in report.files if entry.path) <= time.time()


def wire_names(bundle: Bundle) -> list[str]:
    return [str(file["name"]) for file in bundle.files]


def test_a_dry_run_writes_nothing(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({"a": b"1", "b": b"22"})
    report = get(wire, bundle, tmp_path / "d", dry_run=True)
    assert set(states(report).values()) == {"planned"}
    assert {entry.reason for entry in report.files} == {"not in the store"}
    assert (report.ok, report.files_done, wire.asked) == (True, 0, [])
    assert list(tmp_path.iterdir()) == []
    get(wire, bundle, tmp_path / "d")
    stored(tmp_path / "d", bundle.files[0]["sha256"]).touch()
    seen = {
        entry.name: entry.reason for entry in get(wire, bundle, tmp_path / "d", dry_run=True).files
    }
    assert "verified" in seen["b"]
    assert "it is read before it is trusted" in seen["a"]


def test_the_current_directory_and_the_replica(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = wire.add_bundle({"a": b"1"})
    report = get(wire, evolve(bundle, uuid=bundle.uuid.upper()), Path(), replica="gcp")
    assert report.files[1].path == Path(bundle.fqid, "a")
    assert {asked.query["replica"] for asked in wire.asked_api} == {"gcp"}


FILES = ("a.json", "x/b.json", "A.json", "r1.gz", "x/r2.gz", "[1].gz")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, FILES),
        ({"data_filter": ()}, ("a.json", "x/b.json", "A.json")),
        ({"metadata_filter": ("",)}, ("r1.gz", "x/r2.gz", "[1].gz")),
        ({"metadata_filter": ("a*",), "data_filter": ("r*",)}, ("a.json", "r1.gz")),
        ({"metadata_filter": ("*b.json",), "data_filter": ("*2.gz",)}, ("x/b.json", "x/r2.gz")),
        (
            {"metadata_filter": ("A.json", "a.json"), "data_filter": ("r?.gz", "x/[rs]2.gz")},
            ("a.json", "A.json", "r1.gz", "x/r2.gz"),
        ),
        ({"no_metadata": True, "data_filter": ("1.gz", "[[]1].gz")}, ("[1].gz",)),
        ({"no_data": True, "metadata_filter": ("x",)}, ()),
    ],
)
def test_filters_are_patterns(
    wire: Wire, tmp_path: Path, options: dict[str, Any], taken: tuple[str, ...]
) -> None:
    metadata = {name: b"" for name in FILES if name.endswith("json")}
    bundle = mixed(wire, metadata, {name: b"" for name in FILES if name not in metadata})
    report = get(wire, bundle, tmp_path, clash="rename", dry_run=True, **options)
    assert [entry.name for entry in report.in_state("planned")] == [DESCRIPTION, *taken]
    assert {entry.reason for entry in report.in_state("skipped")} <= {"left out by the filters"}
    assert report.files_total == len(taken) + 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"no_data": True, "data_filter": ("x",)}, InvalidArgument),
        ({"no_metadata": True, "metadata_filter": ("x",)}, InvalidArgument),
        ({"data_filter": "*.gz"}, TypeError),
        ({"version": "latest"}, InvalidVersion),
        ({"version": ""}, InvalidVersion),
    ],
)
def test_bad_arguments_ask_for_nothing(
    wire: Wire, tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        get(wire, wire.add_bundle({"a": b"1"}), tmp_path, **options)
    with pytest.raises(InvalidUUID):
        get(wire, Bundle("x", []), tmp_path)
    assert wire.asked_api == []


# The answers of the service


@pytest.mark.parametrize("version", [None, VERSION])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": LATER}, f"answered with bundle .*{LATER}"),
        ({"uuid": OTHER}, f"answered with bundle {OTHER}"),
        ({"version": "../x"}, "is not a valid DSS version"),
    ],
)
def test_c2_another_bundle_than_asked_for_is_refused(
    wire: Wire, tmp_path: Path, changes: dict[str, Any], message: str, version: str | None
) -> None:
    bundle = wire.add_bundle({"a": b"1"})
    wire.bundles[bundle.uuid] = evolve(bundle, **changes)
    if version is None and changes == {"version": LATER}:
        assert get(wire, bundle, tmp_path).files[0].bundle == FQID(bundle.uuid, LATER)
        return
    with pytest.raises((FileDownloadError, InvalidVersion), match=message):
        get(wire, bundle, tmp_path, version=version)
    assert wire.asked == []


def test_one_that_changes_between_pages_is_refused(wire: Wire, tmp_path: Path) -> None:
    wire.page = 1
    bundle = wire.add_bundle({"a": b"1", "b": b"2"})

    def api(asked: Asked) -> Iterator[Step]:
        if "token" in asked.query:
            wire.bundles[bundle.uuid] = evolve(bundle, version=LATER)
        yield from wire.right(asked)

    wire.api = api
    with pytest.raises(FileDownloadError, match=LATER):
        get(wire, bundle, tmp_path)


def test_an_unknown_one_is_not_found(wire: Wire, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        get(wire, Bundle(OTHER, []), tmp_path)
    assert len(wire.asked_api) == 1


def test_ids_and_checksums_in_upper_case(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({name: name.encode() for name in "abcd"})
    for file in bundle.files:
        file |= {"uuid": file["uuid"].upper(), "sha256": file["sha256"].upper()}
        wire.stored[file["uuid"]] = wire.stored[file["uuid"].lower()]
    wire.bundles[bundle.uuid] = evolve(bundle, uuid=bundle.uuid.upper())
    report = get(wire, bundle, tmp_path)
    assert report.ok
    assert (tmp_path / bundle.fqid / "a").read_bytes() == b"a"
    assert stored(tmp_path, report.files[1].sha256.lower()).exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"sha256": "z" * 64}, InvalidChecksum),
        ({"sha256": "0" * 64}, ChecksumMismatch),
        ({"size": 3}, SizeMismatch),
        ({"size": (1 << 50) + 1}, FileDownloadError),
        ({"size": 10**30}, FileDownloadError),
    ],
)
@pytest.mark.parametrize("content", [b"data", b""], ids=["data", "empty"])
def test_c21_what_is_said_of_a_content_must_be_so(
    wire: Wire, tmp_path: Path, said: dict[str, Any], error: type[Exception], content: bytes
) -> None:
    bundle = wire.add_bundle({"good": b"data!", "bad": content})
    bundle.files[1] |= said
    report = fail(wire, bundle, tmp_path)
    assert [type(each) for each in report.errors] == [error] or (not content and "size" in said)
    assert [entry.name for entry in report.failed] == ["bad"]
    assert set(tree(tmp_path / bundle.fqid)) == {DESCRIPTION, "good"}
    assert "X-Amz" not in report.to_json()


def test_shared_content_comes_once(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({f"f{number}": b"same" for number in range(20)})
    report = get(wire, bundle, tmp_path)
    assert len(wire.asked) == 1
    assert sorted(states(report).values()) == ["downloaded"] * 2 + ["reused"] * 19


def test_shared_content_that_cannot_be_had_is_tried_once(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({"one": b"same", "two": b"same"})
    bundle.files[1]["uuid"] = bundle.files[0]["uuid"]
    wire.script = lambda asked: iter((head(404, 0),) if asked.turn else (head(500, 0),))
    report = fail(wire, bundle, tmp_path, num_retries=1)
    assert [entry.name for entry in report.failed] == ["one", "two"]
    assert len(wire.asked) == 2


# URLs


@pytest.mark.parametrize("wanted", [1, 4])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("layout", ["bundle", "manifest"])
def test_urls_of_a_bundle_are_asked_for_where_that_pays(
    wire: Wire, tmp_path: Path, wanted: int, there: bool, layout: str
) -> None:
    bundle = wire.add_bundle({f"f{number}": b"%d" % number for number in range(5)})
    if there:
        get(wire, bundle, tmp_path, data_filter=("f4",))
    wire.asked_api.clear()
    if layout == "bundle":
        names = tuple(f"f{number}" for number in range(wanted))
        get(wire, bundle, tmp_path, version=VERSION, data_filter=names)
    else:
        get(wire, bundle.rows[:wanted], tmp_path, layout="bundle")
    kinds = [
        asked.query.get("presignedurls") or asked.path.split("/")[2] for asked in wire.asked_api
    ]
    if there:  # its description is
        assert kinds == (["files"] if wanted == 1 else ["true"])
    else:
        alone = wanted == 1 and layout == "manifest"
        assert kinds == (["bundles", "files"] if alone else ["true"])


@pytest.mark.parametrize("status", [403, 500])
def test_where_urls_cannot_be_had_the_bundle_can(wire: Wire, tmp_path: Path, status: int) -> None:
    wire.page = 2
    bundle = wire.add_bundle({name: name.encode() for name in "abcd"})

    def api(asked: Asked) -> Iterator[Step]:
        if asked.query.get("presignedurls") == "true" and "token" in asked.query:
            yield head(status, 0)

    wire.api = api
    assert get(wire, bundle, tmp_path).files_done == 5
    assert len(wire.asked) == 4


def test_urls_that_must_not_be_followed_are_not(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({name: name.encode() for name in "abcd"})
    wire.origins[bundle.uuid_of("b")] = "ftp://storage"

    def api(asked: Asked) -> Iterator[Step]:
        if "/files/" in asked.path:
            yield head(302, 0, Location=f"{wire.origin}/{asked.name}?X-Amz-Signature=1")

    wire.api = api
    assert get(wire, bundle, tmp_path).ok


# Names


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/../../../x", ""])
def test_c5_an_unsafe_name_fails_alone(wire: Wire, tmp_path: Path, name: str) -> None:
    bundle = wire.add_bundle({name: b"2", "a": b"1"})
    report = fail(wire, bundle, tmp_path / "in")
    (error,) = report.errors
    assert isinstance(error, UnsafeName)
    assert (error.name, error.bundle) == (name, FQID(bundle.uuid, VERSION))
    assert repr(name) in str(error)
    assert len(wire.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert set(tree(tmp_path / "in" / bundle.fqid)) == {DESCRIPTION, "a"}
    assert states(get(wire, bundle, tmp_path / "in", data_filter=("a",)))[name] == "skipped"


@pytest.mark.parametrize("wanted", ["*", "a"])
@pytest.mark.parametrize(
    ("other", "why"), [("A", "letter case"), (DESCRIPTION, "description of the bundle")]
)
def test_c6_names_that_clash_are_refused_first(
    wire: Wire, tmp_path: Path, other: str, why: str, wanted: str
) -> None:
    bundle = wire.add_bundle({"a": b"1", other: b"2"})
    with pytest.raises(NameClash, match=why) as caught:
        get(wire, bundle, tmp_path, data_filter=(wanted,))
    assert caught.value.name == other
    assert bundle.fqid in str(caught.value)
    assert wire.asked == []
    assert list(tmp_path.iterdir()) == []
