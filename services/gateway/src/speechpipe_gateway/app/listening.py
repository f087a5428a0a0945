"""The listening socket."""

import socket


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound socket that does not listen yet.

    Args:
        host: address, IPv4 or IPv6.
        port: 0 takes a free one.
        shared: other processes of the same user that also ask for it listen on the same port; the kernel spreads
            connections over them (SO_REUSEPORT).

    Raises:
        RuntimeError: the port is taken or forbidden.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise RuntimeError(
            f"GATEWAY_PORT {port} on {host} cannot be opened ({error.strerror}): "
            "stop what listens there, or set GATEWAY_PORT to another port"
        ) from error
    return listener
