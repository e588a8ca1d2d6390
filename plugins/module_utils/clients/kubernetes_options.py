# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The options that all Kubernetes modules share, and the secrets behind them.

Keep the doc fragment ``kubernetes`` in step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_config
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

# kind -> API group and version, plural
WORKLOAD_KINDS = {
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
}
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ROLE_FILE = re.compile(r"[a-z0-9][a-z0-9-]*")


def kubernetes_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection.

    There is no ``fallback`` to the environment: KUBECONFIG may name several files, which are merged as
    kubectl does.
    """
    return {
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
        "host": {"type": "str"},
        "api_key": {"type": "str", "no_log": True},
        "ca_cert": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "namespace": {"type": "str", "required": True},
        "request_timeout": {"type": "int", "default": 5},
        "rbac_role": {"type": "str"},
    }


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense.

    Raises:
        IncidentsError: naming the option.
    """
    attempted = "Reading the Kubernetes options"
    if params["request_timeout"] < 1:
        raise IncidentsError(f"{attempted}: request_timeout must be 1 second or more")
    if not _LABEL.fullmatch(str(params["namespace"])):
        raise IncidentsError(f"{attempted}: namespace is no valid name of a namespace")
    if params.get("name") and not _SUBDOMAIN.fullmatch(str(params["name"])):
        raise IncidentsError(f"{attempted}: name is no valid name of an object")
    if params.get("rbac_role") and not _ROLE_FILE.fullmatch(str(params["rbac_role"])):
        raise IncidentsError(f"{attempted}: rbac_role is the name of a file in deploy/rbac, without folder and ending")
    host = str(params.get("host") or "")
    if host and (urlsplit(host).scheme not in {"http", "https"} or not urlsplit(host).hostname):
        raise IncidentsError(f"{attempted}: host must be a URL such as https://api.example.com:6443")


def resource_path(
    group_version: str, resource: str, namespace: str | None, name: str | None = None, subresource: str | None = None
) -> str:
    """Return the path of a resource, such as ``/apis/apps/v1/namespaces/shop/deployments/backend/scale``.

    Args:
        group_version: such as ``v1`` or ``apps/v1``.
        resource: plural name.
        namespace: ``None`` for what has none.
        name: without it, the path of the list.
    """
    parts = ["apis" if "/" in group_version else "api", group_version]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts += [quote(part, safe="") for part in (resource, name, subresource) if part]
    return "/" + "/".join(parts)


def workload_path(kind: str, namespace: str, name: str, subresource: str | None = None) -> str:
    """Return the path of a Deployment, StatefulSet or DaemonSet."""
    group_version, resource = WORKLOAD_KINDS[kind]
    return resource_path(group_version, resource, namespace, name, subresource)


def kubernetes_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets that ``no_log`` does not know: those of the kubeconfig, the proxy and a URL.

    Never raises; an unreadable kubeconfig holds no secret that could be shown.
    """
    host = str(params.get("host") or "")
    yield from kubernetes_config.passwords_in_url(host)
    yield from kubernetes_config.kubeconfig_secrets(params.get("kubeconfig"))
