# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of pods: directories.

Nothing is mounted: a container finds a volume below its working directory, at the mount path without the
leading slash (``/etc/app`` is ``./etc/app``), as a symbolic link. The volume of a claim is a directory of the
cluster's, or the one that its annotation ``DIRECTORY`` of ``volume_stats`` names; ``QUOTA`` says how large it is.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, SECRETS, VOLUME_CLAIMS, Resource
from incident_runbooks.lab.cluster.runtime import environment
from incident_runbooks.lab.cluster.runtime.environment import ConfigError
from incident_runbooks.lab.cluster.runtime.volume_stats import DIRECTORY, QUOTA, Volume
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

_RESOURCES = {"secret": SECRETS, "configMap": CONFIG_MAPS}


class Volumes:
    """The volumes of one pod.

    Args:
        store: has the Secrets, ConfigMaps and claims.
        pod: whose.
        pod_directory: the pod's own; removed with it.
        claims_directory: where the volumes of claims are, which survive.
    """

    def __init__(self, store: Store, pod: Json, pod_directory: Path, claims_directory: Path) -> None:
        self._store = store
        self._pod = pod
        self._namespace: str = pod["metadata"]["namespace"]
        self._directory: Path = pod_directory / ".volumes"  # no container can have that name
        self._claims = claims_directory

    def set_up(self) -> None:
        """Make every directory and fill it; again, to take up what has changed.

        Raises:
            ConfigError: a Secret, ConfigMap or claim is missing.
        """
        for volume in self._pod["spec"].get("volumes") or ():
            self._set_up(volume)

    def uses(self, resource: Resource, name: str) -> bool:
        """Whether a volume shows this Secret or ConfigMap, or lies on this claim."""
        return (resource, name) in set(self._references())

    def link(self, container: Json, directory: Path) -> None:
        """Put links into a container's working directory, at its mount paths."""
        for mount in container.get("volumeMounts") or ():
            link = directory / str(mount["mountPath"]).lstrip("/")
            target = self._path(mount["name"])
            if mount.get("subPath"):
                target /= mount["subPath"]
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink() and not link.exists():
                link.symlink_to(target)

    def claims(self) -> Iterator[Volume]:
        """Yield the volumes of the claims that there are."""
        for volume in self._pod["spec"].get("volumes") or ():
            if "persistentVolumeClaim" not in volume:
                continue
            name: str = volume["persistentVolumeClaim"]["claimName"]
            claim = self._store.find(VOLUME_CLAIMS, self._namespace, name)
            if claim is not None:
                quota = (claim["metadata"].get("annotations") or {}).get(QUOTA)
                yield Volume(self._namespace, name, self._directory_of(name), int(quota) if quota else None)

    def _references(self) -> Iterator[tuple[Resource, str]]:
        for volume in self._pod["spec"].get("volumes") or ():
            for resource, name, _ in _sources(volume):
                yield resource, name
            if "persistentVolumeClaim" in volume:
                yield VOLUME_CLAIMS, volume["persistentVolumeClaim"]["claimName"]

    def _path(self, name: str) -> Path:
        for volume in self._pod["spec"].get("volumes") or ():
            if volume["name"] == name and "persistentVolumeClaim" in volume:
                return self._directory_of(volume["persistentVolumeClaim"]["claimName"])
        return self._directory / name

    def _directory_of(self, claim: str) -> Path:
        found = self._store.find(VOLUME_CLAIMS, self._namespace, claim) or {}
        named = ((found.get("metadata") or {}).get("annotations") or {}).get(DIRECTORY)
        return Path(named) if named else self._claims / self._namespace / claim

    def _set_up(self, volume: Json) -> None:
        path = self._path(volume["name"])
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and self._store.find(VOLUME_CLAIMS, self._namespace, claim) is None:
            raise ConfigError(f'persistentvolumeclaim "{claim}" not found')
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        files: dict[str, bytes] = {}
        sources = list(_sources(volume))
        for resource, name, source in sources:
            files |= self._files(resource, name, source)
        for relative, data in files.items():
            _replace(path / relative, data)
        for there in list(path.rglob("*")) if sources else ():
            if there.is_file() and str(there.relative_to(path)) not in files:
                there.unlink()

    def _files(self, resource: Resource, name: str, source: Json) -> dict[str, bytes]:
        found = self._store.find(resource, self._namespace, name)
        if found is None and not source.get("optional"):
            kind = "secret" if resource is SECRETS else "configmap"
            raise ConfigError(f'{kind} "{name}" not found')
        files = environment.content(resource, found or {})
        if source.get("items"):
            return {item["path"]: files[item["key"]] for item in source["items"] if item["key"] in files}
        return files


def _sources(volume: Json) -> Iterator[tuple[Resource, str, Json]]:
    """Yield the Secrets and ConfigMaps that a volume shows, with how it does."""
    for each in (volume, *(volume.get("projected") or {}).get("sources", ())):
        for field, resource in _RESOURCES.items():
            if field in each:
                source = each[field]
                yield resource, source.get("secretName") or source["name"], source


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it, as far as that is possible; links are not followed."""
    with contextlib.suppress(OSError):
        shutil.rmtree(directory)


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new one; it may hold a secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)
