# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Credential plugins of a kubeconfig (``user.exec``), run with a limit of time and without a terminal.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import one_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

if TYPE_CHECKING:
    from kubernetes.config.exec_provider import ExecProvider
    from kubernetes.config.kube_config import ConfigNode


class PluginError(Exception):
    """The plugin gave no credentials.

    Args:
        message: what happened; holds no credential.
        advice: what to check or do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


def credentials(plugin: ConfigNode, cluster: ConfigNode, limit_s: float) -> dict[str, Any]:
    """Run the plugin and return its credentials as the ``user`` of a kubeconfig.

    Args:
        plugin: the ``exec`` entry.
        cluster: the cluster's entry, for ``provideClusterInfo``.
        limit_s: seconds after which the plugin and its children are ended.

    Raises:
        PluginError: it failed, took too long or answered with something else.
    """
    from kubernetes.config.exec_provider import ExecProvider  # noqa: PLC0415 - see kubernetes_config

    folder = os.path.dirname(os.path.abspath(cluster.path)) if cluster.path else ""  # noqa: PTH100, PTH120 - no Path
    provider = ExecProvider(plugin, folder, cluster)
    name = one_line(str(plugin["command"]), 80)
    status, output, complaint = _run(provider, name, plugin, limit_s)
    if status != 0:
        said = _last_line(complaint)
        raise PluginError(
            f"the credential plugin {name} ended with status {status}" + (f": {said}" if said else ""),
            "log in again with it, as it says",
        )
    return _user(_status(output, provider.api_version, name), name)


def _run(provider: ExecProvider, name: str, plugin: ConfigNode, limit_s: float) -> tuple[int, str, str]:
    info: dict[str, Any] = {"apiVersion": provider.api_version, "kind": "ExecCredential"}
    info["spec"] = {"interactive": False}
    if provider.cluster is not None:
        info["spec"]["cluster"] = _cluster_info(provider.cluster.value)
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own kubeconfig names it, as for kubectl
            provider.args,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=provider.cwd,
            env={**provider.env, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        hint = one_line(str(plugin.safe_get("installHint") or ""))
        advice = hint or "install it, or put it on PATH"
        raise PluginError(f"the credential plugin {name} cannot be run: {error.strerror}", advice) from None
    with process:
        try:
            output, complaint = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise PluginError(
                f"the credential plugin {name} did not end within {limit_s:g} s",
                "run it by hand; it may wait for a login, or raise request_timeout",
            ) from None
    return process.returncode, output, complaint


def _cluster_info(cluster: dict[str, Any]) -> dict[str, Any]:
    extensions = cluster.get("extensions") or []
    own = (item.get("extension") for item in extensions if item.get("name") == "client.authentication.k8s.io/exec")
    config = next(own, None)
    return cluster if config is None else {**cluster, "config": config}


def _status(output: str, api_version: str, name: str) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        answer = None
    advice = "check its version and its arguments in the kubeconfig"
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), dict):
        raise PluginError(f"the credential plugin {name} did not answer with an ExecCredential", advice)
    if answer.get("apiVersion") != api_version:
        raise PluginError(f"the credential plugin {name} answers in another version than {api_version}", advice)
    status: dict[str, Any] = answer["status"]
    return status


def _user(status: dict[str, Any], name: str) -> dict[str, Any]:
    expires = parse_instant(status.get("expirationTimestamp"))
    if expires and expires <= dt.datetime.now(dt.UTC):
        raise PluginError(f"the credential plugin {name} gave credentials that have expired", "log in again with it")
    user: dict[str, Any] = {}
    if status.get("token"):
        user["token"] = str(status["token"])
    if status.get("clientCertificateData") and status.get("clientKeyData"):
        user["client-certificate-data"] = _base64(status["clientCertificateData"])
        user["client-key-data"] = _base64(status["clientKeyData"])
    if not user:
        raise PluginError(f"the credential plugin {name} gave neither a token nor a certificate", "log in with it")
    return user


def _base64(text: str) -> str:
    return base64.b64encode(str(text).encode()).decode()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(mask(lines[-1]), 200) if lines else ""
