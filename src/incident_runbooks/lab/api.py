# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab itself talks to its cluster: as its administrator, with plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from incident_runbooks.errors import RunbookError

Json = dict[str, Any]

_ANSWER_S = 10.0
_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Namespace": "namespaces",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ReplicaSet": "replicasets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
}
_NOT_FOUND = 404
_REFUSED = 400


@dataclass(frozen=True)
class ApiAnswer:
    """What the API server answered: HTTP status and the JSON document."""

    status: int
    body: Json


class ClusterApi:
    """The API of the lab's cluster.

    Args:
        kubeconfig: the administrator's, as the cluster writes it.
    """

    def __init__(self, kubeconfig: Path) -> None:
        known = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = known["clusters"][0]["cluster"], known["users"][0]["user"]
        self.server: str = cluster["server"]
        self._headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(
            ca_certs=str(kubeconfig.with_name("ca.pem")), timeout=_ANSWER_S, retries=False, maxsize=1
        )

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> ApiAnswer:
        """Send a request and return the answer, whatever it is.

        Raises:
            RunbookError: there is no answer.
        """
        data = None if body is None else json.dumps(body)
        try:
            answer = self._pool.request(method, f"{self.server}{path}", body=data, headers={**self._headers, **headers})
        except urllib3.exceptions.HTTPError as error:
            raise RunbookError(f"Asking the lab's cluster at {self.server} for {path}: {error}") from error
        text = answer.data.decode("utf-8", "replace")
        is_json = "json" in answer.headers.get("Content-Type", "")
        return ApiAnswer(answer.status, json.loads(text) if is_json else {"message": text})

    def get(self, path: str) -> Json | None:
        """Return an object or a list, ``None`` where it does not exist.

        Raises:
            RunbookError: it is refused.
        """
        answer = self.request("GET", path)
        return None if answer.status == _NOT_FOUND else _accepted("Reading", path, answer)

    def items(self, path: str) -> list[Json]:
        """Return the items of a list."""
        return list((self.get(path) or {}).get("items") or [])

    def create(self, manifest: Mapping[str, Any]) -> Json:
        """Create an object.

        Raises:
            RunbookError: it is refused.
        """
        return _accepted("Creating", name_of(manifest), self.request("POST", collection_of(manifest), manifest))

    def patch(self, path: str, patch: Mapping[str, Any]) -> Json:
        """Change an object by a strategic merge patch, which merges lists such as containers by name.

        Raises:
            RunbookError: it is refused.
        """
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        return _accepted("Changing", path, self.request("PATCH", path, patch, **headers))

    def delete(self, path: str, **options: Any) -> None:
        """Delete an object, if it exists."""
        answer = self.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        if answer.status != _NOT_FOUND:
            _accepted("Deleting", path, answer)


def collection_of(manifest: Mapping[str, Any]) -> str:
    """Return the path under which objects like this one live."""
    version, namespace = manifest["apiVersion"], manifest["metadata"].get("namespace")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{place}/{_PLURALS[manifest['kind']]}"


def path_of(manifest: Mapping[str, Any]) -> str:
    """Return the path of an object."""
    return f"{collection_of(manifest)}/{manifest['metadata']['name']}"


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return how texts name an object."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def _accepted(what: str, which: str, answer: ApiAnswer) -> Json:
    if answer.status >= _REFUSED:
        raise RunbookError(f"{what} {which} in the lab's cluster: {answer.body.get('message') or answer.status}")
    return answer.body
