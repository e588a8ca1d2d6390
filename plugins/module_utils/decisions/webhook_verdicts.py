# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a webhook endpoint's answers to probes mean. Pure, no I/O.

A healthy endpoint answers 400 to a request without a signature: one that answers 2xx does not check it. Stripe takes
everything but 2xx for a failed delivery, redirects included: https://docs.stripe.com/webhooks
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

LONGEST_URL = 2000
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+", re.IGNORECASE)  # RFC 3986, without fragment
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ABOUT_TIME = re.compile(r"timestamp outside|tolerance|too old|expired", re.IGNORECASE)
_BY_STATUS = {
    401: "refused_by_edge",
    403: "refused_by_edge",
    404: "wrong_path",
    405: "wrong_path",
    407: "refused_by_edge",
    408: "timeout",
    410: "wrong_path",
    413: "too_large",
    429: "throttled",
    451: "refused_by_edge",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
_BAD_REQUEST = 400
_REFUSALS = (401, 403)
KINDS = ("unsigned", "signed", "stale")
PUBLIC, SERVICE = "public", "service"  # names of addresses: as Stripe reaches it, and inside of the cluster
NOT_SENT: Json = {"status": None, "verdict": "not_sent", "duration_s": None, "excerpt": None}


@dataclass(frozen=True)
class Probe:
    """One probe and what came of it.

    Attributes:
        kind: ``unsigned``, ``signed`` or ``stale``.
        status: HTTP status; ``None`` when no answer came.
        cause: why no answer came, such as ``timeout``; ``None`` when one did.
        text: what the endpoint said, or why it said nothing; bounded and without secrets.
        duration_s: seconds.
    """

    kind: str
    status: int | None
    cause: str | None
    text: str
    duration_s: float


def url_problem(url: str) -> str | None:
    """Return why a webhook cannot be sent to an address; ``None`` when it can. The text does not quote it."""
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        return "must be an address that begins with https:// or http://"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no valid address"
    return "must be an address with a host and without login" if not host or "@" in parts.netloc else None


def names_problem(names: Iterable[str]) -> str | None:
    """Return why the addresses cannot be told apart by their names; ``None`` when they can."""
    given = list(names)
    if not all(_NAME.fullmatch(name) for name in given):
        return "a name is of at most 40 letters, digits, - and _"
    return "each name may be given once" if len(set(given)) < len(given) else None


def describe(probes: Iterable[Probe]) -> dict[str, Json]:
    """Return status, verdict, duration and excerpt of each probe, by kind; of one that was not sent, ``not_sent``.

    Args:
        probes: at most one of each kind, to the same address.
    """
    shown = {probe.kind: _described(probe) for probe in probes}
    found = {kind: shown.get(kind, dict(NOT_SENT)) for kind in KINDS}
    accepted = found["signed"]["verdict"] == "accepted"
    if accepted and found["unsigned"]["status"] in _REFUSALS:
        # the same request with a signature gets through, so that it is the handler that refuses
        found["unsigned"]["verdict"] = "verified"
    if not accepted and found["stale"]["verdict"] == "stale_rejected":
        found["stale"]["verdict"] = "inconclusive"  # it would have been refused at any age
    return found


def _described(probe: Probe) -> Json:
    return {
        "status": probe.status,
        "verdict": verdict(probe),
        "duration_s": round(probe.duration_s, 3),
        "excerpt": probe.text or None,
    }


def verdict(probe: Probe) -> str:
    """Return what came of a probe, as one word."""
    status = probe.status
    if status is None:
        return "timeout" if probe.cause == "timeout" else "unreachable"
    if status // 100 == 2:  # noqa: PLR2004 - the class of all successes
        return {"unsigned": "not_verified", "signed": "accepted", "stale": "stale_accepted"}[probe.kind]
    if status == _BAD_REQUEST:
        refused = "timestamp_rejected" if _ABOUT_TIME.search(probe.text) else "bad_signature"
        return {"unsigned": "verified", "signed": refused, "stale": "stale_rejected"}[probe.kind]
    return _BY_STATUS.get(status) or {3: "redirect", 5: "handler_error"}.get(status // 100, "unexpected")


def objections(probes: Mapping[str, Mapping[str, Any]], secret: Mapping[str, Any]) -> list[str]:
    """Return why no event should be sent to the handler now; empty where nothing speaks against it.

    Args:
        probes: what each address made of the requests, by its name, as the module webhook_probe returns it.
        secret: whether the signing secret was ``used`` and could be ``read``, likewise.
    """
    found = [] if PUBLIC in probes else ["its public URL was not asked"]
    if secret.get("used") and not secret.get("read"):
        found.append(f"no signed request could be made ({secret.get('message') or secret.get('cause') or 'no secret'})")
    for shown in probes.values():
        verdicts = {kind: shown[kind]["verdict"] for kind in KINDS}
        wrong = {
            "unsigned": verdicts["unsigned"] != "verified",
            "signed": verdicts["signed"] != ("accepted" if secret.get("read") else "not_sent"),
            "stale": verdicts["stale"] == "stale_accepted",
        }
        words = [f"{kind} request {verdicts[kind]}" for kind in KINDS if wrong[kind]]
        if shown["tls"].get("valid") is False:
            words.append("its certificate is not valid")
        if words:
            found.append(f"{shown['url']}: {', '.join(words)}")
    return found
