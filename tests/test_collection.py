"""Collections of any size, over a socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from dss_client import FQID, InvalidArgument, NotFound, Unprocessable
from dss_client.collection import CollectionIncomplete, split_changes, stored_forms, wire_items
from dss_client.local import LocalDSS, LocalSettings
from dss_client.models import CollectionItem
from tests.drive import Drive, Driver

UUID = "11111111-2222-4333-8444-555555555555"
VERSION = "2019-01-01T000000.000000Z"


@frozen
class Place:
    """A service, a client of it, and bundles to list."""

    dss: LocalDSS
    drive: Drive
    bundles: list[FQID]

    def items(self, version: str | None = None) -> list[Any]:
        found = self.drive.call("get_collection", uuid=UUID, replica="aws", version=version)
        return list(found.contents)

    def create(self, contents: list[Any], **more: Any) -> Any:
        return self.drive.call(
            "create_collection",
            uuid=UUID,
            version=VERSION,
            name="n",
            description="d",
            contents=contents,
            replica="aws",
            **more,
        )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[LocalDSS]:
    with LocalDSS(root, sample=True, settings=LocalSettings(retry_after=0)) as dss:
        yield dss


@pytest.fixture
def place(served: LocalDSS, drive: Driver) -> Iterator[Place]:
    made = drive(url=served.url, options={"token": served.mint_token()})
    found = made.call("get_bundles_all", replica="aws").bundles
    yield Place(served, made, [FQID(each.uuid, each.version) for each in found])
    with httpx.Client(headers={"Authorization": f"Bearer {served.mint_token()}"}) as client:
        client.delete(f"{served.url}/collections/{UUID}", params={"replica": "aws"})
    for path in (served.root).rglob(f"*collections/{UUID}*"):
        path.unlink()


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dss_client.collection._MAX_ITEMS", 2)


def files_of(place: Place) -> list[dict[str, Any]]:
    fqid = place.bundles[0]
    found = place.drive.call("get_bundle", uuid=fqid.uuid, version=fqid.version, replica="aws")
    return [
        {"type": "file", "uuid": file.uuid, "version": file.version} for file in found.bundle.files
    ]


@pytest.mark.usefixtures("two_at_once")
def test_any_number_of_items_is_stored(place: Place) -> None:
    items: list[Any] = [*files_of(place)[:5], *place.bundles]
    made = place.create([*items, items[0]], details={"a": 1})
    assert made.uuid == UUID
    assert made.version > VERSION
    found = place.items(made.version)
    assert [item.uuid for item in found] == [
        item.uuid if isinstance(item, FQID) else item["uuid"] for item in items
    ]
    assert len(place.items(VERSION)) == 2


def test_few_items_are_one_request(place: Place) -> None:
    made = place.create(
        [
            CollectionItem(
                type="bundle", uuid=place.bundles[0].uuid, version=place.bundles[0].version
            )
        ]
    )
    assert made.version == VERSION
    assert len(place.items()) == 1


def test_it_may_be_empty_and_get_names_of_its_own(place: Place) -> None:
    made = place.drive.call(
        "create_collection", name="n", description="d", contents=[], replica="aws"
    )
    assert len(made.uuid) == 36
    assert made.version > VERSION


@pytest.mark.usefixtures("two_at_once")
def test_any_number_of_changes_is_made(place: Place) -> None:
    files = files_of(place)[:5]
    made = place.create(files)
    changed = place.drive.call(
        "update_collection",
        uuid=UUID,
        replica="aws",
        version=made.version,
        remove=files[:3],
        add=place.bundles,
        name="other",
    )
    found = place.items(changed.version)
    assert [item.type for item in found] == ["file"] * 2 + ["bundle"] * 3
    assert place.drive.call("get_collection", uuid=UUID, replica="aws").name == "other"


def test_nothing_to_change_is_a_version_too(place: Place) -> None:
    made = place.create([])
    changed = place.drive.call(
        "update_collection", uuid=UUID, replica="aws", version=made.version, description="new"
    )
    assert changed.version > made.version


@pytest.mark.usefixtures("two_at_once")
def test_a_failure_in_the_middle_says_where_to_go_on(place: Place) -> None:
    bad = {"type": "file", "uuid": UUID, "version": VERSION}
    files = files_of(place)[:4]
    with pytest.raises(CollectionIncomplete, match="has 4 of 5 changes") as caught:
        place.create([*files, bad])
    assert isinstance(caught.value.__cause__, Unprocessable)
    at = caught.value.at
    assert len(place.items(at.version)) == 4
    done = place.drive.call(
        "update_collection", uuid=at.uuid, replica="aws", version=at.version, add=place.bundles[:1]
    )
    assert len(place.items(done.version)) == 5


def test_a_failure_at_once_is_what_it_is(place: Place) -> None:
    with pytest.raises(Unprocessable):
        place.create([{"type": "file", "uuid": UUID, "version": VERSION}])
    with pytest.raises(NotFound):
        place.drive.call("update_collection", uuid=UUID, replica="aws", version=VERSION)


@pytest.fixture
def document(place: Place) -> dict[str, Any]:
    """A part of a JSON file, but for its pointer."""
    fqid = place.bundles[0]
    found = place.drive.call("get_bundle", uuid=fqid.uuid, version=fqid.version, replica="aws")
    file = next(f for f in found.bundle.files if f.content_type.startswith("application/json"))
    return {"type": "donor", "uuid": file.uuid, "version": file.version}


@pytest.mark.parametrize("name", ["path", "fragment"])
def test_s21_a_pointer_has_both_names(place: Place, document: dict[str, Any], name: str) -> None:
    place.create([{**document, name: ""}])
    (item,) = place.items()
    assert (item.path, item.fragment) == ("", "")


@pytest.mark.parametrize("removed", [("fragment",), ("path",), ("fragment", "path")])
@pytest.mark.parametrize("stored", [("fragment",), ("path",), ("fragment", "path")])
def test_s21_a_pointer_is_removed_however_it_is_spelt(
    place: Place, document: dict[str, Any], stored: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    made = place.drive.call(
        "put_collection",
        uuid=UUID,
        replica="aws",
        version=VERSION,
        name="n",
        description="d",
        details={},
        contents=[{**document, **dict.fromkeys(stored, "")}],
    )
    changed = place.drive.call(
        "update_collection",
        uuid=UUID,
        replica="aws",
        version=made.version,
        remove=[{**document, **dict.fromkeys(removed, "")}],
    )
    assert place.items(changed.version) == []


@pytest.mark.usefixtures("two_at_once")
def test_what_was_read_can_be_removed(place: Place, document: dict[str, Any]) -> None:
    made = place.create([{**document, "fragment": ""}, *files_of(place)[:2], place.bundles[0]])
    changed = place.drive.call(
        "update_collection",
        uuid=UUID,
        replica="aws",
        version=made.version,
        remove=place.items(made.version),
    )
    assert place.items(changed.version) == []


def test_s22_what_is_not_a_text_is_refused(drive: Driver) -> None:
    item: Any = {"type": "file", "uuid": UUID, "version": [VERSION]}
    with pytest.raises(InvalidArgument, match="version of a collection's item must be a text"):
        drive(url="http://h/v1").call(
            "create_collection", name="n", description="d", contents=[item], replica="aws"
        )


TEXTS = st.text("ab", max_size=2)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["file", "bundle", "donor"]), "uuid": TEXTS, "version": TEXTS},
        optional={"path": TEXTS, "fragment": TEXTS},
    )
)


@given(ITEMS, ITEMS)
def test_a_plan_has_each_item_once(add: Any, remove: Any) -> None:
    changes = list(split_changes(add, remove))
    assert [item for change in changes for item in change.add] == wire_items(add)
    removed = [item for change in changes for item in change.remove_forms]
    assert all(item in removed for item in [*remove, *wire_items(remove)])
    assert all(change.count for change in changes)


@given(ITEMS, ITEMS, st.integers(4, 9))
def test_no_request_has_more_than_it_may(add: Any, remove: Any, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dss_client.collection._MAX_ITEMS", most)
        changes = list(split_changes(add, remove))
    assert all(max(len(change.add), len(change.remove_forms)) <= most for change in changes)
    count = len(wire_items(add)) + len({tuple(sorted(item.items())) for item in remove})
    assert sum(change.count for change in changes) == count


@given(ITEMS)
def test_every_spelling_is_the_same_item(items: Any) -> None:
    for item in items:
        forms = stored_forms(item)
        assert item in forms
        assert all(forms.count(form) == 1 for form in forms)
        assert all(stored_forms(form)[-1] == forms[-1] for form in forms)
