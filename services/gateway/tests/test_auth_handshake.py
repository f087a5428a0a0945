"""Where a key may stand in a handshake, and which web pages may connect."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.handshake import handshake_token, origin_allowed


def offer(key: str) -> str:
    """The key as a subprotocol, without padding."""
    return "speechpipe.key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


@given(st.text())
def test_a_key_survives_the_subprotocol(key: str) -> None:
    """Any key in base64url comes back."""
    assert handshake_token(None, ["speechpipe.v1", offer(key)]) == key


@pytest.mark.parametrize(
    ("authorization", "subprotocols", "token"),
    [
        (None, [], None),
        ("", ["speechpipe.v1"], None),
        ("Basic dXNlcjpwYXNz", [], None),
        ("Bearer secret", [], "secret"),
        ("bearer   secret ", [], "secret"),
        ("Bearer", [], ""),
        ("Bearer secret", [offer("other")], "secret"),
        (None, ["speechpipe.key.***"], ""),
        (None, ["speechpipe.key._w"], ""),
        (None, ["speechpipe.key.ключ"], ""),
    ],
)
def test_where_a_key_may_stand(authorization: str | None, subprotocols: list[str], token: str | None) -> None:
    """The header goes before the subprotocol; nothing shown is None, and what cannot be read is nobody's key."""
    assert handshake_token(authorization, subprotocols) == token


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "expected"),
    [
        (None, "gateway:5026", [], True),
        ("http://gateway:5026", "gateway:5026", [], True),
        ("https://Captions.example", "captions.example", [], True),
        ("https://captions.example", "captions.example:443", [], True),
        ("https://evil.example", "captions.example", [], False),
        ("https://captions.example.evil", "captions.example", [], False),
        ("https://captions.example:8443", "captions.example", [], False),
        ("null", "captions.example", [], False),
        ("http://[", "captions.example", [], False),
        ("https://captions.example", None, [], False),
        ("https://app.example", "captions.example", ["https://app.example"], True),
        ("https://app.example:443", "captions.example", ["https://app.example"], True),
        ("http://app.example", "captions.example", ["https://app.example"], False),
        ("https://captions.example", "captions.example", ["https://app.example"], False),
        ("null", "captions.example", ["https://app.example"], False),
        ("null", "captions.example", ["*"], True),
    ],
)
def test_which_pages_may_connect(origin: str | None, host: str | None, allowed: list[str], expected: bool) -> None:
    """Programs may connect; pages only from the gateway's own host, or from the listed origins when there is a list."""
    assert origin_allowed(origin, host, allowed) is expected


@given(st.text(), st.text())
def test_any_origin_gets_an_answer(origin: str, host: str) -> None:
    """No header makes the check fail."""
    assert origin_allowed(origin, host, ["https://app.example"]) in (True, False)
    assert origin_allowed(origin, host, []) in (True, False)
