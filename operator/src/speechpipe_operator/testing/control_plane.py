"""etcd, kube-apiserver and, where asked for, kube-controller-manager and kube-scheduler, on loopback."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from kubernetes.aio.client import ApiClient, Configuration

from speechpipe_operator.local.guard import Guard
from speechpipe_operator.testing import binaries, credentials, options
from speechpipe_operator.testing.options import LOOPBACK, Layout
from speechpipe_operator.testing.rest import Rest
from speechpipe_operator.testing.server import Server, free_ports

ETCD: Final = "etcd"
API_SERVER: Final = "kube-apiserver"
CONTROLLERS: Final = "kube-controller-manager"
SCHEDULER: Final = "kube-scheduler"

PROBE_SECONDS = 2.0


class ControlPlane:
    """A control plane whose ports and data outlive the restarts of its parts. Its methods block: from a coroutine call
    them with ``asyncio.to_thread``, one at a time.

    The API server runs with its default admission (Pod Security too), Node and RBAC authorization, and signs
    ServiceAccount tokens. Everything ends with this process, even by SIGKILL.

    Args:
        directory: for data, logs, keys; created if missing.
        controllers: run every controller of kube-controller-manager, and the scheduler.
        assets: folder with the commands; found by ``scripts/kubernetes.py`` unless given.
    """

    def __init__(self, directory: Path, *, controllers: bool = False, assets: Path | None = None) -> None:
        commands = (*binaries.API_SERVER, *(binaries.CONTROLLERS if controllers else ()))
        self.directory = directory
        self._assets = assets or binaries.find(commands)
        directory.mkdir(parents=True, exist_ok=True)
        self._layout = layout = Layout(directory, *free_ports(5))
        self.admin_token = credentials.write_admin_token(layout.tokens)
        credentials.write_signing_key(layout.service_account_key)
        self._guard = Guard()
        self._servers = {
            ETCD: self._server(ETCD, options.etcd(layout), self._etcd_ready),
            API_SERVER: self._server(API_SERVER, options.api_server(layout), self._api_server_ready),
        }
        if controllers:
            layout.scheduler_config.write_text(json.dumps(options.scheduler_document(layout)))
            self.kubeconfig(layout.admin_kubeconfig)
            manager, scheduler = options.controller_manager(layout), options.scheduler(layout)
            self._servers[CONTROLLERS] = self._server(CONTROLLERS, manager, partial(_healthy, layout.controllers))
            self._servers[SCHEDULER] = self._server(SCHEDULER, scheduler, partial(_healthy, layout.scheduler))

    @property
    def url(self) -> str:
        """``https://`` URL of the API server, whether it runs or not."""
        return f"https://{LOOPBACK}:{self._layout.api_server}"

    @property
    def ca_file(self) -> Path:
        """Certificates that the API server's own is verified by; it exists after the first start."""
        return self._layout.certificate

    def start(self) -> float:
        """Start what is not running and wait until all of it is ready.

        Returns:
            Seconds that it took.

        Raises:
            RuntimeError: a part did not come up; the message holds the end of its log.
        """
        began = time.monotonic()
        try:
            for server in self._servers.values():
                server.start()
                server.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return time.monotonic() - began

    def close(self) -> None:
        """End every part and the guard; the folder stays. It can't be started again."""
        for server in reversed(self._servers.values()):
            server.kill()  # nobody reads the data again, and an API server takes its time to drain
        self._guard.close()

    def stop(self, part: str) -> None:
        """End a part in good order (SIGTERM)."""
        self._servers[part].stop()

    def kill(self, part: str) -> None:
        """End a part as a crash would (SIGKILL)."""
        self._servers[part].kill()

    def restart(self, part: str) -> None:
        """Kill a part, start it again on the same port and data, and wait until it is ready."""
        self._servers[part].kill()
        self._servers[part].start()
        self._servers[part].wait_until_ready()

    def pause(self, part: str) -> None:
        """Keep a part from answering (SIGSTOP) while its connections stay open."""
        self._servers[part].pause()

    def resume(self, part: str) -> None:
        """Let a paused part go on."""
        self._servers[part].resume()

    def pid(self, part: str) -> int:
        """Process id of a running part."""
        return self._servers[part].pid

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self._servers[part].log

    def kubeconfig(
        self, path: Path, *, user: str = "admin", token: str | None = None, namespace: str = "default"
    ) -> Path:
        """Write a kubeconfig for kubectl, kopf and the Kubernetes client; ``path`` again.

        Args:
            path: file to write.
            user: only a name inside the file: the token says who it is.
            token: bearer token, the administrator's unless given.
            namespace: default namespace of the context.
        """
        credentials.write_kubeconfig(
            path, url=self.url, ca_file=self.ca_file, user=user, token=token or self.admin_token, namespace=namespace
        )
        return path

    def rest(self, token: str | None = None) -> Rest:
        """A plain JSON client, as the administrator unless a token is given; to be closed by the caller."""
        return Rest(self.url, self.ca_file, token or self.admin_token)

    def api(self, token: str | None = None) -> ApiClient:
        """The Kubernetes client, as the administrator unless a token is given; to be closed by the caller."""
        configuration = Configuration(host=self.url)
        configuration.ssl_ca_cert = str(self.ca_file)
        configuration.api_key["BearerToken"] = f"Bearer {token or self.admin_token}"
        return ApiClient(configuration)

    async def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token of a ServiceAccount (TokenRequest API), so that its bearer may do what RBAC grants it and no more.

        Args:
            namespace: of the account.
            name: of the account, which must exist.
            seconds: life of the token, 600 at least.
        """
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        async with self.rest() as rest:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
            answer = await rest.post(path, {**request, "spec": {"expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    def _server(self, name: str, arguments: tuple[str, ...], ready: Callable[[], bool]) -> Server:
        argv = (str(self._assets / name), *arguments)
        return Server(name, argv, self.directory / f"{name}.log", ready, self._guard)

    def _etcd_ready(self) -> bool:
        return _answers(f"{self._layout.etcd_url}/health")

    def _api_server_ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return _answers(f"{self.url}/readyz", context, self.admin_token)


def _healthy(port: int) -> bool:
    """Whether a controller process answers; it serves /healthz to anybody, by a certificate that nobody knows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return _answers(f"https://{LOOPBACK}:{port}/healthz", context)


def _answers(url: str, context: ssl.SSLContext | None = None, token: str | None = None) -> bool:
    """Whether a GET ends in 200.

    Raises:
        OSError: there was no connection.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own URL
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False
