"""``speechpipe-operator crds`` and ``speechpipe-operator purge``: what the Helm chart's hooks run."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from speechpipe_operator.crd import manifest
from speechpipe_operator.install.definition import NotServed, apply_definition
from speechpipe_operator.install.purge import PurgeStuck, Scope, purge
from speechpipe_operator.kube import KubeApi, KubeError, NoCluster, connect

COMMANDS: Final = ("crds", "purge")
"""First words that mean one of these instead of the operator itself."""

INTERRUPTED_EXIT: Final = 130

EPILOG: Final = """\
examples:
  speechpipe-operator crds apply                       make the cluster's definition that of this version
  speechpipe-operator crds print                       show it
  speechpipe-operator purge --namespace speech         delete pipelines and their volumes in one namespace
  speechpipe-operator purge --definition               delete all of them, and the definition

The cluster is that of the pod's account, or else of KUBECONFIG.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command that ``argv`` names; the exit status."""
    given = _parser().parse_args(argv)
    if given.command == "crds" and given.action == "print":
        sys.stdout.write(manifest())
        return 0
    work = _apply if given.command == "crds" else _purge(Scope(tuple(given.namespace), given.definition), given.timeout)
    try:
        asyncio.run(_with_cluster(work))
    except (KubeError, NoCluster, NotServed, PurgeStuck) as error:
        sys.stderr.write(f"speechpipe-operator: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "speechpipe-operator", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    crds = commands.add_parser("crds", help="the definition of SpeechPipelines")
    crds.add_argument("action", choices=("apply", "print"))
    gone = commands.add_parser("purge", help="delete pipelines, their volumes and, where asked for, the definition")
    gone.add_argument("--namespace", action="append", default=[], help="only there; may be given repeatedly")
    gone.add_argument("--definition", action="store_true", help="the definition too")
    gone.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="for pods to end (300)")
    return parser


async def _with_cluster(work: Callable[[KubeApi], Awaitable[None]]) -> None:
    client = await connect()
    try:
        await work(KubeApi(client))
    finally:
        await client.close()  # type: ignore[no-untyped-call]


async def _apply(api: KubeApi) -> None:
    _say(f"the definition of SpeechPipelines: {await apply_definition(api)}")


def _purge(scope: Scope, seconds: float) -> Callable[[KubeApi], Awaitable[None]]:
    return lambda api: purge(api, scope, _say, seconds)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
