# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether one key of a Secret may get the value that Vault has, and whether that is a rotation. Pure, no I/O.

A value that differs from the one in use is not restored but rotated: whatever was signed or encrypted with the one in
use is void from then on. That is refused unless it is allowed by name; a value in use that nobody knows counts as
different.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import vault
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import (
    fingerprint,
    key_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import (
    LARGEST_VALUE,
    Plan,
    Wish,
    kept_by,
    make_plan,
    read_fingerprints,
    read_wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import Place, Version

ATTEMPTED = "Reading the options of the restore from Vault"

# What writes a Secret from elsewhere -> what to do there, in the words of its own documentation
_AT_THE_SOURCE: Mapping[str, str] = {
    "External Secrets": "annotate its ExternalSecret with force-sync, so that it reads Vault again",
    "ExternalSecret": "annotate the ExternalSecret with force-sync, so that it reads Vault again",
    "Vault Secrets Operator": "let the Vault Secrets Operator reconcile it, so that it reads Vault again",
    "VaultStaticSecret": "let the Vault Secrets Operator reconcile it, so that it reads Vault again",
    "SealedSecret": "seal the value anew and apply the SealedSecret",
}


@dataclass(frozen=True)
class Restore:
    """What is wanted.

    Attributes:
        place: where the secret is in Vault.
        vault_key: of it.
        wish: for the Secret, with no value yet and without targets.
        in_use: fingerprints of the values in use; empty when only the Secret itself tells.
        allow_rotation: whether the value may differ from them.
        targets: the approved plan; ``None`` for any.
    """

    place: Place
    vault_key: str
    wish: Wish
    in_use: tuple[str, ...] = ()
    allow_rotation: bool = False
    targets: Sequence[Mapping[str, Any]] | None = None


def read_restore(params: Mapping[str, Any]) -> Restore:
    """Return what the options wish for.

    Raises:
        IncidentsError: they make no sense.
    """
    wish = read_wish(params)
    return Restore(
        place=vault.read_place(params["vault_mount"], params["vault_path"]),
        vault_key=params["vault_key"] or wish.key,
        wish=replace(wish, targets=None),
        in_use=read_fingerprints(ATTEMPTED, "in_use", params["in_use"]),
        allow_rotation=params["allow_rotation"],
        targets=params["targets"],
    )


def plan_restore(secret: Mapping[str, Any], restore: Restore, version: Version) -> Plan:
    """Decide whether and how the key gets the value.

    Args:
        secret: as it is in the cluster.
        restore: what is wanted.
        version: what Vault has; not ``unknown`` and not ``no_mount``, which are failures.
    """
    objection = objection_to(restore, version)
    if objection:
        return Plan("refused", objection[1], objection[0])
    wish = replace(restore.wish, value=value_of(version, restore.vault_key))
    plan = make_plan(secret, wish)
    if plan.status == "nothing_to_do" and is_rotation(None, restore.in_use, fingerprint(wish.value)):
        return replace(
            plan, caveats=(*plan.caveats, f"other values are in use; once pods restart, {_loss(rotates=True)}")
        )
    if plan.status != "planned":
        return replace(plan, reason=_with_way(plan, secret, restore, version))
    rotates = is_rotation(_value_now(secret, restore.wish.key), restore.in_use, str(plan.targets[0]["to"]))
    target = {
        **plan.targets[0],
        "vault_path": restore.place.text,
        "vault_key": restore.vault_key,
        "vault_version": version.number,
        "rotation": rotates,
    }
    plan = replace(plan, targets=(target,), reason=f"{plan.reason}, {_source(restore, version)}")
    if rotates is not False:
        plan = replace(plan, caveats=(*plan.caveats, _loss(rotates=rotates)))
        if not restore.allow_rotation:
            return _refused(plan, *_why_not(rotates, restore, target))
    if not same_targets(restore.targets, [target]):
        text = "the Secret or Vault is not as it was when the plan was approved; look again and make a new plan"
        return _refused(plan, "plan_changed", text)
    return plan


def objection_to(restore: Restore, version: Version) -> tuple[str, str] | None:
    """Return what speaks against what Vault has, as a stable word and a sentence."""
    what = f"{restore.place.text} in Vault"
    way = vault.hint(restore.place, version)
    if version.state == vault.ABSENT:
        return "not_in_vault", f"there is no {what}, or no such version; {way}"
    if version.state in {vault.DELETED, vault.DESTROYED}:
        return f"version_{version.state}", f"version {version.number} of {what} is {version.state}; {way}"
    found = (version.values or {}).get(restore.vault_key)
    if found is None:
        return "key_not_in_vault", f"{what} has no key {restore.vault_key}; check vault_key and vault_version"
    encoded = vault.encoded_text(found)
    if encoded is None:
        return "not_text", f"the key {restore.vault_key} of {what} holds no text; check vault_key"
    if len(encoded) > LARGEST_VALUE:
        return "value_too_large", f"the key {restore.vault_key} of {what} is larger than a Secret may be"
    return None


def value_of(version: Version, key: str) -> bytes:
    """Return the value, which nothing speaks against."""
    return base64.b64decode(vault.encoded_text((version.values or {})[key]) or "")


def is_rotation(now: str | None, in_use: Sequence[str], to: str) -> bool | None:
    """Whether *to* differs from a value in use; ``None`` when no value in use is known.

    Args:
        now: fingerprint of the value in the Secret, which counts where nothing better is known.
        in_use: fingerprints of the values that running pods use.
        to: fingerprint of the value to be written.
    """
    known = set(in_use) or ({now} if now else set())
    return bool(known - {to}) if known else None


def _value_now(secret: Mapping[str, Any], key: str) -> str | None:
    facts = key_facts(secret.get("data"), [key])[key]
    return None if facts["empty"] else facts["fingerprint"]


def _why_not(rotates: bool | None, restore: Restore, target: Mapping[str, Any]) -> tuple[str, str]:
    if rotates:
        known = ", ".join(restore.in_use or (str(target["from"]),))
        text = f"the value in Vault has the fingerprint {target['to']}, those in use {known}, so that it would be a "
        return "rotation", f"{text}rotation; choose the version in use, or allow it with allow_rotation"
    text = "nobody says which value is in use, so that this may be a rotation"
    return "in_use_unknown", f"{text}; give its fingerprint with in_use, or allow it with allow_rotation"


def _loss(*, rotates: bool | None) -> str:
    word = "is" if rotates else "may be"
    return f"this {word} a rotation: what was signed or encrypted with the value in use, such as sessions, becomes void"


def _source(restore: Restore, version: Version) -> str:
    which = "" if version.number is None else f", version {version.number}"
    return f"which Vault has at {restore.place.text}{which}"


def _with_way(plan: Plan, secret: Mapping[str, Any], restore: Restore, version: Version) -> str:
    """The reason, with what to do instead where something else has to write the Secret."""
    if plan.word == "immutable":
        return f"{plan.reason}; the value is that {_source(restore, version)}"
    keeper = kept_by(secret.get("metadata") or {}) if plan.word == "managed" else None
    way = _AT_THE_SOURCE.get(keeper["tool"]) if keeper else None
    return f"{plan.reason}: {way}" if way else plan.reason


def _refused(plan: Plan, word: str, reason: str) -> Plan:
    return replace(plan, status="refused", word=word, reason=reason, patch=None)
