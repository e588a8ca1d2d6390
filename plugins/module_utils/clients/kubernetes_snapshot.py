# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what an action on a workload would destroy, and save it in files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_files
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_logs import Log, logs_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import Pods, read_pods
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence

Json = dict[str, Any]

LARGEST_OBJECTS = 256 * 2**20  # objects are never cut: half a JSON document is none
# Texts with which the API server says that a container has written nothing yet
_NO_LOG = ("previous terminated container", "is waiting to start", "not available")


@dataclass(frozen=True)
class _Item:
    """A file to be saved: its path inside the folder, where it comes from, and one of the two ways to get it."""

    name: str
    source: str
    content: Any = None
    log: Log | None = None


class Snapshot:
    """The evidence of one workload at one moment.

    Args:
        cluster: where.
        params: the options of k8s_snapshot.
        now: the moment.
    """

    def __init__(self, cluster: Cluster, params: Mapping[str, Any], now: dt.datetime) -> None:
        self.cluster = cluster
        self.params = params
        self.now = now
        self.kind, self.name = str(params["kind"]), str(params["name"])
        self.folder = Path(str(params["directory"] or "")) / evidence.folder_name(now, self.kind, self.name)
        self.pods_total = 0
        self.items: list[_Item] = []
        self.files: list[Json] = []
        self.missing: list[Json] = []
        self.denied: list[dict[str, str]] = []

    def look(self) -> None:
        """Read the objects and find out which logs there are.

        Raises:
            KubernetesError: the workload or its pods cannot be read.
        """
        path = self.cluster.workload_path(self.kind, self.name)
        workload = self.cluster.get(path)
        events = self.cluster.path("v1", "events")
        pods = read_pods(self.cluster, self.kind, workload, {"events": lambda: self.cluster.list(events)})
        if "pods" in pods.failures:
            text = f"Listing the pods of {self.kind} {self.name} in namespace {self.cluster.namespace}"
            raise KubernetesError(f"{text} on {self.cluster.server}", pods.failures["pods"])
        self.pods_total = len(pods.mine)
        self._take(f"k8s/{self.kind.lower()}-{self.name}.json", f"GET {path}", evidence.without_secrets(workload))
        listed = f"GET {self.cluster.path('v1', 'pods')}"
        self._take("k8s/pods.json", listed, [evidence.without_secrets(pod) for pod in pods.mine])
        self._take_events(f"GET {events}", workload, pods)
        for log in logs_of(pods.mine, previous=bool(self.params["previous"])):
            name = evidence.log_name(log.pod, log.container, previous=log.previous)
            self.items.append(_Item(name, f"GET {self._log_path(log)}?{urlencode(_query(log))}", log=log))

    def save(self) -> None:
        """Write every file, then the list of them.

        Raises:
            IncidentsError: nothing can be written there.
        """
        self.folder = evidence_files.make_folder(
            Path(self.params["directory"]), evidence.folder_name(self.now, self.kind, self.name)
        )
        with ThreadPoolExecutor(min(self.params["max_parallel"], len(self.items)), "snapshot") as pool:
            saved = list(pool.map(self._save, self.items))
        self.files = [file for file in saved if file]
        self.missing.sort(key=lambda entry: str(entry["source"]))
        collected = {
            "workload": f"{self.kind}/{self.name}",
            "namespace": self.cluster.namespace,
            "server": self.cluster.server,
            "collected_at": self.now.isoformat(),
        }
        content = evidence.manifest([_inside(file) for file in self.files], self.missing, collected)
        listed = self._save(_Item("MANIFEST.json", "the list of these files", content=content))
        self.files += [listed] if listed else []
        sums = evidence.sums(self.files)
        evidence_files.save(self.folder, "SHA256SUMS", [sums.encode()], LARGEST_OBJECTS)

    def plain(self, *, check_mode: bool) -> Json:
        """The result of the module."""
        if check_mode:
            return self._planned()
        size = sum(file["bytes"] for file in self.files)
        reason = f"{len(self.files)} files of {self.pods_total} pods saved, {size} bytes"
        complete = not self.missing
        result = self._result("done" if complete else "partial", reason, self.files) | {"complete": complete}
        if not complete:
            lost = "; ".join(f"{entry['source']}: {entry['message']}" for entry in self.missing[:3])
            result["reason"] = f"{reason}; {len(self.missing)} could not be saved: {lost}"
            result["warnings"] = [f"The evidence of {self.kind} {self.name} is incomplete: {lost}"]
        return result

    def _planned(self) -> Json:
        unknown = {"sha256": None, "bytes": None, "truncated": False}
        files: list[Json] = [
            {"path": str(self.folder / item.name), "name": item.name, "source": item.source, **unknown}
            for item in self.items
        ]
        reason = f"{len(files)} files of {self.pods_total} pods would be saved"
        return self._result("planned", reason, files) | {"complete": not self.missing}

    def _result(self, status: str, reason: str, files: list[Json]) -> Json:
        return {
            "changed": True,
            "status": status,
            "reason": reason,
            "started_at": self.now,
            "directory": str(self.folder),
            "pods_total": self.pods_total,
            "files": files,
            "missing": self.missing,
            "denied": self.denied,
        }

    def _take(self, name: str, source: str, content: Any) -> None:
        self.items.append(_Item(name, source, content=content))

    def _take_events(self, source: str, workload: Mapping[str, Any], pods: Pods) -> None:
        """Events about the workload, its ReplicaSets and its pods."""
        if "events" in pods.answers.failures:
            self._miss(source, pods.answers.failures["events"])
            return
        owners = [
            owner.get("uid") for pod in pods.mine for owner in (pod.get("metadata") or {}).get("ownerReferences") or []
        ]
        uids = [item["metadata"].get("uid") for item in (workload, *pods.mine)]
        events = evidence.about(pods.answers.values["events"], [str(uid) for uid in (*uids, *owners) if uid])
        self._take("k8s/events.json", source, events)

    def _miss(self, source: str, failure: Failure) -> None:
        self.missing.append({"source": source, "cause": failure.cause, "message": failure.text})
        if failure.denied and failure.denied not in self.denied:
            self.denied.append(failure.denied)

    def _log_path(self, log: Log) -> str:
        return self.cluster.path("v1", "pods", log.pod, "log")

    def _save(self, item: _Item) -> Json | None:
        """Save one file; ``None`` when there is no such log, or nothing of it could be read."""
        if item.log is None:
            content = json.dumps(item.content, indent=2, sort_keys=True).encode() + b"\n"
            return self._saved(item, evidence_files.save(self.folder, item.name, [content], LARGEST_OBJECTS))
        log = _LogStream(self.cluster.stream(self._log_path(item.log), **_query(item.log)))
        try:
            saved = evidence_files.save(self.folder, item.name, log, self.params["limit_bytes"])
        except KubernetesError as error:
            log.failure = error.failure
            if error.failure.cause == "invalid" and any(text in error.failure.message for text in _NO_LOG):
                return None
            saved = None
        if log.failure:
            self._miss(item.source, log.failure)
        return self._saved(item, saved, cut=log.failure is not None) if saved else None

    @staticmethod
    def _saved(item: _Item, saved: evidence_files.Saved, *, cut: bool = False) -> Json:
        return {
            "path": str(saved.path),
            "name": item.name,
            "source": item.source,
            "sha256": saved.sha256,
            "bytes": saved.size,
            "truncated": saved.truncated or cut,
        }


class _LogStream:
    """A log that, when the connection breaks in the middle, ends there: half a log is more than none.

    Attributes:
        failure: why it ended early.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.failure: Failure | None = None

    def __iter__(self) -> Iterator[bytes]:
        began = False
        try:
            for chunk in self._chunks:
                began = True
                yield chunk
        except KubernetesError as error:
            if not began:
                raise
            self.failure = error.failure


def _query(log: Log) -> Json:
    return {"container": log.container, **({"previous": "true"} if log.previous else {}), "timestamps": "true"}


def _inside(file: Mapping[str, Any]) -> Json:
    """A file as the folder's own list has it; the folder may be moved."""
    return {key: value for key, value in file.items() if key != "path"}
