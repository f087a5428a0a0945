"""Where the Redis of a pipeline is, password included, asked of the API server when a connection is made."""

import base64
from collections.abc import Sequence

from speechpipe_operator.autoscaling.redis_source import NoAddress
from speechpipe_operator.kube import KubeApi, KubeError, NotFound
from speechpipe_operator.reconcile import PipelineKey
from speechpipe_operator.render.secrets import PASSWORD_KEY, redis_auth_name, redis_urls
from speechpipe_operator.shards import REDIS
from speechpipe_operator.spec import ExternalRedis


async def redis_address(
    api: KubeApi, key: PipelineKey, external: ExternalRedis | None, shards: Sequence[str] = (REDIS,)
) -> str:
    """The URL; those of shards have commas between them.

    Args:
        api: reads the Secret.
        key: the pipeline.
        external: what the spec says of a Redis that somebody else runs; None: the pipeline's own.
        shards: components of the pipeline's own.

    Raises:
        NoAddress: a Secret, or its key, is missing or can't be read.
    """
    namespace, name = key
    if external is None:
        password = await _value(api, namespace, redis_auth_name(name), PASSWORD_KEY)
        return redis_urls(name, shards, password, namespace)
    if external.secret_ref is not None:
        return await _value(api, namespace, external.secret_ref.name, external.secret_ref.key)
    if external.url is None:
        raise NoAddress("spec.redis.external has neither url nor secretRef")
    return external.url


async def _value(api: KubeApi, namespace: str, name: str, key: str) -> str:
    try:
        secret = await api.get("Secret", namespace, name)
    except NotFound as error:
        raise NoAddress(f"Secret {name}, which says where Redis is, does not exist") from error
    except KubeError as error:
        raise NoAddress(str(error)) from error
    value = (secret.get("data") or {}).get(key)
    if not value:
        raise NoAddress(f"Secret {name} has no key {key}, which says where Redis is")
    return base64.b64decode(value).decode(errors="replace").strip()
