"""What is refused, in the shape in which OpenAI's clients expect it."""

from typing import Any, Final

INVALID_REQUEST: Final = "invalid_request_error"
AUTHENTICATION: Final = "authentication_error"
RATE_LIMIT: Final = "rate_limit_error"
SERVER: Final = "server_error"


class ApiError(Exception):
    """A request that gets no transcript.

    Attributes:
        status: of HTTP; the clients choose their exception by it.
        message: what was wrong, with which value, and what to do.
        code: stable name for programs.
        param: the parameter that is wrong, if it is one.
        kind: OpenAI's ``type``.
        retry_after: seconds after which to try again; None: the same request will fail again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = INVALID_REQUEST,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """What the client is sent."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def unavailable(message: str, code: str, retry_after: int) -> ApiError:
    """Nothing is wrong with the request; the gateway cannot serve it now."""
    return ApiError(503, message, code=code, kind=SERVER, retry_after=retry_after)


def refused_file(message: str, code: str) -> ApiError:
    """The file cannot be transcribed."""
    return ApiError(400, message, code=code, param="file")
