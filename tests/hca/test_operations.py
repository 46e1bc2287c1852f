"""The operations of the facade: sent as those of the client, answered with what was on the wire."""

import json
from typing import Any

import pytest

from dss_client import InvalidArgument
from dss_client.hca.dss import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from tests.conftest import Origins
from tests.drive import INSTANT
from tests.operations.cases import BY_NAME, CASES, CONTENT, TOKEN, Case
from tests.origin import Reply, Seen

BUNDLE = BUNDLES[0]
JSON_CASES = [case for case in CASES if case.name not in {"get_file", "head_file"}]


def client(url: str, **options: Any) -> DSSClient:
    return DSSClient(None, f"{url}/v1/swagger.json", token=TOKEN, retries=INSTANT, **options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_operation_sends_what_the_client_sends(case: Case, origins: Origins) -> None:
    headers = {"content-type": "application/json"}
    body = json.dumps(case.answer).encode()
    origin = origins(Reply(case.status, headers, body))
    with client(origin.url) as dss:
        getattr(dss, case.name)(**case.least)
        with getattr(dss, case.name).stream(**case.least) as response:
            assert response.status_code == case.status
            assert response.content == (b"" if case.name == "head_file" else body)
    for seen in origin.seen:
        assert seen.method == case.endpoint.method
        assert seen.target == f"/v1{case.target(case.least)}"
        assert json.loads(seen.body or b"null") == case.body(case.least)
        assert seen.headers.get("authorization") == (
            f"Bearer {TOKEN}" if case.endpoint.secured else None
        )
    assert len(origin.seen) == 2


@pytest.mark.parametrize("case", JSON_CASES, ids=str)
def test_an_answer_is_what_was_on_the_wire(case: Case, origins: Origins) -> None:
    sent = {**case.answer, "something_new": [1, None]}
    headers = {"content-type": "application/json; charset=utf-8"}
    origin = origins(Reply(case.status, headers, json.dumps(sent).encode()))
    with client(origin.url) as dss:
        assert getattr(dss, case.name)(**case.least) == sent


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("post_search", "results"),
        ("get_bundles_all", "bundles"),
        ("get_collections", "collections"),
        ("get_events", "event_streams"),
    ],
)
def test_each_paged_operation_yields_its_items(name: str, key: str, origins: Origins) -> None:
    case = BY_NAME[name]
    page = {key: [{"any": 1}, {"any": 2}]}
    headers = {"content-type": "application/json"}
    origin = origins(Reply(200, headers, json.dumps(page).encode()))
    with client(origin.url) as dss:
        assert list(getattr(dss, name).iterate(**case.least)) == page[key]
        assert list(getattr(dss, name).paginate(**case.least)) == [page]


def test_an_answer_that_breaks_the_specification_is_still_an_answer(origins: Origins) -> None:
    origin = origins(Reply(200, {"content-type": "application/json"}, b'{"bundle": 7}'))
    with client(origin.url) as dss:
        answer: Any = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
    assert answer == {"bundle": 7}


def test_an_empty_answer_is_not_json(origins: Origins) -> None:
    origin = origins(Reply(200, {"content-type": "application/json"}))
    with client(origin.url) as dss:
        answer: Any = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
    assert answer == b""


@pytest.mark.parametrize(
    "name", ["get_bundle", "post_search", "get_bundles_all", "get_collections", "get_events"]
)
def test_paged_operations_have_their_methods(dss: DSSClient, name: str) -> None:
    assert {"iterate", "paginate", "stream"} <= set(dir(getattr(dss, name)))


def test_items_come_page_by_page(origins: Origins) -> None:
    def answer(seen: Seen) -> Reply:
        last = "start_at=1" in seen.target
        files = [{"name": "b" if last else "a"}]
        headers = {"content-type": "application/json"}
        if not last:
            headers["link"] = f'<{seen.target.partition("?")[0]}?start_at=1>; rel="next"'
        body = json.dumps({"bundle": {"files": files}}).encode()
        return Reply(200 if last else 206, headers, body)

    origin = origins(script=answer)
    with client(origin.url) as dss:
        items = dss.get_bundle.iterate(uuid=BUNDLE.uuid, replica="aws")
        assert next(items)["name"] == "a"
        assert len(origin.seen) == 1
        assert [item["name"] for item in items] == ["b"]
        pages = dss.get_bundle.paginate(uuid=BUNDLE.uuid, replica="aws")
        assert [page["bundle"]["files"][0]["name"] for page in pages] == ["a", "b"]


def test_c15_what_the_operation_does_not_know_is_refused(dss: DSSClient) -> None:
    get_bundle: Any = dss.get_bundle
    with pytest.raises(TypeError, match="unexpected keyword argument 'replcia'"):
        get_bundle(uuid=BUNDLE.uuid, replcia="aws")
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'replica'"):
        get_bundle(uuid=BUNDLE.uuid)


def test_c18_content_is_parsed_by_its_type_as_there(dss: DSSClient) -> None:
    contents = sample_files(BUNDLE)
    kinds = set[type]()
    for file in dss.get_bundle.iterate(uuid=BUNDLE.uuid, replica="aws"):
        content = dss.get_file(uuid=file["uuid"], replica="aws", version=file["version"])
        kinds.add(type(content))
        expected = contents[file["name"]]
        assert content == (expected if isinstance(content, bytes) else json.loads(expected))
    assert kinds == {bytes, dict}


def test_content_can_be_streamed(dss: DSSClient) -> None:
    contents = sample_files(BUNDLE)
    file = next(dss.get_bundle.iterate(uuid=BUNDLE.uuid, replica="aws"))
    wanted = contents[file["name"]]
    with dss.get_file.stream(uuid=file["uuid"], replica="aws") as response:
        assert response.ok
        assert response.status_code == 200
        assert response.headers["X-DSS-SHA256"] == file["sha256"]
        start = response.raw.read(10)
        pieces = list(response.iter_content(chunk_size=1000))
        assert start + b"".join(pieces) == wanted
        assert max(map(len, pieces)) == 1000
        assert response.content == b""
    with dss.get_file.stream(uuid=file["uuid"], replica="aws") as response:
        assert response.content == response.content == wanted


def test_a_plain_answer_can_be_streamed(dss: DSSClient) -> None:
    with dss.get_bundle.stream(uuid=BUNDLE.uuid, replica="aws") as response:
        assert response.json() == dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
        assert json.loads(response.text) == response.json()


def test_a_head_is_a_response(dss: DSSClient) -> None:
    file = next(dss.get_bundle.iterate(uuid=BUNDLE.uuid, replica="aws"))
    response = dss.head_file(uuid=file["uuid"], replica="aws")
    assert repr(response) == "<Response [200]>"
    assert response.headers["x-dss-size"] == response.headers["X-DSS-SIZE"] == str(file["size"])
    assert "X-Dss-Sha1" in response.headers
    assert len(response.headers) == len(list(response.headers))
    assert file["sha256"] in repr(response.headers)
    assert (response.ok, response.reason, response.content) == (True, "OK", b"")


def test_a_status_without_a_name_has_no_reason(origins: Origins) -> None:
    origin = origins(Reply(299))
    with client(origin.url) as dss:
        response = dss.head_file(uuid=BUNDLE.uuid, replica="aws")
    assert (response.status_code, response.reason) == (299, "")


@pytest.mark.parametrize("yes", [True, "true"])
def test_booleans_may_be_words(dss: DSSClient, yes: Any) -> None:
    answer = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws", presignedurls=yes)
    file = answer["bundle"]["files"][0]
    assert file["url"].startswith("http://")
    place = dss.get_file(uuid=file["uuid"], replica="aws", directurl=yes)
    assert isinstance(place, str)
    assert place.startswith("s3://")
    content = dss.get_file(uuid=file["uuid"], replica="aws", directurl="false")
    assert content == sample_files(BUNDLE)[file["name"]]


def test_another_word_is_not_a_boolean(dss: DSSClient) -> None:
    word: Any = "yes"
    with pytest.raises(InvalidArgument, match="'yes' is not a valid boolean: expected True, False"):
        dss.get_bundle(uuid=BUNDLE.uuid, replica="aws", presignedurls=word)


def test_c7_two_clients_do_not_disturb_each_other(dss: DSSClient) -> None:
    with LocalDSS() as other, DSSClient(swagger_url=f"{other.url}/swagger.json") as second:
        assert second.post_search(replica="aws", es_query={})["total_hits"] == 0
        assert dss.post_search(replica="aws", es_query={})["total_hits"] == len(BUNDLES)
        assert dss.host != second.host


def test_content_of_cases_is_bytes(origins: Origins) -> None:
    origin = origins(Reply(200, {"content-type": "text/plain"}, CONTENT))
    with client(origin.url) as dss:
        assert dss.get_file(uuid=BUNDLE.uuid, replica="aws") == CONTENT
