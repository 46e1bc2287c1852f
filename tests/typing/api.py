"""Uses of the public API, for type checkers: nothing runs this.

Each `assert_type` is what an editor shows; `errors.py` holds what must be refused.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_type

import httpx
import pandas as pd

from dss_client import (
    FQID,
    AsyncCheckoutJob,
    AsyncDSSClient,
    BadRequest,
    BundleEvent,
    CheckoutFailed,
    CheckoutJob,
    CheckoutStatus,
    CheckoutTimeout,
    Credential,
    DownloadError,
    DownloadReport,
    DSSClient,
    DSSConnectionError,
    DSSDecodeError,
    DSSError,
    DSSRequestError,
    DSSResponseError,
    DSSTimeout,
    FileReport,
    InvalidVersion,
    ManifestError,
    NotFound,
    ProgressEvent,
    Replica,
    RetryPolicy,
    ServerError,
    Timeout,
    UploadReport,
    compare_versions,
    create_version,
    format_version,
    is_version,
    parse_version,
    webhooks,
)
from dss_client.download import export_manifest
from dss_client.hca import DSSClient as HCAClient
from dss_client.hca import HCAConfig, SwaggerAPIException
from dss_client.hca import types as hca_types
from dss_client.models import (
    BundleEnumerationResult,
    BundleEnumerationResultBundle,
    BundleFile,
    BundleFileDict,
    BundleVersion,
    Collection,
    CollectionItem,
    CollectionItemDict,
    CollectionOfCollectionsItem,
    DeleteSubscriptionResponse,
    EventsManifest,
    EventsManifestEvent,
    EventStreams,
    FileHeaders,
    FileVersion,
    GetBundleResponse,
    GetBundlesCheckoutResponse,
    GetCollectionsResponse,
    GetSubscriptionsResponse,
    PatchBundleResponse,
    PatchCollectionResponse,
    PostBundlesCheckoutResponse,
    PutBundleResponse,
    PutCollectionResponse,
    PutFileResponse,
    PutSubscriptionResponse,
    SearchHit,
    SearchResult,
    Subscription,
    SubscriptionAttachment,
)
from dss_client.search import hits_frame
from dss_client.upload import DirectoryStaging

U = "2c5c6e2a-8a4c-4b4a-9d5e-000000000000"
V = "2019-01-01T000000.000000Z"

ExactReplica = Literal["aws", "gcp"]


def clients(token: Callable[[], str], http: httpx.Client) -> None:
    with DSSClient() as dss:
        assert_type(dss, DSSClient)
        assert_type(dss.url, str)
        assert_type(dss.with_options(timeout=5, retries=0), DSSClient)
        assert_type(dss.with_options(timeout=Timeout(read=2.5)), DSSClient)
        assert_type(dss.create_version(), str)
    DSSClient("http://127.0.0.1:8010/v1", token="t", timeout=1.5, retries=3).close()
    DSSClient(token=token, retries=RetryPolicy(attempts=2, deadline=60), http_client=http)


async def async_clients(http: httpx.AsyncClient) -> None:
    async with AsyncDSSClient("http://127.0.0.1:8010/v1", http_client=http) as dss:
        assert_type(dss, AsyncDSSClient)
        assert_type(dss.with_options(retries=RetryPolicy()), AsyncDSSClient)
        await dss.aclose()


def search(dss: DSSClient) -> None:
    result = dss.post_search(replica="aws", es_query={"query": {"match_all": {}}})
    assert_type(result, SearchResult)
    assert_type(result.total_hits, int)
    assert_type(result.results[0], SearchHit)
    assert_type(result.results[0].bundle_fqid, str)
    assert_type(result.results[0].metadata, dict[str, Any] | None)
    assert_type(dss.post_search.iterate(replica="gcp", es_query={}), Iterator[SearchHit])
    assert_type(dss.post_search.paginate(replica="aws", es_query={}), Iterator[SearchResult])


def bundles(dss: DSSClient, replica: Replica) -> None:
    answer = dss.get_bundle(uuid=U, replica=replica, version=V, presignedurls=True, per_page=10)
    assert_type(answer, GetBundleResponse)
    assert_type(answer.bundle, BundleVersion)
    file = answer.bundle.files[0]
    assert_type(file, FileVersion)
    assert_type(file.size, int)
    assert_type(file.indexed, bool)
    assert_type(file.sha256, str)
    assert_type(file.content_type, str)
    assert_type(file.url, str | None)
    assert_type(dss.get_bundle.iterate(uuid=U, replica="aws"), Iterator[FileVersion])
    assert_type(dss.get_bundle.paginate(uuid=U, replica="aws"), Iterator[GetBundleResponse])
    page = dss.get_bundles_all(replica="aws", prefix="ab", per_page=100)
    assert_type(page, BundleEnumerationResult)
    assert_type(page.bundles, list[BundleEnumerationResultBundle])
    identifiers = dss.get_bundles_all.iterate(replica="aws")
    assert_type(identifiers, Iterator[BundleEnumerationResultBundle])


def raw(dss: DSSClient) -> None:
    answer = dss.get_bundle.raw(uuid=U, replica="aws")
    assert_type(answer.parsed, GetBundleResponse)
    assert_type(answer.status_code, int)
    assert_type(answer.headers, httpx.Headers)
    assert_type(answer.content, bytes)
    assert_type(answer.request_id, str | None)
    assert_type(dss.delete_bundle.raw(uuid=U, replica="aws", reason="").parsed, dict[str, Any])
    assert_type(dss.get_file.raw(uuid=U, replica="aws").parsed, bytes)
    assert_type(dss.get_file.raw(uuid=U, replica="aws", directurl=True).parsed, str)


def files(dss: DSSClient, switch: bool) -> None:
    assert_type(dss.get_file(uuid=U, replica="aws"), bytes)
    assert_type(dss.get_file(uuid=U, replica="aws", directurl=False), bytes)
    assert_type(dss.get_file(uuid=U, replica="aws", directurl=True), str)
    assert_type(dss.get_file(uuid=U, replica="aws", directurl=switch), bytes | str)
    metadata = dss.head_file(uuid=U, replica="aws", version=V)
    assert_type(metadata, FileHeaders)
    assert_type(metadata.size, int)
    assert_type(metadata.creator_uid, int)
    assert_type(metadata.s3_etag, str)
    place = dss.get_file.locate(uuid=U, replica="aws")
    assert_type(place.url, str)
    assert_type(place.headers, FileHeaders)
    with dss.get_file.stream(uuid=U, replica="aws") as content:
        assert_type(content.headers, FileHeaders)
        assert_type(content.status_code, int)
        assert_type(content.iter_bytes(1024), Iterator[bytes])
        assert_type(content.read(), bytes)
        for piece in content:
            assert_type(piece, bytes)


def writes(dss: DSSClient) -> None:
    file: BundleFileDict = {"uuid": U, "version": V, "name": "a", "indexed": True}
    model = BundleFile(uuid=U, version=V, name="b", indexed=False)
    stored = dss.put_file(uuid=U, version=V, source_url="s3://b/k", creator_uid=1)
    assert_type(stored, PutFileResponse)
    put = dss.put_bundle(uuid=U, version=V, replica="aws", creator_uid=1, files=[file, model])
    assert_type(put, PutBundleResponse)
    patched = dss.patch_bundle(
        uuid=U,
        version=V,
        replica="aws",
        add_files=[{"uuid": U, "version": V, "name": "c", "indexed": False}],
        remove_files=(model,),
    )
    assert_type(patched, PatchBundleResponse)
    assert_type(dss.delete_bundle(uuid=U, replica="aws", reason="old"), dict[str, Any])


def collections(dss: DSSClient) -> None:
    item: CollectionItemDict = {"type": "file", "uuid": U, "version": V}
    made = dss.put_collection(
        uuid=U,
        version=V,
        replica="aws",
        name="n",
        description="d",
        details={"any": ["thing"]},
        contents=[item, CollectionItem(type="bundle", uuid=U, version=V)],
    )
    assert_type(made, PutCollectionResponse)
    found = dss.get_collection(uuid=U, replica="aws")
    assert_type(found, Collection)
    assert_type(found.details, dict[str, Any])
    assert_type(found.contents, list[CollectionItem])
    changed = dss.patch_collection(uuid=U, version=V, replica="aws", name="m")
    assert_type(changed, PatchCollectionResponse)
    assert_type(dss.get_collections(), GetCollectionsResponse)
    assert_type(dss.get_collections.iterate(), Iterator[CollectionOfCollectionsItem])
    dss.delete_collection(uuid=U, replica="aws")


def subscriptions(dss: DSSClient) -> None:
    made = dss.put_subscription(
        replica="aws",
        callback_url="https://example.org/hook",
        method="POST",
        attachments={"taxon": {"type": "jmespath", "expression": "files"}},
    )
    assert_type(made, PutSubscriptionResponse)
    found = dss.get_subscription(uuid=U, replica="aws")
    assert_type(found, Subscription)
    assert_type(found.attachments, dict[str, SubscriptionAttachment] | None)
    assert_type(dss.get_subscriptions(replica="gcp"), GetSubscriptionsResponse)
    gone = dss.delete_subscription(uuid=U, replica="aws")
    assert_type(gone, DeleteSubscriptionResponse)
    assert_type(gone.time_deleted, str)


def events(dss: DSSClient) -> None:
    assert_type(dss.get_events(replica="aws"), EventStreams)
    assert_type(dss.get_events.iterate(replica="aws"), Iterator[EventsManifest])
    for manifest in dss.get_events.iterate(replica="aws"):
        assert_type(manifest.events, list[EventsManifestEvent])
    assert_type(dss.get_event(uuid=U, version=V, replica="aws"), dict[str, Any])


def checkouts(dss: DSSClient) -> None:
    started = dss.post_bundles_checkout(uuid=U, replica="aws", destination="bucket")
    assert_type(started, PostBundlesCheckoutResponse)
    answer = dss.get_bundles_checkout(checkout_job_id="id", replica="aws")
    assert_type(answer, GetBundlesCheckoutResponse)
    if answer.status == "SUCCEEDED":  # a word the checker completes; others are still text
        assert_type(answer.location, str | None)
    job = dss.checkout(uuid=U, replica="aws", email="me@example.org")
    assert_type(job, CheckoutJob)
    assert_type(job.job_id, str)
    assert_type(job.replica, ExactReplica)
    assert_type(job.status(), CheckoutStatus)
    assert_type(job.status().is_done, bool)
    assert_type(job.wait(timeout=600), str)
    assert_type(job.wait(None, polling=RetryPolicy()), str)
    assert_type(CheckoutJob.attach(dss, "id", replica="gcp"), CheckoutJob)


def downloads(dss: DSSClient, where: Path) -> None:
    def show(event: ProgressEvent) -> None:
        assert_type(event.bytes_done, int)
        assert_type(event.bundle, FQID | None)

    report = dss.download(
        bundle_uuid=U,
        replica="aws",
        version=V,
        download_dir=where,
        metadata_filter=["*.json"],
        data_filter=(),
        progress=show,
    )
    assert_type(report, DownloadReport)
    assert_type(report.ok, bool)
    assert_type(report.bytes_done, int)
    assert_type(report.files, Sequence[FileReport])
    assert_type(report.files[0].path, Path | None)
    same = dss.download_manifest(manifest="m.tsv", replica="aws", layout="bundle", no_data=True)
    assert_type(same, DownloadReport)
    assert_type(dss.download_manifest(manifest=where, replica="gcp"), DownloadReport)
    with where.open() as text:
        dss.download_manifest(manifest=text, replica="aws")
    dss.download_manifest(manifest=[{"bundle_uuid": U}], replica="aws", layout="none")
    planned = dss.download_bundles(bundles=[f"{U}.{V}", FQID(U, U)], replica="aws", dry_run=True)
    assert_type(planned.bytes_planned, int)
    dss.download_collection(uuid=U, replica="aws", verify="size", durable=False)
    with ProcessPoolExecutor(2) as pool:
        dss.download_search(es_query={}, replica="gcp", clash="rename", executor=pool)


def tables(dss: DSSClient, where: Path) -> None:
    frame = dss.get_bundle(uuid=U, replica="aws").bundle.to_frame()
    assert_type(frame, pd.DataFrame)
    report = dss.download_manifest(manifest=frame, urls="file_url", download_dir=where)
    assert_type(report.to_frame(), pd.DataFrame)
    assert_type(report.files, Sequence[FileReport])
    hits = dss.post_search.iterate(es_query={}, replica="aws", output_format="raw")
    assert_type(hits_frame(hits, ["files.x"]), pd.DataFrame)
    assert_type(dss.search_bundles(es_query={}, replica="aws").to_frame(), pd.DataFrame)
    for line in export_manifest(frame, to="aria2", urls="file_url"):
        assert_type(line, str)


async def single_files(dss: DSSClient, adss: AsyncDSSClient, path: Path) -> None:
    assert_type(dss.download_file(uuid=U, path=path, replica="aws"), FileReport)
    assert_type(await adss.download_file(uuid=U, path="x", replica="gcp", version=V), FileReport)
    assert_type(dss.get_file.read_range(uuid=U, replica="aws", start=-9), bytes)
    assert_type(await adss.get_file.read_range(uuid=U, replica="aws", end=9), bytes)


def uploads(dss: DSSClient, where: Path) -> None:
    report = dss.upload(src_dir=where, replica="aws", staging_bucket="b")
    assert_type(report, UploadReport)
    assert_type(report.bundle, FQID)
    assert_type(report.files[0].checksums.s3_etag, str)
    assert_type(report.files[0].state, Literal["uploaded", "reused"])
    dss.upload(
        src_dir="d",
        replica="gcp",
        staging_bucket="b",
        indexed=str.islower,
        staging=DirectoryStaging(where),
        fresh=True,
    )
    dss.upload(src_dir="d", replica="aws", staging_bucket="b", indexed=["*.json"], version=V)


def versions(now: datetime) -> None:
    assert_type(create_version(), str)
    assert_type(parse_version(V), datetime)
    assert_type(format_version(now), str)
    assert_type(is_version(V), bool)
    assert_type(compare_versions(V, V), int)
    assert_type(FQID.parse(f"{U}.{V}"), FQID)
    assert_type(FQID(U, U).version, str)


def errors(dss: DSSClient, where: Path) -> None:
    try:
        dss.download(bundle_uuid=U, replica="aws", download_dir=where)
    except NotFound as error:
        assert_type(error.status_code, int)
        assert_type(error.code, str | None)
        assert_type(error.title, str | None)
        assert_type(error.request_id, str | None)
        assert_type(error.request.method, str)
        assert_type(error.request.url, str)
        assert_type(error.response.content, bytes)
    except (BadRequest, ServerError) as error:
        refused: DSSResponseError = error
        assert_type(refused.code, str | None)
    except DSSDecodeError as error:
        assert_type(error.field, str | None)
        assert_type(error.response.status_code, int)
    except (DSSConnectionError, DSSTimeout) as error:
        unreachable: DSSRequestError = error
        assert_type(unreachable.request.method, str)
    except DownloadError as error:
        assert_type(error.report, DownloadReport)
        assert_type(error.report.failed, tuple[FileReport, ...])
        ours: DSSError = error
        print(ours)
    except CheckoutFailed as error:
        assert_type(error.cause, str | None)
    except CheckoutTimeout as error:
        assert_type(error.job_id, str)
    except ManifestError as error:
        assert_type(error.line, int | None)
    except InvalidVersion as error:
        assert_type(error.value, str)


def settings() -> None:
    policy = RetryPolicy(attempts=3, initial_delay=0.1, max_delay=5, max_retry_after=60)
    assert_type(policy.attempts, int)
    assert_type(policy.deadline, float | None)
    assert_type(Timeout(connect=None).connect, float | None)


def replays(dss: DSSClient, adss: AsyncDSSClient) -> None:
    found = dss.replay_events(replica="aws", from_date=V, to_date=V, after="cursor")
    assert_type(found, Iterator[BundleEvent])
    assert_type(adss.replay_events(replica="gcp"), AsyncIterator[BundleEvent])
    for event in found:
        assert_type(event.event_id, FQID)
        assert_type(event.cursor, str)
        assert_type(event.document.bundle_info.uuid, str)
        assert_type(event.document.files, dict[str, list[Any]])


def received(headers: dict[str, str], raw: list[tuple[bytes, bytes]], body: bytes) -> None:
    guard = webhooks.MemoryReplayGuard()
    notification = webhooks.verify(raw, body, secrets={"key": "secret"}, replay_guard=guard)
    webhooks.verify(headers, body, secrets=lambda key_id: b"secret" if key_id else None)
    assert_type(notification, webhooks.Notification)
    assert_type(notification.match.fqid, FQID)
    assert_type(notification.attachments, dict[str, Any])
    assert_type(notification.attachment_errors.whole, str | None)
    assert_type(notification.form_fields, dict[str, str])
    with webhooks.processing(notification, guard) as same:
        assert_type(same, webhooks.Notification)
    try:
        webhooks.parse(iter(headers.items()), body)
    except webhooks.WebhookError as error:
        assert_type(error.status, int)
        assert_type(error.reason, str)


def searches(dss: DSSClient) -> None:
    with dss.search_bundles(es_query={}, replica="aws") as found:
        for each in found:
            assert_type(each.bundle.files[0].size, int)
            assert_type(each.fqid, FQID)
        assert_type(found.skipped, int)
    made = dss.create_collection(
        name="n", description="d", contents=[FQID(U, U)], replica="aws", details={}
    )
    assert_type(made.version, str)
    subscribed = dss.subscribe(
        callback_url="https://h/", replica="aws", es_query={"query": {}}, attachments={"a": "b"}
    )
    assert_type(subscribed.uuid, str)
    assert_type(dss.list_subscriptions(replica="aws")[0].callback_url, str)


def session(dss: DSSClient) -> None:
    assert_type(dss.login(access_token="t"), str)
    assert_type(dss.logout(), list[str])
    found = dss.credential()
    assert_type(found, Credential | None)
    if found is not None:
        assert_type(found.email, str | None)
        assert_type(found.expires_at, float | None)


def scripts_of_hca(replica: Literal["aws", "gcp"]) -> None:
    config = HCAConfig(save_on_exit=False)
    dss = HCAClient(config=config, swagger_url="https://h.example/v1/swagger.json", retries=3)
    bundle = dss.get_bundle(uuid="u", replica=replica, presignedurls="true")
    assert_type(bundle, hca_types.GetBundleResponse)
    assert_type(bundle["bundle"]["files"][0]["content-type"], str)
    for hit in dss.post_search.iterate(replica="aws", es_query={}):
        assert_type(hit["bundle_fqid"], str)
    assert_type(dss.get_file(uuid="u", replica="aws"), bytes | hca_types.JSONValue)
    assert_type(dss.head_file(uuid="u", replica="aws").headers["X-DSS-SIZE"], str)
    with dss.get_file.stream(uuid="u", replica="aws") as response:
        assert_type(response.iter_content(1024), Iterator[bytes])
    assert_type(dss.upload("d", "aws", "b")["files"][0]["uuid"], str)
    try:
        dss.download("u", "aws", no_data=True)
    except SwaggerAPIException as error:
        assert_type(error.code, int)
        assert_type(error.reason, str | None)


async def asynchronous(dss: AsyncDSSClient, switch: bool) -> None:
    assert_type(await dss.post_search(replica="aws", es_query={}), SearchResult)
    assert_type(dss.post_search.iterate(replica="aws", es_query={}), AsyncIterator[SearchHit])
    assert_type(dss.get_bundle.paginate(uuid=U, replica="aws"), AsyncIterator[GetBundleResponse])
    async for hit in dss.post_search.iterate(replica="aws", es_query={}):
        assert_type(hit, SearchHit)
    answer = await dss.get_bundle(uuid=U, replica="aws")
    assert_type(answer.bundle.files[0].size, int)
    assert_type((await dss.get_bundle.raw(uuid=U, replica="aws")).parsed, GetBundleResponse)
    assert_type(await dss.get_file(uuid=U, replica="aws"), bytes)
    assert_type(await dss.get_file(uuid=U, replica="aws", directurl=True), str)
    assert_type(await dss.get_file(uuid=U, replica="aws", directurl=switch), bytes | str)
    assert_type((await dss.head_file(uuid=U, replica="aws")).sha256, str)
    assert_type((await dss.get_file.locate(uuid=U, replica="aws")).headers, FileHeaders)
    async with dss.get_file.stream(uuid=U, replica="aws") as content:
        assert_type(content.headers, FileHeaders)
        assert_type(content.iter_bytes(), AsyncIterator[bytes])
        assert_type(await content.read(), bytes)
        async for piece in content:
            assert_type(piece, bytes)
    assert_type(await dss.logout(), list[str])
    assert_type(await dss.credential(), Credential | None)
    job = await dss.checkout(uuid=U, replica="aws")
    assert_type(job, AsyncCheckoutJob)
    assert_type(await job.status(), CheckoutStatus)
    assert_type(await job.wait(timeout=1.5), str)
    report = await dss.upload(src_dir=".", replica="aws", staging_bucket="b")
    assert_type(report, UploadReport)
