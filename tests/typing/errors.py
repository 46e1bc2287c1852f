"""Misuses of the public API: each line marked as one is an error to type checkers, no other is.

Nothing runs this; `api.py` is its positive twin.
"""

import dss_client
from dss_client import (
    AsyncDSSClient,
    DownloadReport,
    DSSClient,
    FileReport,
    RetryPolicy,
    Timeout,
    webhooks,
)
from dss_client.hca import DSSClient as HCAClient
from dss_client.models import BundleFile, BundleFileDict, CollectionItemDict, FileVersion

U = "2c5c6e2a-8a4c-4b4a-9d5e-000000000000"
V = "2019-01-01T000000.000000Z"


def names() -> None:
    print(dss_client.DSSCleint)  # error
    print(dss_client.models.FileVersionDict)  # error


def arguments(dss: DSSClient) -> None:
    dss.get_bundle(uuid=U, replica="azure")  # error
    dss.get_bundle(uuid=U, replica="AWS")  # error
    dss.get_bundle(uuid=U, replca="aws")  # error
    dss.get_bundle(uuid=U)  # error
    dss.get_bundle(U, "aws")  # error
    dss.get_bundle(uuid=1, replica="aws")  # error
    dss.get_bundle(uuid=U, replica="aws", per_page="10")  # error
    dss.get_bundle(uuid=U, replica="aws", directurls="true")  # error
    dss.get_bundle(uuid=None, replica="aws")  # error
    dss.post_search(replica="aws")  # error
    dss.post_search(replica="aws", es_query="*")  # error
    dss.post_search(replica="aws", es_query={}, output_format="full")  # error
    dss.put_file(uuid=U, source_url="s3://b/k", creator_uid=1)  # error
    dss.put_subscription(replica="aws", callback_url="https://x.org", method="GET")  # error
    dss.get_bundles_checkout(job_id="x", replica="aws")  # error
    dss.delete_bundle(uuid=U, replica="aws")  # error


def variants(dss: DSSClient) -> None:
    dss.get_bundle.raw(uuid=U)  # error
    dss.get_bundle.iterate(uuid=U, replica="azure")  # error
    dss.get_bundle.paginate(U)  # error
    dss.get_collection.iterate(uuid=U, replica="aws")  # error
    dss.head_file.stream(uuid=U, replica="aws")  # error
    dss.get_file.stream(uuid=U, replica="aws", directurl=True)  # error
    dss.get_file.locate(uuid=U)  # error
    dss.get_file(uuid=U, replica="aws", directurl="yes")  # error
    dss.get_bundel(uuid=U, replica="aws")  # error
    dss.get_file(uuid=U, replica="aws").splitlines("x")  # error


def results(dss: DSSClient) -> None:
    bundle = dss.get_bundle(uuid=U, replica="aws").bundle
    print(bundle.file)  # error
    print(bundle.files[0].sha_256)  # error
    bundle.files[0].size.upper()  # error
    bundle.files[0].url.upper()  # error
    print(bundle.files["a"])  # error
    print(dss.get_bundle(uuid=U, replica="aws").files)  # error
    print(dss.get_bundle.raw(uuid=U, replica="aws").bundle)  # error
    print(dss.get_file.locate(uuid=U, replica="aws").headers.sha512)  # error
    print(dss.head_file(uuid=U, replica="aws")["size"])  # error
    number: int = bundle.files[0].sha256  # error
    content: str = dss.get_file(uuid=U, replica="aws")  # error
    place: bytes = dss.get_file(uuid=U, replica="aws", directurl=True)  # error
    print(number, content, place)


def frozen(file: FileVersion, report: DownloadReport, policy: RetryPolicy) -> None:
    file.size = 5  # error
    file.content_type = "text/plain"  # error
    report.files = ()  # error
    policy.attempts = 3  # error


def dictionaries(dss: DSSClient) -> None:
    one: BundleFileDict = {"uuid": U, "version": V, "name": "a"}  # error
    two: BundleFileDict = {"uuid": U, "version": V, "name": "a", "indexed": "yes"}  # error
    three: CollectionItemDict = {"type": "file", "uuid": U, "version": V, "fragmnt": ""}  # error
    dss.patch_bundle(uuid=U, version=V, replica="aws", add_files=[{"uuid": U}])  # error
    dss.patch_bundle(uuid=U, version=V, replica="aws", add_files={"uuid": U})  # error
    dss.patch_collection(uuid=U, version=V, replica="aws", add_contents=["x"])  # error
    BundleFile(uuid=U, version=V, name="a")  # error
    BundleFile(uuid=U, version=V, name="a", indexed="yes")  # error
    print(one["nme"], two, three)  # error


def settings(dss: DSSClient) -> None:
    DSSClient(url=5)  # error
    DSSClient("http://127.0.0.1", "token")  # error
    DSSClient(retry=3)  # error
    RetryPolicy(3)  # error
    RetryPolicy(attempts="3")  # error
    Timeout(total=3)  # error
    dss.with_options(token="t")  # error
    dss.with_options(timeout="5")  # error


def higher(dss: DSSClient) -> None:
    dss.checkout(uuid=U, replica="azure")  # error
    dss.checkout(bundle_uuid=U, replica="aws")  # error
    dss.checkout(uuid=U, replica="aws").wait(timeout="1")  # error
    print(dss.checkout(uuid=U, replica="aws").location)  # error
    dss.download(uuid=U, replica="aws")  # error
    dss.download(bundle_uuid=U, replica="aws", data_filter=5)  # error
    dss.download(bundle_uuid=U, replica="aws", verify="md5")  # error
    dss.download_manifest(manifest="m", replica="aws", clash="ignore")  # error
    dss.download_bundles(bundles=[5], replica="aws")  # error
    dss.download_manifest(manifest="m.tsv", replica="aws", layout="flat")  # error
    dss.download_manifest(manifest=5, replica="aws")  # error
    dss.upload("d", "aws", "b")  # error
    dss.upload(src_dir="d", replica="azure", staging_bucket="b")  # error
    dss.upload(src_dir="d", replica="aws", staging_bucket="b", indexed=5)  # error
    dss.upload(src_dir="d", replica="aws")  # error
    entry: FileReport = dss.download(bundle_uuid=U, replica="aws").files  # error
    print(entry)


def replays(dss: DSSClient) -> None:
    dss.replay_events()  # error
    dss.replay_events(replica="azure")  # error
    for event in dss.replay_events(replica="aws"):
        print(event.document.fiels)  # error


def received(headers: dict[str, str]) -> None:
    webhooks.verify(headers, b"")  # error
    webhooks.verify(headers, "text", secrets="secret")  # error
    webhooks.verify(headers, b"", secrets=5)  # error
    webhooks.parse({"a": 1}, b"")  # error
    print(webhooks.parse(headers, b"").bundle)  # error


def searches(dss: DSSClient) -> None:
    dss.search_bundles(es_query="{}", replica="aws")  # error
    dss.search_bundles(es_query={}, replica="aws", on_missing="ignore")  # error
    dss.create_collection(name="n", description="d", contents=[5], replica="aws")  # error
    dss.subscribe(callback_url="https://h/", replica="aws", encoding="text/plain")  # error
    dss.subscribe(callback_url="https://h/", replica="aws", attachments={"a": 1})  # error


def session(dss: DSSClient) -> None:
    dss.login(token="t")  # error
    print(dss.credential().email)  # error


def scripts_of_hca(dss: HCAClient) -> None:
    dss.get_bundle(uuid=U, replcia="aws")  # error
    dss.get_bundle(U, "aws")  # error
    dss.get_bundle(uuid=U, replica="aws", presignedurls="yes")  # error
    print(dss.get_bundle(uuid=U, replica="aws")["bundles"])  # error
    print(dss.get_bundle(uuid=U, replica="aws").bundle)  # error
    print(next(dss.post_search.iterate(replica="aws", es_query={}))["fqid"])  # error
    dss.download("u", "azure")  # error
    dss.upload("d", "aws", "b", progress=print)  # error


async def mixed(dss: DSSClient, adss: AsyncDSSClient) -> None:
    await dss.get_bundle(uuid=U, replica="aws")  # error
    print(adss.get_bundle(uuid=U, replica="aws").bundle)  # error
    await adss.post_search.iterate(replica="aws", es_query={})  # error
    for _ in adss.post_search.iterate(replica="aws", es_query={}):  # error
        pass
    async for _ in dss.post_search.iterate(replica="aws", es_query={}):  # error
        pass
    with adss.get_file.stream(uuid=U, replica="aws"):  # error
        pass
    with AsyncDSSClient():  # error
        pass
    await adss.checkout(uuid=U, replica="aws").wait()  # error
