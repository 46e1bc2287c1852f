"""The signatures of the facade are those of docs/behaviour.md 14.2 and 14.3."""

import ast
import inspect
from typing import Any

import pytest

from dss_client._endpoints import ENDPOINTS
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
PAGED = {name for name, endpoint in ENDPOINTS.items() if endpoint.item_path}
GENERATED = sorted(ENDPOINTS)


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
    earlier = set(method.earlier)
    assert parameters.keys() == case.all.keys() | earlier
    for name, parameter in parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert (parameter.default is parameter.empty) == (name in case.least)


@pytest.mark.parametrize("name", ["stream", "paginate", "iterate"])
def test_the_others_take_the_same_names(name: str, dss: DSSClient) -> None:
    other = getattr(dss.get_bundle, name)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        other(uuid="u", replica="aws", colour="blue")
    with pytest.raises(TypeError, match="missing the keyword argument 'replica'"):
        other(uuid="u")
