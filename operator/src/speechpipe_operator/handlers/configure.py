"""How kopf is set up: what it watches, by which selectors, with which patience; and that it writes nothing."""

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import kopf

from speechpipe_operator.handlers.events import WatchEvent, event_of
from speechpipe_operator.kube import Kind
from speechpipe_operator.objects import PIPELINE_LABEL

LIST_PAGE: Final = 200
"""Objects of one answer while listing: only so many are held whole at the same time."""

SERVER_SECONDS: Final = 300
"""The API server ends a watch after this; it is taken up again where it ended."""

INACTIVITY_SECONDS: Final = 75.0
"""The API server sends a bookmark every minute; a watch that is silent for longer is dead."""

CONNECT_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 0.2
"""How long kopf keeps a task and a queue for an object of which nothing more is heard. Its default, 5 s, keeps those of
every object of the first list at the same time."""

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 15.0

Login = Callable[[], Awaitable[kopf.AiohttpSession]]
Sink = Callable[[WatchEvent], None]


class Patience(Iterable[float]):
    """Seconds between attempts of a list or watch that is refused or not answered: without end.

    kopf ends the whole operator when its attempts are used up; but the API server may be away for an hour, and one kind
    that may not be read must not stop the others.
    """

    def __iter__(self) -> Iterator[float]:
        """Doubling, with jitter."""
        delay = FIRST_BACKOFF
        while True:
            yield delay * random.uniform(0.8, 1.2)
            delay = min(delay * 2, LONGEST_BACKOFF)


class NoDiffBase(kopf.DiffBaseStorage):
    """Stores no last-seen state, and spares kopf the copying of each object that it would be made of."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> Any:  # noqa: ANN401 - kopf's BodyEssence
        """Nothing of the object matters."""
        return {}

    def fetch(self, *, body: kopf.Body) -> None:
        """Nothing was stored."""
        return

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:  # noqa: ANN401 - see build
        """Nothing is stored."""


def make_registry(own: Kind, children: Sequence[Kind], sink: Sink, login: Login) -> kopf.OperatorRegistry:
    """A registry with one ``on.event`` handler for each kind, which only hands the event to ``sink``."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def _login(**_: object) -> kopf.AiohttpSession:
        return await login()

    for kind in (own, *children):
        group, _, version = kind.api_version.rpartition("/")
        watch = kopf.on.event(group, version, kind.plural, registry=registry, id=f"see-{kind.plural}")
        watch(_handler(kind.name, sink))
    return registry


def make_settings(children: Sequence[Kind]) -> kopf.OperatorSettings:
    """Settings under which kopf watches for ever and writes never."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # needs list of CRDs and namespaces; we look for optional kinds ourselves
    settings.process.ultimate_exiting_timeout = None  # it would kill a process that is not its own
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.networking.error_backoffs = Patience()
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = SERVER_SECONDS + REQUEST_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.inactivity_timeout = INACTIVITY_SECONDS
    settings.watching.chunk_size = LIST_PAGE
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.queueing.exit_timeout = IDLE_SECONDS
    for kind in children:
        group, _, version = kind.api_version.rpartition("/")
        settings.watching.label_selectors[group, version, kind.plural] = PIPELINE_LABEL
    return settings


def _handler(kind: str, sink: Sink) -> Any:  # noqa: ANN401 - kopf's own callback type
    async def see(event: Any, **_: object) -> None:  # noqa: ANN401 - kopf's RawEvent
        sink(event_of(kind, event))

    return see
