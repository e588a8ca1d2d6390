# SPDX-License-Identifier: GPL-3.0-or-later
"""The key/value engines, versions 1 and 2: what is stored, and what each operation answers.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and .../kv-v1
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from incident_runbooks.lab.services.call import Answer, RefusedError

Json = dict[str, Any]

WRITES = frozenset({"POST", "PUT"})
_MOST_VERSIONS = 10
_NOT_VERSIONED = (
    "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. "
    "If using the Vault CLI, use 'vault kv get' for this operation."
)


def now() -> str:
    """Return the time as Go prints it: RFC 3339 with nanoseconds."""
    return f"{datetime.now(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}000Z"


def envelope(data: Any, warnings: list[str] | None = None) -> Json:
    """Return what every successful answer of an engine is wrapped in."""
    return {
        "request_id": str(uuid.uuid4()),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": warnings,
        "auth": None,
    }


def refused(status: int, *errors: str) -> RefusedError:
    """Return Vault's refusal; without a text its "there is nothing"."""
    return RefusedError(Answer(status, {"errors": list(errors)}))


class Version1:
    """An engine that keeps one value of each path.

    Args:
        stored: path to data.
    """

    def __init__(self, stored: Json) -> None:
        self._stored = stored

    def handle(self, method: str, path: str, _query: str, said: Any) -> Answer:
        """Return the answer.

        Raises:
            RefusedError: there is nothing, or nothing was given.
        """
        if method == "LIST":
            return Answer(200, envelope({"keys": _below(self._stored, path)}))
        if method in WRITES:
            if not isinstance(said, dict) or not said:
                raise refused(400, "missing data fields")
            self._stored[path] = said
            return Answer(204)
        if method == "DELETE":
            self._stored.pop(path, None)
            return Answer(204)
        if path not in self._stored:
            raise refused(404)
        return Answer(200, {**envelope(self._stored[path]), "lease_duration": 2764800})


class Version2:
    """An engine that keeps versions.

    Args:
        stored: path to its ``versions`` (number to ``data``, ``created_time``, ``deletion_time``, ``destroyed``),
            ``current`` and ``oldest``.
    """

    def __init__(self, stored: Json) -> None:
        self._stored = stored

    def handle(self, method: str, path: str, version: str, said: Any) -> Answer:
        """Return the answer; *path* begins with ``data/``, ``metadata/`` or the name of an operation.

        Raises:
            RefusedError: there is nothing, or the request makes no sense.
        """
        endpoint, _, rest = path.partition("/")
        operations: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "data"): lambda: self._read(rest, version),
            ("POST", "data"): lambda: self._write(rest, said),
            ("DELETE", "data"): lambda: self._mark(rest, [self._entry(rest)["current"]], _deleted),
            ("POST", "delete"): lambda: self._mark(rest, _versions(said), _deleted),
            ("POST", "undelete"): lambda: self._mark(rest, _versions(said), _undeleted),
            ("POST", "destroy"): lambda: self._mark(rest, _versions(said), _destroyed),
            ("GET", "metadata"): lambda: self._metadata(rest),
            ("LIST", "metadata"): lambda: Answer(200, envelope({"keys": _below(self._stored, rest)})),
            ("DELETE", "metadata"): lambda: self._forget(rest),
        }
        operation = operations.get(("POST" if method in WRITES else method, endpoint))
        if operation is None:
            return Answer(404, envelope(None, [_NOT_VERSIONED]))
        return operation()

    def _entry(self, path: str) -> Json:
        if path not in self._stored:
            raise refused(404)
        entry: Json = self._stored[path]
        return entry

    def _read(self, path: str, version: str) -> Answer:
        entry = self._entry(path)
        if version and not version.isdigit():
            raise refused(400, f'Field validation failed: error converting input {version} for field "version"')
        number = int(version or 0) or entry["current"]
        found = entry["versions"].get(str(number))
        if found is None:
            raise refused(404)
        gone = found["destroyed"] or found["deletion_time"]
        facts = {name: found[name] for name in ("created_time", "deletion_time", "destroyed")}
        metadata = {**facts, "custom_metadata": None, "version": number}
        body = envelope({"data": None if gone else found["data"], "metadata": metadata})
        return Answer(404 if gone else 200, body)

    def _write(self, path: str, said: Any) -> Answer:
        if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
            raise refused(400, "no data provided")
        entry = self._stored.setdefault(path, {"versions": {}, "current": 0, "oldest": 0, "created": now()})
        wanted = (said.get("options") or {}).get("cas")
        if wanted is not None and wanted != entry["current"]:
            raise refused(400, "check-and-set parameter did not match the current version")
        entry["current"] += 1
        version = {"created_time": now(), "deletion_time": "", "destroyed": False}
        entry["versions"][str(entry["current"])] = {**version, "data": said["data"]}
        entry["updated"] = version["created_time"]
        if len(entry["versions"]) > _MOST_VERSIONS:
            entry["versions"].pop(min(entry["versions"], key=int))
            entry["oldest"] = min(map(int, entry["versions"]))
        return Answer(200, envelope({**version, "custom_metadata": None, "version": entry["current"]}))

    def _mark(self, path: str, versions: list[int], mark: Callable[[Json], None]) -> Answer:
        entry = self._entry(path)
        for number in versions:
            if found := entry["versions"].get(str(number)):
                mark(found)
        return Answer(204)

    def _metadata(self, path: str) -> Answer:
        entry = self._entry(path)
        facts = ("created_time", "deletion_time", "destroyed")
        data = {
            "cas_required": False,
            "created_time": entry["created"],
            "current_version": entry["current"],
            "custom_metadata": None,
            "delete_version_after": "0s",
            "max_versions": 0,
            "oldest_version": entry["oldest"],
            "updated_time": entry["updated"],
            "versions": {number: {name: found[name] for name in facts} for number, found in entry["versions"].items()},
        }
        return Answer(200, envelope(data))

    def _forget(self, path: str) -> Answer:
        self._stored.pop(path, None)
        return Answer(204)


def _deleted(version: Json) -> None:
    version["deletion_time"] = version["deletion_time"] or now()


def _undeleted(version: Json) -> None:
    version["deletion_time"] = ""


def _destroyed(version: Json) -> None:
    version.update(destroyed=True, data=None)


def _versions(said: Any) -> list[int]:
    if not isinstance(said, dict) or not said.get("versions"):
        raise refused(400, "no version number provided")
    try:
        return [int(number) for number in said["versions"]]
    except (TypeError, ValueError):
        raise refused(400, 'Field validation failed: error converting input for field "versions"') from None


def _below(stored: Json, path: str) -> list[str]:
    """The names below a path, folders with a slash, as LIST gives them."""
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    found = set()
    for name in stored:
        if name.startswith(prefix):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            found.add(head + slash)
    if not found:
        raise refused(404)
    return sorted(found)
