# SPDX-License-Identifier: GPL-3.0-or-later
"""What the headers of the collection say: each claims no more than its findings and actions show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import Situation, compose
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_templates import problems
from support.journal_entries import PLAN, action, error, finding, verification
from support.messages import HEADERS, NOW, by, delivered, header_of, one, result, sent_of

Json = dict[str, Any]


def conditions_of(notices: list[Json]) -> list[Json]:
    """The conditions of notices, and of texts of which the first that fits counts."""
    texts = [text for notice in notices for text in notice["texts"].values() if isinstance(text, list)]
    return [item["when"] for item in (*notices, *(each for several in texts for each in several)) if "when" in item]


@pytest.mark.parametrize("source", HEADERS, ids=lambda path: path.parents[1].name)
def test_the_headers_of_the_collection(source: Path) -> None:
    header = yaml.safe_load(source.read_text(encoding="utf-8"))
    assert problems(header["messages"]) == []
    declared = {remediation["id"] for remediation in header["remediations"]}
    named = {
        name
        for condition in conditions_of(header["messages"]["notices"])
        for name in [*condition.get("remediations", []), *condition.get("changed", [])]
    }
    assert named <= declared
    other = result(finding(check="none_that_a_header_names"), PLAN)
    now = Situation("pool-exhaustion-20261123T231455Z-3fa1", header, other, now=NOW)
    always = [notice for notice in header["messages"]["notices"] if "when" not in notice]
    assert len(compose(now, "opened")) == len(always) > 0


def test_pool_exhaustion_claims_only_the_outage_that_its_findings_prove() -> None:
    (source,) = [path for path in HEADERS if path.parents[1].name == "pool_exhaustion"]
    header = yaml.safe_load(source.read_text(encoding="utf-8"))

    def status(*entries: tuple[str, Json]) -> str | None:
        now = Situation("pool-exhaustion-20261123T231455Z-3fa1", header, result(*entries), now=NOW)
        claimed: str | None = one(compose(now, "opened"), "status_page")["payload"].get("component_status")
        return claimed

    errors = finding("degraded", check="logs", component="backend", cause="connection_errors")
    dead = finding("down", check="workload", component="backend", cause="no_ready_pods")
    assert status(finding()) == "degraded_performance"
    assert status(finding(), errors) == "partial_outage"
    assert status(finding(), errors, dead) == "major_outage"
    assert status(finding("degraded", check="exhaustion", component="backend", cause="app_pool_exhausted")) is None


NEAR = finding("degraded", cause="server_slots_nearly_exhausted")
TOO_LARGE = finding("degraded", check="budget", component="backend", cause="budget_violated")
LEAK = finding("degraded", check="holders", cause="connection_leak")


def test_pool_exhaustion_pages_and_goes_public_only_where_the_api_is_shown_to_fail() -> None:
    header = header_of("pool_exhaustion")

    def told(*entries: tuple[str, Json]) -> list[Json]:
        return compose(Situation("pool-exhaustion-20261123T231455Z-3fa1", header, result(*entries), now=NOW), "opened")

    for harmless in ([TOO_LARGE], [NEAR, TOO_LARGE], [LEAK], [NEAR, finding("ok", check="exhaustion"), LEAK]):
        (internal,) = told(*harmless, PLAN)
        assert internal["purpose"] == "internal"
        assert "nothing shows that the API fails" in internal["payload"]["text"]
        assert header["impact"] not in internal["payload"]["text"]
    waiting = finding("degraded", check="exhaustion", component="backend", cause="app_pool_exhausted")
    dead = finding("down", check="workload", component="backend", cause="no_ready_pods")
    for proven in ([finding()], [waiting, TOO_LARGE], [dead]):
        drafts = told(*proven, PLAN)
        assert [draft["purpose"] for draft in drafts] == ["page", "internal", "status_page"]
        assert header["impact"] in one(drafts, "internal")["payload"]["text"]


def test_analysts_are_told_whether_old_metrics_are_kept_and_each_way_in_one_incident() -> None:
    header = header_of("ingestion_lag")
    name = "archive-old-data"
    plan = ("plan", {**PLAN[1], "remediations": [{**PLAN[1]["remediations"][0], "id": name}]})
    archived, discarded = (
        finding("degraded", check="old_data", component="clickhouse", cause=cause)
        for cause in ("to_archive", "to_discard")
    )

    def told(phase: str, *entries: tuple[str, Json], sent: list[Json]) -> list[Json]:
        found = result(*entries, plan) if phase == "opened" else result(*entries)
        drafts = compose(Situation("ingestion-lag-20261123T231455Z-3fa1", header, found, sent, now=NOW), phase)
        return [draft for draft in drafts if draft["purpose"].startswith("analytics")]

    (kept,) = told("opened", archived, sent=[])
    assert (kept["purpose"], kept["to"]) == ("analytics", "analytics")
    assert "written to the archive first, compared" in kept["payload"]["text"]
    sent = sent_of([kept])
    (lost,) = told("opened", discarded, sent=sent)
    assert (lost["purpose"], lost["to"]) == ("analytics_discard", "analytics")
    assert lost["key"] != kept["key"]
    assert "WITHOUT A COPY" in lost["payload"]["text"]
    assert "archive first" not in lost["payload"]["text"]

    refused = (archived, action("refused", id=name, changed=False))
    (draft,) = told("ended", *refused, sent=sent)
    assert draft["payload"]["text"].startswith("*This run has dropped no old metrics from ClickHouse (refused)*")
    dropped = (archived, action(id=name, reason="archive and drop 2 partitions"), verification())
    text = told("ended", *dropped, sent=sent)[0]["payload"]["text"]
    assert text.startswith("*Old metrics have left ClickHouse, and it has space again*\n")
    assert "archive and drop 2 partitions" in text
    grown = told("ended", action(id="free-clickhouse-space"), verification(), sent=sent)
    assert "this run has dropped no old metrics" in grown[0]["payload"]["text"]


def test_finance_reads_what_was_done_with_events_and_nothing_that_was_not_compared() -> None:
    header = header_of("webhook_failures")
    ids = ("enable-endpoint", "resend-events")
    plan = ("plan", {**PLAN[1], "remediations": [{**PLAN[1]["remediations"][0], "id": name} for name in ids]})
    disabled = finding(check="webhook_cause", component="backend", cause="endpoint_disabled")
    missing = finding("degraded", check="missing_events", component="postgres", cause="events_missing")

    def finance(phase: str, *entries: tuple[str, Json], sent: list[Json]) -> str:
        now = Situation("webhook-failures-20261123T231455Z-3fa1", header, result(*entries), sent, now=NOW)
        drafts = by(compose(now, phase), "finance")
        sent += sent_of(drafts) if phase == "opened" else []
        text: str = drafts[0]["payload"]["text"]
        return text

    assert "no event is known to be missing" in finance("opened", disabled, plan, sent=[])
    sent: list[Json] = []
    assert "events are missing" in finance("opened", disabled, missing, plan, sent=sent)
    good, bad = verification(), verification("unresolved")
    enabled, resent = (action(id=name) for name in ids)
    compared = action(id="resend-events", changed=False, reason="4 payments compared: 0 agree, 4 differ")
    for entries, heading in (
        ((enabled, good), "*Stripe's endpoint is enabled again. This run has sent no event again"),
        ((resent, good), "*Events were sent again, and none is known to be missing*"),
        ((enabled, resent, good), "*Events were sent again, and none is known to be missing*"),
        ((compared, good), "*Webhooks are delivered again. This run has sent no event again"),
        ((finding("ok", check="webhook_cause"),), "*Webhooks are delivered again. This run has sent no event again"),
        ((enabled, bad), "*No event was sent again by this run"),
        ((resent, bad), "*Events were sent again; it is not resolved yet (unresolved)*"),
    ):
        assert finance("ended", *entries, sent=sent).startswith(heading), entries
    assert "payment statuses follow" not in json.dumps(header)


def test_readers_of_metrics_are_told_what_stands_still_on_purpose() -> None:
    header = header_of("ingestion_lag")
    limited = finding("degraded", check="ingestion_cause", component="backend", cause="rate_limited")
    late = finding("degraded", check="freshness", component="clickhouse", cause="rows_late")
    settings = {"check": "settings", "component": "backend", "cause": None}
    before, slowed = (finding("ok", **settings, data={"paused": names}) for names in ([], ["meta", "tiktok"]))

    def told(phase: str, *entries: tuple[str, Json], sent: list[Json]) -> list[Json]:
        now = Situation("ingestion-lag-20261123T231455Z-3fa1", header, result(*entries), sent, now=NOW)
        return compose(now, phase)

    sent = delivered(told("opened", limited, late, before, PLAN, sent=[]))
    sent += [{**sent[0], "channel": "manual", "purpose": "public", "to": None}]  # as if somebody had sent it
    one_is = "meta is paused on purpose; the limit is said to end 2026-11-24 00:15 UTC, until somebody puts it back"
    as_set = ("verification", {"check": "settings", "status": "resolved", "summary": one_is})
    slow = action(id="slow-ingestion")
    for entries, words in (
        ((limited, late, before, slow, verification(), as_set), one_is),
        ((slowed,), "paused on purpose: meta, tiktok"),  # a later run, which has nothing to do
        ((limited, late, before, action(id="sync-metrics"), verification()), None),
    ):
        ended = told("ended", *entries, sent=sent)
        readers, public = (
            one(ended, purpose, "resolved")["payload"]["text"] for purpose in ("metrics_readers", "public")
        )
        assert readers.startswith("*Metrics arrive again.*")
        if words:
            assert f"*Not those of what is slowed:* {words}" in readers
            assert f"Except for what is asked less often for now: {words}" in public
        else:
            assert "slowed" not in readers + public
            assert "Except" not in public


def test_nobody_is_told_that_payments_are_tried_again_unless_somebody_has_approved_it() -> None:
    (source,) = [path for path in HEADERS if path.parents[1].name == "payment_failure"]
    header = yaml.safe_load(source.read_text(encoding="utf-8"))
    left = finding("degraded", check="failed_payments", component="postgres", cause="payments_left_failed")
    plan = {**PLAN[1]["remediations"][0], "id": "retry-failed-payments"}
    approved, waiting = (
        ("plan", {**PLAN[1], "remediations": [{**plan, "approved": approved}]}) for approved in (True, False)
    )

    def told(phase: str, *entries: tuple[str, Json], sent: list[Json]) -> list[Json]:
        now = Situation("payment-failure-20261123T231455Z-3fa1", header, result(left, *entries), sent, now=NOW)
        return compose(now, phase)

    quiet = told("opened", waiting, sent=[])
    quiet += told("ended", waiting, sent=sent_of(quiet))
    assert quiet
    assert by(quiet, "failed_payments") == []

    refused = Situation("payment-failure-20261123T231455Z-3fa1", header, result(left, approved), now=NOW, acting=False)
    assert {draft["purpose"] for draft in compose(refused, "opened")} == {draft["purpose"] for draft in quiet}

    opened = told("opened", approved, sent=[])
    assert "about to be tried again" in one(opened, "failed_payments")["payload"]["text"]
    refused = told("ended", approved, action("refused", id=plan["id"]), error("refused"), sent=sent_of(opened))
    heading = one(refused, "failed_payments", "progress")["payload"]["text"].splitlines()[0]
    assert heading == "*Retry of failed payments: refused*"
    done = told("ended", approved, action(id=plan["id"]), verification(), sent=sent_of(opened))
    heading = one(done, "failed_payments", "resolved")["payload"]["text"].splitlines()[0]
    assert heading == "*Retry of failed payments: resolved*"
