# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a probe of the login says: the result of the module auth_probe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import auth_keepsake
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth_probing import Outcome
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import NEXT_STEPS
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import auth_probe as decide
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_probe import LOGIN, Seen
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_token import (
    clock_facts,
    has_expired,
    issued_skew_s,
    token_facts,
)

_HINTS = {
    "refused": NEXT_STEPS["refused"],
    "dns": NEXT_STEPS["dns"],
    "tls": "check the certificate, auth_ca_cert and the clock",
    "timeout": "check the network, the ingress and whether the API hangs",
}
_NOT_CONFIGURED = "set auth_url, auth_probe_user and auth_probe_password on the inventory host auth"

Json = dict[str, Any]


def _old(keepsake: str | None, token: str | None, outcome: Outcome) -> Json:
    """What became of the token of before."""
    facts = token_facts(token)
    shown = {"message": None, "issued_at": facts["issued_at"], "expires_at": facts["expires_at"]}
    if not keepsake:
        return {**shown, "verdict": "not_asked"}
    if token is None:
        return {**shown, "verdict": "unknown", "message": "it is of another run, or was not made in process"}
    if outcome.old is None:
        word = "expired" if has_expired(token, time.time()) else "unknown"
        return {**shown, "verdict": word, "message": "it was not used, so it tells nothing"}
    found = decide.counts(outcome.old)
    text = f"{found['accepted']} of {found['checks']} checks passed, {found['refused']} were refused"
    return {**shown, "verdict": decide.old_verdict(outcome.old), "message": text}


def result(params: Mapping[str, Any], outcome: Outcome, token: str | None, wait_s: float | None) -> Json:
    """Return the module's result.

    Args:
        params: the module's options.
        outcome: what came of the probe.
        token: of before, that the keepsake held.
        wait_s: seconds until the account may log in; ``None`` where it did.
    """
    seen, old = outcome.seen, _old(params["keepsake"], token, outcome)
    word = decide.overall(seen, old["verdict"])
    logins = [each.word(LOGIN) == "ok" for each in seen.values() if LOGIN in each.steps]
    checks = [decide.counts(each.checks) for each in seen.values() if each.checks]
    steps = [step for each in seen.values() for step in (*each.steps.values(), *each.checks)]
    waits = [step.retry_after_s for step in steps if step.retry_after_s is not None]
    facts = token_facts(outcome.token)
    return {
        "changed": False,
        **_summary(seen),
        "answered": decide.answered(seen),
        "verdict": word,
        "reason": decide.reason(word, seen, old["verdict"], wait_s),
        "login_ok": all(logins) if logins else None,
        "token_ok": all(each["accepted"] == each["checks"] for each in checks) if checks else None,
        "probes": {name: decide.shown(each) for name, each in seen.items()},
        "old_token": old,
        "keepsake": auth_keepsake.keep(outcome.token) if outcome.token else None,
        "token": {name: facts[name] for name in ("algorithm", "key_id", "lifetime_s", "issued_at")},
        "clock": clock_facts(
            (step.skew_s for step in steps),
            (issued_skew_s(each.token, each.at) for each in outcome.issued.values()),
            params["max_skew_s"],
        ),
        "retry_after_s": wait_s if wait_s is not None else max(waits, default=None),
        "logins": len(logins),
    }


def _summary(seen: Mapping[str, Seen]) -> Json:
    if not seen:
        text = "auth_url is not given"
        return {"reachable": False, "cause": "not_configured", "message": text, "hint": _NOT_CONFIGURED}
    silent = next((each.silent for each in seen.values() if each.silent), None)
    cause = (silent.cause or "no_answer") if silent else None
    if silent is None and not all(each.asked for each in seen.values()):
        text = "auth_probe_user or auth_probe_password is not given, so nobody logged in"
        return {"reachable": True, "cause": "not_configured", "message": text, "hint": _NOT_CONFIGURED}
    return {
        "reachable": any(each.reachable for each in seen.values()),
        "cause": cause,
        "message": silent.text if silent else None,
        "hint": _HINTS.get(cause, NEXT_STEPS["no_answer"]) if cause else None,
    }
