"""How clients of the OpenAI Realtime protocol come in."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.openai_realtime.config import MODELS, Config, check_model
from speechpipe_gateway.openai_realtime.dialect import CLOSES, RealtimeDialect, problem_of
from speechpipe_gateway.openai_realtime.errors import Refused
from speechpipe_gateway.openai_realtime.server_events import ErrorEvent

SUBPROTOCOL: Final = "realtime"
KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""How a browser, which cannot set headers, shows its key; never sent back."""

AUTHENTICATION: Final = "authentication_error"


class RealtimeEntrance:
    """``/v1/realtime``.

    Args:
        models: names by which the pipeline's model may be asked for besides the protocol's own, the default one first.
    """

    path = "/v1/realtime"
    late_auth = False

    def __init__(self, models: tuple[str, ...] = ()) -> None:
        self._models = tuple(dict.fromkeys((*models, *MODELS)))

    def token(self, headers: Mapping[str, str], offered: Sequence[str]) -> str | None:
        """The key of the ``Authorization`` header, or of a subprotocol."""
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        for offer in offered:
            if offer.startswith(KEY_SUBPROTOCOL):
                return offer.removeprefix(KEY_SUBPROTOCOL)
        return None

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """The protocol's name, where the client offers it."""
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def resuming(self, query: Mapping[str, str]) -> bool:
        """Sessions of this protocol cannot be resumed."""
        return False

    def begin(self, query: Sequence[tuple[str, str]], *, authenticated: bool, sample_rate: int) -> RealtimeDialect:
        """A session; ``?intent=transcription`` may be said, ``?model=`` names the model, the rest is passed over.

        Raises:
            ProtocolError: it asks for something else than a transcription session, or for a model that is not there.
        """
        asked = dict(query)
        if "call_id" in asked:
            raise ProtocolError("unsupported", "call_id: there are no calls here; leave it out")
        if (intent := asked.get("intent", "transcription")) != "transcription":
            raise ProtocolError("invalid_value", f"intent is {intent[:40]!r}; only transcription is served here")
        config = Config(model=self._models[0])
        if model := asked.get("model"):
            try:
                config = replace(config, model=check_model(model, self._models, "model"))
            except Refused as refused:
                raise ProtocolError(refused.code, refused.message) from refused
        return RealtimeDialect(config, self._models, new_id)

    def denial(self, status: int, code: str, message: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """An error as HTTP clients of this API know it."""
        problem = problem_of(code, message, None)
        kind = AUTHENTICATION if status == 401 else problem.type if status < 500 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": problem.code}}, {}

    def error(self, code: str, message: str, close: int) -> tuple[str, int]:
        """An ``error`` event."""
        event = ErrorEvent(event_id=new_id("event"), error=problem_of(code, message, close))
        return event.text, CLOSES.get(close, close)


def new_id(word: str) -> str:
    """An id that nobody can guess."""
    return f"{word}_{secrets.token_hex(12)}"
