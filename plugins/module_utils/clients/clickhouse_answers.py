# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What several questions to ClickHouse gave together: whether it is there, and what it does not know. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import Reply
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import whole
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

TEXT_LENGTH = 100
# questions that an old server does not know
SERVERS_OWN = frozenset({"disks", "disks with parts", "detached", "frozen", "drop limit"})


def not_configured(error: SendError, questions: Iterable[str]) -> dict[str, Reply]:
    """Return the replies where no address is known, which is a result as well.

    Raises:
        SendError: *error*, when it is another one: the options make no sense.
    """
    if error.failure.cause != "not_configured":
        raise error
    return dict.fromkeys(questions, Reply(None, error.failure))


@dataclass(frozen=True)
class Answers:
    """The replies by the name of the question; one of them is ``clock``."""

    replies: Mapping[str, Reply]

    def problem(self) -> dict[str, Any]:
        """Return ``reachable``, and why the server could not be asked at all, by the simplest question there is."""
        failure = self.replies["clock"].failure
        return {
            "reachable": any(reply.answered for reply in self.replies.values()),
            "cause": failure.cause if failure else None,
            "message": failure.text if failure else None,
            "hint": failure.next_step if failure else None,
        }

    def clock(self) -> dict[str, Any]:
        """Return the version and the clock of the server."""
        row = (self.replies["clock"].rows or [{}])[0]
        names = ("version", "now", "zone")
        shown = {name: plain_line(str(row[name]), TEXT_LENGTH) if name in row else None for name in names}
        return {
            "version": shown["version"],
            "server_time": shown["now"],
            "timezone": shown["zone"],
            "uptime_s": whole(row["uptime_s"]) if "uptime_s" in row else None,
        }

    def rows(self, question: str, read: Callable[[Mapping[str, Any]], Any]) -> list[Any] | None:
        """Return the rows of an answer as *read* reads them; ``None`` when there is none."""
        found = self.replies[question].rows
        return None if found is None else [read(row) for row in found]

    def unanswered(self) -> dict[str, dict[str, Any]]:
        """Return what could not be read and why; ``not_supported`` where the server does not know such a table."""
        return {
            name: {
                "cause": "not_supported" if name in SERVERS_OWN and reply.unknown_here else reply.failure.cause,
                "message": reply.failure.text,
            }
            for name, reply in self.replies.items()
            if reply.failure
        }

    def calls(self) -> list[dict[str, Any]]:
        """Return what was asked."""
        return [
            {
                "question": name,
                "cause": reply.failure.cause if reply.failure else None,
                "duration_s": reply.duration_s,
            }
            for name, reply in self.replies.items()
        ]
