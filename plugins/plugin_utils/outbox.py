# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The outbox of an incident: ``<incident dir>/outbox/``, one JSON file a message, written before anything is sent.

States of a message:

``pending``        not yet sent
``sending``        being sent; left behind by a crash, nobody knows whether it arrived
``sent``           delivered
``failed``         not delivered; ``next_attempt_at`` where it is tried again
``unknown``        perhaps delivered, and its channel cannot be asked: only a person may send it again
``not_configured`` the inventory does not say how the channel is reached
``superseded``     it has become pointless: nobody is paged for what is over

No secret is in a file: addresses and credentials are added when a message is sent.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import write_private

Json = dict[str, Any]

DIRECTORY = "outbox"
VERSION = 1
NEVER_SENT = frozenset({"pending", "failed", "not_configured"})
_LOCK = ".lock"
_NAME = re.compile(r"\d{4}-[a-z0-9_.-]+\.json")
_REQUIRED = {"key": str, "channel": str, "purpose": str, "stage": str, "state": str, "payload": dict, "round": int}


class OutboxBusyError(IncidentsError):
    """Another process is sending."""


class Outbox:
    """The messages of one incident.

    Args:
        path: the incident's directory.
    """

    def __init__(self, path: Path) -> None:
        self.directory = path / DIRECTORY

    @contextmanager
    def locked(self, patience_s: float = 15.0) -> Iterator[None]:
        """Hold the outbox: whoever holds it is the only one to send.

        Args:
            patience_s: seconds to wait for another holder; longer than one delivery can take.

        Raises:
            OutboxBusyError: another process holds it for longer.
            IncidentsError: the directory cannot be used.
        """
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IncidentsError(f"Opening the outbox {self.directory}: {error.strerror}") from error
        try:
            _take(descriptor, self.directory, time.monotonic() + patience_s)
            yield
        finally:
            os.close(descriptor)

    def messages(self) -> list[Json]:
        """Return every message in the order of writing.

        Raises:
            IncidentsError: a file cannot be read or holds no message; sending on would risk sending twice.
        """
        if not self.directory.is_dir():
            return []
        return [_read(path) for path in sorted(self.directory.iterdir()) if _NAME.fullmatch(path.name)]

    def add(self, draft: Mapping[str, Any], now: str) -> Json:
        """Write a draft as a pending message; one of the same key that was never sent takes its content instead.

        Raises:
            IncidentsError: it cannot be written.
        """
        content = {name: value for name, value in draft.items() if name != "withheld"}
        known = self.messages()
        for message in known:
            if message["key"] == draft["key"]:
                if message["state"] in NEVER_SENT and not message["may_have_happened"]:
                    message.update(content)
                    self.save(message, now)
                return message
        number = 1 + max((message["number"] for message in known), default=0)
        message = {
            "version": VERSION,
            "number": number,
            "id": f"{number:04d}-{_file_part(draft)}",
            **content,
            "state": "pending",
            "attempts": 0,
            "next_attempt_at": None,
            "retryable": True,
            "may_have_happened": False,
            "cause": None,
            "message": None,
            "target": None,
            "ids": {},
            "created_at": now,
            "sent_at": None,
        }
        self.save(message, now)
        return message

    def save(self, message: Json, now: str) -> None:
        """Write a message as it is now, whole or not at all.

        Raises:
            IncidentsError: it cannot be written.
        """
        message["updated_at"] = now
        write_private(self.directory / f"{message['id']}.json", json.dumps(message, indent=2, allow_nan=False) + "\n")


def _take(descriptor: int, directory: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise OutboxBusyError(
                    f"Sending what is in the outbox {directory}: another process is sending; "
                    f"afterwards: runbook notify {directory.parent.name}"
                ) from None
            time.sleep(0.05)
        else:
            return


def _read(path: Path) -> Json:
    try:
        message = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IncidentsError(f"Reading the message {path}: {type(error).__name__}: {error}") from error
    if not isinstance(message, dict) or any(
        not isinstance(message.get(name), kind) for name, kind in _REQUIRED.items()
    ):
        raise IncidentsError(f"Reading the message {path}: it is none; look at it, and move it away")
    return message


def _file_part(draft: Mapping[str, Any]) -> str:
    parts = [draft["channel"], draft["purpose"], str(draft["stage"]).partition(":")[0], draft["verdict"]]
    return re.sub(r"[^a-z0-9_.-]", "-", "-".join(part for part in parts if part).lower())[:80]
