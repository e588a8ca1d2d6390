# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read a path of a key/value engine of Vault, whichever version the engine has. Two or three round trips.

The values stay in memory; what may be said of them is decided in ``decisions/vault.py``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault import (
    HEALTH,
    Question,
    Reply,
    Vault,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_errors import (
    NO_MOUNT as NO_MOUNT_CAUSE,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_errors import (
    NOT_PERMITTED,
    of_state,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import vault as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import Place, Version
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_VERSIONS = 100
_MOUNTS = ("sys", "internal", "ui", "mounts")
NO_VERSIONS = Failure(
    "no_versions",
    "the engine has version 1, which keeps one value and no versions",
    "leave vault_version out",
    HTTPStatus.OK,
)
_NO_KV = Failure(
    "not_kv", "the engine at vault_mount is no key/value engine", "check vault_mount and vault_path", HTTPStatus.OK
)


@dataclass(frozen=True)
class Wanted:
    """What is read.

    Attributes:
        place: where it is.
        version: of the secret; ``None`` for the newest.
        engine: version of the engine; ``None`` when it is to be found out.
        history: of so many of the newest versions the values are read too.
    """

    place: Place
    version: int | None = None
    engine: int | None = None
    history: int = 0


@dataclass(frozen=True)
class Found:
    """What was read.

    Attributes:
        version: the one that was asked for; ``unknown`` when it could not be read.
        engine: version of the engine; ``None`` when it is not known.
        health: of the server; ``None`` when it did not say.
        answered: whether Vault answered anything.
        failure: why the version is not known, or its engine is not there.
        versions: all that are known, newest first, with the values that were read.
        current: number of the newest one.
        unlisted: why the versions could not be listed.
        truncated: whether there are older versions, or may be.
    """

    version: Version
    engine: int | None = None
    health: Mapping[str, Any] | None = None
    answered: bool = False
    failure: Failure | None = None
    versions: tuple[Version, ...] = ()
    current: int | None = None
    unlisted: Failure | None = None
    truncated: bool = False


_UNKNOWN = Version(decisions.UNKNOWN)


def place_argument_spec() -> dict[str, dict[str, Any]]:
    """The options that say which secret. Keep the section ``place`` of the doc fragment ``vault`` in step."""
    return {
        "vault_mount": {"type": "str", "default": "secret"},
        "vault_path": {"type": "str", "required": True},
        "vault_version": {"type": "int"},
        "vault_kv_version": {"type": "int", "choices": [1, 2]},
    }


def read_wanted(params: Mapping[str, Any], history: int = 0) -> Wanted:
    """Return what the options of :func:`place_argument_spec` ask for.

    Raises:
        IncidentsError: they make no sense.
    """
    place = decisions.read_place(params["vault_mount"], params["vault_path"])
    version = params["vault_version"]
    if version is not None and version < 1:
        raise IncidentsError(f"{decisions.ATTEMPTED}: vault_version must be 1 or more, not {version}")
    return Wanted(place, version, params["vault_kv_version"], history)


def read(vault: Vault, wanted: Wanted) -> Found:
    """Read it. Whatever Vault answers is a result.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    questions: dict[str, Question] = {"health": (HEALTH, {})}
    if wanted.engine is None:
        questions["mount"] = ((*_MOUNTS, *wanted.place.mount, *wanted.place.path), {})
    replies = vault.ask(questions)
    health = replies["health"].content
    found = Found(
        _UNKNOWN, wanted.engine, health, answered=any(reply.answered for reply in replies.values()), failure=None
    )
    failure = of_state(health or {})
    mount = replies.get("mount")
    if failure is None and mount and mount.failure and mount.failure.cause not in {NOT_PERMITTED, NO_MOUNT_CAUSE}:
        failure = mount.failure  # not this token's want of rights, so that asking on would give the same
    if failure:
        return replace(found, failure=failure)
    if mount and mount.content is not None:
        engine = decisions.engine_version(mount.content)
        if engine is None:
            return replace(found, failure=_NO_KV)
        found = replace(found, engine=engine)
    if found.engine == 1:
        return _read_version_1(vault, wanted, found)
    return _read_version_2(vault, wanted, found)


def _read_version_1(vault: Vault, wanted: Wanted, found: Found) -> Found:
    if wanted.version is not None:
        return replace(found, failure=NO_VERSIONS)
    reply = vault.ask({"data": ((*wanted.place.mount, *wanted.place.path), {})})["data"]
    return _of_version_1(reply, found)


def _of_version_1(reply: Reply, found: Found) -> Found:
    found = replace(found, answered=found.answered or reply.answered)
    if reply.failure:
        return _failed(found, reply.failure)
    version = Version(decisions.ABSENT) if reply.content is None else decisions.version_1(reply.content)
    held = (version,) if version.state == decisions.PRESENT else ()
    return replace(found, version=version, versions=held)


def _read_version_2(vault: Vault, wanted: Wanted, found: Found) -> Found:
    place = wanted.place
    questions: dict[str, Question] = {
        "data": (_data(place), {} if wanted.version is None else {"version": wanted.version}),
        "metadata": ((*place.mount, "metadata", *place.path), {}),
    }
    if wanted.version is not None:
        questions["newest"] = (_data(place), {})
    if found.engine is None:  # it is not known to have versions
        questions["plain"] = ((*place.mount, *place.path), {})
    replies = vault.ask(questions)
    found = replace(found, answered=found.answered or any(reply.answered for reply in replies.values()))
    data = replies["data"]
    if found.engine is None:
        engine = _engine_by_answers(replies)
        found = replace(found, engine=engine)
        if engine == 1:
            if wanted.version is not None:
                return replace(found, failure=NO_VERSIONS)
            return _of_version_1(replies["plain"], found)
    if data.failure:
        return _failed(found, data.failure)
    if data.content is not None and not decisions.is_version_2(data.content):
        return replace(found, failure=_NO_KV)
    version = Version(decisions.ABSENT) if data.content is None else decisions.version_2(data.content)
    found = replace(found, version=version)
    return _with_history(vault, wanted, found, replies)


def _data(place: Place) -> tuple[str, ...]:
    return (*place.mount, "data", *place.path)


def _engine_by_answers(replies: Mapping[str, Reply]) -> int | None:
    """The version of the engine by what it says to both ways of asking; ``None`` where it says nothing of it."""
    plain = replies["plain"]
    if decisions.is_version_2(replies["data"].content) or decisions.is_versioned_refusal(plain.content):
        return 2
    return 1 if plain.status == HTTPStatus.OK and plain.content is not None else None


def _failed(found: Found, failure: Failure) -> Found:
    state = decisions.NO_MOUNT if failure.cause == NO_MOUNT_CAUSE else decisions.UNKNOWN
    return replace(found, version=Version(state), failure=failure)


def _with_history(vault: Vault, wanted: Wanted, found: Found, replies: Mapping[str, Reply]) -> Found:
    """Add the versions: those that the metadata lists, or without it those that are there when asked for."""
    metadata, newest = replies["metadata"], replies.get("newest", replies["data"])
    listed: list[Version] = []
    if metadata.failure is None and metadata.content is not None:
        listed = decisions.listed_versions(metadata.content, dt.datetime.now(dt.UTC))
    current = listed[0].number if listed else None
    if current is None and decisions.is_version_2(newest.content):
        current = decisions.version_2(newest.content or {}).number
    truncated = (len(listed) or current or 0) > MOST_VERSIONS
    listed = listed[:MOST_VERSIONS]
    oldest = max((current or 0) - MOST_VERSIONS, 0)
    numbers = [version.number for version in listed if version.number] or list(range(current or 0, oldest, -1))
    known = {version.number: version for version in (*listed, found.version) if version.number}
    gone = {number for number, version in known.items() if version.state in {decisions.DELETED, decisions.DESTROYED}}
    asked = [number for number in numbers[: wanted.history] if number not in gone | {found.version.number}]
    answers = vault.ask({str(number): (_data(wanted.place), {"version": number}) for number in asked})
    for number in asked:
        reply = answers[str(number)]
        if reply.content is not None and decisions.is_version_2(reply.content):
            known[number] = decisions.version_2(reply.content)
        elif not reply.nothing:
            known.setdefault(number, Version(decisions.UNKNOWN, number))
    if not listed:  # what lies before them is not known, and says so
        for number in numbers[wanted.history :]:
            known.setdefault(number, Version(decisions.UNKNOWN, number))
    versions = tuple(known[number] for number in sorted(known, reverse=True))
    return replace(found, versions=versions, current=current, unlisted=metadata.failure, truncated=truncated)
