"""How the operator finds its API server: as a pod of the cluster, else as kubectl does."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Final

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"
HOME: Final = Path("~/.kube/config").expanduser()
CONNECTIONS: Final = 64
"""More than ``KubeApi`` has calls in flight, so that its own bound is the one that counts."""


class NoCluster(Exception):
    """Nothing says where the API server is; the message says what was looked for."""


async def connect(context: str | None = None) -> ApiClient:
    """A client with credentials, to be closed by the caller.

    In a pod it uses the ServiceAccount, whose token is read again as it is renewed; elsewhere ``KUBECONFIG`` or
    ``~/.kube/config``. A named context always means a kubeconfig.

    Raises:
        NoCluster: neither is there, or the context is unknown.
    """
    file = os.environ.get("KUBECONFIG") or str(HOME)
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        if context is None and os.environ.get(IN_CLUSTER):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(  # type: ignore[no-untyped-call]
                file, context, client_configuration=configuration, persist_config=False
            )
    except (ConfigException, OSError) as error:
        raise NoCluster(f"no cluster: neither a pod's ServiceAccount nor {file} is of use: {error}") from error
    client = ApiClient(configuration)
    client.user_agent = f"speechpipe-operator/{version('speechpipe-operator')}"
    return client
