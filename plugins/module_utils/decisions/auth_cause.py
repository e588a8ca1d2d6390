# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why people cannot log in: the decision table of auth-down. Pure, no I/O.

The first row that is proven counts. What nobody can log in without comes first: the database, the signing key, Redis,
pods. Only a Service that is proven to lead to none of the pods comes before them. Then come keys and clocks, which only
show where those are well, and what is in front of the API comes last.

What the systems say now outranks what was logged: lines count only where logging in fails, or was not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_case import (
    CREDENTIALS,
    SILENT,
    TOKENS,
    Case,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_facts import (
    AS_EXPECTED,
    DIFFERS,
    MISSING,
    UNUSABLE,
    Facts,
    evidence,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_remedy import remedy
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_witness import witness

CAUSES = (
    *("password_not_checked", "database_down", "jwt_key_missing", "redis_pod", "redis_loading", "redis_auth"),
    *("redis_replica", "redis_persistence_failing", "redis_memory", "redis_unreachable", "backend_down"),
    *("clock_skew", "jwt_key_differs", "jwt_stale", "rate_limited", "unreachable", "dependency", "none", "unknown"),
)
Verdict = tuple[str, str]


def auth_cause(facts: Facts, rate_limit_lines: int) -> dict[str, Any]:
    """Return what the module of the same name does."""
    case = Case(facts, rate_limit_lines)
    proven = _true(_ROWS, case) or _true(_LIKELY, case)
    proven += _true(_LAST, case)
    cause, reason = proven[0] if proven else _nothing_proven(case)
    seen = witness(case, proven)
    return {
        "cause": cause,
        "reason": reason,
        "also": [{"cause": other, "reason": why} for other, why in proven[1:] if other != cause],
        "failing": True if seen else facts.probe.failing,
        "witness": seen,
        **remedy(cause, case),
        "redis": dict(facts.redis.restart) if facts.redis.restart else None,
        "key": facts.key.plain(),
        "evidence": evidence(facts),
        "gaps": list(facts.gaps),
        "notes": list(facts.notes),
    }


def _true(rows: Sequence[Callable[[Case], Verdict | None]], case: Case) -> list[Verdict]:
    return [verdict for row in rows if (verdict := row(case))]


def _password_not_checked(case: Case) -> Verdict | None:
    if case.facts.probe.verdict != "wrong_password_accepted":
        return None
    return "password_not_checked", "the API takes a wrong password, so that anybody gets in"


def _service_leads_nowhere(case: Case) -> Verdict | None:
    """Nobody gets as far as what a login needs, whatever was logged before."""
    facts = case.facts
    if facts.leads_nowhere is None or facts.probe.verdict != "unreachable" or facts.probe.silent:
        return None
    if not facts.pods_ready:
        return None
    ready = f"{facts.pods_ready} of {facts.replicas} pods of the API are ready"
    return "unreachable", f"the Service of the API leads nowhere ({facts.leads_nowhere}), and {ready}{case.shows}"


def _database_down(case: Case) -> Verdict | None:
    down, lines = case.facts.database_down, case.logged("database")
    if not down or not lines or case.facts.probe.verdict in TOKENS:
        return None  # it may be only we who do not reach it
    said = f"and {lines} log lines of the API say so"
    return "database_down", f"the database does not answer ({down}), {said}{case.shows}"


def _database_silent(case: Case) -> Verdict | None:
    """Only we are seen not to reach it, and logging in fails for something that nothing else explains."""
    down = case.facts.database_down
    if not down or case.facts.probe.verdict != "dependency":
        return None
    return "database_down", f"the database does not answer us ({down}), and nothing else explains it{case.shows}"


def _jwt_key_missing(case: Case) -> Verdict | None:
    key = case.facts.key
    if key.stored != MISSING:
        return None
    what = (
        "the Secret with the signing key is not there" if key.secret_exists is False else "the signing key is missing"
    )
    later = "" if case.facts.probe.failing else "; pods that run keep it, those that start later do not have it"
    return "jwt_key_missing", f"{what}{case.shows or later}"


def _redis_pod(case: Case) -> Verdict | None:
    redis = case.facts.redis
    if redis.replicas == 0 and not redis.serves:
        return "redis_pod", f"Redis is scaled to 0, so that it has no pod{case.shows}"
    if redis.ready == 0 and not redis.serves:
        why = "; ".join(redis.trouble[:3]) or "it has none"
        return "redis_pod", f"Redis has no pod that is ready ({why}){case.shows}"
    if redis.out_of_memory and case.facts.probe.failing is not False:
        return "redis_pod", f"a pod of Redis was killed as it took more memory than its limit{case.shows}"
    return None


def _redis_loading(case: Case) -> Verdict | None:
    redis = case.facts.redis
    if redis.loading:
        far = f", {redis.percent:.0f} % of it so far" if redis.percent is not None else ""
        return "redis_loading", f"Redis reads its data from disk{far}{case.shows}"
    return _only_logged(case, "redis_loading", "redis_loading", "Redis was reading its data from disk")


def _redis_auth(case: Case) -> Verdict | None:
    redis, lines = case.facts.redis, case.logged("redis_auth")
    if redis.cause not in CREDENTIALS or not lines or case.past_redis:
        return None  # it may be only our login
    said = f"and {lines} log lines of the API say the same"
    return "redis_auth", f"Redis does not take the login ({redis.message}), {said}{case.shows}"


def _redis_auth_of_ours(case: Case) -> Verdict | None:
    """Only our login is seen to be refused, and logging in fails for something that nothing else explains."""
    redis = case.facts.redis
    if redis.cause not in CREDENTIALS or case.facts.probe.verdict != "dependency":
        return None
    text = f"Redis does not take the login of the runbooks ({redis.message}), and perhaps not that of the API"
    return "redis_auth", f"{text}; nothing else explains it{case.shows}"


def _redis_auth_of_the_api(case: Case) -> Verdict | None:
    """Redis takes our login and not that of the API; what Redis says now, and a login that gets past it, outrank it."""
    redis, lines = case.facts.redis, case.logged("redis_auth")
    if not lines or case.past_redis:
        return None
    older = redis.stale_clients
    why = f"; {len(older)} pods started before its Secret was changed" if older else ""
    return "redis_auth", f"Redis does not take the login of the API, {lines} log lines say so{why}{case.shows}"


def _redis_replica(case: Case) -> Verdict | None:
    redis = case.facts.redis
    for word in ("readonly", "masterdown"):
        if word in redis.refusals or redis.cause == word:
            why = redis.refusals.get(word) or redis.message
            return "redis_replica", f"Redis is a replica and takes no writes ({why}){case.shows}"
    return _only_logged(case, "redis_replica", "redis_readonly", "Redis is a replica and takes no writes")


def _redis_persistence(case: Case) -> Verdict | None:
    why = case.facts.redis.refusals.get("misconf")
    if why is not None:
        return "redis_persistence_failing", f"Redis refuses writes as it cannot save its data ({why}){case.shows}"
    text = "Redis refuses writes as it cannot save its data"
    return _only_logged(case, "redis_persistence_failing", "redis_persistence", text)


def _redis_memory(case: Case) -> Verdict | None:
    why = case.facts.redis.refusals.get("oom")
    if why is not None:
        return "redis_memory", f"Redis refuses writes as its memory is full ({why}){case.shows}"
    return _only_logged(case, "redis_memory", "redis_memory", "Redis refuses writes as its memory is full")


def _only_logged(case: Case, cause: str, name: str, text: str) -> Verdict | None:
    """A logged refusal counts where neither Redis itself says that it takes writes, nor a login shows that it did."""
    lines = case.logged(name)
    if not lines or case.past_redis or (case.facts.redis.serves and case.facts.redis.writes == "accepted"):
        return None
    return cause, f"{text}, {lines} log lines of the API say so{case.shows}"


def _redis_unreachable(case: Case) -> Verdict | None:
    redis, lines = case.facts.redis, case.logged("redis_refused")
    if case.past_redis:
        return None
    others = {word: why for word, why in redis.refusals.items() if word in {"clusterdown", "noreplicas"}}
    if (redis.cause in SILENT or others) and case.hurts("redis_refused"):
        why = redis.message or next(iter(others.values()), "")
        ready = f"; {redis.ready} of its {redis.replicas} pods are ready" if redis.ready else ""
        return "redis_unreachable", f"Redis cannot be used ({why}){ready}{case.shows}"
    if not lines:
        return None
    if redis.serves and case.facts.probe.failing:
        text = f"the API does not reach Redis, {lines} log lines say so, and Redis itself answers"
        return "redis_unreachable", f"{text}{case.shows}"
    if not redis.serves:
        return "redis_unreachable", f"the API does not reach Redis, {lines} log lines say so{case.shows}"
    return None


def _backend_down(case: Case) -> Verdict | None:
    facts = case.facts
    if facts.pods_ready != 0:
        return None
    if facts.replicas == 0:
        return "backend_down", f"the API is scaled to 0, so that it has no pod{case.shows}"
    why = "; ".join(facts.waiting[:3]) or "it has none"
    return "backend_down", f"no pod of the API is ready ({why}){case.shows}"


def _clock_skew(case: Case) -> Verdict | None:
    probe, lines = case.facts.probe, case.logged("clock")
    if probe.verdict not in TOKENS or case.logged("jwt_invalid") or not (lines or probe.clock_wrong):
        return None
    if case.facts.key.stale_pods and not probe.clock_wrong:
        return None  # tokens always expire somewhere; pods with an older key explain more
    said = [f"{lines} log lines say that tokens are not yet or no longer valid"] if lines else []
    if probe.clock_wrong and probe.skew_s is not None:
        said.append(f"the clock of what issues tokens is {abs(probe.skew_s):.0f} s {_side(probe.skew_s)}")
    return "clock_skew", f"clocks are apart: {' and '.join(said) or 'the probe says so'}{case.shows}"


def _side(skew_s: float) -> str:
    return "ahead" if skew_s > 0 else "behind"


def _jwt_key_differs(case: Case) -> Verdict | None:
    key = case.facts.key
    if key.stored not in {DIFFERS, UNUSABLE}:
        return None
    which = f", it is version {key.vault_versions[0]} of Vault" if key.vault_versions else ""
    blank = ", it ends with white space" if key.stored == UNUSABLE else ""
    should = f" and should be {key.vault_fingerprint}" if key.vault_fingerprint else ""
    text = f"the signing key in the Secret is not the one that it should be ({key.fingerprint}{should}{which}{blank})"
    return "jwt_key_differs", f"{text}{case.shows}"


def _jwt_stale(case: Case) -> Verdict | None:
    key = case.facts.key
    if key.stale_pods and case.tokens_refused:
        text = f"{len(key.stale_pods)} pods started before the Secret was changed and use an older key"
        return "jwt_stale", f"{text} ({', '.join(key.stale_pods[:3])}){case.shows}"
    if case.facts.probe.verdict == "stale_replica":
        return "jwt_stale", f"some replicas refuse the tokens that others issue{case.shows}"
    return None


def _older_pods(case: Case) -> Verdict | None:
    """Whether what they use differs is not seen: the Secret may have been written anew with the same key."""
    stale = case.facts.key.stale_pods
    if not stale or case.tokens_refused:
        return None
    text = f"{len(stale)} pods started before the Secret was changed and may use an older key"
    return "jwt_stale", f"{text} ({', '.join(stale[:3])}); no token is seen to be refused for that"


def _rate_limited(case: Case) -> Verdict | None:
    lines = case.facts.lines.get("rate_limit", 0)
    if case.facts.probe.verdict == "rate_limited":
        said = f", and {lines} log lines say so" if lines else ""
        return "rate_limited", f"the API turns logins away as too many{said}{case.shows}"
    if lines >= case.rate_limit_lines:
        return "rate_limited", f"{lines} log lines say that logins were turned away as too many"
    return None


def _unreachable(case: Case) -> Verdict | None:
    if case.facts.probe.verdict != "unreachable" or case.facts.probe.silent or not case.facts.pods_ready:
        return None  # where nothing answered, it may be only we who do not reach it
    ready = f"{case.facts.pods_ready} of {case.facts.replicas} pods of the API are ready"
    return "unreachable", f"{ready}, and its address does not lead to them{case.shows}"


def _dependency(case: Case) -> Verdict | None:
    if case.facts.probe.verdict != "dependency":
        return None
    said = [f"{count} of {name}" for name, count in case.facts.lines.items() if count]
    lines = f" (log lines: {', '.join(said)})" if said else ""
    return "dependency", f"logging in fails for something that the API needs{lines}{case.shows}"


_ROWS: tuple[Callable[[Case], Verdict | None], ...] = (
    _password_not_checked,
    _service_leads_nowhere,
    _database_down,
    _jwt_key_missing,
    _redis_pod,
    _redis_loading,
    _redis_auth,
    _redis_replica,
    _redis_persistence,
    _redis_memory,
    _redis_unreachable,
    _redis_auth_of_the_api,
    _backend_down,
    _clock_skew,
    _jwt_key_differs,
    _jwt_stale,
    _rate_limited,
    _unreachable,
)
# what is believed only where none of these is proven
_LIKELY = (_database_silent, _redis_auth_of_ours)
_LAST = (_dependency, _older_pods)


def _nothing_proven(case: Case) -> Verdict:
    facts = case.facts
    gaps = f"; not known: {'; '.join(facts.gaps)}" if facts.gaps else ""
    if facts.probe.failing:
        return "unknown", f"{facts.probe.why}, and nothing that was examined explains it{gaps}"
    if facts.probe.failing is None:
        return "unknown", f"whether people can log in is not known{gaps}"
    if facts.gaps:
        return "unknown", f"logging in works, but not all was examined{gaps}"
    if facts.key.stored != AS_EXPECTED:
        return "unknown", "logging in works, but whether the signing key is the right one is not known"
    return "none", f"nothing is wrong: {facts.probe.why}"
