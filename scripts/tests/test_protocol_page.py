"""`docs/protocol.md` against the messages that it describes."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from speechpipe_common import wire

CLIENT = (wire.Auth, wire.SetLangs, wire.Start, wire.Resume, wire.Flush, wire.Stop, wire.Keepalive)
SERVER = (
    wire.Ready,
    wire.SpeechStarted,
    wire.Realtime,
    wire.FinalCaption,
    wire.Translation,
    wire.AudioAck,
    wire.Error,
)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The page's text."""
    return (root / "docs" / "protocol.md").read_text()


def section(page: str, title: str) -> str:
    """The text below a heading, up to the next one."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "kinds", "union"),
    [
        ("What a client says", CLIENT, wire.ClientMessage),
        ("What a gateway says", SERVER, wire.ServerMessage),
    ],
)
def test_every_message_has_an_example_that_decodes(
    page: str, title: str, kinds: tuple[type[msgspec.Struct], ...], union: object
) -> None:
    """The page shows each message of its side once, with fields that exist and types that fit."""
    examples = re.findall(r"```json\n(.+?)```", section(page, title), re.DOTALL)
    decoded = [msgspec.json.decode(example, type=union) for example in examples]
    assert sorted(type(message).__name__ for message in decoded) == sorted(kind.__name__ for kind in kinds)
    for example, message in zip(examples, decoded, strict=True):
        assert set(json.loads(example)) - {"type"} <= set(message.__struct_fields__)


def test_the_realtime_example_keeps_its_promise(page: str) -> None:
    """The example's text is its committed part followed by its tail."""
    example = next(block for block in re.findall(r"```json\n(.+?)```", page, re.DOTALL) if '"realtime"' in block)
    message = msgspec.json.decode(example, type=wire.Realtime)
    assert message.text == message.committed + message.tail


def test_every_close_code_is_explained(page: str) -> None:
    """The table of endings lists exactly the codes that the wire module names."""
    listed = {int(code) for code in re.findall(r"^\| (\d{4}) \|", section(page, "How a connection ends"), re.MULTILINE)}
    assert listed == {value for name, value in vars(wire).items() if name.startswith("CLOSE_")}
