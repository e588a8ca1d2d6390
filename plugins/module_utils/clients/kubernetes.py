# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The Kubernetes client of all modules: ask, change, stream. Plain JSON over paths, no decisions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_config
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_connection import (
    LARGEST_EXPLANATION,
    Connection,
    success,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    KubernetesError,
    read_request,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    resource_path,
    workload_path,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_transport import broken

if kubernetes_config.HAS_KUBERNETES:
    from urllib3.exceptions import HTTPError

PAGE = 500
LONGEST_PAUSE_S = 2.0
CHUNK = 256 * 2**10
PATCHES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",  # JSON is YAML
}


class Cluster(Connection):
    """The objects of one namespace; see :class:`Connection` for how it logs in and what it raises."""

    def path(self, group_version: str, resource: str, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a resource in the namespace; without *name* that of the list."""
        return resource_path(group_version, resource, self.namespace, name, subresource)

    def workload_path(self, kind: str, name: str, subresource: str | None = None) -> str:
        """Return the path of a Deployment, StatefulSet or DaemonSet in the namespace."""
        return workload_path(kind, self.namespace, name, subresource)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return one object.

        Raises:
            KubernetesError: as all methods, when there is no answer or it is no success.
        """
        return self._ask("GET", path, query)

    def list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all items of a list, page by page."""
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {"limit": PAGE}
        while True:
            try:
                answer = self._ask("GET", path, {**query, **page})
            except KubernetesError as error:
                if error.failure.cause == "expired" and "continue" in page:
                    return list(self._ask("GET", path, query).get("items") or [])
                raise
            items += answer.get("items") or []
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return items
            page = {"limit": PAGE, "continue": token}

    def create(self, path: str, body: Mapping[str, Any], **query: Any) -> dict[str, Any]:
        """Create an object, or post to a subresource such as ``eviction``."""
        return self._ask("POST", path, query, body, "application/json")

    def replace(self, path: str, body: Mapping[str, Any], **query: Any) -> dict[str, Any]:
        """Write an object as a whole; with the ``resourceVersion`` that it carries, on that or not at all."""
        return self._ask("PUT", path, query, body, "application/json")

    def patch(self, path: str, body: Any, kind: str = "strategic", **query: Any) -> dict[str, Any]:
        """Patch an object; *kind* is ``strategic``, ``merge``, ``json`` or ``apply`` (server-side apply)."""
        return self._ask("PATCH", path, query, body, PATCHES[kind])

    def delete(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> dict[str, Any]:
        """Delete an object; *body* are its DeleteOptions."""
        return self._ask("DELETE", path, query, body, "application/json")

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """Yield the answer in parts as they come, without keeping it.

        Raises:
            KubernetesError: also while reading, when the connection breaks or nothing comes for ``limit_s``.
        """
        request = read_request("GET", path)
        response = self.within(request, lambda: self.opened("GET", path, query, None, None))
        try:
            if not success(response):
                raise self.refused(request, response, response.read(LARGEST_EXPLANATION))
            # what is there, however little: when the connection breaks, it has been seen
            while part := response.read1(CHUNK, decode_content=True):
                yield part
        except (HTTPError, OSError) as error:
            raise self.error(request, broken(error, self.limit_s)) from None
        finally:
            response.close()  # a log may be left unread; what was read to its end is in the pool already

    def _ask(
        self, method: str, path: str, query: Mapping[str, Any], body: Any = None, content_type: str | None = None
    ) -> dict[str, Any]:
        request = read_request(method, path)
        started = time.monotonic()
        try:
            return self.exchange(request, method, path, query, body, content_type)
        except KubernetesError as error:
            pause = error.details.pop("retry_after_s", None) if method == "GET" else None
            left = self.limit_s - (time.monotonic() - started)
            if pause is None or pause > min(LONGEST_PAUSE_S, left):
                raise
            time.sleep(pause)
        return self.exchange(request, method, path, query, body, content_type)
