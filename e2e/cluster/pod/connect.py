"""Tries to open TCP connections and prints which came about.

Arguments are ``HOST:PORT``; the output is one JSON object of ``HOST:PORT`` to true or false.
"""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

SECONDS = 4.0
"""A dropped packet is sent again after one and after three seconds; what is let through answers the first."""


def opens(address: str) -> bool:
    """Whether somebody accepts a connection."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    with ThreadPoolExecutor(16) as pool:
        print(json.dumps(dict(zip(sys.argv[1:], pool.map(opens, sys.argv[1:]), strict=True))))  # noqa: T201 - its output
