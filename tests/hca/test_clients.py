"""Clients of the facade as programs handle them: moved, copied, sent along, and set up."""

import copy
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from attrs import frozen

from dss_client.errors import InvalidArgument
from dss_client.hca import HCAConfig
from dss_client.hca.dss import DSSClient, SwaggerClient
from dss_client.hca.util import RetryPolicy, SwaggerAPIException
from dss_client.hca.util.pool import ThreadPool
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES
from tests.conftest import Origins
from tests.origin import Reply

ABSENT = "00000000-0000-4000-8000-000000000000"


def swagger(url: str) -> str:
    return f"{url}/swagger.json"


def uuid_of_first(dss: DSSClient) -> str:
    found = dss.get_bundle(uuid=BUNDLES[0].uuid, replica="aws")
    return found["bundle"]["uuid"]


class Mine(DSSClient):
    """A client with something of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mine = ["own"]


class TestHost:
    def test_it_can_be_set(self, local_dss: LocalDSS) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        dss.host = local_dss.url
        assert dss.host == local_dss.url
        assert uuid_of_first(dss) == BUNDLES[0].uuid

    def test_an_invalid_url_changes_nothing(self) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        with pytest.raises(InvalidArgument, match="not a valid URL of a DSS"):
            dss.host = "nonsense"
        assert dss.host == "https://h.example/v1"


class TestCopies:
    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda dss: pickle.loads(pickle.dumps(dss))],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_they_work_apart(self, local_dss: LocalDSS, again: Any) -> None:
        config = HCAConfig()
        config.DSSClient.swagger_url = swagger(local_dss.url)
        dss = Mine(config, retries=2)
        dss.threads = 3
        dss.timeout_policy = 7
        uuid_of_first(dss)
        other: Mine = again(dss)
        assert type(other) is Mine
        assert (other.host, other.threads, other.mine) == (dss.host, 3, ["own"])
        assert other.config["DSSClient"].swagger_url == swagger(local_dss.url)
        dss.close()
        assert uuid_of_first(other) == BUNDLES[0].uuid
        other.host = "https://h.example/v1"
        assert dss.host == local_dss.url

    def test_workers_get_one(self, local_dss: LocalDSS) -> None:
        dss = DSSClient(swagger_url=swagger(local_dss.url))
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            assert pool.submit(uuid_of_first, dss).result() == BUNDLES[0].uuid

    def test_a_token_goes_along(self, origins: Origins) -> None:
        origin = origins(Reply(200, {"content-type": "application/json"}, b'{"collections": []}'))
        dss = DSSClient(swagger_url=swagger(f"{origin.url}/v1"), token="t0ken")
        pickle.loads(pickle.dumps(dss)).get_collections()
        assert origin.seen[0].headers["authorization"] == "Bearer t0ken"

    def test_one_with_an_http_client_says_why_not(self) -> None:
        import httpx

        with httpx.Client() as http:
            dss = DSSClient(swagger_url="https://h.example/v1/swagger.json", http_client=http)
            for use in (pickle.dumps, copy.deepcopy):
                with pytest.raises(TypeError, match="http_client= or storage_client="):
                    use(dss)


@frozen
class Retry:
    """What programs take from urllib3."""

    total: int | None = 10
    connect: int | None = None
    read: int | None = None
    status: int | None = None
    backoff_factor: float = 0
    status_forcelist: frozenset[int] = frozenset({500, 502, 503, 504})


@frozen
class Limits:
    """The same."""

    connect_timeout: object
    read: object
    total: object = None

    @property
    def read_timeout(self) -> object:
        if self.total is not None:
            raise RuntimeError("no clock has started")
        return self.read


class TestPolicies:
    def tries(self, origins: Origins, dss_class: type[DSSClient], **changes: object) -> int:
        origin = origins(Reply(503))
        dss = dss_class(swagger_url=swagger(f"{origin.url}/v1"))
        for name, value in changes.items():
            setattr(dss, name, value)
        with pytest.raises(SwaggerAPIException):
            dss.get_bundle(uuid=ABSENT, replica="aws")
        return len(origin.seen)

    @pytest.mark.parametrize(
        ("policy", "tries"),
        [
            (RetryPolicy(read=2, status=2, backoff_factor=0), 3),
            (RetryPolicy(total=1, status=5, backoff_factor=0), 2),
            (RetryPolicy(total=None, connect=3, backoff_factor=0), 4),
            (Retry(total=1), 2),
            (Retry(total=4, status=0), 1),
            (0, 1),
        ],
    )
    def test_a_number_of_retries(self, origins: Origins, policy: object, tries: int) -> None:
        assert self.tries(origins, DSSClient, retry_policy=policy) == tries
        made: Any = type("Made", (DSSClient,), {"retry_policy": policy})
        assert self.tries(origins, made) == tries

    def test_that_of_all_clients(self, origins: Origins, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SwaggerClient, "retry_policy", Retry(total=0))
        assert self.tries(origins, DSSClient) == 1

    def test_an_argument_goes_first(self, origins: Origins) -> None:
        origin = origins(Reply(503))
        dss = DSSClient(swagger_url=swagger(f"{origin.url}/v1"), retries=0)
        dss.retry_policy = Retry(total=3)
        with pytest.raises(SwaggerAPIException):
            dss.get_bundle(uuid=ABSENT, replica="aws")
        assert len(origin.seen) == 1

    @pytest.mark.parametrize(
        ("policy", "limits"),
        [
            (3, (3, 3)),
            ((1, 2.5), (1, 2.5)),
            (None, (None, None)),
            (Limits(4, None), (4, None)),
            (Limits(object(), 5), (20.0, 5)),
            (Limits(6, object(), total=6), (6, 6)),
        ],
    )
    def test_limits_of_time(self, policy: object, limits: object) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        dss.timeout_policy = policy
        timeout = dss.transport.options.timeout
        assert timeout is not None
        assert (timeout.connect, timeout.read) == limits

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("timeout_policy", "soon"),
            ("retry_policy", "often"),
            ("retry_policy", Retry(status_forcelist=frozenset({418}))),
            ("scheme", "http"),
        ],
    )
    def test_what_has_no_effect_is_told(self, name: str, value: object) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        with pytest.warns(UserWarning, match=f"{name}.*no effect"):
            setattr(dss, name, value)
        with pytest.warns(UserWarning, match="allowed_methods.*no effect"):
            RetryPolicy(allowed_methods=["GET"])

    def test_they_can_be_read(self) -> None:
        dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dss.retry_policy = dss.retry_policy
            dss.timeout_policy = dss.timeout_policy
        assert isinstance(dss.retry_policy, RetryPolicy)
        assert (dss.retry_policy.read, dss.retry_policy.status) == (10, 10)
        assert (dss.scheme, SwaggerClient.scheme) == ("https", "https")

    def test_the_scheme(self, local_dss: LocalDSS, monkeypatch: pytest.MonkeyPatch) -> None:
        secure = local_dss.url.replace("http:", "https:")
        monkeypatch.setattr(SwaggerClient, "scheme", "http")
        for url in (secure, local_dss.url):
            dss = DSSClient(swagger_url=swagger(url))
            assert dss.host == local_dss.url
            assert uuid_of_first(dss) == BUNDLES[0].uuid
        monkeypatch.undo()
        assert DSSClient(swagger_url=swagger(local_dss.url)).host == local_dss.url


def test_names_that_programs_import() -> None:
    code = """
from dss_client.hca import HCAConfig, dss, get_config, logger, util
from dss_client.hca.dss import DSSClient, SwaggerClient
from dss_client.hca.util import DEFAULT_THREAD_COUNT, RetryPolicy, SwaggerAPIException
from dss_client.hca.util import SwaggerClient as Same
from dss_client.hca.util.exceptions import SwaggerAPIException as SameToo
from dss_client.hca.util.pool import ThreadPool
assert SwaggerClient is Same and SwaggerAPIException is SameToo
assert issubclass(DSSClient, SwaggerClient)
assert DSSClient.UPLOAD_BACKOFF_FACTOR == 1.618
assert util.SwaggerClient is Same and DEFAULT_THREAD_COUNT > 0
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


class TestThreadPool:
    def test_tasks_are_done(self) -> None:
        done: list[tuple[int, str]] = []
        pool = ThreadPool(num_threads=3)
        for number in range(20):
            pool.add_task(lambda n, word: done.append((n, word)), number, word="x")
        pool.wait_for_completion()
        assert sorted(done) == [(number, "x") for number in range(20)]
        pool.add_task(done.clear)
        pool.wait_for_completion()
        assert (done, pool.thread_failure) == ([], None)

    def test_a_failure_is_kept(self) -> None:
        pool = ThreadPool(1)
        pool.add_task(int, "x")
        pool.wait_for_completion()
        assert isinstance(pool.thread_failure, ValueError)
