# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox: written first, sent once, whatever crashes, hangs or is refused in between."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import outbox_delivery
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import compose, compose_update
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox, OutboxBusyError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_delivery import deliver
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_records import follow_up, loud, records
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_states import Zeal, is_due, pause_s
from support.journal_entries import PLAN, action, finding, verification
from support.messages import NOW, result, sections, situation

Json = dict[str, Any]
KIND = "payment-failure"
OPENED = result(finding(), PLAN)
RESOLVED = result(finding(), PLAN, action(), verification())


class Channels:
    """Takes what is sent, unless it is told to fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.fails: dict[str, Json] = {}
        self.look: Callable[[Json], None] = lambda _message: None

    def __call__(self, message: Json, thread: Json) -> Json:
        self.look(message)
        if message["channel"] in self.fails:
            raise IncidentsError(f"Sending to {message['channel']}: no", **self.fails[message["channel"]])
        self.sent.append((message["channel"], message["stage"], thread["ts"]))
        return {"target": "there", "ids": {"ts": f"{len(self.sent)}.0", "channel": "C1"}}


DOWN = {"cause": "refused", "retryable": True, "retry_after_s": None, "may_have_happened": False}
HUNG = {"cause": "timeout", "retryable": True, "retry_after_s": None, "may_have_happened": True}
WRONG = {"cause": "invalid_auth", "retryable": False, "retry_after_s": None, "may_have_happened": False}
UNSET = {"cause": "not_configured", "retryable": False}


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


@pytest.fixture
def channels() -> Channels:
    return Channels()


def drafts(outbox: Outbox, phase: str, kind: str = KIND) -> list[Json]:
    found = OPENED if phase == "opened" else RESOLVED
    return compose(situation(kind, found, outbox.messages()), phase)


def tell(outbox: Outbox, channels: Channels, phase: str | None = None, zeal: Zeal | None = None) -> list[Json]:
    """What the action does, with a phase or only with what is waiting."""
    with outbox.locked():
        for draft in drafts(outbox, phase) if phase else []:
            outbox.add(draft, NOW)
        return deliver(outbox, channels, zeal)


def states(outbox: Outbox) -> dict[str, str]:
    return {f"{item['channel']}/{item['stage']}": item["state"] for item in outbox.messages()}


def test_it_is_on_the_disk_before_it_is_sent(outbox: Outbox, channels: Channels) -> None:
    seen = []
    channels.look = lambda message: seen.append(json.loads((outbox.directory / f"{message['id']}.json").read_text()))
    tell(outbox, channels, "opened")
    assert [message["state"] for message in seen] == ["sending", "sending"]
    assert states(outbox) == {"slack/opened": "sent", "statuspage/opened": "sent"}
    assert stat.S_IMODE(outbox.directory.stat().st_mode) == 0o700
    files = sorted(outbox.directory.glob("*.json"))
    assert [path.name for path in files] == [
        "0001-slack-internal-opened.json",
        "0002-statuspage-status_page-opened.json",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in outbox.directory.iterdir()} == {0o600}


def test_each_thing_is_said_once(outbox: Outbox, channels: Channels) -> None:
    for phase in ("opened", "opened", "ended", "ended", None):
        tell(outbox, channels, phase)
    said = [(channel, stage) for channel, stage, _ in channels.sent]
    assert [stage for channel, stage in said if channel == "slack"] == ["opened", "resolved", "closed"]
    assert [stage for channel, stage in said if channel == "statuspage"] == ["opened", "resolved"]
    assert len({ts for channel, _, ts in channels.sent if channel == "slack"} - {None}) == 1  # one thread


def test_what_is_back_after_its_end_is_a_story_of_its_own(outbox: Outbox, channels: Channels) -> None:
    for phase in ("opened", "ended", "opened", "opened", "ended", None):
        tell(outbox, channels, phase)
    said = [(channel, stage) for channel, stage, _ in channels.sent]
    assert [stage for channel, stage in said if channel == "slack"] == ["opened", "resolved", "closed"] * 2
    assert [stage for channel, stage in said if channel == "statuspage"] == ["opened", "resolved"] * 2
    assert len({ts for channel, _, ts in channels.sent if channel == "slack"} - {None}) == 2  # one thread each


def test_a_channel_that_is_down_delays_only_its_own(outbox: Outbox, channels: Channels) -> None:
    channels.fails["slack"] = DOWN
    tell(outbox, channels, "opened")
    assert states(outbox) == {"slack/opened": "failed", "statuspage/opened": "sent"}
    tell(outbox, channels, "ended")
    assert states(outbox)["slack/resolved"] == "pending"  # it waits for the first one: it belongs below it
    assert states(outbox)["statuspage/resolved"] == "sent"
    del channels.fails["slack"]
    tell(outbox, channels)
    assert states(outbox)["slack/opened"] == "failed"  # not due yet
    tell(outbox, channels, zeal=Zeal(now=True))
    assert set(states(outbox).values()) == {"sent"}
    assert [(stage, bool(ts)) for channel, stage, ts in channels.sent if channel == "slack"] == [
        ("opened", False),
        ("resolved", True),
        ("closed", True),
    ]


def test_what_was_never_sent_is_sent_as_it_is_now(outbox: Outbox, channels: Channels) -> None:
    channels.fails["slack"] = DOWN
    tell(outbox, channels, "opened")
    (first,) = [item for item in outbox.messages() if item["channel"] == "slack"]
    newer = compose(situation(KIND, result(finding(summary="15 of 17")), outbox.messages()), "opened")
    with outbox.locked():
        outbox.add(newer[0], NOW)
    (now,) = [item for item in outbox.messages() if item["channel"] == "slack"]
    assert (now["id"], now["attempts"]) == (first["id"], 1)
    assert "15 of 17" in now["payload"]["text"]


@pytest.mark.parametrize("zeal", [None, Zeal(now=True)])
def test_a_post_that_may_have_arrived_is_sent_again_only_by_force(
    outbox: Outbox, channels: Channels, zeal: Zeal | None
) -> None:
    channels.fails["slack"] = HUNG
    tell(outbox, channels, "opened")
    del channels.fails["slack"]
    tell(outbox, channels, zeal=zeal)
    (message,) = [item for item in outbox.messages() if item["channel"] == "slack"]
    assert message["state"] == "unknown"
    assert "--force" in message["message"]
    tell(outbox, channels, zeal=Zeal(force=True))
    assert states(outbox)["slack/opened"] == "sent"


def crash_while(outbox: Outbox, channel: str) -> None:
    """Die at the moment of sending, in a process of its own."""

    def die(message: Json, _thread: Json) -> Json:
        if message["channel"] == channel:
            until = time.monotonic() + 10
            while "pending" in states(outbox).values() and time.monotonic() < until:
                time.sleep(0.01)  # until the others are under way, too
            os._exit(1)
        time.sleep(60)
        return {}

    def body() -> None:
        with outbox.locked():
            for draft in drafts(outbox, "opened"):
                outbox.add(draft, NOW)
            deliver(outbox, die)

    process = multiprocessing.get_context("fork").Process(target=body)
    process.start()
    process.join(20)
    assert process.exitcode == 1


def test_a_crash_in_the_middle(outbox: Outbox, channels: Channels) -> None:
    """Slack cannot be asked, the status page knows our incident: one is asked about, the other sent again."""
    crash_while(outbox, "statuspage")
    assert states(outbox) == {"slack/opened": "sending", "statuspage/opened": "sending"}
    touched = tell(outbox, channels)
    assert states(outbox) == {"slack/opened": "unknown", "statuspage/opened": "sent"}
    assert channels.sent == [("statuspage", "opened", None)]
    assert sorted(message["state"] for message in touched) == ["sent", "unknown"]


def test_what_cannot_succeed_says_why_and_is_tried_again_only_on_demand(outbox: Outbox, channels: Channels) -> None:
    channels.fails["slack"] = WRONG
    tell(outbox, channels, "opened")
    (message,) = [item for item in outbox.messages() if item["channel"] == "slack"]
    assert (message["state"], message["cause"], message["next_attempt_at"]) == ("failed", "invalid_auth", None)
    tell(outbox, channels)
    assert outbox.messages()[0]["attempts"] == 1
    del channels.fails["slack"]
    tell(outbox, channels, zeal=Zeal(now=True))
    assert set(states(outbox).values()) == {"sent"}


def test_a_channel_that_is_not_configured_is_said_once_and_used_as_soon_as_it_is(
    outbox: Outbox, channels: Channels
) -> None:
    channels.fails["slack"] = UNSET
    said = []
    for phase in ("opened", "opened", "ended"):
        before = {item["id"]: item for item in outbox.messages()}
        touched = tell(outbox, channels, phase)
        said += [item["data"] for item in records([], touched, before, NOW)]
    assert [item["stage"] for item in said if item["status"] == "not_configured"] == ["opened"]
    del channels.fails["slack"]
    tell(outbox, channels)
    assert set(states(outbox).values()) == {"sent"}


def test_what_an_operator_asked_for_and_cannot_be_sent_is_said_each_time(outbox: Outbox, channels: Channels) -> None:
    channels.fails["slack"] = UNSET
    tell(outbox, channels, "opened")
    for text in ("one", "two", "two"):
        before = {item["id"]: item for item in outbox.messages()}
        with outbox.locked():
            (draft,) = compose_update(situation(KIND, OPENED, outbox.messages()), text, public=False)
            composed = outbox.add(draft, NOW)
            touched = deliver(outbox, channels)
        said = records([composed], touched, before, NOW, asked=True)
        assert [item["data"]["id"] for item in said] == [composed["id"]]
        assert said[0]["data"]["status"] == "not_configured"


def test_nobody_is_paged_for_what_is_over(outbox: Outbox, channels: Channels) -> None:
    channels.fails |= {"pagerduty": DOWN, "statuspage": DOWN}
    for phase in ("opened", "ended"):
        with outbox.locked():
            for draft in drafts(outbox, phase, "pool-exhaustion"):
                outbox.add(draft, NOW)
            deliver(outbox, channels)
    assert set(states(outbox).values()) == {"superseded"}
    assert loud(outbox.messages(), "x") == []
    channels.fails.clear()
    tell(outbox, channels, zeal=Zeal(now=True, force=True))
    assert channels.sent == []


def test_a_page_that_may_have_arrived_is_resolved(outbox: Outbox, channels: Channels) -> None:
    channels.fails["pagerduty"] = HUNG
    for phase in ("opened", "ended"):
        with outbox.locked():
            for draft in drafts(outbox, phase, "pool-exhaustion"):
                outbox.add(draft, NOW)
            deliver(outbox, channels, Zeal(now=phase == "ended"))
        channels.fails.clear()
    assert states(outbox)["pagerduty/opened"] == "superseded"
    assert ("pagerduty", "resolved", None) in channels.sent


def test_a_page_that_nobody_got_is_loud(outbox: Outbox, channels: Channels) -> None:
    channels.fails["pagerduty"] = DOWN
    with outbox.locked():
        for draft in drafts(outbox, "opened", "pool-exhaustion"):
            outbox.add(draft, NOW)
        deliver(outbox, channels)
    (notice,) = loud(outbox.messages(), "pool-1")
    assert notice["data"]["message"].startswith(
        "NOT PAGED (on-call): Sending to pagerduty: no; call the on-call engineer"
    )
    (notice,) = loud(outbox.messages(), "pool-1", {None: "+44 20 7946 0000", "security": "+44 1"})
    assert "no; call the on-call engineer (+44 20 7946 0000), then: runbook notify pool-1" in notice["data"]["message"]
    assert notice["data"]["page"] == outbox.messages()[0]["id"]
    (left,) = follow_up(outbox.messages(), "pool-1")
    assert left["data"]["title"].endswith("runbook notify pool-1 --now")
    assert left["data"]["source"] == "notification"


def test_pages_are_first(outbox: Outbox, channels: Channels) -> None:
    with outbox.locked():
        for draft in reversed(drafts(outbox, "opened", "pool-exhaustion")):
            outbox.add(draft, NOW)
        deliver(outbox, channels)
    assert [channel for channel, _, _ in channels.sent] == ["pagerduty", "statuspage"]


def test_a_server_that_hangs_for_ever_is_left_alone(
    outbox: Outbox, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(outbox_delivery, "_LONGEST_S", 0.3)
    channels.look = lambda message: (release.wait(30), None)[1] if message["channel"] == "slack" else None
    tell(outbox, channels, "opened")
    assert states(outbox) == {"slack/opened": "unknown", "statuspage/opened": "sent"}
    release.set()
    for thread in [item for item in threading.enumerate() if item.name == "outbox-slack"]:
        thread.join(20)
    assert states(outbox)["slack/opened"] == "unknown"  # what the thread did later counts no more


def test_an_error_that_nobody_expected_ends_nothing(outbox: Outbox, channels: Channels) -> None:
    def burst(message: Json) -> None:
        raise ZeroDivisionError(message["channel"])

    channels.look = burst
    tell(outbox, channels, "opened")
    assert states(outbox) == {"slack/opened": "unknown", "statuspage/opened": "failed"}
    assert "ZeroDivisionError" in outbox.messages()[1]["message"]


def test_two_that_send_at_once_send_each_message_once(outbox: Outbox, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def send(message: Json, _thread: Json) -> Json:
        with log.open("a") as file:
            file.write(f"{message['id']}\n")
        time.sleep(0.05)
        return {"target": None, "ids": {}}

    def body() -> None:
        with outbox.locked(20):
            for draft in drafts(outbox, "opened"):
                outbox.add(draft, NOW)
            deliver(outbox, send)

    workers = [multiprocessing.get_context("fork").Process(target=body) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert sorted(log.read_text().split()) == ["0001-slack-internal-opened", "0002-statuspage-status_page-opened"]


def test_who_cannot_get_the_outbox_says_so(outbox: Outbox) -> None:
    with (
        outbox.locked(),
        pytest.raises(OutboxBusyError, match="another process is sending; afterwards: runbook notify"),
        Outbox(outbox.directory.parent).locked(0.1),
    ):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{", '{"key": 5}'])
def test_a_damaged_message_is_named_and_nothing_is_sent(outbox: Outbox, channels: Channels, content: str) -> None:
    tell(outbox, channels, "opened")
    channels.sent.clear()
    (outbox.directory / "0001-slack-internal-opened.json").write_text(content)
    with pytest.raises(IncidentsError, match=r"^Reading the message .*0001-slack-internal-opened.json"):
        tell(outbox, channels)
    assert channels.sent == []


def test_pauses_grow_and_respect_the_server() -> None:
    assert [pause_s(attempts, None) for attempts in (1, 2, 3, 5, 6, 99)] == [30, 60, 120, 480, 900, 900]
    assert pause_s(1, 77.5) == 77.5
    assert pause_s(6, 1) == 900


def test_what_failed_is_due_when_its_time_has_come(outbox: Outbox, channels: Channels) -> None:
    channels.fails["slack"] = {**DOWN, "retry_after_s": 600}
    tell(outbox, channels, "opened")
    message = outbox.messages()[0]
    due = dt.datetime.fromisoformat(message["next_attempt_at"])
    assert due > dt.datetime.now(dt.UTC) + dt.timedelta(seconds=500)
    assert not is_due(message, Zeal(), due - dt.timedelta(seconds=1))
    assert is_due(message, Zeal(), due)


@pytest.mark.parametrize("kind", sorted(sections()))
def test_every_type_can_be_kept_and_recorded(outbox: Outbox, channels: Channels, kind: str) -> None:
    kept = [item for item in drafts(outbox, "opened", kind) if not item["withheld"]]
    with outbox.locked():
        added = [outbox.add(draft, NOW) for draft in kept]
        touched = deliver(outbox, channels)
    said = records(added, touched, {}, NOW)
    assert [item["data"]["status"] for item in said] == ["sent"] * len(kept)
    again = records(outbox.messages(), [], {}, NOW)
    assert [item["data"]["status"] for item in again] == ["already_sent"] * len(kept)


def test_a_page_that_is_refused_keeps_no_other_page(outbox: Outbox, channels: Channels) -> None:
    """Another team has another key; and whoever was not paged is named."""
    (page,) = [draft for draft in drafts(outbox, "opened", "pool-exhaustion") if draft["channel"] == "pagerduty"]
    with outbox.locked():
        outbox.add({**page, "to": "first", "key": "first"}, NOW)
        outbox.add({**page, "to": "second", "key": "second"}, NOW)

        def send(message: Json, thread: Json) -> Json:
            if message["to"] == "first":
                raise IncidentsError("no", **WRONG)
            return channels(message, thread)

        deliver(outbox, send)
    assert [message["state"] for message in outbox.messages()] == ["failed", "sent"]
    (notice,) = loud(outbox.messages(), "pool-1")
    assert notice["data"]["message"].startswith("NOT PAGED (first): no")
