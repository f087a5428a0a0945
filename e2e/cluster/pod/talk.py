"""Speaks through a gateway from inside the cluster and prints all that it gets, one JSON object a line.

Runs in a pod of the client's image, beside copies of the fault suite's own clients (``callers.py``). What to do is the
first argument, in JSON: ``url``, ``clips`` (a folder of WAV files, each with its words in a ``.txt``), ``callers``
(each with ``name``, ``clips``, ``target``, ``partials``, ``gap``) and ``once``. Without ``once`` everybody speaks until
SIGTERM, then waits for what is still owed.

Lines: ``{"caller", "at", "message"}`` as it came over the wire, ``{"caller", "at", "said", "failure", "errors",
"resumed", "urls", "session"}`` at a caller's end.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
from callers import Caller, TappedConnection, Wire
from speech import Clip, recording

from speechpipe_client import Limits
from speechpipe_client import link as client_link
from speechpipe_common.wire import ServerMessage

LIMITS = Limits(patience_seconds=300.0)
"""As the library has it, but patient: a drained node may keep all gateways from working for minutes."""


def say(caller: str, **what: object) -> None:
    """Print one line, with the time in unix seconds."""
    print(json.dumps({"caller": caller, "at": time.time(), **what}), flush=True)  # noqa: T201 - its output


@dataclass
class PrintedWire(Wire):
    """Prints what comes over the connections of one session."""

    caller: str = ""

    def note(self, message: ServerMessage) -> None:
        """A message came."""
        super().note(message)
        say(self.caller, message=msgspec.to_builtins(message))


def read(folder: Path, name: str) -> Clip:
    """A clip of the folder."""
    return recording(folder / f"{name}.wav", (folder / f"{name}.txt").read_text().strip())


def caller_of(task: dict[str, Any], given: dict[str, Any]) -> Caller:
    """The caller that is described; all clips of one are of the same rate."""
    clips = [read(Path(task["clips"]), name) for name in given["clips"]]
    endless: Iterable[Clip] = clips if task["once"] else cycle(clips)
    caller = Caller(
        given["name"],
        [task["url"]],
        endless,
        clips[0].rate,
        target=given["target"],
        partials=given["partials"],
        gap=given["gap"],
        limits=LIMITS,
    )
    caller.wire = PrintedWire(caller=given["name"])
    return caller


async def talk(caller: Caller, enough: asyncio.Event) -> None:
    """Let it speak to its end, and print the sum."""
    await caller.talk(enough)
    say(
        caller.name,
        said=[asdict(one) for one in caller.said],
        failure=repr(caller.failure) if caller.failure else None,
        errors=[msgspec.to_builtins(error) for error in caller.errors],
        resumed=caller.wire.resumed,
        session=caller.session_id,
    )


async def main(task: dict[str, Any]) -> None:
    """Everybody speaks at once."""
    setattr(client_link, "Connection", TappedConnection)  # noqa: B010 - as the fault suite does
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, enough.set)
    await asyncio.gather(*(talk(caller_of(task, given), enough) for given in task["callers"]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
