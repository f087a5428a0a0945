"""What makes a token good, and when keys are fetched: values and a clock, no server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import AUDIENCE, Key, claims, forged

from speechpipe_gateway.settings import GatewaySettings
from speechpipe_gateway.tokens.key_set import FetchPlan, KeySet, KeySetError, parse_keys
from speechpipe_gateway.tokens.rules import (
    ALGORITHMS,
    LONGEST_TOKEN,
    REFUSALS,
    TokenError,
    TokenRule,
    signature,
    subject,
)

ISSUER = "https://login.example"
RULE = TokenRule(ISSUER, AUDIENCE, ALGORITHMS)
KEYS = {algorithm: Key(algorithm.lower(), algorithm) for algorithm in ALGORITHMS}
RS = KEYS["RS256"]
OTHER = Key("rs256")


def shown(*keys: Key, **changed: Any) -> KeySet:
    """The keys as they come from an issuer."""
    return parse_keys(json.dumps({"keys": [key.jwk | changed for key in keys]}).encode())


def bearer(token: str, rule: TokenRule = RULE, keys: KeySet | None = None) -> str:
    """Who shows the token."""
    key = (keys or shown(*KEYS.values())).find(signature(token, rule))
    assert key is not None
    return subject(token, key, rule)


def refused(token: str, rule: TokenRule = RULE) -> TokenError:
    """Why the token lets nobody in."""
    with pytest.raises(TokenError) as caught:
        bearer(token, rule)
    assert token not in caught.value.message
    assert caught.value.code in REFUSALS
    return caught.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_names_its_bearer(algorithm: str) -> None:
    """A token of each algorithm is taken; its audience may be one of several, and clocks may differ a little."""
    key = KEYS[algorithm]
    assert bearer(key.sign(claims(ISSUER))) == "alice"
    assert bearer(key.sign(claims(ISSUER, aud=["other", AUDIENCE], nbf=20, exp=-1))) == "alice"
    assert bearer(key.sign(claims(ISSUER, email="a@b")), TokenRule(ISSUER, AUDIENCE, ALGORITHMS, "email")) == "a@b"


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        ({"exp": -60}, "token_expired", "get a new one"),
        ({"exp": None}, "token_claims", "no claim exp"),
        ({"exp": "soon"}, "bad_token", "neither"),
        ({"nbf": 600}, "token_not_yet_valid", "clock"),
        ({"iat": 600}, "token_not_yet_valid", "clock"),
        ({"iss": "https://evil.example"}, "token_issuer", ISSUER),
        ({"iss": None}, "token_claims", "no claim iss"),
        ({"iss": ISSUER + "/"}, "token_issuer", ISSUER),
        ({"aud": "mail"}, "token_audience", AUDIENCE),
        ({"aud": ["mail", AUDIENCE + "2"]}, "token_audience", AUDIENCE),
        ({"aud": None}, "token_claims", "no claim aud"),
        ({"sub": None}, "token_claims", "no claim sub"),
        ({"sub": ""}, "token_subject", "claim sub"),
        ({"sub": "x" * 257}, "token_subject", "claim sub"),
        ({"sub": "a\nb"}, "token_subject", "claim sub"),
        ({"sub": 5}, "bad_token", "neither"),
    ],
)
def test_a_claim_that_is_wrong_is_named(changed: dict[str, Any], code: str, says: str) -> None:
    """Each claim that does not fit refuses the token, with a code, and a sentence that says what to do."""
    error = refused(RS.sign(claims(ISSUER, **changed)))
    assert error.code == code
    assert says in error.message


def test_only_the_configured_algorithms_count() -> None:
    """No signature, HMAC with the public key as its secret, and algorithms that are not configured are refused."""
    good = claims(ISSUER)
    for header, secret in (
        ({"alg": "none", "kid": "rs256"}, None),
        ({"alg": "None", "kid": "rs256"}, None),
        ({"alg": "HS256", "kid": "rs256"}, RS.pem),
        ({"alg": "HS256", "kid": "rs256"}, json.dumps(RS.jwk).encode()),
        ({"kid": "rs256"}, None),
    ):
        assert refused(forged(header, good, secret)).code == "token_algorithm"
    assert refused(KEYS["ES256"].sign(good), TokenRule(ISSUER, AUDIENCE, ("RS256",))).code == "token_algorithm"


def test_a_key_verifies_its_own_algorithm_only() -> None:
    """A token that names an RSA key and another algorithm finds no key: what the key is for is not the token's say."""
    token = KEYS["ES256"].sign(claims(ISSUER), kid="rs256")
    assert shown(RS).find(signature(token, RULE)) is None


def test_signatures_must_fit() -> None:
    """A token signed by somebody else under a known key id, or changed after it was signed, is refused."""
    assert refused(OTHER.sign(claims(ISSUER))).code == "token_signature"
    head, payload, tail = RS.sign(claims(ISSUER)).split(".")
    other = RS.sign(claims(ISSUER, subject="mallory")).split(".")[1]
    assert refused(f"{head}.{other}.{tail}").code == "token_signature"
    assert refused(f"{head}.{payload}.").code == "token_signature"


def test_what_a_header_asks_for_is_not_done() -> None:
    """Keys in the header, addresses of keys, and extensions that must be understood let nobody in."""
    evil = Key("evil")
    token = evil.sign(claims(ISSUER), jku="https://evil.example/keys", jwk=evil.jwk, x5u="https://evil.example/crt")
    assert shown(RS).find(signature(token, RULE)) is None
    assert refused(forged({"alg": "RS256", "kid": "rs256", "crit": ["exp"], "exp": 1}, claims(ISSUER), b"x")).code
    assert refused(forged({"alg": "RS256", "kid": 7}, claims(ISSUER), b"x")).code == "bad_token"


def test_a_token_without_a_key_id_needs_a_sole_key() -> None:
    """Where an issuer shows one key of the algorithm, a token need not name it; of two, none is guessed."""
    token = RS.sign(claims(ISSUER), kid=None)
    assert bearer(token, keys=shown(RS, KEYS["ES256"])) == "alice"
    assert shown(RS, Key("second")).find(signature(token, RULE)) is None


def test_a_long_token_is_refused_unread() -> None:
    """What is longer than any token has a refusal of its own."""
    assert refused("x" * LONGEST_TOKEN + ".y.z").code == "token_too_long"


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_any_text_is_refused_in_words(text: str) -> None:
    """Whatever is shown as a token, the answer is a refusal that does not repeat it."""
    with pytest.raises(TokenError):
        signature(text, RULE)


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"n": "!"},
        {"n": None},
        {"kid": 7},
        {"d": "AQAB"},
    ],
)
def test_keys_for_something_else_are_passed_over(changed: dict[str, Any]) -> None:
    """Keys that encrypt, are shared secrets, private, broken or for other algorithms do not count and harm no other."""
    keys = parse_keys(json.dumps({"keys": [RS.jwk | changed, KEYS["EdDSA"].jwk, 5]}).encode())
    assert {key.algorithm_name for key in keys.keys.values()} == {"EdDSA"}
    with pytest.raises(KeySetError, match="none of its keys"):
        shown(RS, **changed)


def test_the_new_name_of_eddsa_is_known() -> None:
    """A key declared as Ed25519 verifies EdDSA."""
    assert bearer(KEYS["EdDSA"].sign(claims(ISSUER)), keys=shown(KEYS["EdDSA"], alg="Ed25519")) == "alice"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"5",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"keys": [0]}',
    ],
)
def test_what_is_no_key_set_is_an_error(raw: bytes) -> None:
    """Whatever an address answers gives keys or a KeySetError."""
    with pytest.raises(KeySetError):
        parse_keys(raw)


def test_more_keys_than_any_issuer_has_are_refused() -> None:
    """A set of 65 keys is refused as a whole."""
    with pytest.raises(KeySetError, match="65 keys"):
        parse_keys(json.dumps({"keys": [{}] * 65}).encode())


def test_unknown_keys_ask_once_in_ten_seconds() -> None:
    """However often unknown key ids are shown, a request goes out for them at most once in 10 s."""
    plan = FetchPlan(now=0, stale_seconds=21_600)
    plan.begun(0)
    plan.succeeded(0)
    times = []
    for now in range(100):
        if plan.ask(now):
            times.append(now)
            assert plan.due == now
            plan.begun(now)
            plan.succeeded(now)
    assert times == [10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_failures_are_retried_less_and_less_often() -> None:
    """Waits double from a second to a minute and begin anew after a success; fresh keys are fetched in time."""
    plan, waits = FetchPlan(now=0, stale_seconds=21_600), []
    for _ in range(9):
        plan.failed(100)
        waits.append(plan.due - 100)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    plan.succeeded(100)
    assert plan.due == 400
    plan.failed(100)
    assert plan.due == 101
    soon = FetchPlan(now=0, stale_seconds=30)
    soon.succeeded(100)
    assert soon.due == 110


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "neither API_KEYS_FILE nor JWKS_URL"),
        ({"jwks_url": "https://a.example/keys"}, "JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE"),
        ({"jwks_url": "https://a.example/keys", "jwt_issuer": "i"}, "JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE"),
        ({"jwks_url": "http://a.example/keys"}, "pattern"),
        ({"jwks_url": "https://user:secret@a.example/keys"}, "pattern"),
        ({"jwks_url": "http://127.0.0.1.evil.example/keys"}, "pattern"),
        ({"jwks_url": "file:///etc/keys"}, "pattern"),
        ({"auth": "off", "jwt_algorithms": "HS256"}, "choose from RS256, ES256, EdDSA"),
        ({"auth": "off", "jwt_algorithms": "RS256,none"}, "choose from"),
        ({"auth": "off", "jwt_algorithms": ","}, "choose from"),
    ],
)
def test_settings_that_would_let_in_the_wrong_are_refused(given: dict[str, str], says: str) -> None:
    """Keys over plain http from elsewhere, no issuer or audience, symmetric algorithms: the process does not start."""
    with pytest.raises(ValueError, match=says):
        GatewaySettings.model_validate_strings(given)


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example/realms/a/protocol/openid-connect/certs",
        "https://login.example:8443/keys?client=a",
        "http://localhost:9000/keys",
        "http://127.0.0.1/keys",
        "http://[::1]:9000/",
        "http://dex.auth.svc:5556/dex/keys",
        "http://dex.auth.svc.cluster.local:5556/dex/keys",
    ],
)
def test_addresses_of_keys_that_are_taken(url: str) -> None:
    """Over TLS from anywhere; plain on this machine and within the cluster."""
    given = {"jwks_url": url, "jwt_issuer": "i", "jwt_audience": "a", "jwt_algorithms": "RS256, EdDSA"}
    assert GatewaySettings.model_validate_strings(given).token_rule.algorithms == ("RS256", "EdDSA")
