# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Vault's answers on a path of a key/value engine mean, without showing what is in it. Pure, no I/O.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import (
    key_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

PRESENT, DELETED, DESTROYED = "present", "deleted", "destroyed"
ABSENT, NO_MOUNT, UNKNOWN = "absent", "no_mount", "unknown"

ATTEMPTED = "Reading a path of Vault"
LONGEST_PATH = 512
MOST_KEYS = 100
LONGEST_NAME = 253
NOT_VERSIONED = "Invalid path for a versioned K/V secrets engine"

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a secret is.

    Attributes:
        mount: the parts of the engine's path.
        path: the parts of the secret's path in it.
    """

    mount: tuple[str, ...]
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        """Both, for texts."""
        return "/".join((*self.mount, *self.path))


@dataclass(frozen=True)
class Version:
    """One version of a secret, or the only one of an engine without versions.

    Attributes:
        state: one of the words above.
        number: ``None`` where the engine has none, or it is not known.
        created_at: RFC 3339, as Vault gives it.
        deleted_at: when it was deleted, or will be by its own rule.
        values: key to value; never shown.
    """

    state: str
    number: int | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    values: Mapping[str, Any] | None = field(default=None, repr=False)


def read_place(mount: Any, path: Any) -> Place:
    """Return where a secret is.

    Raises:
        IncidentsError: an option makes no sense.
    """
    return Place(_parts("vault_mount", mount), _parts("vault_path", path))


def _parts(option: str, value: Any) -> tuple[str, ...]:
    parts = tuple(str(value).strip("/").split("/"))
    wrong = any(part in {"", ".", ".."} or part != part.strip() or not part.isprintable() for part in parts)
    if wrong or len(str(value)) > LONGEST_PATH:
        raise IncidentsError(f"{ATTEMPTED}: {option} must be names with single slashes between, such as apps/backend")
    return parts


def engine_version(content: Mapping[str, Any]) -> int | None:
    """Return the version of the key/value engine that ``sys/internal/ui/mounts`` describes; ``None`` for another."""
    data = content.get("data")
    if not isinstance(data, Mapping) or data.get("type") not in {"kv", "generic"}:
        return None
    options = data.get("options")
    return 2 if isinstance(options, Mapping) and str(options.get("version")) == "2" else 1


def is_versioned_refusal(content: Mapping[str, Any] | None) -> bool:
    """Whether an engine of version 2 says that it was asked as one of version 1."""
    warnings = (content or {}).get("warnings")
    return isinstance(warnings, list) and any(NOT_VERSIONED in str(warning) for warning in warnings)


def is_version_2(content: Mapping[str, Any] | None) -> bool:
    """Whether an answer is that of an engine of version 2 on a version of a secret."""
    data = (content or {}).get("data")
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    return isinstance(metadata, Mapping) and _number(metadata.get("version")) is not None


def version_1(content: Mapping[str, Any]) -> Version:
    """Return what an engine of version 1 holds at a path."""
    data = content.get("data")
    return Version(PRESENT, values=data) if isinstance(data, Mapping) else Version(ABSENT)


def version_2(content: Mapping[str, Any]) -> Version:
    """Return the version of a secret that an engine of version 2 answers with, be it "not found" with its metadata."""
    data = content["data"]
    metadata, values = data["metadata"], data.get("data")
    known = isinstance(values, Mapping)
    state = PRESENT if known else _gone(metadata)
    return Version(
        state,
        _number(metadata.get("version")),
        _time(metadata.get("created_time")),
        _time(metadata.get("deletion_time")),
        values if known else None,
    )


def listed_versions(content: Mapping[str, Any], now: dt.datetime) -> list[Version]:
    """Return the versions that a secret's metadata lists, newest first, without their values.

    Args:
        now: a time of deletion may lie ahead of it, by ``delete_version_after``.
    """
    data = content.get("data")
    versions = data.get("versions") if isinstance(data, Mapping) else None
    found = [
        Version(
            _listed_state(facts, now),
            _number(number),
            _time(facts.get("created_time")),
            _time(facts.get("deletion_time")),
        )
        for number, facts in (versions.items() if isinstance(versions, Mapping) else ())
        if isinstance(facts, Mapping) and _number(number) is not None
    ]
    return sorted(found, key=lambda version: version.number or 0, reverse=True)


def value_facts(values: Mapping[str, Any] | None, key: str) -> Json:
    """Return what may be said of one key; ``text`` is whether its value is a text, as a Secret's must be."""
    value = (values or {}).get(key)
    encoded = None if value is None else encoded_text(value)
    if value is not None and encoded is None:
        unsaid: Json = dict.fromkeys(("length", "empty", "trailing_whitespace", "fingerprint"))
        return {"exists": True, **unsaid, "text": False}
    return {
        **key_facts({} if encoded is None else {key: encoded}, [key])[key],
        "text": None if encoded is None else True,
    }


def encoded_text(value: Any) -> str | None:
    """Return a value as a Secret holds it, in base64; ``None`` where it is no text."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64encode(value.encode()).decode()
    except UnicodeEncodeError:  # half a character, which JSON can write
        return None


def keys_facts(values: Mapping[str, Any] | None, wanted: Sequence[str]) -> Json:
    """Return the facts of the keys that are wanted, or of all, at most 100, in their order."""
    names = list(wanted) or sorted(map(str, values or {}))
    return {plain_line(name, LONGEST_NAME): value_facts(values, name) for name in names[:MOST_KEYS]}


def version_facts(version: Version, key: str | None) -> Json:
    """Return what may be said of a version; of *key*, its fingerprint where the version was read."""
    facts: Json = {
        "version": version.number,
        "state": version.state,
        "created_at": version.created_at,
        "deleted_at": version.deleted_at,
    }
    if key is not None:
        facts["fingerprint"] = value_facts(version.values, key)["fingerprint"]
    return facts


def matches(versions: Iterable[Version], key: str, fingerprints: Sequence[str]) -> dict[str, list[int]]:
    """Return which versions have each fingerprint in *key*, newest first; the engine's only one counts as 0."""
    found: dict[str, list[int]] = {each: [] for each in fingerprints}
    for version in versions:
        fingerprint = value_facts(version.values, key)["fingerprint"]
        if fingerprint in found:
            found[fingerprint].append(version.number or 0)
    return found


def hint(place: Place, version: Version) -> str | None:
    """Return what to check or do about a secret that is not there; ``None`` where it is."""
    if version.state == DELETED:
        return f"bring version {version.number} back with undelete, or take another version"
    if version.state == DESTROYED:
        return f"version {version.number} is gone for good; take another version, or a backup of Vault"
    if version.state != ABSENT:
        return None
    if place.path[0] in {"data", "metadata"}:
        return f"check vault_path: leave {place.path[0]}/ out, which the API adds"
    return "check vault_mount, vault_path, vault_version and vault_namespace"


def unexamined(versions: Iterable[Version]) -> list[int]:
    """Return the versions that may have any fingerprint, as they were not read or are gone."""
    return [version.number or 0 for version in versions if version.values is None]


def server_facts(health: Mapping[str, Any] | None) -> Json:
    """Return the state of the server by ``sys/health``, each ``None`` where it is not known."""
    said = health or {}
    flags = {
        name: said[name] if isinstance(said.get(name), bool) else None
        for name in ("initialized", "sealed", "standby", "performance_standby")
    }
    version = said.get("version")
    return {**flags, "role": _role(said), "version": plain_line(version, 40) if isinstance(version, str) else None}


def _role(said: Mapping[str, Any]) -> str | None:
    if not isinstance(said.get("sealed"), bool) or said["sealed"] or said.get("initialized") is False:
        return None
    if said.get("replication_dr_mode") == "secondary":
        return "dr_secondary"
    if said.get("performance_standby") is True:
        return "performance_standby"
    return "standby" if said.get("standby") is True else "active"


def token_facts(content: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return until when a token is valid, of what Vault says of it; ``None`` where it does not say.

    https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-self: a root token has ``ttl`` 0 and no
    ``expire_time``.
    """
    data = (content or {}).get("data")
    said: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    ttl_s = _number(said.get("ttl"))
    expires = None if ttl_s is None else bool(ttl_s or said.get("expire_time"))
    renewable, policies = said.get("renewable"), said.get("policies")
    return {
        "ttl_s": ttl_s if expires else None,
        "expires": expires,
        "renewable": renewable if isinstance(renewable, bool) else None,
        "policies": [plain_line(str(each), 100) for each in policies[:100]] if isinstance(policies, list) else [],
    }


def _listed_state(facts: Mapping[str, Any], now: dt.datetime) -> str:
    if facts.get("destroyed") is True:
        return DESTROYED
    deleted = _time(facts.get("deletion_time"))
    try:
        return DELETED if deleted and dt.datetime.fromisoformat(deleted) <= now else PRESENT
    except (ValueError, TypeError):  # no time, or one without its zone
        return UNKNOWN


def _gone(metadata: Mapping[str, Any]) -> str:
    if metadata.get("destroyed") is True:
        return DESTROYED
    return DELETED if _time(metadata.get("deletion_time")) else UNKNOWN


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 - of digits


def _time(value: Any) -> str | None:
    return plain_line(value, 40) or None if isinstance(value, str) else None
