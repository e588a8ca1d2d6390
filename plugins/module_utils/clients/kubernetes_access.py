# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Ask an API server who the login is and what it may do. The questions are posted, and change nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
    one_line,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import resource_path
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_parts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.access import Permission, review

_ACCESS = resource_path("authorization.k8s.io/v1", "selfsubjectaccessreviews", None)
_WHO = resource_path("authentication.k8s.io/v1", "selfsubjectreviews", None)
_LONGEST_USER = 200


def who(cluster: Cluster) -> str | None:
    """Return the name of the login; ``None`` where the server does not tell, as before Kubernetes 1.28."""
    try:
        said = cluster.create(_WHO, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    except KubernetesError as error:
        if error.failure.cause in {"not_found", "forbidden"}:
            return None
        raise
    user = ((said.get("status") or {}).get("userInfo") or {}).get("username")
    return one_line(str(user), _LONGEST_USER) if user else None


def ask_access(cluster: Cluster, wanted: Iterable[Permission]) -> tuple[dict[Permission, bool | None], list[Failure]]:
    """Ask about every permission, several at the same time.

    Returns:
        What the login may, ``None`` where no answer came; and why, each reason once.
    """
    questions = {each.text: each for each in dict.fromkeys(wanted)}
    answers = read_parts({text: partial(_ask, cluster, each) for text, each in questions.items()})
    allowed = {each: answers.values.get(text) for text, each in questions.items()}
    return allowed, list({failure.text: failure for failure in answers.failures.values()}.values())


def _ask(cluster: Cluster, permission: Permission) -> bool:
    status = cluster.create(_ACCESS, review(permission, cluster.namespace)).get("status") or {}
    return status.get("allowed") is True
