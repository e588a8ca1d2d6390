# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Where the environment variables of containers come from, and which definition counts. Pure, no I/O.

The order is the kubelet's: ``envFrom`` from first to last, then ``env`` from first to last; a later definition of
a name wins. Secrets are never read, so that of a variable from a Secret only the source is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import is_secret_like
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask

VALUE_LENGTH = 200


@dataclass(frozen=True)
class _Definition:
    """One definition of a variable.

    Attributes:
        found: whether the source has it; ``None`` where that is not known.
        effective: whether it counts; ``None`` where a Secret that is not read may define the same name later.
    """

    container: str
    name: str
    kind: str
    value: str | None = None
    source: str | None = None
    key: str | None = None
    optional: bool | None = None
    found: bool | None = True
    effective: bool | None = True

    def plain(self) -> dict[str, Any]:
        # PGPOOL_ADMIN_PASSWORD matches *POOL* as well
        shown = self.kind in {"value", "ConfigMap"} and self.value is not None and not is_secret_like(self.name)
        return {
            "container": self.container,
            "name": self.name,
            "value": mask(self.value or "")[:VALUE_LENGTH] if shown else None,
            "shown": shown,
            "source": {"kind": self.kind, "name": self.source, "key": self.key, "optional": self.optional},
            "effective": self.effective,
            "found": self.found,
        }


def config_maps(pod_spec: Mapping[str, Any], patterns: Sequence[str]) -> list[str]:
    """Return the names of the ConfigMaps that must be read to know the variables that match *patterns*."""
    names: dict[str, None] = {}
    for container in _containers(pod_spec):
        for source in container.get("envFrom") or []:
            if (source.get("configMapRef") or {}).get("name"):
                names[source["configMapRef"]["name"]] = None
        for variable in container.get("env") or []:
            reference = (variable.get("valueFrom") or {}).get("configMapKeyRef") or {}
            if reference.get("name") and matches(str(variable.get("name")), patterns):
                names[reference["name"]] = None
    return list(names)


def effective_environment(
    pod_spec: Mapping[str, Any],
    contents: Mapping[str, Mapping[str, str] | None],
    unread: Iterable[str],
    patterns: Sequence[str],
) -> list[dict[str, Any]]:
    """Return every definition of the variables that match *patterns*, in the order in which they apply.

    Args:
        pod_spec: ``spec.template.spec`` of a workload.
        contents: data of the ConfigMaps by name; ``None`` for one that does not exist.
        unread: ConfigMaps that could not be read.
        patterns: shell patterns of names.
    """
    unknown = set(unread)
    found: list[dict[str, Any]] = []
    for container in _containers(pod_spec):
        definitions: list[_Definition] = []
        for definition in _definitions(container, contents, unknown, patterns):
            definitions = [_overridden(earlier, definition) for earlier in definitions]
            if definition.name:
                definitions.append(definition)
        found += [definition.plain() for definition in definitions if matches(definition.name, patterns)]
    return found


def secrets_as_environment(pod_spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the Secrets all of whose keys become variables; their keys are not known."""
    return [
        {
            "container": container.get("name"),
            "name": source["secretRef"].get("name"),
            "prefix": source.get("prefix") or "",
            "optional": bool(source["secretRef"].get("optional")),
        }
        for container in _containers(pod_spec)
        for source in container.get("envFrom") or []
        if source.get("secretRef")
    ]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a variable's name matches one of the shell patterns; case counts, as for the kernel."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _containers(pod_spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The containers that go on running: ordinary ones and sidecars."""
    yield from pod_spec.get("containers") or []
    yield from (item for item in pod_spec.get("initContainers") or [] if item.get("restartPolicy") == "Always")


def _overridden(earlier: _Definition, later: _Definition) -> _Definition:
    if earlier.effective is False or later.found is False:
        return earlier
    if not later.name:  # all keys of a source that nobody has read, behind a prefix
        prefix = later.key or ""
        return replace(earlier, effective=None) if earlier.name.startswith(prefix) else earlier
    return replace(earlier, effective=False) if earlier.name == later.name else earlier


def _definitions(
    container: Mapping[str, Any],
    contents: Mapping[str, Mapping[str, str] | None],
    unknown: set[str],
    patterns: Sequence[str],
) -> Iterator[_Definition]:
    """The definitions in the order in which they apply; one without a name stands for keys that are not known."""
    name = str(container.get("name"))
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix") or ""
        reference = source.get("configMapRef") or source.get("secretRef") or {}
        kind = "ConfigMap" if source.get("configMapRef") else "Secret"
        about = _Definition(
            name, "", kind, source=reference.get("name"), key=prefix, optional=bool(reference.get("optional"))
        )
        data = contents.get(str(reference.get("name"))) if kind == "ConfigMap" else None
        if kind == "Secret" or reference.get("name") in unknown:
            yield about
        for key, value in (data or {}).items():
            yield replace(about, name=f"{prefix}{key}", key=key, value=str(value))
    for variable in container.get("env") or []:
        if matches(str(variable.get("name")), patterns):
            yield _variable(name, variable, contents, unknown)


def _variable(
    container: str,
    variable: Mapping[str, Any],
    contents: Mapping[str, Mapping[str, str] | None],
    unknown: set[str],
) -> _Definition:
    name, source = str(variable.get("name")), variable.get("valueFrom") or {}
    if "configMapKeyRef" in source:
        reference = source["configMapKeyRef"]
        where, key = str(reference.get("name")), str(reference.get("key"))
        value = (contents.get(where) or {}).get(key)
        return _Definition(
            container,
            name,
            "ConfigMap",
            value=value,
            source=where,
            key=key,
            optional=bool(reference.get("optional")),
            found=None if where in unknown else value is not None,
        )
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        optional = bool(reference.get("optional"))
        where, key = reference.get("name"), reference.get("key")
        return _Definition(container, name, "Secret", source=where, key=key, optional=optional, found=None)
    if "fieldRef" in source:
        return _Definition(container, name, "Field", key=source["fieldRef"].get("fieldPath"))
    if "resourceFieldRef" in source:
        return _Definition(container, name, "Resource", key=source["resourceFieldRef"].get("resource"))
    return _Definition(container, name, "value", value=str(variable.get("value") or ""))
