"""Ports on this machine: which are free, and who holds those that are not."""

import socket
from collections.abc import Iterable
from contextlib import ExitStack

import psutil

from speechpipe_operator.components import Plan
from speechpipe_operator.local.errors import PortsInUse

Assigned = dict[str, dict[str, int]]
"""Name of the instance to its ports by name."""


def instance_name(component: str, index: int) -> str:
    """Name of a replica: ``stt``, ``stt-2``, ``stt-3`` for the indices 0, 1, 2."""
    return component if index == 0 else f"{component}-{index + 1}"


def assign(plan: Plan, host: str, *, any_port: bool = False) -> Assigned:
    """Give every replica its ports.

    The first replica gets what the plan asks for. Further ones get free ports, and so do ports that only components use
    among themselves; with ``any_port`` all of them.

    Raises:
        PortsInUse: ports that the plan asks for are taken; all of them are named.
    """
    assigned: Assigned = {}
    wanted: list[tuple[int, str]] = []
    with ExitStack() as held:  # free ports stay bound until all are known, so that none is given twice
        for component in plan.components:
            for index in range(component.replicas):
                ports = assigned[instance_name(component.name, index)] = {}
                for port in component.ports:
                    if index == 0 and not port.internal and not any_port:
                        ports[port.name] = port.number
                        wanted.append((port.number, f"{component.name} {port.name}"))
                    else:
                        ports[port.name] = held.enter_context(_bound(host, 0)).getsockname()[1]
        _refuse_taken(wanted, host)
    return assigned


def _bound(host: str, port: int) -> socket.socket:
    """A socket that holds the port without listening on it.

    Raises:
        OSError: the port can't be had.
    """
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As servers do it: connections of a server that has just ended are no obstacle, a listening one is.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, port))
    except OSError:
        holder.close()
        raise
    return holder


def _refuse_taken(wanted: Iterable[tuple[int, str]], host: str) -> None:
    problems = []
    first_use: dict[int, str] = {}
    for number, use in wanted:
        if number in first_use:
            problems.append(f"port {number} is asked for twice: {first_use[number]} and {use}")
            continue
        first_use[number] = use
        try:
            _bound(host, number).close()
        except OSError as error:
            problems.append(f"port {number} ({use}) can't be had on {host}: {error.strerror}{holder_of(number)}")
    if problems:
        raise PortsInUse(
            "\n".join(problems) + "\nEnd what holds them, give other ports in the document, or use --any-port."
        )


def holder_of(port: int) -> str:
    """`` (held by NAME, pid N)`` for a listening port, or nothing when that can't be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.AccessDenied, OSError):
        return ""
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
            try:
                return f" (held by {psutil.Process(connection.pid).name()}, pid {connection.pid})"
            except psutil.Error:
                return ""
    return ""
