"""Is it ready? One question to one process."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final, Literal

ANSWER_SECONDS: Final = 3.0
"""A process that is loading a model may hold its interpreter for a while; the next question comes soon."""

REASON_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask: GET ``path`` for ``http``; PING, after AUTH with ``password`` when there is one, for ``redis``."""

    kind: Literal["http", "redis"]
    host: str
    port: int
    path: str = "/ready"
    password: str = ""


async def why_not_ready(target: Target) -> str | None:
    """Ask once.

    Returns:
        None when it is ready, else what it says (or what went wrong) in a few words.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await _ask(target)
    except TimeoutError:
        return "does not answer"
    except OSError:
        return "not listening yet"
    return _read_http(answer) if target.kind == "http" else _read_redis(answer)


async def _ask(target: Target) -> str:
    if target.kind == "http":
        question = f"GET {target.path} HTTP/1.0\r\nHost: {target.host}:{target.port}\r\n\r\n"
    else:
        question = (f"AUTH {target.password}\r\n" if target.password else "") + "PING\r\nQUIT\r\n"
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        writer.write(question.encode())
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()


def _read_redis(answer: str) -> str | None:
    if "+PONG" in answer:
        return None
    return answer.strip().lstrip("-")[:REASON_CHARACTERS] or "closed the connection"


def _read_http(answer: str) -> str | None:
    head, _, body = answer.partition("\r\n\r\n")
    status = head.split(maxsplit=2)[1:2]
    if status == ["200"]:
        return None
    try:
        said = json.loads(body)
    except ValueError:
        said = body.strip()
    reasons = said.get("reasons") if isinstance(said, dict) else None
    text = "; ".join(map(str, reasons.values())) if isinstance(reasons, dict) else str(said)
    return text[:REASON_CHARACTERS] or "not ready"
