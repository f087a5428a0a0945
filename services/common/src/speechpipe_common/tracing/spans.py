"""What the services say of their spans; here nobody listens. ``recording`` derives those that are recorded."""

from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

Attribute = str | int | float | bool


class Span:
    """A span that is not recorded. Times are unix seconds; None is now."""

    context: str = ""
    """Its ``traceparent``, for what follows from it elsewhere; empty: not recorded."""

    def child(
        self, name: str, *, at: float | None = None, links: Iterable[str] = (), **attributes: Attribute
    ) -> "Span":
        """Begin a span under this one; ``links`` are contexts of others that it has to do with."""
        return self

    def event(self, name: str, **attributes: Attribute) -> None:
        """Something happened within."""

    def note(self, **attributes: Attribute) -> None:
        """Say more of it."""

    def fail(self, reason: str) -> None:
        """It did not do what it was for; ``reason`` is a code, never a text of somebody's."""

    def end(self, at: float | None = None) -> None:
        """It is over; later ends do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        self.end()


NOTHING: Final = Span()


class Tracing:
    """Begins spans; this one records none."""

    on: bool = False

    def begin(self, name: str, *, at: float | None = None, **attributes: Attribute) -> Span:
        """Begin a trace."""
        return NOTHING

    def follow(self, name: str, context: str, *, at: float | None = None, **attributes: Attribute) -> Span:
        """Begin a span under the one of ``context``; without a context, nothing is recorded."""
        return NOTHING

    async def close(self) -> None:
        """Send what is recorded, for two seconds at most."""
