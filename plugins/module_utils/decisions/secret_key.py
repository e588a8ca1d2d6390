# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether one key of a Secret may be set, and how, without any text that gives the value away. Pure, no I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import (
    FINGERPRINT_LENGTH,
    changed_at,
    fingerprint,
    key_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import LAST_ACTION, managed_by
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LARGEST_VALUE = 512 * 1024  # bytes; the API server takes 1 MiB for the whole Secret
# https://kubernetes.io/docs/concepts/configuration/secret/
KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_FINGERPRINT = re.compile(f"[0-9a-f]{{{FINGERPRINT_LENGTH}}}")
_OF_THE_CLUSTER = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
# Marks of what writes Secrets from elsewhere, beside those of deployment tools
_SYNCED = (
    ("label", "reconcile.external-secrets.io/managed", "External Secrets"),
    ("annotation", "reconcile.external-secrets.io/data-hash", "External Secrets"),
    ("label", "secrets.hashicorp.com/vso-ownerRefUID", "Vault Secrets Operator"),
    ("annotation", "cert-manager.io/certificate-name", "cert-manager"),
)

Json = dict[str, Any]
Objection = tuple[str, str]


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        key: of the Secret.
        value: it is to have.
        create: whether a key that is not there may be added.
        expected: fingerprint that *value* must have; ``None`` for any.
        targets: the approved plan; ``None`` for any.
        incident: id; ``None`` outside of one.
    """

    key: str
    value: bytes
    create: bool = False
    expected: str | None = None
    targets: Sequence[Mapping[str, Any]] | None = None
    incident: str | None = None


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        status: ``planned``, ``nothing_to_do`` or ``refused``.
        reason: why, in one sentence.
        word: a stable word for the last two; ``None`` for ``planned``.
        targets: what is touched, from which fingerprint to which.
        caveats: what a person should know.
        patch: a merge patch on the version that was looked at; it holds the value and is not shown.
    """

    status: str
    reason: str
    word: str | None = None
    targets: tuple[Json, ...] = ()
    caveats: tuple[str, ...] = ()
    patch: Json | None = field(default=None, repr=False)


def read_fingerprints(attempted: str, option: str, given: Iterable[Any]) -> tuple[str, ...]:
    """Return fingerprints in lower case.

    Raises:
        IncidentsError: one is none; it is not quoted, as it may be the value itself.
    """
    found = tuple(str(each).strip().lower() for each in given)
    if not all(_FINGERPRINT.fullmatch(each) for each in found):
        text = f"{option} must hold fingerprints, the first {FINGERPRINT_LENGTH} hexadecimal digits of the SHA-256"
        raise IncidentsError(f"{attempted}: {text}")
    return found


def read_wish(params: Mapping[str, Any], text: str = "") -> Wish:
    """Return what the options wish for.

    Args:
        text: the value it is to have.

    Raises:
        IncidentsError: they make no sense; the text does not quote the value.
    """
    key = str(params["key"])
    attempted = "Reading the options of the Secret's key"
    try:
        value = text.encode()
    except UnicodeEncodeError:  # as of an environment variable with other bytes
        raise IncidentsError(f"{attempted}: value is no text in UTF-8; check where it comes from") from None
    if not KEY.fullmatch(key):
        raise IncidentsError(f"{attempted}: key may have letters, digits and the characters . _ - only")
    if len(value) > LARGEST_VALUE:
        raise IncidentsError(f"{attempted}: value is larger than {LARGEST_VALUE} bytes")
    given = params["expected_fingerprint"]
    expected = read_fingerprints(attempted, "expected_fingerprint", [given] if given else [])
    return Wish(
        key=key,
        value=value,
        create=params["create"],
        expected=expected[0] if expected else None,
        targets=params["targets"],
        incident=params["incident"] or None,
    )


def make_plan(secret: Mapping[str, Any], wish: Wish) -> Plan:
    """Decide whether and how the key is set.

    Args:
        secret: as it is in the cluster.
        wish: what is wanted.
    """
    metadata = secret.get("metadata") or {}
    label = f"Secret {metadata.get('name')}"
    now, wanted = fingerprint_of(secret, wish.key), fingerprint(wish.value)
    if not wish.value.strip():
        return Plan(
            "refused", f"the value for {label}, key {wish.key}, is empty; check where it comes from", "empty_value"
        )
    if wish.value != wish.value.decode().strip().encode():
        text = f"the value for {label}, key {wish.key}, begins or ends with white space; correct it where it comes from"
        return Plan("refused", text, "value_malformed")
    if wish.expected and wish.expected != wanted:
        text = f"the value has the fingerprint {wanted}, not {wish.expected}; it is not the one that is meant"
        return Plan("refused", text, "value_differs")
    target = {
        "secret_name": metadata.get("name"),  # a key `secret` would be taken for one, and redacted
        "namespace": metadata.get("namespace"),
        "uid": metadata.get("uid"),
        "key": wish.key,
        "from": now,
        "to": wanted,
    }
    caveats = (f"pods that take {wish.key} from {label} as an environment variable keep the old value until a restart",)
    objection = _objection(secret, wish, label)
    if objection:
        return Plan("refused", objection[1], objection[0], (), caveats)
    if now == wanted:
        return Plan("nothing_to_do", f"{label} has this value in the key {wish.key} already", "no_change")
    if not same_targets(wish.targets, [target]):
        text = f"{label} is not as it was when the plan was approved; look again and make a new plan"
        return Plan("refused", text, "plan_changed", (target,), caveats)
    reason = f"set the key {wish.key} of {label}, from the value {now or 'none'} to {wanted}"
    return Plan("planned", reason, None, (target,), caveats, _patch(metadata, wish))


def describe(secret: Mapping[str, Any], key: str) -> Json:
    """Return what may be said of the Secret and the key."""
    metadata = secret.get("metadata") or {}
    return {
        "secret_name": metadata.get("name"),
        "namespace": metadata.get("namespace"),
        "uid": metadata.get("uid"),
        "resource_version": metadata.get("resourceVersion"),
        "changed_at": changed_at(secret),
        "key": key,
        **key_facts(secret.get("data"), [key])[key],
    }


def fingerprint_of(secret: Mapping[str, Any], key: str) -> str | None:
    """Return the fingerprint of the key's value; ``None`` where there is none, or an empty one."""
    found: str | None = key_facts(secret.get("data"), [key])[key]["fingerprint"]
    return found


def kept_by(metadata: Mapping[str, Any]) -> Json | None:
    """Return the tool that would undo a change by hand, with the evidence; or ``None``."""
    marks = {"label": metadata.get("labels") or {}, "annotation": metadata.get("annotations") or {}}
    for kind, name, tool in _SYNCED:
        if marks[kind].get(name):
            return {"tool": tool, "evidence": f"{kind} {name}"}
    owner = next(iter(metadata.get("ownerReferences") or []), None)
    if owner:
        return {"tool": str(owner.get("kind"))[:100], "evidence": f"owner {str(owner.get('name'))[:100]}"}
    return managed_by(metadata)


def _objection(secret: Mapping[str, Any], wish: Wish, label: str) -> Objection | None:
    """What speaks against setting the key, as a stable word and a sentence."""
    metadata = secret.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return "being_deleted", f"{label} is being deleted"
    if secret.get("immutable"):
        return "immutable", f"{label} is immutable; make a new one and let the workload refer to it"
    if secret.get("type") in _OF_THE_CLUSTER:
        return "unsupported", f"{label} is of the type {secret['type']}, which the cluster itself writes"
    keeper = kept_by(metadata)
    if keeper:
        where = f"{keeper['tool']} keeps {label} ({keeper['evidence']}) and would undo it"
        return "managed", f"{where}; change the value at its source and let it be synchronised"
    held = hold_objection(secret, label, wish.incident)
    if held:
        return held
    if wish.key not in (secret.get("data") or {}) and not wish.create:
        return "unknown_key", f"{label} has no key {wish.key}; check its name, or allow it with create"
    return None


def _patch(metadata: Mapping[str, Any], wish: Wish) -> Json:
    head: Json = {"resourceVersion": metadata.get("resourceVersion")}
    if wish.incident:
        head["annotations"] = {LAST_ACTION: f"{wish.incident}/set_key"}
    return {"metadata": head, "data": {wish.key: base64.b64encode(wish.value).decode()}}
