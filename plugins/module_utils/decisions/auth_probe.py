# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the answers of an API to logging in mean. Pure, no I/O.

A healthy API refuses a wrong password with 401 and takes the right one. An error of the server (500) to either is that
of something it needs: https://www.rfc-editor.org/rfc/rfc9110#name-status-codes
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

PUBLIC = "public"
HEALTH, WRONG, LOGIN, TOKEN = "health", "wrong_password", "login", "token"
REFUSALS = (401, 403)
_SUCCESS, _REDIRECT, _SERVER = 2, 3, 5  # classes of statuses
_BAD_REQUEST = 400
_BY_STATUS = {404: "wrong_path", 405: "wrong_path", 410: "wrong_path", 408: "timeout", 429: "rate_limited"}
_GATEWAY = (502, 503, 504)
_NOBODY = frozenset({"unavailable", "timeout", "unreachable"})
_FAILED = _NOBODY | {"server_error"}
_ABOUT_KEYS = re.compile(
    r"jwt|signature|secretOrPrivateKey|not active|not yet valid|expired|malformed token|invalid token", re.IGNORECASE
)
# what is wrong with one address counts before what is wrong with another
_ORDER = (
    *("wrong_password_accepted", "rate_limited", "dependency", "stale_replica", "key_or_clock", "wrong_credentials"),
    *("unexpected", "unreachable", "not_configured", "too_soon", "ok"),
)
NOT_SENT: Json = {"status": None, "verdict": "not_sent", "duration_s": None, "excerpt": None}


@dataclass(frozen=True)
class Step:
    """One request and what came of it.

    Attributes:
        kind: ``health``, ``wrong_password``, ``login`` or ``token``.
        status: HTTP status; ``None`` when no answer came.
        cause: why no answer came, such as ``timeout``; ``None`` when one did.
        text: what the API said, or why it said nothing; bounded and without secrets.
        duration_s: seconds.
        retry_after_s: seconds that it asks to wait.
        skew_s: seconds that the clock of the answer is ahead.
    """

    kind: str
    status: int | None
    cause: str | None = None
    text: str = ""
    duration_s: float = 0.0
    retry_after_s: float | None = None
    skew_s: float | None = None


@dataclass(frozen=True)
class Seen:
    """What was seen of one address.

    Attributes:
        url: of it.
        steps: by kind, at most one each; the token's are in ``checks``.
        issued: whether a login gave a token.
        too_soon: nobody logged in, as somebody has just done so.
        asked: whether somebody was to log in at all.
        checks: each use of the token.
    """

    url: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    issued: bool = False
    too_soon: bool = False
    asked: bool = True
    checks: Sequence[Step] = ()

    @property
    def reachable(self) -> bool:
        """Whether anything was answered."""
        return any(step.status is not None for step in (*self.steps.values(), *self.checks))

    @property
    def silent(self) -> Step | None:
        """A step without an answer, where there was none to any."""
        return None if self.reachable else next(iter(self.steps.values()), None)

    def word(self, kind: str) -> str:
        """The verdict of a step."""
        if kind == LOGIN and self.too_soon:
            return "too_soon"
        step = self.steps.get(kind)
        return verdict(step, issued=self.issued) if step else "not_sent"


def verdict(step: Step, *, issued: bool = False) -> str:
    """Return what came of a step, as one word.

    Args:
        issued: of a login, whether it gave a token.
    """
    status = step.status
    if status is None:
        return "timeout" if step.cause == "timeout" else "unreachable"
    if status // 100 == _SUCCESS:
        return {HEALTH: "ok", WRONG: "accepted", LOGIN: "ok" if issued else "no_token"}.get(step.kind, "accepted")
    if status in REFUSALS and step.kind != HEALTH:
        return "refused"
    if status == _BAD_REQUEST and step.kind == WRONG:
        return "refused"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in _GATEWAY:
        return "unavailable"
    return {_REDIRECT: "redirect", _SERVER: "server_error"}.get(status // 100, "unexpected")


def counts(checks: Sequence[Step]) -> Json:
    """Return how the uses of a token went."""
    words = Counter(verdict(each) for each in checks)
    other = next((each for each in checks if verdict(each) != "accepted"), None)
    statuses = Counter(str(each.status or verdict(each)) for each in checks)
    return {
        "checks": len(checks),
        "accepted": words["accepted"],
        "refused": words["refused"],
        "failed": len(checks) - words["accepted"] - words["refused"],
        "statuses": dict(sorted(statuses.items())),
        "excerpt": (other.text or None) if other else None,
    }


def shown(seen: Seen) -> Json:
    """Return what the module says of one address."""
    return {
        "url": seen.url,
        "reachable": seen.reachable,
        "verdict": judge(seen),
        **{kind: _described(seen, kind) for kind in (HEALTH, WRONG, LOGIN)},
        "token": counts(seen.checks),
    }


def _described(seen: Seen, kind: str) -> Json:
    step = seen.steps.get(kind)
    if step is None:
        return {**NOT_SENT, "verdict": seen.word(kind)}
    return {
        "status": step.status,
        "verdict": seen.word(kind),
        "duration_s": round(step.duration_s, 3),
        "excerpt": step.text or None,
    }


def judge(seen: Seen) -> str:
    """Return what is to be said of one address, as one word."""
    alive, login = seen.word(HEALTH), seen.word(LOGIN)
    tried = {login, seen.word(WRONG)} - {"not_sent", "too_soon"}
    if not seen.reachable or (alive in _NOBODY and not tried - _NOBODY):
        return "unreachable"
    if seen.word(WRONG) == "accepted":
        return "wrong_password_accepted"
    if login == "rate_limited":
        return "rate_limited"
    if login in _FAILED or (login == "refused" and seen.word(WRONG) in _FAILED):
        return "dependency"
    if login == "refused":
        return _refused(seen)
    if login == "ok":
        return _of_token(seen)
    if login in {"not_sent", "too_soon"}:
        if seen.word(WRONG) in _FAILED:
            return "dependency"
        if alive != "ok":
            return "unexpected"
        return "too_soon" if login == "too_soon" else "not_configured"
    return "unexpected"


def _refused(seen: Seen) -> str:
    """The right password was refused. Only where the API says so is it keys or time, not the password."""
    right, wrong = seen.steps[LOGIN], seen.steps.get(WRONG)
    same = wrong is not None and (wrong.status, wrong.text) == (right.status, right.text)
    return "key_or_clock" if not same and _ABOUT_KEYS.search(right.text) else "wrong_credentials"


def _of_token(seen: Seen) -> str:
    """Logging in works, and the token was used."""
    found = counts(seen.checks)
    if found["failed"]:
        failed = [verdict(each) for each in seen.checks]
        return "dependency" if _FAILED.intersection(failed) else "unexpected"
    if found["refused"]:
        return "stale_replica" if found["accepted"] else "key_or_clock"
    if seen.word(WRONG) in _FAILED or not found["accepted"] or seen.word(HEALTH) != "ok":
        return "unexpected"
    return "ok"


def overall(seen: Mapping[str, Seen], old: str) -> str:
    """Return what is to be said of all addresses, as one word.

    Args:
        seen: by name.
        old: what became of the token of before, as :func:`old_verdict` says it.
    """
    words = {name: judge(each) for name, each in seen.items()}
    if not words:
        return "not_configured"
    if words.get(PUBLIC) == "unreachable" or set(words.values()) == {"unreachable"}:
        return "unreachable"
    found = set(words.values())
    every = [counts(each.checks) for each in seen.values()]
    apart = any(each["accepted"] for each in every) and any(each["refused"] for each in every)
    if apart or ("ok" in found and found & {"key_or_clock", "wrong_credentials"}):
        found.add("stale_replica")
    worst = next((word for word in _ORDER if word in found), "unexpected")
    if worst in {"ok", "too_soon"} and old in {"refused", "mixed"}:
        return "token_rejected" if old == "refused" else "stale_replica"
    return worst


def answered(seen: Mapping[str, Seen]) -> bool:
    """Return whether what people use gave any answer, be it of what is in front of the API.

    Where it did not, it may be only we who do not reach it: our network, our VPN, our names.

    Args:
        seen: by name.
    """
    public = seen.get(PUBLIC)
    return public.reachable if public else any(each.reachable for each in seen.values())


def old_verdict(checks: Iterable[Step]) -> str:
    """Return what became of a token of before."""
    found = counts(list(checks))
    if not found["checks"] or found["failed"]:
        return "unknown"
    if not found["refused"]:
        return "valid"
    return "mixed" if found["accepted"] else "refused"


def reason(word: str, seen: Mapping[str, Seen], old: str, wait_s: float | None) -> str:
    """Return why it is so, in one sentence."""
    if word == "not_configured":
        return "where to log in, or as whom, is not given" if not seen else "nobody is given to log in as"
    if word == "ok":
        found = [counts(each.checks) for each in seen.values()]
        passed, checks = sum(each["accepted"] for each in found), sum(each["checks"] for each in found)
        return f"logging in works at {', '.join(seen)}, and {passed} of {checks} checks of the token passed"
    if word == "too_soon":
        return f"the probe account has just been used; it may log in again in {wait_s or 0:.0f} s"
    if word == "token_rejected":
        return "logging in works, and a token of before is refused, so that people have to log in again"
    said = "; ".join(f"{name}: {_sentence(each)}" for name, each in seen.items() if judge(each) != "ok")
    return said or f"a token of before is {old}: some replicas take it and others do not"


def _sentence(seen: Seen) -> str:
    """What was seen of one address that is not as it should be."""
    if seen.silent:
        return f"no answer ({seen.silent.text or seen.silent.cause})"
    parts = []
    for kind, name in ((HEALTH, "health"), (WRONG, "a wrong password"), (LOGIN, "logging in")):
        step, word = seen.steps.get(kind), seen.word(kind)
        if step is None or word in {"ok", "not_sent"} or (kind == WRONG and word == "refused"):
            continue
        status = f"HTTP {step.status}" if step.status else step.text or word
        parts.append(f"{name} gave {word.replace('_', ' ')} ({status})")
    found = counts(seen.checks)
    if found["checks"] > found["accepted"]:
        parts.append(
            f"of {found['checks']} checks of the token {found['accepted']} passed, {found['refused']} were refused and"
            f" {found['failed']} failed"
        )
    return ", ".join(parts) or judge(seen).replace("_", " ")
