# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read the results of the modules that webhook-failures asks into the facts of its decision. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_facts import (
    Facts,
    Probe,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import PUBLIC, SERVICE
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

Json = Mapping[str, Any]

_UNDER_WAY = dt.timedelta(seconds=3)  # how long an event may take from its whole second until it is processed
_NOT_SENT = frozenset({"not_sent", "inconclusive"})
_ENDPOINT_SAYS = {
    "not_found": "Stripe has no such webhook endpoint",
    "mode": "the endpoint is of the other mode, live or test, than the platform",
    "disabled": "the endpoint is disabled at Stripe, so no event is delivered",
    "url_differs": "the endpoint has another URL than the platform",
    "events_missing": "the endpoint is not sent every type of event that the platform needs",
}


def read_facts(results: Json, *, secret_key: str, wanted: str | None) -> Facts:
    """Return what is known.

    Args:
        results: by the names of the module's options: ``probe``, ``endpoints``, ``events``, ``processed``,
            ``workload``, ``logs`` and ``stored_secret``; empty for what was not asked.
        secret_key: key of the Secret that holds the signing secret.
        wanted: fingerprint of the secret that should be deployed, where it is known.
    """
    gaps: list[str] = []
    notes: list[str] = []
    probes = _probes(results["probe"], gaps, notes)
    endpoint, problems = _endpoint(results["endpoints"], gaps)
    missing = _missing(results["events"], gaps, notes)
    deployed, problem, older = _secret(results["stored_secret"], secret_key, notes)
    found = results["workload"].get("workload") or {}
    if not found or results["workload"].get("pods_ready") is None:
        gaps.append(_unread("the pods", results["workload"]))
    return Facts(
        probes=probes,
        pods_ready=results["workload"].get("pods_ready"),
        replicas=found.get("replicas"),
        lines=_lines(results["logs"], gaps),
        secret=deployed or (results["probe"].get("secret") or {}).get("fingerprint"),
        secret_problem=problem,
        wanted=wanted or None,
        pods_older=older,
        endpoint=endpoint,
        endpoint_problems=problems,
        missing=missing,
        missed_at=max(filter(None, (_time(event.get("created")) for event in missing or ())), default=None),
        failed_at=_failed_at(missing or (), results["processed"]),
        processed_at=max(filter(None, map(_newest, results["processed"].get("rows") or ())), default=None),
        gaps=gaps,
        notes=notes,
    )


def _probes(result: Json, gaps: list[str], notes: list[str]) -> dict[str, Probe]:
    shown = result.get("probes") or {}
    found = {name: _probe(name, shown[name]) for name in (PUBLIC, SERVICE) if name in shown}
    public = found.get(PUBLIC)
    if public is None:
        gaps.append(_unread("the public URL", result))
    elif public.unsigned is None:
        gaps.append("what the public URL answers was not seen")
    secret = result.get("secret") or {}
    if secret.get("used") and not secret.get("read"):
        gaps.append(f"no signed request was made: {secret.get('message') or secret.get('cause') or 'no secret'}")
    elif not secret.get("used"):
        notes.append("no signed request was made, it needs signed_probe")
    return found


def _probe(name: str, shown: Json) -> Probe:
    words = {kind: shown.get(kind) or {} for kind in ("unsigned", "signed", "stale")}
    seen = {kind: _word(word.get("verdict")) for kind, word in words.items()}
    signed_failed = seen["signed"] not in (None, "accepted")
    telling = words["signed" if signed_failed else "unsigned"]
    status = f"HTTP {telling['status']}" if telling.get("status") else None
    tls, dns = shown.get("tls") or {}, shown.get("dns") or {}
    said = [status, telling.get("excerpt") or shown.get("message"), tls.get("message")]
    return Probe(
        name=name,
        url=str(shown.get("url") or ""),
        **seen,
        detail=", ".join(dict.fromkeys(str(part) for part in said if part)),
        private=dns.get("resolved") is True and dns.get("public") is False,
        certificate=tls.get("valid") if tls.get("used") else None,
    )


def _word(verdict: Any) -> str | None:
    return None if verdict in _NOT_SENT or not verdict else str(verdict)


def _endpoint(result: Json, gaps: list[str]) -> tuple[Json | None, dict[str, str]]:
    if not result.get("reachable"):
        gaps.append(_unread("Stripe's webhook endpoint", result))
        return None, {}
    told = {str(problem.get("problem")): str(problem.get("message") or "") for problem in result.get("problems") or []}
    return result.get("endpoint"), {word: text or _ENDPOINT_SAYS.get(word, word) for word, text in told.items()}


def _missing(result: Json, gaps: list[str], notes: list[str]) -> list[Json] | None:
    """The missing events; ``None`` when they are not known."""
    missing = result.get("missing")
    if not result.get("reachable") or missing is None:
        gaps.append(_unread("undelivered events", result))
        return None
    if result.get("truncated"):
        (notes if missing else gaps).append("there are older events than those that were looked at")
    return list(missing)


def _failed_at(missing: Iterable[Json], processed: Json) -> dt.datetime | None:
    """When the newest event was made after which none of its type was processed.

    What is processed just after it may have been made before: it takes a while, and Stripe's times are whole seconds.
    """
    newest = {row.get("type"): _newest(row) for row in processed.get("rows") or []}
    made = [(event.get("type"), _time(event.get("created"))) for event in missing]
    return max(
        (at for kind, at in made if at and not ((later := newest.get(kind)) and later > at + _UNDER_WAY)),
        default=None,
    )


def _newest(row: Json) -> dt.datetime | None:
    return _time(row.get("newest_at"))


def _lines(result: Json, gaps: list[str]) -> dict[str, int]:
    total, read = result.get("pods_total"), result.get("pods_read")
    if not result.get("reachable") or total is None:
        gaps.append(_unread("the logs", result))
    elif read != total or not total or result.get("pods_unread"):
        gaps.append(f"logs of {read} of {total} pods were read")
    elif result.get("truncated"):
        gaps.append(f"{len(result['truncated'])} logs were cut off")
    return {name: int(found.get("count") or 0) for name, found in (result.get("classes") or {}).items()}


def _secret(result: Json, key: str, notes: list[str]) -> tuple[str | None, str | None, Sequence[str]]:
    """Fingerprint, what is wrong with the value, and the pods that are older than the Secret."""
    if result.get("exists") is False:
        return None, "the Secret does not exist", ()
    if not result.get("reachable") or result.get("exists") is None:
        notes.append(_unread("the Secret", result))
        return None, None, ()
    found = (result.get("keys") or {}).get(key) or {}
    older = [str(pod.get("name")) for pod in result.get("pods_older") or []]
    if not found.get("exists"):
        return None, f"the Secret has no key {key}", older
    if found.get("empty"):
        return None, f"the value of {key} is empty", older
    return found.get("fingerprint"), None, older


def _time(value: Any) -> dt.datetime | None:
    """An instant, from Unix seconds or RFC 3339."""
    if not isinstance(value, int | float):
        return parse_instant(value)
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _unread(what: str, result: Json) -> str:
    return f"{what} could not be examined: {result.get('message') or result.get('cause') or 'not asked'}"
