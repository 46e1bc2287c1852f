"""Tokens and what they allow, and the order in which a secured request is checked.

See docs/behaviour.md 2, 6.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.auth import EMAIL_CLAIM, GROUP_CLAIM
from dss_client.local.validation import operations
from tests.local.calls import UNKNOWN, UUID, expect, problem
from tests.local.calls import V2 as VERSION

ADMIN = "admin@example.org"
ISSUER = "https://issuer.example.org/"
ROBOT = "robot@project.example.org"
AUDIENCE = "https://dev.data.humancellatlas.org/"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks(**keys: rsa.RSAPrivateKey) -> dict[str, Any]:
    elliptic = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), True)
    return {
        "keys": [
            {**elliptic, "kid": "elliptic"},
            *({**RSAAlgorithm.to_jwk(keys[k].public_key(), True), "kid": k} for k in keys),
        ]
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    settings = LocalSettings(
        admins=frozenset({ADMIN}),
        trusted_issuers={ISSUER: jwks(first=KEY), ROBOT: jwks(first=KEY)},
    )
    with LocalDSS(tmp_path_factory.mktemp("secured"), settings=settings) as dss:
        yield dss


@pytest.fixture(scope="module")
def reading() -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(read_only=True)) as dss:
        yield dss


def put_file(dss: LocalDSS, authorization: str | None, **changes: Any) -> httpx.Response:
    """Send a PUT /files that only fails at its own first check, with 400."""
    headers = {} if authorization is None else {"Authorization": authorization}
    request: dict[str, Any] = {
        "params": {"version": VERSION},
        "json": {"source_url": "wasb://x", "creator_uid": 1},
        "headers": headers,
    }
    return httpx.put(f"{dss.url}/files/{UUID}", **{**request, **changes})


def signed(key: Any = KEY, kid: str | None = "first", alg: str = "RS256", **changes: Any) -> str:
    claims = {"iss": ISSUER, "sub": "x", "aud": AUDIENCE, "scope": ["openid"], GROUP_CLAIM: "hca"}
    return jwt.encode({**claims, **changes}, key, alg, headers={"kid": kid} if kid else None)


NUMBER_AS_GROUP: dict[str, Any] = {GROUP_CLAIM: 7}
PASSED = (400, "unknown_source_schema")
FORBIDDEN, UNAUTHORIZED, NO_TOKEN = (
    (403, "Forbidden"), (401, "Unauthorized"), (401, "OAuthProblem"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, NO_TOKEN),
        ("", NO_TOKEN),
        ("Bearer", NO_TOKEN),
        ("Bearer a b", NO_TOKEN),
        ("Basic TOKEN", NO_TOKEN),
        ("bEARER TOKEN", PASSED),
        ("Bearer a.b.c", UNAUTHORIZED),
        (f"Bearer {'.' * 30_000}", UNAUTHORIZED),
        ("Bearer ünsigned.tökens.x", UNAUTHORIZED),
    ],
)
def test_the_header(
    secured: LocalDSS, authorization: str | None, expected: tuple[int, str]
) -> None:
    text = authorization and authorization.replace("TOKEN", secured.mint_token())
    headers = {} if text is None else {b"Authorization": text.encode()}
    assert problem(put_file(secured, None, headers=headers)) == expected


def test_the_titles_begin_as_the_originals_do(secured: LocalDSS) -> None:
    titles = {
        None: "No authorization token provided",
        "Bearer a.b.c": "Failed to decode token",
        f"Bearer {secured.mint_token(expires_in=-60)}": "Authorization token is invalid",
        f"Bearer {secured.mint_token(group='x')}": "User is not authorized to access this resource",
    }
    for authorization, title in titles.items():
        assert put_file(secured, authorization).json()["title"].startswith(title)
    response = send(secured, "get_collections", secured.mint_token(email=None))
    assert response.json()["title"] == "Authorization token is missing email claims."


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, PASSED),
        ({"iss": "https://else.example.org/"}, FORBIDDEN),
        ({"iss": None}, FORBIDDEN),
        ({"expires_in": -10}, UNAUTHORIZED),
        ({"exp": "soon"}, UNAUTHORIZED),
        ({"exp": 1e400}, UNAUTHORIZED),
        ({"iat": 99999999999}, UNAUTHORIZED),
        ({"aud": "https://else.example.org/"}, UNAUTHORIZED),
        ({"aud": None}, UNAUTHORIZED),
        ({"aud": ["x", AUDIENCE]}, PASSED),
        ({"scope": None}, UNAUTHORIZED),
        ({"scope": None, "scopes": ["any"]}, PASSED),
    ],
)
def test_the_claims(secured: LocalDSS, claims: dict[str, Any], expected: tuple[int, str]) -> None:
    assert problem(put_file(secured, f"Bearer {secured.mint_token(**claims)}")) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (signed(), PASSED),
        (signed(kid="unknown"), UNAUTHORIZED),
        (signed(kid="elliptic"), UNAUTHORIZED),
        (signed(kid=None), UNAUTHORIZED),
        (signed(OTHER_KEY), UNAUTHORIZED),
        (signed("x" * 32, alg="HS256"), UNAUTHORIZED),
        (signed(alg="RS512"), UNAUTHORIZED),
        (signed("", alg="none"), UNAUTHORIZED),
        (signed(iss=ROBOT, sub=ROBOT), PASSED),
        (signed(iss=ROBOT, sub="someone"), FORBIDDEN),
        (signed(iss="else@project.example.org"), FORBIDDEN),
        (signed(**NUMBER_AS_GROUP), FORBIDDEN),
    ],
)
def test_other_issuers(secured: LocalDSS, token: str, expected: tuple[int, str]) -> None:
    assert problem(put_file(secured, f"Bearer {token}")) == expected


def test_a_token_is_good_for_its_server_only_and_outlives_it(
    secured: LocalDSS, tmp_path: Path
) -> None:
    dss = LocalDSS(tmp_path)
    token = dss.mint_token()
    for _ in range(2):
        with dss:
            assert problem(put_file(dss, f"Bearer {token}")) == PASSED
            assert problem(put_file(dss, f"Bearer {secured.mint_token()}")) == UNAUTHORIZED


@pytest.mark.parametrize("keys", [{}, {"keys": 1}, {"keys": [{}]}, jwks()])
def test_a_bad_key_set_is_told_at_once(tmp_path: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=ISSUER):
        LocalDSS(tmp_path, settings=LocalSettings(trusted_issuers={ISSUER: keys}))


def test_order_of_checks(secured: LocalDSS, reading: LocalDSS) -> None:
    """Each request is bad in all that is left, and better in one thing than the one before."""
    query, body = {"version": VERSION}, {"source_url": "s3://b/k", "creator_uid": 1}
    bad, good = "/files/no-uuid", f"/files/{UUID}"
    with httpx.Client(base_url=secured.url) as client:
        expect(client, "PUT", bad, *NO_TOKEN, content=b"{}")
        client.headers["Authorization"] = f"Bearer {secured.mint_token(group='public')}"
        expect(client, "PUT", bad, 415, "unsupported_media_type", content=b"{}")
        for word, sent in (
            ("source_url", {"json": {}}),
            ("'version'", {"json": body}),
            ("'uuid'", {"json": body, "params": query}),
        ):
            assert word in expect(client, "PUT", bad, 400, **sent).json()["title"]
        expect(client, "PUT", good, *FORBIDDEN, params=query, json=body)
    response = put_file(reading, f"Bearer {reading.mint_token(group='public')}")
    assert problem(response) == (503, "read_only")


ALIVE = f"replica=aws&version={VERSION}"
CALLS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "put_file": (
        "PUT",
        f"/files/{UUID}?version={VERSION}",
        {"source_url": "s3://b/k", "creator_uid": 1},
    ),
    "put_bundle": ("PUT", f"/bundles/{UUID}?{ALIVE}", {"files": [], "creator_uid": 1}),
    "patch_bundle": ("PATCH", f"/bundles/{UUID}?{ALIVE}", {}),
    "delete_bundle": ("DELETE", f"/bundles/{UNKNOWN}?replica=aws", {"reason": "x"}),
    "get_collections": ("GET", "/collections", None),
    "put_collection": (
        "PUT",
        f"/collections?uuid={UUID}&{ALIVE}",
        {"name": "n", "description": "d", "details": {}, "contents": []},
    ),
    "get_collection": ("GET", f"/collections/{UUID}?replica=aws", None),
    "patch_collection": ("PATCH", f"/collections/{UUID}?{ALIVE}", {}),
    "delete_collection": ("DELETE", f"/collections/{UUID}?replica=aws", None),
    "get_subscriptions": ("GET", "/subscriptions?replica=aws", None),
    "put_subscription": (
        "PUT",
        "/subscriptions?replica=aws",
        {"callback_url": "https://example.org/"},
    ),
    "get_subscription": ("GET", f"/subscriptions/{UUID}?replica=aws", None),
    "delete_subscription": ("DELETE", f"/subscriptions/{UUID}?replica=aws", None),
}
RULES: dict[str, list[tuple[dict[str, Any], tuple[int, str] | None]]] = {
    "collection": [
        ({"group": "public"}, FORBIDDEN),
        ({"email": None}, UNAUTHORIZED),
        ({"email": None, "group": None}, FORBIDDEN),
        ({}, None),
    ],
    "subscription": [
        ({"group": "other"}, FORBIDDEN),
        ({"email": None}, UNAUTHORIZED),
        ({"group": "hca"}, None),
        ({"group": "public"}, None),
    ],
    "delete_bundle": [
        ({"email": None}, UNAUTHORIZED),
        ({}, FORBIDDEN),
        ({"email": ADMIN, "group": None}, None),
    ],
    "": [({"group": "public"}, FORBIDDEN), ({"group": None}, FORBIDDEN), ({"email": None}, None)],
}
"""What tokens with these claims get of the operations whose name holds the key; None: all."""


def send(dss: LocalDSS, name: str, token: str | None) -> httpx.Response:
    method, path, body = CALLS[name]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, dss.url + path, json=body, headers=headers)


def test_the_calls_are_those_of_the_secured_operations() -> None:
    assert set(CALLS) == {operation.id for operation in operations() if operation.secured}


@pytest.mark.parametrize("name", CALLS)
def test_what_each_secured_operation_asks_for(secured: LocalDSS, name: str) -> None:
    assert problem(send(secured, name, None)) == NO_TOKEN
    rules = next(rules for words, rules in RULES.items() if words in name)
    for claims, expected in rules:
        response = send(secured, name, secured.mint_token(**claims))
        if expected is None:
            assert response.status_code not in {401, 403}, claims
        else:
            assert problem(response) == expected, claims


def test_the_plain_email_claim_is_the_second_choice(secured: LocalDSS) -> None:
    plain = signed(email=ADMIN)
    assert problem(send(secured, "delete_bundle", plain)) == (404, "not_found")
    first = signed(email=ADMIN, **{EMAIL_CLAIM: "else@example.org"})
    assert problem(send(secured, "delete_bundle", first)) == FORBIDDEN


def test_open_operations_ignore_a_token(secured: LocalDSS) -> None:
    headers = {"Authorization": "Bearer nonsense and more"}
    response = httpx.get(f"{secured.url}/bundles/all?replica=aws", headers=headers)
    assert response.status_code == 200


def test_read_only(reading: LocalDSS) -> None:
    refused = [send(reading, name, reading.mint_token()) for name in CALLS if "get" not in name]
    with httpx.Client(base_url=reading.url, params={"replica": "aws"}) as client:
        expect(client, "GET", f"/files/{UUID}", 404)
        expect(client, "GET", "/bundles/all", 200)
        expect(client, "POST", "/search", 200, json={"es_query": {}})
        refused.append(client.post(f"/bundles/{UUID}/checkout", json={}))
    for response in refused:
        assert problem(response) == (503, "read_only")
        assert response.headers["retry-after"] == "600"
