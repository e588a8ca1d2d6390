# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What of a workload is evidence, and what of it must not be kept. Pure, no I/O."""

from __future__ import annotations

import copy
import datetime as dt
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import MASK, mask

Json = dict[str, Any]

# what must not stand in a workload, which everybody with a look at the namespace can read
SECRET_NAMES = ("*PASSWORD*", "*PASSWD*", "*SECRET*", "*TOKEN*", "*KEY*", "*CREDENTIAL*")
# a copy of the whole manifest, secrets in it included
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def is_secret_like(name: str) -> bool:
    """Whether an environment variable is called like a secret."""
    return any(fnmatch.fnmatchcase(name.upper(), pattern) for pattern in SECRET_NAMES)


def without_secrets(item: Mapping[str, Any]) -> Json:
    """Return a copy of a workload, a pod or a manifest without values that are or look like secrets.

    Left out are the fields' managers too, which only repeat which fields there are.
    """
    kept: Json = copy.deepcopy(dict(item))
    metadata = kept.get("metadata") or {}
    metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(LAST_APPLIED, None)
    for variable in _variables(kept):
        if variable.get("value") is not None:
            value = str(variable["value"])
            variable["value"] = value_for_people(str(variable.get("name")), value)
    for container in _containers(kept):
        for part in ("command", "args"):
            if container.get(part):
                container[part] = [mask(str(word)) for word in container[part]]
    return kept


def value_for_people(name: str, value: str) -> str:
    """The value of an environment variable without what is or looks like a secret."""
    return MASK if is_secret_like(name) else mask(value)


def _variables(item: Mapping[str, Any]) -> Iterator[Json]:
    """Environment variables of a pod, or of the pods of a workload."""
    for container in _containers(item):
        yield from container.get("env") or []


def _containers(item: Mapping[str, Any]) -> Iterator[Json]:
    """All containers of a pod, or of the pods of a workload."""
    spec = item.get("spec") or {}
    pod_spec = (spec.get("template") or {}).get("spec") or spec
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        yield from pod_spec.get(kind) or []


def about(events: Iterable[Mapping[str, Any]], uids: Iterable[str]) -> list[Json]:
    """Return the events about one of the objects, oldest first, their texts masked."""
    wanted = set(uids)
    found = [event for event in events if (event.get("involvedObject") or {}).get("uid") in wanted]
    return [
        {**without_secrets(event), "message": mask(str(event.get("message") or ""))}
        for event in sorted(found, key=_last_seen)
    ]


def _last_seen(event: Mapping[str, Any]) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), (event.get("metadata") or {}).get("creationTimestamp"))
    return next((str(time) for time in times if time), "")


def folder_name(now: dt.datetime, kind: str, name: str) -> str:
    """Where the evidence of one moment goes; a second look goes elsewhere."""
    return f"evidence/{now.astimezone(dt.UTC):%Y%m%dT%H%M%S.%fZ}-{kind.lower()}-{name}"


def log_name(pod: str, container: str, *, previous: bool) -> str:
    """Path of a log inside the folder."""
    return f"pods/{pod}/{container}{'.previous' if previous else ''}.log"


def manifest(files: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, Any]], collected: Json) -> Json:
    """The list of what was saved, for the folder itself."""
    return {**collected, "complete": not missing, "files": list(files), "missing": list(missing)}


def sums(files: Iterable[Mapping[str, Any]]) -> str:
    """The list that ``sha256sum -c`` checks; paths are inside the folder."""
    return "".join(f"{file['sha256']}  {file['name']}\n" for file in files)
