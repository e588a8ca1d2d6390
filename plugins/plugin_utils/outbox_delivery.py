# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Send what is due: pages first, the channels side by side, each at most one time-out long.

How a message is sent is a parameter, so nothing here knows a network.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_states import (
    Zeal,
    after_failure,
    after_success,
    is_due,
    is_waiting,
    recovered,
    superseded,
)

Json = dict[str, Any]
Sender = Callable[[Json, Json], Json]

CHANNELS = ("pagerduty", "slack", "statuspage")
_PAGE_FIRST_S = 0.5  # what the others wait for a page to be the first, and no longer
_LONGEST_S = 10.0  # a lane that takes longer is left alone: a look-up of a name cannot be timed out
# what says nothing against the next message of the same channel
_OF_THE_MESSAGE = frozenset({"invalid", "not_found", "not_configured"})


@dataclass
class _Lane:
    """The messages of one channel, sent one after the other."""

    outbox: Outbox
    send: Sender
    zeal: Zeal
    messages: list[Json]
    touched: list[Json] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)
    abandoned: bool = False
    error: Exception | None = None

    def work(self) -> None:
        """Send until a failure says that the channel does not work; the body of a thread, so nothing is raised."""
        try:
            self._send_all()
        except Exception as error:  # noqa: BLE001 - handed to the main thread
            self.error = error

    def _send_all(self) -> None:
        blocked: set[str | None] = set()
        for message in self.messages:
            if not is_due(message, self.zeal, _now()):
                blocked |= {message["to"]} if is_waiting(message) else set()
                continue
            if message["to"] in blocked:
                continue
            if not self._deliver(message) and not self._other_way(message):
                return
            blocked |= {message["to"]} if is_waiting(message) else set()

    def _other_way(self, message: Json) -> bool:
        """Whether the next message may still arrive: another page can have another key, and nobody may be left out."""
        return message["channel"] == "pagerduty" and not self.abandoned

    def _deliver(self, message: Json) -> bool:
        """Send one; return whether to go on with the channel."""
        if not self._keep(message, {"state": "sending"}):
            return False
        try:
            change = after_success(message, self.send(message, _thread(message, self.messages)), rfc3339(_now()))
        except IncidentsError as error:
            change = after_failure(message, {**error.details, "message": error.message}, _now())
        except Exception as error:  # noqa: BLE001 - a channel never ends a run, whatever goes wrong in it
            failure = {"message": f"Sending {message['id']}: {type(error).__name__}: {error}", "cause": "internal"}
            change = after_failure(message, {**failure, "may_have_happened": True}, _now())
        return self._keep(message, change) and (
            message["state"] in ("sent", "superseded") or message["cause"] in _OF_THE_MESSAGE
        )

    def _keep(self, message: Json, change: Json) -> bool:
        with self.guard:
            if self.abandoned:
                return False
            message |= change
            self.outbox.save(message, rfc3339(_now()))
            if message["state"] != "sending":
                self.touched.append(message)
            return True

    def abandon(self) -> None:
        """Note what is not known of a lane that takes too long; whatever its thread does later is ignored."""
        with self.guard:
            self.abandoned = True
            for message in self.messages:
                if message["state"] == "sending":
                    failure = {"cause": "timeout", "message": f"Sending {message['id']}: no answer in {_LONGEST_S:g} s"}
                    perhaps = {"retryable": True, "may_have_happened": True}
                    message.update(after_failure(message, {**failure, **perhaps}, _now()))
                    self.outbox.save(message, rfc3339(_now()))
                    self.touched.append(message)


def deliver(outbox: Outbox, send: Sender, zeal: Zeal | None = None) -> list[Json]:
    """Send what is due, and return the messages whose state changed. The caller holds the outbox.

    Args:
        send: sends one message, given the thread it belongs to (``ts`` or ``None``); returns ``target`` and ``ids``,
            raises :class:`IncidentsError` with the details of a failure. Called from one thread a channel.
        zeal: how hard to try.

    Raises:
        IncidentsError: a message cannot be read or written.
    """
    messages = outbox.messages()
    changed = _settle(outbox, messages)
    lanes = [
        _Lane(outbox, send, zeal or Zeal(), mine)
        for channel in CHANNELS
        if (mine := [message for message in messages if message["channel"] == channel])
    ]
    _run(lanes)
    return changed + [message for lane in lanes for message in lane.touched]


def _settle(outbox: Outbox, messages: Sequence[Json]) -> list[Json]:
    """Decide about what a crash left in the middle, and about what has become pointless."""
    changed = []
    for message in messages:
        if message["state"] == "sending":
            message.update(recovered(message))
            outbox.save(message, rfc3339(_now()))
            changed += [message] if message["state"] == "unknown" else []
    pointless = set(superseded(messages))
    for message in messages:
        if message["id"] in pointless:
            message.update(
                {"state": "superseded", "cause": "superseded", "message": "It was over before this was sent"}
            )
            outbox.save(message, rfc3339(_now()))
            changed.append(message)
    return changed


def _run(lanes: Sequence[_Lane]) -> None:
    deadline = time.monotonic() + _LONGEST_S
    threads = []
    for lane in lanes:
        # a daemon: the end of this process does not wait for a server that hangs
        thread = threading.Thread(target=lane.work, daemon=True, name=f"outbox-{lane.messages[0]['channel']}")
        thread.start()
        threads.append(thread)
        if lane.messages[0]["channel"] == "pagerduty":
            thread.join(_PAGE_FIRST_S)
    for lane, thread in zip(lanes, threads, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            lane.abandon()
        elif lane.error:
            raise lane.error


def _thread(message: Json, messages: Sequence[Json]) -> Json:
    """The first message of the same conversation: its Slack ``ts``, so far as it was delivered."""
    same = [
        item
        for item in messages
        if item["stage"] == "opened"
        and all(item[name] == message[name] for name in ("channel", "to", "purpose", "round"))
    ]
    first = next((item for item in same if item["state"] == "sent"), None)
    return {"ts": (first or {}).get("ids", {}).get("ts"), "channel": (first or {}).get("ids", {}).get("channel")}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
