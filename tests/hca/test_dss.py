"""The facade's own methods: which deployment, as whom, downloads, uploads, and what they print."""

import copy
import csv
import gc
import json
import logging
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from dss_client import is_version
from dss_client.auth.hca_config import DEFAULT_SWAGGER_URL
from dss_client.deployment.fetch import cache_path
from dss_client.errors import InvalidArgument
from dss_client.hca import HCAConfig, get_config, tsv
from dss_client.hca.dss import DSSClient
from dss_client.hca.util.exceptions import DownloadFailed, SwaggerAPIException, UploadFailed
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.upload import DirectoryStaging
from tests.conftest import Origins
from tests.origin import Reply

BUNDLE = BUNDLES[0]
ABSENT = "00000000-0000-4000-8000-000000000000"
TOKEN = {"access_token": "of.the.program", "token_type": "Bearer"}


@pytest.fixture
def private(tmp_path: Path) -> Iterator[LocalDSS]:
    """A service that a test may write to."""
    staging = tmp_path / "staging"
    staging.mkdir()
    settings = LocalSettings(sources={"staging": staging}, retry_after=0)
    with LocalDSS(tmp_path / "root", sample=True, settings=settings) as server:
        yield server


def swagger(server: LocalDSS) -> str:
    return f"{server.url}/swagger.json"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(tsv.DictReader(file))


def manifest_of(dss: DSSClient, path: Path) -> Path:
    """Write a manifest of a bundle, as the documentation does."""
    bundle = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws")["bundle"]
    names = ["name", "uuid", "version", "sha256", "size"]
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = ["bundle_uuid", "bundle_version", *(f"file_{name}" for name in names)]
        writer = tsv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        for each in bundle["files"]:
            row: dict[str, Any] = {f"file_{name}": each[name] for name in names}  # type: ignore[literal-required]
            writer.writerow(
                {"bundle_uuid": bundle["uuid"], "bundle_version": bundle["version"], **row}
            )
    return path


class TestDeployment:
    def test_the_argument_names_it(self) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        assert (dss.host, dss.swagger_url) == (
            "https://h.example/v1",
            "https://h.example/v1/swagger.json",
        )

    def test_a_configuration_that_a_program_changed_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSS_URL", "https://other.example/v1")
        config = HCAConfig(save_on_exit=False)
        config["DSSClient"].swagger_url = "https://h.example/v1/swagger.json"
        assert DSSClient(config=config).host == "https://h.example/v1"
        get_config().DSSClient.swagger_url = "https://g.example/v1/swagger.json"
        assert DSSClient().host == "https://g.example/v1"

    @pytest.mark.parametrize("said", ["nowhere", "in the file"])
    def test_a_program_may_set_what_is_said_already(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        """Item by item or a whole section, it goes before DSS_URL and the files."""
        url = DEFAULT_SWAGGER_URL
        if said == "in the file":
            url = "https://h.example/v1/swagger.json"
            (home / "hca").mkdir()
            (home / "hca" / "config.json").write_text(
                json.dumps({"DSSClient": {"swagger_url": url}}), encoding="utf-8"
            )
        monkeypatch.setenv("DSS_URL", "https://other.example/v1")
        by_item, by_section, by_update, copied = (HCAConfig() for _ in range(4))
        by_item.DSSClient.swagger_url = url
        by_section["DSSClient"] = {"swagger_url": url}
        by_update.update(DSSClient={"swagger_url": url})
        copied.DSSClient.swagger_url = url
        copied = pickle.loads(pickle.dumps(copy.deepcopy(copied)))
        for config in (by_item, by_section, by_update, copied):
            assert DSSClient(config=config).swagger_url == url

    def test_a_url_that_is_not_a_text_is_refused(self) -> None:
        config = HCAConfig()
        config.DSSClient.swagger_url = 7
        with pytest.raises(InvalidArgument, match="7 is not a valid URL of a specification"):
            DSSClient(config)

    def test_a_subclass_has_a_section_of_its_own(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Mine(DSSClient):
            pass

        class Yours(Mine):
            pass

        monkeypatch.setenv("DSS_URL", "https://other.example/v1")
        config = HCAConfig()
        config.DSSClient.swagger_url = "https://h.example/v1/swagger.json"
        assert Mine(config).host == "https://h.example/v1"
        config["Mine"] = {"swagger_url": "https://mine.example/v1/swagger.json"}
        assert Mine(config).host == Yours(config).host == "https://mine.example/v1"
        assert DSSClient(config).host == "https://h.example/v1"
        plain = {"Yours": {"swagger_url": "https://yours.example/v1/swagger.json"}}
        assert Yours(plain).host == "https://yours.example/v1"
        (home / "hca").mkdir()
        (home / "hca" / "config.json").write_text(json.dumps(plain), encoding="utf-8")
        assert Yours(HCAConfig()).host == "https://yours.example/v1"
        assert Mine(HCAConfig()).host == "https://other.example/v1"

    def test_a_plain_dict_is_a_configuration(self) -> None:
        dss = DSSClient({"DSSClient": {"swagger_url": "https://h.example/v1/swagger.json"}})
        assert dss.host == "https://h.example/v1"

    def test_the_environment_comes_before_files(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "hca" / "config.json"
        path.parent.mkdir()
        path.write_text('{"DSSClient": {"swagger_url": "https://h.example/v1/swagger.json"}}')
        dss = DSSClient(config=HCAConfig())
        assert dss.swagger_url == "https://h.example/v1/swagger.json"
        monkeypatch.setenv("DSS_URL", "https://other.example/v1")
        assert DSSClient(config=HCAConfig()).host == "https://other.example/v1"

    def test_an_argument_that_no_client_knows_is_refused(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'pool'"):
            DSSClient(swagger_url="https://h.example/v1/swagger.json", pool=7)

    def test_a_client_lives_as_long_as_its_calls(self, local_dss: LocalDSS) -> None:
        hits = DSSClient(swagger_url=swagger(local_dss)).post_search.iterate(
            replica="aws", es_query={}
        )
        gc.collect()
        assert len(list(hits)) == len(BUNDLES)

    def test_connections_close_with_the_last_use(self, local_dss: LocalDSS) -> None:
        dss = DSSClient(swagger_url=swagger(local_dss))
        dss.post_search(replica="aws", es_query={})
        close = dss._close
        assert close.alive
        del dss
        gc.collect()
        assert not close.alive


class TestTokens:
    @staticmethod
    def sent(origins: Origins, config: Any) -> str | None:
        origin = origins(Reply(200, {"content-type": "application/json"}, b'{"collections": []}'))
        with DSSClient(config, f"{origin.url}/v1/swagger.json") as dss:
            dss.get_collections()
        return origin.seen[0].headers.get("authorization")

    def test_one_that_the_program_set_is_sent(self, origins: Origins) -> None:
        config = HCAConfig()
        config.oauth2_token = TOKEN
        assert self.sent(origins, config) == "Bearer of.the.program"
        assert self.sent(origins, {"oauth2_token": TOKEN}) == "Bearer of.the.program"

    def test_one_of_a_file_is_not_sent_to_another_deployment(
        self, home: Path, origins: Origins
    ) -> None:
        path = home / "hca" / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"oauth2_token": TOKEN}))
        assert self.sent(origins, HCAConfig()) is None

    def test_a_service_account_comes_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origins: Origins
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
        with pytest.raises(Exception, match=r"absent\.json"):
            self.sent(origins, {"oauth2_token": TOKEN})

    def test_a_login_is_kept_and_used(
        self, private: LocalDSS, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = HCAConfig()
        config.oauth2_token = {"access_token": "an.old.one"}
        dss = DSSClient(config, swagger(private))
        dss.login(access_token=private.mint_token())
        assert capsys.readouterr().out == "Storing access credentials\n"
        assert "oauth2_token" not in config
        for _ in range(2):  # the second call failed there (docs/behaviour.md C12)
            assert dss.get_collections()["collections"] == []
        assert DSSClient(swagger_url=swagger(private)).get_collections()["collections"] == []

    def test_a_logout_removes_it(self, private: LocalDSS, caplog: pytest.LogCaptureFixture) -> None:
        dss = DSSClient(swagger_url=swagger(private))
        dss.login(access_token=private.mint_token())
        dss.logout()
        assert caplog.messages == []
        with pytest.raises(SwaggerAPIException) as caught:
            dss.get_collections()
        assert caught.value.code == 401

    def test_a_logout_tells_of_a_token_that_is_left(
        self, home: Path, private: LocalDSS, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = home / "hca" / "config.json"
        path.parent.mkdir()
        before = json.dumps({"oauth2_token": TOKEN, "DSSClient": {"swagger_url": swagger(private)}})
        path.write_text(before)
        config = HCAConfig()
        dss = DSSClient(config)
        dss.logout()
        assert "oauth2_token" not in config
        assert path.read_text() == before
        assert caplog.messages == [
            f"there still is a token for {private.url}: configuration of hca"
        ]
        DSSClient(
            MappingProxyType({}), swagger(private)
        ).logout()  # nothing to forget in a mapping of any kind


class TestDownloads:
    def test_a_bundle(self, dss: DSSClient, here: Path) -> None:
        dss.download(BUNDLE.uuid, "aws", BUNDLE.version, "data")
        folder = here / "data" / f"{BUNDLE.uuid}.{BUNDLE.version}"
        names = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        assert names == {*sample_files(BUNDLE), "bundle.json"}

    @pytest.mark.parametrize("left_out", ["no_data", "no_metadata"])
    def test_a_part_of_a_bundle(self, dss: DSSClient, here: Path, left_out: str) -> None:
        options: Any = {left_out: True}
        dss.download(bundle_uuid=BUNDLE.uuid, replica="aws", **options)
        (folder,) = (path for path in here.iterdir() if path.name != ".hca")
        found = {path.name for path in folder.rglob("*") if path.is_file()} - {"bundle.json"}
        metadata = {name for name in sample_files(BUNDLE) if name.endswith(".json")}
        assert found == (metadata if left_out == "no_data" else set(BUNDLE.read_names))

    def test_options_that_exclude_each_other(self, dss: DSSClient, here: Path) -> None:
        with pytest.raises(ValueError, match="data_filter"):
            dss.download(BUNDLE.uuid, "aws", data_filter=("*.gz",), no_data=True)
        with pytest.raises(ValueError, match="layout='bundle'"):
            dss.download_manifest("m.tsv", "aws", no_data=True)

    def test_a_bundle_that_is_not_there(self, dss: DSSClient, here: Path) -> None:
        with pytest.raises(SwaggerAPIException) as caught:
            dss.download(ABSENT, "aws")
        assert caught.value.reason == "not_found"

    @pytest.mark.parametrize(
        ("method", "wrong"),
        [
            ("download", {"bundle_uuid": "nonsense"}),
            ("download", {"bundle_uuid": ""}),
            ("download", {"bundle_uuid": BUNDLE.uuid, "version": "nonsense"}),
            ("download_collection", {"uuid": "nonsense"}),
        ],
    )
    def test_what_is_malformed_is_not_there(
        self, dss: DSSClient, here: Path, method: str, wrong: dict[str, str]
    ) -> None:
        with pytest.raises(SwaggerAPIException) as caught:
            getattr(dss, method)(**wrong, replica="aws")
        error = caught.value
        assert (error.code, error.reason, error.response.status_code) == (404, "not_found", 404)
        assert str(error).startswith("not_found: ")
        assert "is not a valid DSS" in str(error)
        assert list(here.iterdir()) == []

    def test_uuids_may_be_objects(self, dss: DSSClient, here: Path) -> None:
        dss.download(uuid.UUID(BUNDLE.uuid), "aws", no_data=True)
        assert (here / f"{BUNDLE.uuid}.{BUNDLE.version}" / "bundle.json").exists()

    def test_files_that_fail_are_a_runtime_error(
        self, dss: DSSClient, here: Path, tmp_path: Path
    ) -> None:
        manifest = manifest_of(dss, tmp_path / "manifest.tsv")
        text = manifest.read_text(encoding="utf-8")
        sha256 = rows_of(manifest)[0]["file_sha256"]
        manifest.write_text(text.replace(sha256, "0" * 64), encoding="utf-8")
        with pytest.raises(RuntimeError, match=r"^1 download task\(s\) failed\.$") as caught:
            dss.download_manifest(str(manifest), "aws", num_retries=0, min_delay_seconds=0)
        assert isinstance(caught.value, DownloadFailed)
        assert len(caught.value.report.errors) == 1

    def test_c3_the_output_manifest_is_in_the_current_directory(
        self, dss: DSSClient, here: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        manifest = manifest_of(dss, tmp_path / "manifest.tsv")
        before = manifest.read_bytes()
        dss.download_manifest(str(manifest), "aws", download_dir="data")
        assert {path.name for path in here.iterdir()} == {"data", "manifest.tsv"}
        assert {path.name for path in (here / "data").iterdir()} == {".hca"}
        rows = rows_of(here / "manifest.tsv")
        assert [row["file_name"] for row in rows] == [r["file_name"] for r in rows_of(manifest)]
        for row in rows:
            assert row["file_path"].startswith(f"data/.hca/v2/files_2_4/{row['file_sha256'][:2]}/")
            assert Path(row["file_path"]).stat().st_size == int(row["file_size"])
        assert manifest.read_bytes() == before
        assert caplog.messages == []

    @pytest.mark.parametrize("layout", ["none", "bundle"])
    def test_c3_it_takes_the_place_of_a_manifest_that_is_there(
        self, dss: DSSClient, here: Path, caplog: pytest.LogCaptureFixture, layout: Any
    ) -> None:
        manifest = manifest_of(dss, here / "manifest.tsv")
        before = rows_of(manifest)
        dss.download_manifest("manifest.tsv", "aws", layout, download_dir="data")
        assert {path.name for path in here.iterdir()} == {"data", "manifest.tsv"}
        after = rows_of(manifest)
        assert [{k: row[k] for k in before[0]} for row in after] == before
        assert all(Path(row["file_path"]).exists() for row in after)
        assert caplog.messages == ["Overwriting manifest manifest.tsv"]

    def test_c3_a_collection_leaves_no_stray_files(self, private: LocalDSS, here: Path) -> None:
        dss = DSSClient(swagger_url=swagger(private), token=private.mint_token())
        made = dss.put_collection(
            uuid="2f4e6c1a-0b3d-4e5f-8a7b-9c0d1e2f3a4b",
            version="2020-01-01T000000.000000Z",
            replica="aws",
            name="n",
            description="d",
            details={},
            contents=[{"type": "bundle", "uuid": BUNDLE.uuid, "version": BUNDLE.version}],
        )
        dss.threads = 2
        dss.download_collection(made["uuid"], "aws", download_dir="data")
        assert {path.name for path in here.iterdir()} == {"data"}
        folder = here / "data" / f"{BUNDLE.uuid}.{BUNDLE.version}"
        assert (folder / BUNDLE.read_names[0]).exists()

    def test_c23_threads_are_a_setting(self, dss: DSSClient, here: Path) -> None:
        dss.threads = 0
        with pytest.raises(InvalidArgument, match="threads=0"):
            dss.download(BUNDLE.uuid, "aws")


def test_a_subscription_may_have_an_es_query_without_a_query(private: LocalDSS) -> None:
    """As those of the reference client's own tests: it is stored, and matches nothing."""
    with DSSClient(swagger_url=swagger(private), token=private.mint_token()) as dss:
        made = dss.put_subscription(
            es_query={"bool": {}}, callback_url="https://www.example.com", replica="aws"
        )
        found = dss.get_subscription(
            uuid=made["uuid"], replica="aws", subscription_type="elasticsearch"
        )
        assert found["es_query"] == {"bool": {}}


class TestUploads:
    @pytest.fixture(autouse=True)
    def _bucket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path / "state"))
        bucket = DirectoryStaging(tmp_path / "staging")
        monkeypatch.setattr("dss_client.upload.run.open_staging", lambda *_args, **_kw: bucket)

    @staticmethod
    def client(server: LocalDSS, config: Any = None) -> DSSClient:
        return DSSClient(config, swagger(server), token=server.mint_token())

    def test_a_directory_becomes_a_bundle(self, private: LocalDSS, here: Path) -> None:
        Path("src", "deep").mkdir(parents=True)
        Path("src", "a.json").write_text("{}")
        Path("src", "deep", "b.txt").write_text("b")
        dss = self.client(private, {"creator_uid": 7})
        made = dss.upload("src", "aws", "staging")
        assert made.keys() == {"bundle_uuid", "creator_uid", "replica", "version", "files"}
        assert {file["name"] for file in made["files"]} == {"a.json", "deep/b.txt"}
        assert made["files"][0].keys() == {"name", "version", "uuid", "creator_uid"}
        assert (made["creator_uid"], made["replica"]) == (7, "aws")
        bundle = dss.get_bundle(uuid=made["bundle_uuid"], replica="aws")["bundle"]
        assert bundle["version"] == made["version"]
        assert {file["name"]: file["indexed"] for file in bundle["files"]} == {
            "a.json": True,
            "deep/b.txt": False,
        }

    def test_c20_an_empty_directory_is_a_runtime_error(self, private: LocalDSS, here: Path) -> None:
        Path("empty").mkdir()
        with pytest.raises(RuntimeError, match="nothing to upload") as caught:
            self.client(private).upload("empty", "aws", "staging", no_progress=True)
        assert isinstance(caught.value, UploadFailed)

    def test_a_bar_is_drawn_on_a_terminal(
        self, private: LocalDSS, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import sys

        Path("src").mkdir()
        Path("src", "a.json").write_text("{}")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        made = self.client(private).upload("src", "aws", "staging")
        assert made["creator_uid"] == 0


def test_c11_create_version_prints(dss: DSSClient, capsys: pytest.CaptureFixture[str]) -> None:
    create_version: Any = dss.create_version
    assert create_version() is None
    assert is_version(capsys.readouterr().out.strip())


def test_c17_clear_cache_keeps_the_settings(local_dss: LocalDSS) -> None:
    with DSSClient(swagger_url=swagger(local_dss)) as dss:
        assert dss.refresh_swagger().same
        path = cache_path(local_dss.url)
        assert path.exists()
        dss.clear_cache()
        assert not path.exists()
        dss.clear_cache()
        assert dss.host == local_dss.url
        assert dss.post_search(replica="aws", es_query={})["total_hits"] == len(BUNDLES)


def test_refresh_swagger_of_no_service(origins: Origins) -> None:
    dss = DSSClient(swagger_url=f"{origins(Reply(404)).url}/v1/swagger.json")
    with pytest.raises(SwaggerAPIException):
        dss.refresh_swagger()


def test_tsv_is_the_dialect_of_manifests(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    with path.open("w", newline="") as file:
        writer = tsv.DictWriter(file, ["a", "b"])
        writer.writeheader()
        writer.writerow({"a": "1\t2", "b": '"'})
    assert path.read_bytes() == b'a\tb\r\n"1\t2"\t""""\r\n'
    assert rows_of(path) == [{"a": "1\t2", "b": '"'}]
    assert isinstance(tsv.DictReader([]), csv.DictReader)


def test_the_logger_has_a_name() -> None:
    from dss_client.hca import logger

    assert logger is logging.getLogger("dss_client.hca")
