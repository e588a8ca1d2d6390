# SPDX-License-Identifier: GPL-3.0-or-later
"""Which types the cluster serves: the part of the Kubernetes API that the runbooks use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_STATUS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A part of an object with an endpoint of its own.

    Attributes:
        kind: of what is sent or returned.
        verbs: what can be done.
        group: of *kind*, where it is not the object's; likewise *version*.
        version: see *group*.
    """

    kind: str
    verbs: tuple[str, ...]
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Resource:
    """A type of object.

    Attributes:
        group: API group, empty for the core group.
        version: of the group.
        plural: name in paths, such as ``deployments``.
        kind: such as ``Deployment``.
        namespaced: whether objects live in a namespace.
        short_names: what kubectl accepts besides the plural.
        categories: such as ``all``.
        verbs: what can be done with objects.
        subresources: by name, such as ``scale``.
        stored: whether objects are kept; reviews and metrics are answers only.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict, hash=False, compare=False)
    stored: bool = True

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``deployments.apps``, or ``pods`` for the core group: how error texts name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether the status is written through an endpoint of its own only."""
        return "status" in self.subresources


def _status(kind: str) -> dict[str, Subresource]:
    return {"status": Subresource(kind, _STATUS)}


def _workload(kind: str) -> dict[str, Subresource]:
    return _status(kind) | {"scale": Subresource("Scale", _STATUS, "autoscaling", "v1")}


_POD_SUBRESOURCES = _status("Pod") | {
    "log": Subresource("Pod", ("get",)),
    "exec": Subresource("PodExecOptions", ("create", "get")),
    "eviction": Subresource("Eviction", ("create",), "policy", "v1"),
}
_RBAC = "rbac.authorization.k8s.io"

PODS = Resource("", "v1", "pods", "Pod", short_names=("po",), categories=("all",), subresources=_POD_SUBRESOURCES)
SERVICES = Resource(
    "", "v1", "services", "Service", short_names=("svc",), categories=("all",), subresources=_status("Service")
)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", short_names=("ep",))
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",))
SERVICE_ACCOUNTS = Resource(
    "", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",),
    subresources={"token": Subresource("TokenRequest", ("create",), "authentication.k8s.io", "v1")},
)  # fmt: skip
EVENTS = Resource("", "v1", "events", "Event", short_names=("ev",))
VOLUME_CLAIMS = Resource(
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",),
    subresources=_status("PersistentVolumeClaim"),
)  # fmt: skip
# Kept, and not enforced
QUOTAS = Resource(
    "", "v1", "resourcequotas", "ResourceQuota", short_names=("quota",), subresources=_status("ResourceQuota")
)
NAMESPACES = Resource(
    "", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=_status("Namespace")
)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=_status("Node"))
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    short_names=("deploy",),
    categories=("all",),
    subresources=_workload("Deployment"),
)
REPLICA_SETS = Resource(
    "apps",
    "v1",
    "replicasets",
    "ReplicaSet",
    short_names=("rs",),
    categories=("all",),
    subresources=_workload("ReplicaSet"),
)
STATEFUL_SETS = Resource(
    "apps",
    "v1",
    "statefulsets",
    "StatefulSet",
    short_names=("sts",),
    categories=("all",),
    subresources=_workload("StatefulSet"),
)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short_names=("hpa",),
    categories=("all",),
    subresources=_status("HorizontalPodAutoscaler"),
)  # fmt: skip
DISRUPTION_BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",),
    subresources=_status("PodDisruptionBudget"),
)  # fmt: skip
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",))
INGRESSES = Resource(
    "networking.k8s.io", "v1", "ingresses", "Ingress", short_names=("ing",), subresources=_status("Ingress")
)
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False,
    verbs=("create",),
    stored=False,
)  # fmt: skip
RULES_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False,
    verbs=("create",),
    stored=False,
)  # fmt: skip
SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io",
    "v1",
    "selfsubjectreviews",
    "SelfSubjectReview",
    namespaced=False,
    verbs=("create",),
    stored=False,
)
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=("get", "list"), stored=False)
NODE_METRICS = Resource(
    "metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, verbs=("get", "list"), stored=False
)

RESOURCES: tuple[Resource, ...] = (
    PODS, SERVICES, ENDPOINTS, SECRETS, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS, VOLUME_CLAIMS, QUOTAS, NAMESPACES, NODES,
    DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, CONTROLLER_REVISIONS, AUTOSCALERS, DISRUPTION_BUDGETS, ENDPOINT_SLICES,
    LEASES, NETWORK_POLICIES, INGRESSES, ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ACCESS_REVIEWS,
    RULES_REVIEWS, SUBJECT_REVIEWS, POD_METRICS, NODE_METRICS,
)  # fmt: skip

_BY_PATH = {(each.group, each.version, each.plural): each for each in RESOURCES}
_BY_KIND = {(each.api_version, each.kind): each for each in RESOURCES}


def by_path(group: str, version: str, plural: str) -> Resource | None:
    """Return the type with that place in paths."""
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    """Return the type that an object names."""
    return _BY_KIND.get((api_version, kind))
