# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whose sessions are ended, what speaks against it, and what it has come to. Pure, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import flag, role
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

SUSPECTS, AFFECTED, ALL = "suspects", "affected", "all"
SCOPES = (SUSPECTS, AFFECTED, ALL)
# not "tokens": what stands under a name like that is taken for a secret, and redacted
SESSIONS, REFRESH = "sessions", "refresh"
STORES = (REFRESH, SESSIONS)  # the refresh tokens first: whoever has one makes a new session with it
_WORDS = {SESSIONS: "sessions", REFRESH: "refresh tokens"}
BOUNDS = {"max_keys": (1, 1_000_000), "batch": (1, 5000)}
MOST_SHOWN = 50  # ids in a result; all of them are in the files
LONGEST_ID = 200
MOST_ACTORS = 200_000
TOLERANCE = 0.05  # how much the number of other people's sessions may differ afterwards
FINGERPRINT = 12
UNDECODED = "\ufffd"  # stands for what was no UTF-8: a name with it is another's, and a value with it nobody's
_NO_ID = frozenset('{["')  # a whole document, of which nobody has said where the id is
# what a pattern begins with before anything in it is a wildcard; fewer than three choose nearly everything
_FIXED = re.compile(r"[^*?\[\\]{3}")

Json = dict[str, Any]
Objection = tuple[str, str]


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        scope: ``suspects``, ``affected`` or ``all``.
        actors: ids of the accounts; empty for ``all``.
        stores: ``refresh``, ``sessions`` or both, in the order in which they are gone through.
        max_keys: at most so many in each store.
        targets: the approved plan; ``None`` for any.
    """

    scope: str
    actors: frozenset[str]
    stores: tuple[str, ...]
    max_keys: int
    targets: Sequence[Mapping[str, Any]] | None = None

    @property
    def everybody(self) -> bool:
        """Whether it is about all accounts."""
        return self.scope == ALL

    def wants(self, owner: str | None) -> bool:
        """Whether a session of this owner is to be ended; of an unknown owner only where all are."""
        return self.everybody or (owner is not None and owner in self.actors)


@dataclass
class Done:
    """What became of one store.

    Attributes:
        result: ``revoked``, ``failed``, ``unknown`` or ``not_attempted``.
        count: how many were revoked.
        ids: of the tokens, in the order in which they were revoked.
        reason: why not, or why not all.
    """

    store: str
    result: str = "revoked"
    count: int = 0
    ids: tuple[str, ...] = ()
    reason: str | None = None

    def plain(self) -> Json:
        """One entry of ``results``."""
        return {
            "store": self.store,
            "result": self.result,
            "count": self.count,
            "ids": list(self.ids[:MOST_SHOWN]),
            "reason": self.reason,
        }


def read_wish(params: Mapping[str, Any], from_file: Iterable[str] = ()) -> Wish:
    """Return what the options wish for.

    Args:
        params: the module's options.
        from_file: ids that a file holds, beside those of the options.

    Raises:
        IncidentsError: they make no sense, or mean everybody without saying so. No id is quoted.
    """
    attempted = "Choosing the sessions to end"
    for option, (least, most) in BOUNDS.items():
        if not least <= params[option] <= most:
            raise IncidentsError(f"{attempted}: {option} must be {least} to {most}, not {params[option]}")
    if not _FIXED.match(str(params["pattern"])):
        msg = f"{attempted}: pattern must begin with three characters or more that are no wildcards, as sess:* does"
        raise IncidentsError(msg)
    scope = params["scope"]
    actors = {str(each).strip() for each in [*(params["actor_ids"] or []), *from_file]} - {""}
    if any(len(each) > LONGEST_ID or not each.isprintable() for each in actors) or len(actors) > MOST_ACTORS:
        raise IncidentsError(f"{attempted}: there are more than {MOST_ACTORS} actors, or an id is not a short line")
    if scope == ALL and not params["all"]:
        raise IncidentsError(f"{attempted}: scope all ends the sessions of everybody; say so with all: true as well")
    if scope != ALL and params["all"]:
        raise IncidentsError(f"{attempted}: all: true goes with scope all only, not with {scope}")
    if scope == ALL and actors:
        raise IncidentsError(f"{attempted}: scope all takes no actor ids; leave them out, or choose another scope")
    if scope != ALL and not actors:
        raise IncidentsError(f"{attempted}: scope {scope} needs actor_ids or actor_ids_file; nobody is named")
    stores = tuple(store for store in STORES if store in params["stores"])
    if not stores:
        raise IncidentsError(f"{attempted}: stores is empty; name refresh, sessions or both")
    return Wish(scope, frozenset(actors), stores, params["max_keys"], params["targets"])


def owner_of(value: str | None, field: str) -> str | None:
    """Return whose session it is; ``None`` where that cannot be told.

    Args:
        value: what the store keeps of it.
        field: empty where the value is the owner's id, else where the id stands in a JSON object, as
            ``passport.user``. Without it a JSON object, list or string is nobody's.
    """
    found: Any = value
    if not field and value is not None and _NO_ID & set(value):
        return None
    if field and value is not None:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return None
        for part in field.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return None
    text = str(found).strip()
    return text if text and len(text) <= LONGEST_ID and text.isprintable() and UNDECODED not in text else None


def fingerprint(value: str) -> str:
    """A key or a value as evidence: whoever holds it can be found, and nobody can use it."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT]


def target(wish: Wish, store: str, where: Mapping[str, Any]) -> Json:
    """What is approved of one store: whose sessions, where, and how many at most.

    Not which: somebody who logs in once more between the plan and the act must not undo the approval.
    """
    listed = sorted(wish.actors)
    return {
        "store": store,
        **where,
        "scope": wish.scope,
        "actors": len(listed),
        "actors_sha256": hashlib.sha256("\n".join(listed).encode()).hexdigest(),
        "actor_ids": listed if len(listed) <= MOST_SHOWN else None,
        "at_most": wish.max_keys,
    }


def redis_objection(info: Mapping[str, str]) -> Objection | None:
    """Why nothing may be ended in this Redis, as a stable word and a sentence."""
    if flag(info, "loading"):
        return "loading", "Redis reads its data from disk; wait until it has"
    if role(info) == "replica":
        return "replica", "this Redis is a replica; name the master"
    if flag(info, "cluster_enabled"):
        return "cluster", "this Redis is a node of a cluster and has a part of the sessions only; it is not supported"
    return None


def objection(wish: Wish, targets: Sequence[Json], owned: Mapping[str, int]) -> Objection | None:
    """What speaks against the plan.

    Args:
        targets: of now.
        owned: how many would be ended, by store.
    """
    if not same_targets(wish.targets, targets):
        return "plan_changed", "it is not what was approved: other accounts, other stores or another limit"
    for store, count in owned.items():
        if count > wish.max_keys:
            text = f"{count} {_WORDS[store]} would be ended, more than max_keys {wish.max_keys}; check whom it concerns"
            return "too_many", text
    return None


def nothing(owned: Mapping[str, int], unreadable: int) -> tuple[str, str, str]:
    """Return status, reason and refusal where none is to be ended.

    Nobody may say that an account has no session while there are some of which nobody can tell whose they are.

    Args:
        owned: 0 for each store.
        unreadable: sessions of an unknown owner.
    """
    if not unreadable:
        return "nothing_to_do", f"none of them has any: {counts_text(owned)}", "no_change"
    text = f"whose {unreadable} sessions are cannot be told, and none that can be is of them"
    return "refused", f"{text}; check owner_field and pattern against a session", "owners_unknown"


def counts_text(owned: Mapping[str, int]) -> str:
    """The counts in words."""
    return " and ".join(f"{count} {_WORDS[store]}" for store, count in owned.items())


def within(before: int, after: int) -> bool:
    """Whether the number of other people's sessions is as before but for 5 %, and for one that came or went."""
    return abs(after - before) <= max(1.0, TOLERANCE * before)


def verdict(done: Sequence[Done], after: Mapping[str, Any]) -> tuple[str, str]:
    """Return the status and why.

    Args:
        done: what became of each store.
        after: what a look afterwards found, by store; empty for one that could not be looked at.
    """
    words = {each.result for each in done}
    revoked = counts_text({each.store: each.count for each in done})
    reasons = [f"{_WORDS[each.store]}: {each.reason}" for each in done if each.reason]
    for each in done:
        seen, what = after.get(each.store) or {}, _WORDS[each.store]
        if not seen:
            reasons.append(f"nobody could look at the {what} afterwards")
        elif seen["owned"]:
            reasons.append(f"{seen['owned']} {what} of them are left or new; run it again")
        if seen.get("unreadable"):
            reasons.append(f"whose {seen['unreadable']} {what} are cannot be told, they were left")
        if seen.get("others_within_5_percent") is False:
            reasons.append("the number of other people's sessions changed by more than 5 %, which this did not do")
    text = f"{revoked} revoked"
    if "unknown" in words:
        return "unknown", "; ".join([text, *reasons])
    if words <= {"failed", "not_attempted"}:
        return "failed", "; ".join(reasons) or "nothing was revoked"
    return ("partial" if reasons else "done"), "; ".join([text, *reasons])


def caveats(wish: Wish, unreadable: int) -> list[str]:
    """What a person should know before approving."""
    found = ["access tokens that the platform takes without looking for the session stay good until they expire"]
    if wish.stores != STORES:
        (left,) = set(STORES) - set(wish.stores)
        found.append(f"the {_WORDS[left]} are left: whoever has one can go on with it")
    if wish.everybody:
        found.append("everybody has to log in again at once; the login and the database have to bear that")
    elif unreadable:
        left = "they are left, and some may be of these accounts"
        found.append(f"whose {unreadable} sessions are cannot be told; {left}")
    return found
