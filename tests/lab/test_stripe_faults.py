# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be broken at the lab's Stripe, its status page, what it keeps, and how much."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import stripe

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import processes
from incident_runbooks.lab.stripe import part as parts
from incident_runbooks.lab.stripe import world as worlds
from incident_runbooks.lab.stripe.control import KINDS
from incident_runbooks.lab.stripe.world import Delivery, Event, Intent, World
from support.stripe import Stripe

Json = dict[str, Any]

INTENTS = "/v1/payment_intents"


def ask(of: Stripe, path: str = INTENTS, timeout: float = 10) -> requests.Response:
    """Ask the API with the runbooks' key."""
    headers = {"Authorization": f"Bearer {of.keys.restricted_key}"}
    return requests.get(of.url + path, headers=headers, timeout=timeout)


def page(of: Stripe, path: str = "/api/v2/summary.json") -> requests.Response:
    """Ask the status page."""
    return requests.get(of.status_url + path, timeout=5)


def test_an_outage(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("outage"):
        answer = ask(lab_stripe)
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")
        client = stripe.StripeClient(lab_stripe.keys.secret_key, base_addresses={"api": lab_stripe.url})
        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.create({"amount": 1000, "currency": "eur"}, {"max_network_retries": 0})
        found = page(lab_stripe).json()
        assert found["status"] == {"indicator": "critical", "description": "Major Service Outage"}
        (incident,) = found["incidents"]
        assert (incident["status"], incident["impact"], incident["resolved_at"]) == ("investigating", "critical", None)
        assert [(each["name"], each["status"]) for each in incident["components"]] == [("API", "major_outage")]
        began = datetime.fromisoformat(incident["created_at"])
        assert abs((datetime.now(UTC) - began).total_seconds()) < 60
        assert page(lab_stripe).json()["incidents"][0]["created_at"] == incident["created_at"]
        assert page(lab_stripe, "/current").json()["largestatus"] == "down"
    assert lab_stripe.intents() == []
    assert ask(lab_stripe).status_code == 200
    assert page(lab_stripe).json()["incidents"] == []


def test_it_hangs_until_it_is_healed(lab_stripe: Stripe) -> None:
    with ThreadPoolExecutor(1) as pool:
        with lab_stripe.broken("hang"):
            with pytest.raises(requests.ReadTimeout):
                ask(lab_stripe, timeout=0.3)
            waiting = pool.submit(ask, lab_stripe, timeout=30)
            while len(lab_stripe.requests()) < 2:
                time.sleep(0.01)
            assert page(lab_stripe).json()["status"]["indicator"] == "none"
            assert not waiting.done()
        with pytest.raises(requests.ConnectionError):
            waiting.result(timeout=30)
    assert [each["status"] for each in lab_stripe.requests("GET", INTENTS)] == [None, None]
    assert ask(lab_stripe).status_code == 200


def test_a_healthy_status_page(lab_stripe: Stripe) -> None:
    summary = page(lab_stripe).json()
    assert summary["status"] == {"indicator": "none", "description": "All Systems Operational"}
    assert (summary["incidents"], summary["scheduled_maintenances"]) == ([], [])
    assert {"API", "Webhooks", "Klarna"} <= {each["name"] for each in summary["components"]}
    assert {each["status"] for each in summary["components"]} == {"operational"}
    assert page(lab_stripe, "/api/v2/status.json").json()["status"] == summary["status"]
    assert page(lab_stripe, "/api/v2/components.json").json()["components"] == summary["components"]
    assert page(lab_stripe, "/api/v2/incidents/unresolved.json").json()["incidents"] == []
    past = page(lab_stripe, "/api/v2/incidents.json").json()["incidents"]
    assert [each["status"] for each in past] == ["resolved"], "an incident in this list does not mean that one is open"
    assert page(lab_stripe, "/api/v2/other.json").status_code == 404


def test_the_old_form_of_the_status_page(lab_stripe: Stripe) -> None:
    found = page(lab_stripe, "/current").json()
    assert (found["largestatus"], found["message"], found["statuses"]["api"]) == (
        "up",
        "All services are online.",
        "up",
    )
    said = datetime.strptime(found["time"], "%B %d, %Y @ %I:%M%p %z")
    assert abs((datetime.now(UTC) - said).total_seconds()) < 120
    full = page(lab_stripe, "/current/full").json()
    assert (full["UptimeStatus"], {each["key"] for each in full["uptimeData"]} >= {"api", "webhooks"}) == ("up", True)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("status-down", 503, "text/html; charset=utf-8"), ("status-html", 200, "text/html; charset=utf-8")],
)
def test_a_status_page_that_says_nothing(lab_stripe: Stripe, fault: str, status: int, kind: str) -> None:
    with lab_stripe.broken(fault):
        for path in ("/api/v2/summary.json", "/current"):
            answer = page(lab_stripe, path)
            assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
        assert ask(lab_stripe).status_code == 200


def test_a_status_page_that_is_stale(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("outage", "status-stale"):
        for path in ("/api/v2/summary.json", "/current"):
            found = page(lab_stripe, path).json()
            assert (found["largestatus"], found["time"]) == ("up", "February 09, 2024 @ 06:08PM +00:00")
        assert page(lab_stripe, "/api/v2/summary.json").history[0].status_code == 302


def test_an_incident_of_something_else(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("status-other"):
        found = page(lab_stripe).json()
        assert found["status"]["indicator"] == "minor"
        assert [each["name"] for each in found["incidents"][0]["components"]] == ["Klarna"]
        assert {each["name"]: each["status"] for each in found["components"]}["API"] == "operational"
        assert page(lab_stripe, "/api/v2/incidents/unresolved.json").json()["incidents"] == found["incidents"]


def test_every_fault_is_tested() -> None:
    here = [Path(__file__), *Path(__file__).parent.glob("test_stripe_*.py")]
    tested = "".join(path.read_text(encoding="utf-8") for path in here)
    assert [kind for kind in KINDS if f'"{kind}"' not in tested] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/lab/seed", {"payment_intents": [{"id": "pi_3a"}]}),
        ("/lab/seed", {"payment_intents": [{"id": "pi_3a", "amount": 1, "currency": "eur", "state": "x"}]}),
        ("/lab/seed", {"events": [{"type": "x", "payment_intent": "pi_none"}]}),
        ("/lab/seed", []),
        ("/lab/endpoint", {"enabled_events": ["*"]}),
        ("/lab/endpoint", {"url": "http://127.0.0.1/", "secret": "x"}),
        ("/lab/keys", {"expire": ["publishable_key"]}),
        ("/lab/webhook-secret", {}),
    ],
)
def test_a_mistake_of_the_lab_is_told(lab_stripe: Stripe, path: str, said: Any) -> None:
    answer = requests.post(lab_stripe.url + path, data=json.dumps(said), timeout=5)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    assert (lab_stripe.intents(), lab_stripe.events(), lab_stripe.state()["endpoints"]) == ([], [], [])


def test_what_tells_it_reports_mistakes(lab_stripe: Stripe) -> None:
    with pytest.raises(RunbookError, match="publishable_key"):
        lab_stripe.part.tell("/lab/keys", expire=["publishable_key"])


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Stripe, processes.ProcessRecord]]:
    """A Stripe of the test's own, with keys that the platform already had."""
    part = parts.lay_out(tmp_path, secret_key="sk_test_51ours", webhook_secret="whsec_ours")
    record = parts.start(part, mark={})
    parts.wait_until_they_answer(part, record)
    yield Stripe(part), record
    processes.stop(processes.marked("RUNBOOK_TEST_STRIPE", part.url))
    processes.stop([process] if (process := record.find()) else [])


def test_it_goes_on_where_it_stopped(own: tuple[Stripe, processes.ProcessRecord]) -> None:
    found, record = own
    found.set_endpoint(url="http://127.0.0.1:9/x", enabled_events=["payment_intent.succeeded"])
    found.part.tell("/lab/keys", expire=["next_secret_key"])
    found.part.tell("/lab/webhook-secret", secret="whsec_rolled")
    client = stripe.StripeClient("sk_test_51ours", base_addresses={"api": found.url})
    wanted: Any = {"amount": 1000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    client.v1.payment_intents.create(wanted)
    before = found.state()
    process = record.find()
    assert process is not None
    processes.stop([process])
    assert parts.answers(found.part) is False

    parts.wait_until_they_answer(found.part, again := parts.start(found.part, mark={"RUNBOOK_TEST_STRIPE": found.url}))
    after = found.state()
    for name in ("payment_intents", "endpoints", "keys"):
        assert after[name] == before[name]
    assert [each["id"] for each in after["events"]] == [each["id"] for each in before["events"]]
    pending = [each for each in after["events"] if each["pending_webhooks"]]
    assert [next(iter(each["deliveries"].values()))["state"] for each in pending] == ["pending"]

    killed = again.find()
    assert killed is not None
    killed.kill()
    psutil.wait_procs([killed], timeout=5)
    last = parts.start(found.part, mark={"RUNBOOK_TEST_STRIPE": found.url})
    parts.wait_until_they_answer(found.part, last)
    after = found.state()
    assert (after["endpoints"], after["keys"]) == (before["endpoints"], before["keys"])


def test_what_it_keeps_is_private(own: tuple[Stripe, processes.ProcessRecord]) -> None:
    found, record = own
    found.set_endpoint(url="http://127.0.0.1:9/x", enabled_events=["*"])
    ask(found)
    process = record.find()
    assert process is not None
    shown = json.dumps([process.cmdline(), process.environ(), found.state()])
    assert [key for key in found.keys.secrets() if key in shown] == []
    processes.stop([process])
    files = [path for path in found.part.directory.iterdir() if path.is_file()]
    assert {path.name for path in files} == {"keys.json", "settings.json", "objects.json", "requests.jsonl"}
    assert stat.S_IMODE(found.part.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    holders = [path.name for path in files if any(key.encode() in path.read_bytes() for key in found.keys.secrets())]
    assert holders == ["keys.json"]


def test_a_port_that_is_taken(own: tuple[Stripe, processes.ProcessRecord]) -> None:
    record = parts.start(own[0].part, mark={"RUNBOOK_TEST_STRIPE": own[0].url})
    while record.find() is not None:
        processes.collect()
        time.sleep(0.01)
    said = own[0].part.process.log.read_text(encoding="utf-8")
    assert f"starting Stripe on 127.0.0.1:{own[0].part.port}" in said


def test_a_process_that_does_not_start_says_why(tmp_path: Path) -> None:
    part = parts.lay_out(tmp_path)
    (part.directory / "keys.json").unlink()
    record = parts.start(part, mark={})
    with pytest.raises(RunbookError, match=r"Starting the lab's Stripe on 127.0.0.1:\d+: .*keys.json"):
        parts.wait_until_they_answer(part, record)


def test_the_part_survives_a_file(own: tuple[Stripe, processes.ProcessRecord]) -> None:
    part = own[0].part
    assert parts.StripePart.from_plain(json.loads(json.dumps(part.to_plain()))) == part
    assert (part.keys.secret_key, part.keys.webhook_secret) == ("sk_test_51ours", "whsec_ours")
    assert part.keys.secret_key not in repr(part)


def test_it_forgets_what_succeeded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "_MOST_INTENTS", 3)
    monkeypatch.setattr(worlds, "_MOST_EVENTS", 2)
    world = World("whsec_x")
    for n, status in enumerate(["requires_confirmation", "succeeded", "succeeded", "canceled", "canceled"]):
        world.add_intent(Intent(f"pi_{n}", 1, "eur", status, n, "x"))
    assert list(world.intents) == ["pi_0", "pi_3", "pi_4"]
    world.add_intent(Intent("pi_5", 1, "eur", "canceled", 5, "x"))
    assert list(world.intents) == ["pi_3", "pi_4", "pi_5"], "when nothing succeeded, the oldest goes"
    for n, state in enumerate(["failed", "succeeded", "pending"]):
        world.add_event(Event(f"evt_{n}", "x", n, "{}", "x", deliveries={"we_1": Delivery(state, 0.0)}))
    assert list(world.events) == ["evt_0", "evt_2"]
    delivery = Delivery("pending", 0.0)
    for n in range(40):
        delivery.add({"at": n})
    assert (len(delivery.attempts), delivery.attempts[-1]) == (25, {"at": 39})
