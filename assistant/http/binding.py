"""The address to listen at: this machine alone, unless the API has a key."""

from __future__ import annotations

import errno
import ipaddress
import socket

from assistant.errors import AssistantError
from assistant.store.store import Store

# Connections that wait to be taken.
BACKLOG = 2048


def listen(host: str, port: int, store: Store) -> socket.socket:
    """A socket that listens at the address; port 0 takes a free one.

    Raises:
        AssistantError: others could reach it and there is no key, or the address cannot be had.
    """
    if not is_local(host) and not any(key.revoked_at is None for key in store.api_keys()):
        raise AssistantError(
            f"{host} can be reached from other machines, and there is no API key: "
            "make one with `assistant keys create NAME`, or serve this machine alone with --host 127.0.0.1"
        )
    return open_socket(host, port)


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at the address, whoever can reach it. Raises AssistantError where there can be none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise AssistantError(f"there is no address '{host}' ({error.strerror}): give another --host") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Now, not when the model is there: until somebody listens, another process may take the same port.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AssistantError(f"port {port} is taken: give another with --port, or --port 0 for any") from None
        raise AssistantError(f"{host}:{port} cannot be listened at ({error.strerror}): give another --host") from None
    return listening


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(listening: socket.socket) -> str:
    """The URL a client on this machine uses."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
