"""API keys, their file and its reloading; ids and resume tokens."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from speechpipe_gateway.auth import (
    KeyRing,
    KeysFileError,
    hash_token,
    main,
    new_key,
    new_session_id,
    new_token,
    parse_keys,
    verify_token,
)


def write(path: Path, *lines: str) -> None:
    """Replace the file at once, as a mounted Secret's update does."""
    staged = path.with_suffix(".new")
    staged.write_text("\n".join(lines))
    staged.replace(path)


def test_a_made_key_is_found_and_others_are_not(tmp_path: Path) -> None:
    """The key of a line is let in under its id and limit; a changed, shortened or empty one, or its hash, is not."""
    (alice, alice_line), (bob, bob_line) = new_key("alice", 3), new_key("bob")
    write(tmp_path / "keys", "# team keys", "", alice_line, f"  {bob_line}  ")
    ring = KeyRing(tmp_path / "keys", now=0)
    found = ring.find(alice, 0)
    assert found is not None
    assert (found.id, found.max_sessions) == ("alice", 3)
    other = ring.find(bob, 0)
    assert other is not None
    assert (other.id, other.max_sessions) == ("bob", None)
    for wrong in ("", alice[:-1], alice + "x", alice.upper(), alice_line, hashlib.sha256(alice.encode()).hexdigest()):
        assert ring.find(wrong, 0) is None


def test_a_changed_file_is_read_without_a_restart(tmp_path: Path) -> None:
    """A key added to the file works, and one removed no longer does, a second after the file was last looked at."""
    path = tmp_path / "keys"
    (old, old_line), (new, new_line) = new_key("old"), new_key("new")
    write(path, old_line)
    ring = KeyRing(path, now=0)
    write(path, new_line)
    assert ring.find(old, 0.9) is not None
    assert ring.find(new, 1.0) is not None
    assert ring.find(old, 1.0) is None


@pytest.mark.parametrize("damage", ["not a line", "", "missing", "binary"])
def test_a_bad_reload_keeps_the_old_keys(tmp_path: Path, damage: str) -> None:
    """A file that is malformed, empty, gone or no text is an error in the log, once, and nobody is locked out."""
    path = tmp_path / "keys"
    key, line = new_key("alice")
    write(path, line)
    ring = KeyRing(path, now=0)
    if damage == "missing":
        path.unlink()
    elif damage == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    else:
        write(path, damage)
    with capture_logs() as logs:
        assert ring.find(key, 2) is not None
        assert ring.find(key, 4) is not None
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert str(path) in logs[0]["reason"]
    write(path, line, new_key("bob")[1])
    os.utime(path, ns=(1, 1))
    with capture_logs() as logs:
        assert ring.find(key, 6) is not None
    assert [entry["log_level"] for entry in logs] == ["info"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "no key"),
        (["# only a comment"], "no key"),
        (["alice"], "line 1"),
        (["", "alice:abc"], "line 2"),
        ([f"alice:{'0' * 64}:0"], "line 1"),
        ([f"alice:{'0' * 64}:many"], "line 1"),
        ([f":{'0' * 64}"], "line 1"),
        ([f"a:{'0' * 64}", f"a:{'1' * 64}"], "'a' again"),
    ],
)
def test_a_bad_file_is_refused_at_start(tmp_path: Path, lines: Sequence[str], says: str) -> None:
    """A key file that lets nobody in, or has a malformed line, stops the start and names the line."""
    write(tmp_path / "keys", *lines)
    with pytest.raises(KeysFileError, match=says):
        KeyRing(tmp_path / "keys", now=0)


def test_a_missing_file_is_refused_at_start(tmp_path: Path) -> None:
    """A key file that is not there is named."""
    with pytest.raises(KeysFileError, match="nowhere"):
        KeyRing(tmp_path / "nowhere", now=0)


def test_errors_show_no_key(tmp_path: Path) -> None:
    """A key pasted into the file by mistake does not end up in the message about it."""
    key, _ = new_key("alice")
    with pytest.raises(KeysFileError) as caught:
        parse_keys(f"alice:{key}")
    assert key not in str(caught.value)


@given(st.text())
def test_any_text_is_keys_or_an_error(text: str) -> None:
    """Whatever a key file holds, it gives at least one key or a KeysFileError."""
    try:
        keys = parse_keys(text)
    except KeysFileError:
        return
    assert keys


def test_new_keys_differ_and_are_long() -> None:
    """Keys carry 256 random bits and are never the same."""
    keys = {new_key("a")[0] for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == len("sp_") + 43 for key in keys)


def test_the_command_prints_a_key_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed line in a file lets the printed key in."""
    assert main(["new-key", "alice", "--max-sessions", "2"]) == 0
    key, line = (row.rpartition(": ")[2] for row in capsys.readouterr().out.splitlines())
    write(tmp_path / "keys", line)
    found = KeyRing(tmp_path / "keys", now=0).find(key, 0)
    assert found is not None
    assert found.max_sessions == 2


@pytest.mark.parametrize("arguments", [["a b"], [""], ["a:b"], ["a", "--max-sessions", "0"]])
def test_the_command_refuses_what_no_file_can_hold(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An id or limit that would make a malformed line is refused before a key is shown."""
    assert main(["new-key", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_session_ids_and_tokens_are_random() -> None:
    """Ids have 128 bits, tokens 256, in letters that need no escaping in a URL or a key name."""
    ids, tokens = {new_session_id() for _ in range(100)}, {new_token() for _ in range(100)}
    assert len(ids) == len(tokens) == 100
    assert {len(one) for one in ids} == {22}
    assert {len(one) for one in tokens} == {43}
    assert all(one.replace("-", "").replace("_", "").isalnum() for one in ids | tokens)


@given(st.text(), st.text())
def test_only_the_token_fits_its_hash(token: str, other: str) -> None:
    """A token matches its own hash, no other token does, and no string makes the comparison fail."""
    assert verify_token(token, hash_token(token))
    assert verify_token(other, hash_token(token)) is (other == token)
    assert not verify_token(token, other)
