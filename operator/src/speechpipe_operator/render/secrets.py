"""The Secret with the password of the managed Redis. It is described here, and made once elsewhere."""

import base64
from collections.abc import Iterable
from typing import Final

from speechpipe_operator.components import Component, FromSecret, RedisUrl
from speechpipe_operator.objects import Object, checksum, child_name
from speechpipe_operator.plan import REDIS_PORT
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.meta import made
from speechpipe_operator.shards import REDIS, is_redis

PASSWORD_KEY: Final = "password"  # noqa: S105 - the key of one
PREVIOUS_KEY: Final = "password-previous"
"""Optional: Redis accepts this one too, so that the password can be changed while clients still have the old one."""

PASSWORD_BYTES: Final = 24
"""Random bytes of a password: 192 bits."""


def redis_auth_name(pipeline: str) -> str:
    """Name of the Secret of a pipeline."""
    return f"{pipeline}-redis-auth"


def redis_urls(pipeline: str, components: Iterable[str], password: str, namespace: str = "") -> str:
    """URLs of these managed Redis, with commas between them.

    Args:
        pipeline: their pipeline's name.
        components: theirs, in the order of shards.
        password: the same for all.
        namespace: where they are, for those who are in another one (the operator, say).
    """
    domain = f".{namespace}.svc" if namespace else ""
    hosts = (f"{child_name(pipeline, component)}{domain}" for component in components)
    return ",".join(f"redis://:{password}@{host}:{REDIS_PORT}/0" for host in hosts)


def password_of(random: bytes) -> str:
    """A password of letters, digits, ``-`` and ``_``, which needs no quoting in URLs, ACL files and shells.

    Args:
        random: ``PASSWORD_BYTES`` bytes of a good source.
    """
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def redis_auth(frame: Frame, password: str) -> Object:
    """The Secret, to be created where it is missing and never applied over: its content belongs to it alone.

    To change the password, move ``password`` to ``password-previous`` and put the new one in its place; Redis is
    restarted first, then its clients.
    """
    return made(
        frame,
        REDIS,
        ("v1", "Secret"),
        redis_auth_name(frame.plan.name),
        type="Opaque",
        stringData={PASSWORD_KEY: password},
    )


def secrets_read_at_start(frame: Frame, component: Component) -> set[str]:
    """Secrets whose content a component reads only when it starts."""
    names = {v.secret for v in component.env.values() if isinstance(v, FromSecret) and not v.as_file}
    managed = is_redis(component.name) or any(isinstance(value, RedisUrl) for value in component.env.values())
    return names | ({redis_auth_name(frame.plan.name)} if managed else set())


def secrets_checksum(frame: Frame, component: Component) -> str | None:
    """Checksum over those Secrets; None where none of them is known."""
    context = frame.context
    known = context.secrets
    if not is_redis(component.name) and context.secrets_of_clients is not None:
        known = context.secrets_of_clients
    found = {name: known[name] for name in secrets_read_at_start(frame, component) if name in known}
    return checksum(found) if found else None
