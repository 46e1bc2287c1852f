"""The signatures of the facade are those of docs/behaviour.md 14.2 and 14.3."""

import ast
import inspect
from typing import Any

import pytest

from dss_client.hca.dss import DSSClient
from tests.operations.cases import CASES, Case

HAND_WRITTEN = {
    "__init__": "config=None, swagger_url=None, **session_kwargs",
    "upload": "src_dir, replica, staging_bucket, timeout_seconds=1200, no_progress=False,"
    " bundle_uuid=None",
    "download": "bundle_uuid, replica, version='', download_dir='', metadata_filter=('*',),"
    " data_filter=('*',), no_metadata=False, no_data=False, num_retries=10, min_delay_seconds=0.25",
    "download_manifest": "manifest, replica, layout='none', no_metadata=False, no_data=False,"
    " num_retries=10, min_delay_seconds=0.25, download_dir=''",
    "download_collection": "uuid, replica, version=None, download_dir=''",
    "create_version": "",
    "login": "access_token='', remote=False",
    "logout": "",
    "clear_cache": "",
}
VERBS = {"delete", "get", "head", "patch", "post", "put"}
PAGED = {"post_search", "get_bundles_all", "get_bundle", "get_collections", "get_events"}
GENERATED = [
    "post_search",
    "head_file",
    "get_file",
    "put_file",
    "get_bundles_all",
    "get_bundle",
    "put_bundle",
    "patch_bundle",
    "delete_bundle",
    "post_bundles_checkout",
    "get_bundles_checkout",
    "get_subscriptions",
    "put_subscription",
    "get_subscription",
    "delete_subscription",
    "get_collections",
    "put_collection",
    "get_collection",
    "patch_collection",
    "delete_collection",
    "get_events",
    "get_event",
]


def bare(function: Any) -> str:
    """Return the parameters of a function without types."""
    node = ast.parse(f"def f{inspect.signature(function, eval_str=False)}: ...").body[0]
    assert isinstance(node, ast.FunctionDef)
    for argument in [*node.args.args, *filter(None, [node.args.kwarg])]:
        argument.annotation = None
    return ast.unparse(node.args).removeprefix("self").removeprefix(", ")


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_a_hand_written_method(name: str) -> None:
    assert bare(getattr(DSSClient, name)) == HAND_WRITTEN[name].strip()


def test_every_generated_method_is_there(dss: DSSClient) -> None:
    own = {name for name in dir(type(dss)) if name.split("_")[0] in VERBS}
    assert own == set(GENERATED)
    paged = {name for name in GENERATED if hasattr(getattr(dss, name), "iterate")}
    assert paged == PAGED
    assert {name for name in GENERATED if hasattr(getattr(dss, name), "paginate")} == PAGED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_generated_method_takes_the_names_of_the_api(case: Case, dss: DSSClient) -> None:
    method = getattr(dss, case.name)
    parameters = inspect.signature(method).parameters
    assert parameters.keys() == case.all.keys()
    for name, parameter in parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert (parameter.default is parameter.empty) == (name in case.least)
    for other in ("iterate", "paginate"):
        if case.name in PAGED:
            assert inspect.signature(getattr(method, other)).parameters.keys() == case.all.keys()
    streamed = inspect.signature(method.stream).parameters.keys()
    assert streamed == case.all.keys() - {"directurl"}
