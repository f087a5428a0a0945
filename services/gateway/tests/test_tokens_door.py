"""Tokens over real sockets: a gateway, an issuer that shows its keys over HTTP, and whatever can go wrong between."""

import asyncio
import base64
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from issuer import AUDIENCE, Issuer, Key, claims, forged
from websockets.exceptions import InvalidStatus
from wire_raw import knock, knocking
from wire_world import GatewayProcess, call

from speechpipe_common.testing import eventually
from speechpipe_gateway.tokens.rules import LEEWAY_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

RS, ES, ED = Key("one"), Key("two", "ES256"), Key("three", "EdDSA")
UNKNOWN = Key("unknown")


def gateway_of(issuer: Issuer, valkey: str, folder: Path, **settings: str) -> GatewayProcess:
    """A gateway that takes the issuer's tokens, and one API key."""
    tokens = {
        "JWKS_URL": issuer.url,
        "JWT_ISSUER": issuer.name,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_ALGORITHMS": "RS256,ES256,EdDSA",
    }
    return GatewayProcess(valkey, folder, **(tokens | settings))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Shows a key of each algorithm."""
    with Issuer(RS, ES, ED) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(issuer: Issuer, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Takes tokens alone: it has no API keys."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_of(issuer, valkey, folder, API_KEYS_FILE="") as process:
        yield process


async def answer(gateway: GatewayProcess, token: str) -> tuple[int, str]:
    """Status of a handshake with this token, and the code of the refusal."""
    async with knocking(gateway, token) as raw:
        return raw.status, raw.body["code"] if raw.status != 101 else ""


@pytest.mark.parametrize("key", [RS, ES, ED], ids=lambda key: key.algorithm)
async def test_a_token_opens_a_session(key: Key, gateway: GatewayProcess, issuer: Issuer) -> None:
    """A token of each algorithm is taken in the header, as a page's subprotocol, and in ``auth``."""
    token = issuer.token(key, subject=key.algorithm)
    async with call(gateway, token) as caller:
        assert (await caller.start())["resumed"] is False
    offered = "speechpipe.v1, speechpipe.key." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    origin = f"http://127.0.0.1:{gateway.port}"
    async with knocking(gateway, None, Origin=origin, Sec_WebSocket_Protocol=offered) as raw:
        assert (raw.status, raw.headers["sec-websocket-protocol"]) == (101, "speechpipe.v1")
    async with call(gateway, None) as caller:
        await caller.say("auth", token=token)
        await caller.start()


WRONG: dict[str, Any] = {
    "bad_token": lambda issuer: "sp_an_api_key_or_so",
    "token_algorithm": lambda issuer: forged({"alg": "HS256", "kid": "one"}, claims(issuer.name), RS.pem),
    "token_audience": lambda issuer: issuer.token(aud="mail"),
    "token_claims": lambda issuer: issuer.token(exp=None),
    "token_expired": lambda issuer: issuer.token(exp=-60),
    "token_issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "token_not_yet_valid": lambda issuer: issuer.token(nbf=3600),
    "token_signature": lambda issuer: Key("one").sign(claims(issuer.name)),
    "token_subject": lambda issuer: issuer.token(subject=""),
    "token_unknown_key": lambda issuer: UNKNOWN.sign(claims(issuer.name)),
}


@pytest.mark.parametrize("code", WRONG)
async def test_a_refused_token_is_told_why(code: str, gateway: GatewayProcess, issuer: Issuer) -> None:
    """401 for programs, ``error`` and 1008 for pages and in ``auth``; the token is in no answer and in no log."""
    token = WRONG[code](issuer)
    assert await answer(gateway, token) == (401, code)
    async with call(gateway, None) as caller:
        await caller.say("auth", token=token)
        assert await caller.closed() == 1008
        [error] = caller.of("error")
        assert (error["code"], error["close"]) == (code, 1008)
        assert token not in error["message"]
    async with knocking(gateway, token, Origin=f"http://127.0.0.1:{gateway.port}") as raw:
        [error], closed, _ = await raw.closed()
        assert (error["code"], closed) == (code, 1008)
    assert token not in gateway.log()
    assert token.rsplit(".", 1)[0] not in gateway.log()


async def test_none_and_addresses_in_a_token_let_nobody_in(gateway: GatewayProcess, issuer: Issuer) -> None:
    """An unsigned token is refused, and the address of keys in a token's header is never asked."""
    assert await answer(gateway, forged({"alg": "none"}, claims(issuer.name), None)) == (401, "token_algorithm")
    with Issuer(UNKNOWN) as evil:
        token = UNKNOWN.sign(claims(issuer.name), jku=evil.url, x5u=evil.url)
        assert await answer(gateway, token) == (401, "token_unknown_key")
        assert evil.requests == 0


async def test_places_belong_to_the_subject(issuer: Issuer, valkey: str, tmp_path: Path) -> None:
    """MAX_SESSIONS_PER_KEY counts a subject's sessions, whichever of its tokens opened them."""
    with gateway_of(issuer, valkey, tmp_path, API_KEYS_FILE="", MAX_SESSIONS_PER_KEY="2") as small:
        async with call(small, issuer.token(subject="busy")), call(small, issuer.token(ES, subject="busy")):
            assert await answer(small, issuer.token(ED, subject="busy")) == (503, "key_full")
            assert await answer(small, issuer.token(subject="another")) == (101, "")


async def test_a_session_is_resumed_by_its_subject_alone(gateway: GatewayProcess, issuer: Issuer) -> None:
    """Another subject's token is refused though it has the resume token, an expired one too; a fresh one goes on."""
    async with call(gateway, issuer.token(subject="carol")) as caller:
        ready = await caller.start()
    wanted = {"session_id": ready["session_id"], "token": ready["token"]}
    async with call(gateway, issuer.token(subject="mallory"), query="?resume=1") as other:
        await other.say("resume", **wanted)
        assert await other.closed() == 1008
        assert other.of("error")[0]["code"] == "resume_denied"
    assert await answer(gateway, issuer.token(subject="carol", exp=-60)) == (401, "token_expired")
    async with call(gateway, issuer.token(ES, subject="carol"), query="?resume=1") as again:
        await again.say("resume", **wanted)
        assert (await again.hears("ready"))["resumed"] is True


async def test_a_session_outlives_its_token(gateway: GatewayProcess, issuer: Issuer) -> None:
    """A session whose token has expired goes on to its end, while the same token opens no other."""
    for seconds in (4, 30, 90):  # a machine may be too busy to connect within the first
        token = issuer.token(subject="dora", exp=seconds - LEEWAY_SECONDS)
        with suppress(InvalidStatus):
            async with call(gateway, token) as caller:
                await caller.start()

                async def expired(token: str = token) -> bool:
                    return await answer(gateway, token) == (401, "token_expired")

                await eventually(expired, "the token to expire", 120)
                await caller.say("stop")
                assert await caller.closed() == 1000
                return
    pytest.fail("no session could be opened before its token had expired")


async def test_an_api_key_and_tokens_go_together(issuer: Issuer, valkey: str, tmp_path: Path) -> None:
    """With both configured each lets in, and an API key's holder is nobody's subject."""
    with gateway_of(issuer, valkey, tmp_path) as gateway:
        async with call(gateway) as caller:
            ready = await caller.start()
        assert await answer(gateway, "sp_wrong") == (401, "bad_token")
        async with call(gateway, issuer.token(subject="tester"), query="?resume=1") as other:
            await other.say("resume", session_id=ready["session_id"], token=ready["token"])
            assert await other.closed() == 1008


async def test_keys_are_rotated_without_a_restart(valkey: str, tmp_path: Path) -> None:
    """A new key is taken as soon as it may be asked for; one that is no longer shown is refused from then on."""
    new = Key("new")
    with Issuer(RS) as issuer, gateway_of(issuer, valkey, tmp_path) as gateway:

        async def becomes(key: Key, wanted: tuple[int, str]) -> bool:
            return await answer(gateway, issuer.token(key)) == wanted

        await eventually(lambda: becomes(RS, (101, "")), "the first keys", 120)
        issuer.keys = [new]
        await eventually(lambda: becomes(new, (101, "")), "the new key's entry", 120)
        assert await answer(gateway, issuer.token(RS)) == (401, "token_unknown_key")


async def test_unknown_keys_do_not_flood_the_issuer(valkey: str, tmp_path: Path) -> None:
    """Hundreds of tokens with invented key ids cause a request in 10 s at most, and known ones are taken meanwhile."""
    with Issuer(RS) as issuer, gateway_of(issuer, valkey, tmp_path, API_KEYS_FILE="") as gateway:
        began, asked = time.monotonic(), issuer.requests
        for batch in range(10):
            tokens = [UNKNOWN.sign(claims(issuer.name), kid=f"{batch}-{n}") for n in range(15)]
            answers = await asyncio.gather(*(answer(gateway, token) for token in tokens))
            assert set(answers) == {(401, "token_unknown_key")}
            assert await answer(gateway, issuer.token()) == (101, "")
        assert issuer.requests - asked <= 1 + (time.monotonic() - began) / 10


async def test_known_keys_stay_good_while_the_issuer_is_away(valkey: str, tmp_path: Path) -> None:
    """Up to the bound of staleness known keys count; then tokens get 503 and try again; API keys work all along."""
    with Issuer(RS) as issuer, gateway_of(issuer, valkey, tmp_path, JWKS_STALE_SECONDS="30") as gateway:

        async def becomes(wanted: tuple[int, str]) -> bool:
            return await answer(gateway, issuer.token()) == wanted

        await eventually(lambda: becomes((101, "")), "the first keys", 120)
        issuer.down()
        assert await answer(gateway, issuer.token()) == (101, "")
        await eventually(lambda: becomes((503, "token_keys_unavailable")), "the keys to be too old", 120)
        assert await answer(gateway, gateway.key) == (101, "")
        issuer.up()
        await eventually(lambda: becomes((101, "")), "keys again", 120)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65_536)
    except OSError:
        return


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(("misbehave", "says"), [(_endless, "longer than 262144 bytes"), (_redirect, "HTTP 302")])
async def test_a_strange_answer_is_refused_and_said(misbehave: Any, says: str, valkey: str, tmp_path: Path) -> None:
    """An answer without an end, or one that leads elsewhere, is a warning in the log, and API keys go on working."""
    with Issuer(RS) as issuer:
        issuer.answer = misbehave
        with gateway_of(issuer, valkey, tmp_path) as gateway:
            await eventually(lambda: says in gateway.log(), "the warning", 120)
            assert await answer(gateway, issuer.token()) == (503, "token_keys_unavailable")
            assert await answer(gateway, gateway.key) == (101, "")
            issuer.answer = None

            async def taken() -> bool:
                return await answer(gateway, issuer.token()) == (101, "")

            await eventually(taken, "keys once the issuer behaves", 120)
            assert gateway.log().count("jwks_unavailable") == 1


async def test_a_slow_issuer_holds_up_nobody_else(valkey: str, tmp_path: Path) -> None:
    """While a request for keys hangs, known keys and API keys let in at once; it ends, and whoever waited is told."""
    with Issuer(RS) as issuer, gateway_of(issuer, valkey, tmp_path) as gateway:

        async def waits() -> asyncio.Task[Any] | None:
            issuer.may_answer.clear()
            before = issuer.requests
            task = asyncio.create_task(knock(gateway, UNKNOWN.sign(claims(issuer.name))))
            done, _ = await asyncio.wait([task], timeout=1)
            if done:
                (await task).abort()
            return task if issuer.requests > before and not task.done() else None

        async def first() -> bool:
            return await answer(gateway, issuer.token()) == (101, "")

        await eventually(first, "the first keys", 120)
        waiting = await eventually(waits, "a request that hangs", 120)
        assert waiting is not None
        assert await answer(gateway, issuer.token()) == (101, "")
        assert await answer(gateway, gateway.key) == (101, "")
        raw = await waiting
        assert (raw.status, raw.body["code"]) == (401, "token_unknown_key")
        raw.abort()


async def test_a_gateway_without_keys_is_not_ready(valkey: str, tmp_path: Path) -> None:
    """Where tokens are all there is and no keys have come, ``/ready`` says from where; once they come it is ready."""
    issuer = Issuer(RS)
    issuer.down()
    gateway = gateway_of(issuer, valkey, tmp_path, API_KEYS_FILE="")
    entering = asyncio.create_task(asyncio.to_thread(gateway.__enter__))
    try:
        await eventually(lambda: f"fetched from {issuer.url}" in gateway.get("/ready")[1], "the reason", 120)
        issuer.up()
        await entering
        assert gateway.metric('jwks_fetches_total{outcome="ok"}') >= 0
    finally:
        await asyncio.wait([entering])
        gateway.__exit__(None, None, None)
        issuer.down()
