# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read the secret that webhooks are signed with from a Secret of the cluster. It stays in memory."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    KubernetesError,
    problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_signature import secret_problems

Json = dict[str, Any]


@dataclass(frozen=True)
class SigningSecret:
    """The secret that the platform's pods are given, or why it is not known.

    Attributes:
        value: never to be shown; ``None`` when it could not be read.
        facts: what may be said of it.
    """

    value: str | None = field(repr=False)
    facts: Json


def signing_argument_spec() -> dict[str, dict[str, Any]]:
    """The options for reading the secret: those of the cluster, its authority under a name of its own."""
    options = kubernetes_argument_spec()
    return {
        **{name: option for name, option in options.items() if name != "ca_cert"},
        "kubernetes_ca_cert": options["ca_cert"],
        "namespace": {"type": "str"},
        # names of objects, no secrets themselves
        "secret_name": {"type": "str", "no_log": False},
        "secret_key": {"type": "str", "no_log": False},
    }


def not_used() -> SigningSecret:
    """Return what is said where no secret is needed."""
    return SigningSecret(None, _facts(used=False))


def read_signing_secret(params: Mapping[str, Any]) -> SigningSecret:
    """Read the secret with the options of :func:`signing_argument_spec`.

    A cluster that is down, slow or refuses is a result, as is a Secret without the key.

    Raises:
        IncidentsError: the options make no sense, or the package is missing.
    """
    options = {**params, "ca_cert": params["kubernetes_ca_cert"], "name": None}
    try:
        with Cluster({**options, "namespace": params["namespace"] or ""}) as cluster:
            secret = cluster.get(cluster.path("v1", "secrets", params["secret_name"]))
    except KubernetesError as error:
        said = problem(error.failure)
        return SigningSecret(None, _facts(**{name: said[name] for name in ("cause", "message", "hint")}))
    return _decoded((secret.get("data") or {}).get(params["secret_key"]))


def _decoded(encoded: str | None) -> SigningSecret:
    if encoded is None:
        return _unusable("key_missing", "the Secret has no such key", "check secret_key")
    try:
        value = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return _unusable("not_text", "the value is no text", "check what wrote it")
    problems = secret_problems(value)
    if "empty" in problems:
        return SigningSecret(None, _facts(cause="empty", message="the value is empty", problems=problems))
    return SigningSecret(value, _facts(read=True, problems=problems, fingerprint=fingerprint(value.encode())))


def _unusable(cause: str, message: str, hint: str) -> SigningSecret:
    return SigningSecret(None, _facts(cause=cause, message=message, hint=hint))


def _facts(*, used: bool = True, read: bool = False, problems: list[str] | None = None, **told: str | None) -> Json:
    facts: Json = dict.fromkeys(("cause", "message", "hint", "fingerprint"))
    return {"used": used, "read": read if used else None, **facts, **told, "problems": problems or []}
