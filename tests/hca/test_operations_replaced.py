"""What programs do with operations of `hca`: replaced, given objects, and arguments of before."""

import copy
import pickle
import uuid
from typing import Any
from unittest import mock

import pytest

from dss_client.hca.dss import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Reply

BUNDLE = BUNDLES[0]
VERSION = "2019-01-01T000000.000000Z"
JSON = {"content-type": "application/json"}
OPERATIONS = sorted(
    name
    for name in dir(DSSClient)
    if name.startswith(("get_", "put_", "post_", "patch_", "delete_", "head_"))
)


class TestReplaced:
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_on_an_instance(self, dss: DSSClient, local_dss: LocalDSS, name: str) -> None:
        setattr(dss, name, lambda **_: "mine")
        assert getattr(dss, name)() == "mine"
        with DSSClient(swagger_url=f"{local_dss.url}/swagger.json") as other:
            assert hasattr(getattr(other, name), "stream")
        delattr(dss, name)
        assert hasattr(getattr(dss, name), "stream")

    def test_by_mock(self, dss: DSSClient) -> None:
        with mock.patch.object(dss, "get_bundle") as replaced:
            replaced.return_value = {"bundle": {"uuid": "mine"}}
            assert dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")["bundle"]["uuid"] == "mine"
        found = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
        assert found["bundle"]["uuid"] == BUNDLE.uuid

    def test_by_mock_on_the_class(self, dss: DSSClient) -> None:
        with mock.patch.object(DSSClient, "get_bundle") as replaced:
            dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
            assert replaced.called
        found = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")
        assert found["bundle"]["uuid"] == BUNDLE.uuid

    def test_its_iterate_by_mock(self, dss: DSSClient) -> None:
        with mock.patch.object(dss.post_search, "iterate", return_value=iter(())):
            assert list(dss.post_search.iterate(replica="aws", es_query={})) == []

    def test_they_are_the_same_each_time(self, dss: DSSClient) -> None:
        assert dss.get_bundle is dss.get_bundle

    def test_a_host_that_is_set_holds_for_those_that_were_used(
        self, origins: Origins, local_dss: LocalDSS
    ) -> None:
        origin = origins(Reply(200, JSON, b"{}"))
        dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json")
        operation = dss.get_bundle
        operation(uuid=BUNDLE.uuid, replica="aws")
        dss.host = local_dss.url
        for each in (operation, dss.get_bundle):
            found = each(uuid=BUNDLE.uuid, replica="aws")
            assert found["bundle"]["uuid"] == BUNDLE.uuid
        assert len(origin.seen) == 1


class TestObjects:
    """Values of `uuid.UUID` are as good as their texts."""

    def test_in_paths_of_the_facade(self, dss: DSSClient) -> None:
        which: Any = uuid.UUID(BUNDLE.uuid)
        found = dss.get_bundle(uuid=which, replica="aws")
        assert found["bundle"]["uuid"] == BUNDLE.uuid
        assert list(dss.get_bundle.iterate(uuid=which, replica="aws")) == found["bundle"]["files"]
        (page,) = dss.get_bundle.paginate(uuid=which, replica="aws")
        assert page == found
        with dss.get_bundle.stream(uuid=which, replica="aws") as response:
            assert response.json() == found

    def test_in_bodies_and_queries_of_the_facade(self, origins: Origins) -> None:
        origin = origins(Reply(201, JSON, b"{}"))
        dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json", token="t")
        which: Any = uuid.UUID(BUNDLE.uuid)
        file: Any = {"uuid": which, "version": VERSION, "name": "a", "indexed": False}
        dss.put_bundle(uuid=which, replica="aws", version=VERSION, files=[file], creator_uid=0)
        item: Any = {"type": "bundle", "uuid": which, "version": VERSION}
        dss.put_collection(
            uuid=which,
            replica="aws",
            version=VERSION,
            name="n",
            description="d",
            details={"of": which},
            contents=[item],
        )
        first, second = origin.seen
        assert first.target.startswith(f"/v1/bundles/{BUNDLE.uuid}?")
        assert f'"uuid":"{BUNDLE.uuid}"' in first.body.decode().replace(" ", "")
        assert f"uuid={BUNDLE.uuid}" in second.target
        assert second.body.decode().count(BUNDLE.uuid) == 2

    def test_in_the_client(self, drive: Driver, local_dss: LocalDSS) -> None:
        which = uuid.UUID(BUNDLE.uuid)
        ours = drive(url=local_dss.url)
        found = ours.call("get_bundle", uuid=which, replica="aws")
        assert found.bundle.uuid == BUNDLE.uuid
        files = ours.call("get_bundle.iterate", uuid=which, replica="aws")
        assert len(files) == len(found.bundle.files)
        first = found.bundle.files[0]
        headers = ours.call("head_file", uuid=uuid.UUID(first.uuid), replica="aws")
        assert headers.size == first.size


class TestArgumentsOfBefore:
    """Arguments of earlier specifications are accepted; a warning says that nothing is sent."""

    def sent(self, origins: Origins, name: str, **arguments: Any) -> Any:
        origin = origins(Reply(200, JSON, b"{}"))
        dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json", token="t")
        method: Any = getattr(dss, name)
        (argument,) = arguments.keys() & {"bundle_uuid", "replica", "version"} - self.known(name)
        with pytest.warns(UserWarning, match=f"{name}: {argument}") as caught:
            method(**arguments)
        assert caught[0].filename == __file__
        (seen,) = origin.seen
        return seen

    @staticmethod
    def known(name: str) -> set[str]:
        return {"put_file": {"version"}, "delete_collection": {"replica"}}.get(name, set())

    def test_put_file_has_a_bundle(self, origins: Origins) -> None:
        seen = self.sent(
            origins,
            "put_file",
            uuid=BUNDLE.uuid,
            bundle_uuid=BUNDLE.uuid,
            version=VERSION,
            creator_uid=0,
            source_url="s3://b/k",
        )
        assert b"bundle_uuid" not in seen.body

    def test_get_collections_has_a_replica(self, origins: Origins) -> None:
        assert "replica" not in self.sent(origins, "get_collections", replica="aws").target

    def test_delete_collection_has_a_version(self, origins: Origins) -> None:
        seen = self.sent(
            origins, "delete_collection", uuid=BUNDLE.uuid, replica="aws", version=VERSION
        )
        assert "version" not in seen.target

    def test_paged_ones_take_them_everywhere(self, origins: Origins) -> None:
        page = b'{"collections": []}'
        dss = DSSClient(
            swagger_url=f"{origins(Reply(200, JSON, page)).url}/v1/swagger.json", token="t"
        )
        operation: Any = dss.get_collections
        with pytest.warns(UserWarning, match="get_collections: replica"):
            list(operation.iterate(replica="aws"))
        with pytest.warns(UserWarning, match="get_collections: replica"):
            list(operation.paginate(replica="aws"))
        with (
            pytest.warns(UserWarning, match="get_collections: replica"),
            operation.stream(replica="aws") as response,
        ):
            assert response.json() == {"collections": []}

    def test_others_are_refused_as_before(self, dss: DSSClient) -> None:
        operation: Any = dss.put_file
        with pytest.raises(TypeError, match="bundle_uid"):
            operation(bundle_uid=BUNDLE.uuid)


class TestResponses:
    """The URL of what was asked for; `Response` takes it as ``url=``."""

    def test_the_url(self, dss: DSSClient) -> None:
        file = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")["bundle"]["files"][0]["uuid"]
        asked = f"{dss.host}/files/{file}?replica=aws"
        assert dss.head_file(uuid=file, replica="aws").url == asked
        with dss.get_file.stream(uuid=file, replica="aws") as response:
            assert response.url == asked


def test_a_client_with_one_replaced_travels_without_it(dss: DSSClient) -> None:
    dss.get_file = lambda **_: "mine"  # type: ignore[assignment]
    twin = pickle.loads(pickle.dumps(dss))
    assert hasattr(twin.get_file, "stream")


def test_a_client_stays_with_its_deployment(
    origins: Origins, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (origins(Reply(200, JSON, b"{}")).url for _ in range(2))
    monkeypatch.setenv("DSS_URL", first)
    dss = DSSClient()
    monkeypatch.setenv("DSS_URL", second)
    dss.timeout_policy = (1, 2)
    for each in (dss, copy.deepcopy(dss), pickle.loads(pickle.dumps(dss))):
        assert each.host.startswith(first)
        assert each.swagger_url.startswith(first)
