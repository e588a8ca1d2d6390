# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that takes connections and never says a word."""

from __future__ import annotations

import socket
import threading
from typing import Self

_AT_ONCE = 65536


class Silent:
    """It counts what it is asked; as nothing is answered, each request has a connection of its own.

    Attributes:
        url: where it listens.
        after_giving_up: how many connections came after the client had given up an earlier one.
    """

    def __init__(self) -> None:
        self.after_giving_up = 0
        self._held: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._held:
            connection.socket.close()

    def requests(self) -> list[bytes]:
        """Return what was sent over each connection, oldest first."""
        for connection in self._held:
            connection.is_given_up()
        return [bytes(connection.received) for connection in self._held]

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            self.after_giving_up += any(connection.is_given_up() for connection in self._held)
            self._held.append(_Connection(taken))


class _Connection:
    def __init__(self, taken: socket.socket) -> None:
        taken.settimeout(0)
        self.socket = taken
        self.received = bytearray()

    def is_given_up(self) -> bool:
        """Take what there is, and say whether the client has hung up."""
        try:
            while part := self.socket.recv(_AT_ONCE):
                self.received += part
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
