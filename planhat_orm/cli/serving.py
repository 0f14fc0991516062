"""How a command serves until it is stopped: where it listens, and what Ctrl-C and SIGTERM do."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ..errors import ConfigurationError
from .signals import ending_on_signals


def listen(host: str, port: int) -> socket.socket:
    """A socket on an address; `ConfigurationError` where it is taken, or none of this machine."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise _refused(host, port, error) from None
    return listening


def _refused(host: str, port: int, error: OSError) -> ConfigurationError:
    if isinstance(error, socket.gaierror):
        return ConfigurationError(f"{host} is no address of this machine: choose another with --host.")
    if isinstance(error, PermissionError):
        return ConfigurationError(f"Port {port} needs rights that you do not have. Choose one above 1023 with --port.")
    return ConfigurationError(
        f"Port {port} of {host} is taken, or {host} is no address of this machine. Choose another with --port."
    )


def serve(server: Any, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Run a uvicorn server until a signal. `ready` is called once a signal ends it in order.

    The server has handlers of its own only once it runs: a signal that came before would be lost.
    """
    with listening, ending_on_signals(lambda: setattr(server, "should_exit", True)):
        ready()
        server.run(sockets=[listening])
