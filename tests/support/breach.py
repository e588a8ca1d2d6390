# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the playbook data_breach against the lab, and look at what it preserved, ended and told without it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from incident_runbooks import schemas
from incident_runbooks.lab import breach
from incident_runbooks.lab.breach.truth import TRUSTED_CIDRS, Truth
from incident_runbooks.lab.faults import breach as fault
from incident_runbooks.lab.lab import Lab
from support.communications import Communications
from support.payments import PaymentsRunbook, World
from support.runbook import ROOT, Run

SECURITY, LEGAL = "security-private", "analytics"  # the lab has no closed channel of legal's own
SERVICE = "PSECUR1"
FEW_ROWS = 200_000  # of the million that the fault has: what is written does not depend on it
ROLES = tuple(f"data-breach-{name}" for name in ("diagnose", "secrets", "jobs", "remediate"))
DIAGNOSE, REMEDIATE = ROLES[0], ROLES[-1]
EVIDENCE, SESSIONS, ACCESS = "preserve-evidence", "revoke-suspect-sessions", "revoke-suspect-access"
WIDE = ("revoke-affected-sessions", "reset-credentials", "require-2fa", "revoke-oauth")
AWARE = {"data_breach_aware_at": "2026-11-27T21:40:00Z"}
DEADLINE = "2026-11-30 21:40 UTC (Monday 30 November 2026 21:40 GMT)"  # of AWARE
PHONE = "+44 20 7946 0000"
HOLD = "incidents.brandconnect/evidence-hold"

_NO_COUNT = 100  # below it a number of the journal is rarely somebody
_NUMBER = re.compile(r"(?<![\w.:/-])\d+(?![\w.:/-]*\w)")
_PUBLIC = ("internal", "status_page", "customers")

Json = dict[str, Any]


class BreachRunbook(PaymentsRunbook):
    """The playbook with the lab's inventory.

    Args:
        lab: which is up, with the data plane.
        directory: of the test.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory, "data_breach")
        directory.chmod(0o700)
        self.hosts |= {"redis": {}}
        self.hosts["communications"] = {
            "slack_channels": {"security": SECURITY, "legal": LEGAL},
            "pagerduty_service_ids": {"security": SERVICE},
            "on_call_phones": {"security": PHONE},
        }
        self.variables = {
            "data_breach_trusted_cidrs": list(TRUSTED_CIDRS),
            "data_breach_evidence_queries": {"up": "up"},
            "data_breach_controller": "BrandConnect Ltd",
        }

    def approve(self, *names: str, incident: Path | None = None, **extra: Any) -> Run:
        """Run it so that it may do some remediations, in a new incident or in one that there is."""
        given = {"runbook_mode": "remediate", "approved": list(names), **extra}
        return self.again(incident, **given) if incident else self.run(**given)

    def roll_back(self, run: Run, *options: str, **extra: Any) -> Run:
        """Give back what an incident's runs did, by plain ansible-playbook."""
        command = self.command(incident=run.directory.name, **extra)
        command[1] = "playbooks/rollback.yml"
        done = subprocess.run(
            [*command, *options],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        result = json.loads((run.directory / "result.json").read_text(encoding="utf-8"))
        assert result["run"]["mode"] == "rollback", done.stdout + done.stderr
        assert schemas.validate("result", result) == []
        return Run(done.returncode, done.stdout, result, self.journal(run.directory), run.directory)


class BreachWorld(World):
    """What the playbook acts on, by other ways than its own.

    Args:
        lab: which is up, with the data plane.

    Attributes:
        told: Slack, PagerDuty and the status page.
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.told = Communications(lab)

    def truth(self) -> Truth:
        """Return the attack that the fault injected."""
        with self.lab.server.connect(self.lab.server.superuser) as connection:
            truth = breach.recorded(connection)
        assert truth is not None
        return truth

    def sessions(self) -> dict[str, str]:
        """Return the owner of each session in Redis."""
        with self._redis() as client:
            return {name: str(client.get(name)) for name in client.scan_iter("sess:*")}

    def prolong_sessions(self) -> None:
        """Let those that are there last for a day: otherwise one ends by itself, 15 minutes after its login."""
        with self._redis() as client:
            for name in client.scan_iter("sess:*"):
                client.expire(name, 86_400)

    def _redis(self) -> redis.Redis:
        host = json.loads((self.lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
        settings = host["_meta"]["hostvars"]["redis"]
        return redis.Redis(host=settings["redis_host"], password=settings["redis_password"], decode_responses=True)

    def refresh_tokens(self, actor: int) -> int:
        """Return how many refresh tokens of an account are valid."""
        statement = "SELECT count(*) AS n FROM refresh_tokens WHERE user_id = %s AND revoked_at IS NULL"
        return int(self.query(statement, actor)[0]["n"])

    def others_tokens(self, actor: int) -> int:
        """Return how many of others are."""
        statement = "SELECT count(*) AS n FROM refresh_tokens WHERE user_id <> %s AND revoked_at IS NULL"
        return int(self.query(statement, actor)[0]["n"])

    def release(self) -> None:
        """Release the backend, which the lab does not undo."""
        self.hold_for(None)

    def hold_for(self, incident: str | None) -> None:
        """Hold the backend as evidence of an incident, as its administrator; of ``None`` release it."""
        path = "/apis/apps/v1/namespaces/brandconnect/deployments/backend"
        self.cluster.api.patch(path, {"metadata": {"annotations": {HOLD: incident}}})

    def hold(self) -> str | None:
        """Return what holds the backend as evidence."""
        annotations = self.cluster.get("deployments", "backend")["metadata"].get("annotations") or {}
        held: str | None = annotations.get(HOLD)
        return held

    def personal(self) -> list[str]:
        """Return what is personal of the people concerned: their e-mail addresses."""
        ids = list(self.truth().user_ids)[:200]
        return [str(row["email"]) for row in self.query("SELECT email FROM users WHERE id = ANY(%s)", ids)]


@pytest.fixture
def world(data_lab: Lab) -> BreachWorld:
    world = BreachWorld(data_lab)
    world.told.forget()
    world.prolong_sessions()
    return world


@pytest.fixture
def breached(data_lab: Lab, world: BreachWorld, monkeypatch: pytest.MonkeyPatch) -> BreachWorld:
    monkeypatch.setattr(fault, "ROWS", FEW_ROWS)
    data_lab.break_("breach-suspected")
    return world


@pytest.fixture
def runbook(data_lab: Lab, world: BreachWorld, tmp_path: Path) -> Iterator[BreachRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = BreachRunbook(data_lab, tmp_path)
    runbook.log_in(world.cluster, *ROLES)
    yield runbook
    world.release()
    assert [(each["verb"], each["requestURI"]) for each in world.cluster.refused(REMEDIATE)] == []


def assert_closed_circle(run: Run, world: BreachWorld) -> None:
    """Nothing went to everybody, and nothing that was written or said names the people concerned."""
    assert world.told.messages("incidents") == []
    assert world.told.status_page()["incidents"] == []
    assert {each["channel_name"] for each in world.told.messages()} <= {SECURITY, LEGAL}
    told = json.dumps([world.told.requests(), world.told.messages(), world.told.incidents()])
    outbox = "".join(path.read_text(encoding="utf-8") for path in (run.directory / "outbox").glob("*.json"))
    journal = (run.directory / "journal.jsonl").read_text(encoding="utf-8")
    for address in world.personal():
        assert address not in told + outbox + journal + run.output + json.dumps(run.result)
    truth, found = world.truth(), run.finding("breach_cause")["data"]
    notices = [each for each in run.result["notifications"] if each["purpose"] in _PUBLIC]
    drafts = [path for name in ("people-*", "customer-email-*") for path in (run.directory / "notices").glob(name)]
    assert notices
    assert drafts
    said = json.dumps([world.told.messages(), world.told.incidents(), notices])
    said += "".join(path.read_text(encoding="utf-8") for path in drafts)
    assert [each for each in {*truth.addresses, str(truth.actor_id)} if _word(each, said)] == []
    ids = {str(each) for each in truth.user_ids if each >= _NO_COUNT}
    assert len(ids) > 1000
    recorded = json.dumps([each["data"] for each in run.journal])
    assert len(ids & set(_NUMBER.findall(recorded))) < 60, "the journal has no list of those concerned"
    counts = {found["people"], len(truth.user_ids), truth.reads, truth.events, *truth.records.values()}
    held = [each["payload"] for each in notices if each["purpose"] != "customers"]
    assert [each for each in counts if _word(str(each), json.dumps(held))] == []


def _word(wanted: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(wanted)}(?![\w.]*\w)", text) is not None
