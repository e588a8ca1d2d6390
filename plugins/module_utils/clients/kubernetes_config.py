# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Where the API server is and how to log in: options, kubeconfig or the pod's service account.

The official package reads all of it, except that credential plugins are run here: it hides their failure, gives
them no limit of time, and lets them ask on the terminal. Nothing of a kubeconfig is ever quoted in an error text
but names: its own error texts quote whole entries, tokens included.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_plugin
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
    one_line,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.lean_import import without

# The package takes half a second to load: only who asks a cluster something waits for it
HAS_KUBERNETES = importlib.util.find_spec("kubernetes") is not None

if HAS_KUBERNETES:
    import yaml  # the package requires it

if TYPE_CHECKING:
    from kubernetes.client import Configuration
    from kubernetes.config.kube_config import ConfigNode

ATTEMPTED = "Logging in to Kubernetes"
_FILES = ("ssl_ca_cert", "cert_file", "key_file")
_KEPT = ("host", "verify_ssl", "tls_server_name", "proxy", *_FILES)
DEFAULT_KUBECONFIG = "~/.kube/config"
SHORTEST_SECRET = 4  # shorter ones would tear ordinary words apart
_SECRET_KEYS = ("token", "password", "client-key-data")
_SECRET_NAME = re.compile(r"token|secret|passw|key|credential", re.IGNORECASE)
_MALFORMED = (LookupError, TypeError, AttributeError, ValueError)  # what the package stumbles with


def load_configuration(params: Mapping[str, Any], directory: str) -> Configuration:
    """Return the package's configuration for the options.

    Args:
        params: the options of ``kubernetes_options``.
        directory: where certificates and keys inside a kubeconfig are written as files, as TLS needs them; the
            caller removes it.

    Raises:
        KubernetesError: cause ``no_credentials``.
    """
    with without("kubernetes_validate"):  # for its dynamic client, which nothing here uses
        from kubernetes.client import Configuration  # noqa: PLC0415 - see HAS_KUBERNETES

    configuration = Configuration()
    if not params.get("host") or params.get("kubeconfig") or params.get("context"):
        _load_kubeconfig_or_pod(configuration, params, directory)
        _keep_but_the_token(configuration, directory)
    if params.get("host"):
        configuration.host = str(params["host"]).rstrip("/")
    if params.get("api_key"):
        configuration.api_key["BearerToken"] = f"Bearer {params['api_key']}"
        configuration.refresh_api_key_hook = None
    if params.get("ca_cert"):
        if not Path(params["ca_cert"]).is_file():
            raise _no_credentials(f"there is no file {params['ca_cert']}", "check ca_cert")
        configuration.ssl_ca_cert = str(params["ca_cert"])
    configuration.verify_ssl = bool(params["validate_certs"] and configuration.verify_ssl)
    return configuration


def _keep_but_the_token(configuration: Configuration, directory: str) -> None:
    """Let a renewal change nothing but the token, and own the files.

    The package's renewal sets address and TLS again, over what the options say. And it shares the files that it
    makes of data in a kubeconfig within the process, so that who closes first would take them from the others.
    """
    for name in _FILES:
        path = getattr(configuration, name)
        if path:
            own = Path(directory) / name
            own.touch(mode=0o600)
            try:
                own.write_bytes(Path(path).read_bytes())
            except OSError as error:
                raise _no_credentials(f"the file {path} cannot be read: {error.strerror}") from None
            setattr(configuration, name, str(own))
    renew = configuration.refresh_api_key_hook
    if renew is None:
        return

    def renew_token(configuration: Configuration) -> None:
        kept = {name: getattr(configuration, name) for name in _KEPT}
        renew(configuration)
        for name, value in kept.items():
            setattr(configuration, name, value)

    configuration.refresh_api_key_hook = renew_token


def kubeconfig_secrets(kubeconfig: str | None) -> Iterator[str]:
    """Yield the secret values in the kubeconfig that would be used; never raises."""
    if not HAS_KUBERNETES:
        return
    for path in _paths(kubeconfig):
        try:
            config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - it is a safe loader
        except (OSError, ValueError, yaml.YAMLError):
            continue
        yield from (secret for secret in _secrets_of(config) if len(secret) >= SHORTEST_SECRET)


def passwords_in_url(url: str) -> Iterator[str]:
    """Yield the password in a URL, as written and decoded; never raises."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}


def _secrets_of(config: Any) -> Iterator[str]:
    """The secrets of all users and proxies; whatever is malformed holds none that could be used."""
    entries = config if isinstance(config, dict) else {}
    for entry in _dictionaries(entries.get("users")):
        user = entry.get("user")
        if isinstance(user, dict):
            yield from (str(user[key]) for key in _SECRET_KEYS if user.get(key))
            provider = user.get("auth-provider")
            if isinstance(provider, dict) and isinstance(provider.get("config"), dict):
                yield from (str(value) for key, value in provider["config"].items() if _SECRET_NAME.search(str(key)))
            plugin = user.get("exec")
            variables = plugin.get("env") if isinstance(plugin, dict) else None
            yield from (
                str(item.get("value"))
                for item in _dictionaries(variables)
                if item.get("value") and _SECRET_NAME.search(str(item.get("name")))
            )
    for entry in _dictionaries(entries.get("clusters")):
        cluster = entry.get("cluster")
        if isinstance(cluster, dict):
            yield from passwords_in_url(str(cluster.get("proxy-url") or ""))


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    yield from (item for item in value or () if isinstance(item, dict)) if isinstance(value, list) else ()


def _paths(kubeconfig: str | None) -> list[Path]:
    given = kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
    return [Path(part).expanduser() for part in given.split(os.pathsep) if part]


def _load_kubeconfig_or_pod(configuration: Configuration, params: Mapping[str, Any], directory: str) -> None:
    paths = _paths(params.get("kubeconfig"))
    there = [path for path in paths if path.exists()]
    if there:
        _load_kubeconfig(configuration, there, params, directory)
        return
    named = " and ".join(str(path) for path in paths)
    if params.get("kubeconfig") or params.get("context") or os.environ.get("KUBECONFIG"):
        raise _no_credentials(f"there is no kubeconfig {named}")
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - see HAS_KUBERNETES
    from kubernetes.config.incluster_config import load_incluster_config  # noqa: PLC0415

    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException:
        raise _no_credentials(f"there is no kubeconfig {named}, and this is no pod with a service account") from None
    except OSError as error:
        raise _no_credentials(f"the service account of this pod cannot be read: {error.strerror}") from None


def _load_kubeconfig(
    configuration: Configuration, paths: list[Path], params: Mapping[str, Any], directory: str
) -> None:
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - see HAS_KUBERNETES
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # noqa: PLC0415

    named = " and ".join(str(path) for path in paths)
    try:
        merger = KubeConfigMerger(os.pathsep.join(map(str, paths)))
        context = _chosen_context(merger.config, params.get("context"), named)
        _resolve_plugin(merger.config, context, params["request_timeout"])
        # persisting: an OIDC provider may take the old refresh token back, and kubectl would have to log in anew
        loader = KubeConfigLoader(
            merger.config,
            active_context=context["name"],
            config_base_path=None,
            config_persister=merger.save_changes,
            temp_file_path=directory,
        )
        loader.load_and_set(configuration)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f", line {line + 1}" if line is not None else ""
        raise _no_credentials(f"the kubeconfig {named} is no valid YAML{where}") from None
    except OSError as error:
        about = f" ({error.filename})" if error.filename else ""
        raise _no_credentials(f"the kubeconfig {named} cannot be used{about}: {error.strerror or 'error'}") from None
    except (ConfigException, *_MALFORMED) as error:
        missing = str(error) if str(error).startswith("File does not exist") else "it is malformed"
        raise _no_credentials(f"the kubeconfig {named} cannot be used: {one_line(missing)}") from None


def _chosen_context(config: ConfigNode | None, wanted: str | None, named: str) -> dict[str, Any]:
    """Return the context's name, cluster and user after checking that all of them are there."""
    content = config.value if config is not None else None
    if config is None or not isinstance(content, dict):
        raise _no_credentials(f"the kubeconfig {named} is empty or malformed")
    name = wanted or content.get("current-context")
    contexts = {entry["name"]: entry["context"] for entry in content["contexts"]}
    known = one_line(", ".join(sorted(map(str, contexts)))) or "none"
    if not name:
        raise _no_credentials(f"the kubeconfig {named} has no current context", f"give context, one of: {known}")
    if name not in contexts:
        raise _no_credentials(
            f"the kubeconfig {named} has no context {one_line(str(name))}", f"give context, one of: {known}"
        )
    context = contexts[name]
    for kind, entries in (("cluster", content["clusters"]), ("user", content["users"])):
        entry = context.safe_get(kind)
        if entry and entry not in {found["name"] for found in entries}:
            raise _no_credentials(
                f"the kubeconfig {named} has no {kind} {one_line(str(entry))}, which context {name} names"
            )
    return {"name": name, "cluster": context["cluster"], "user": context.safe_get("user")}


def _resolve_plugin(config: ConfigNode, context: Mapping[str, Any], limit_s: float) -> None:
    """Replace a credential plugin of the context's user by the credentials that it gives."""
    users = {entry["name"]: entry for entry in config.value["users"]}
    clusters = {entry["name"]: entry for entry in config.value["clusters"]}
    entry = users.get(context["user"])
    if entry is None:
        return
    user = entry.value.get("user")
    if not isinstance(user, dict) or "exec" not in user or user.get("token") or user.get("tokenFile"):
        return
    cluster = clusters[context["cluster"]]["cluster"]
    try:
        entry.value["user"] = kubernetes_plugin.credentials(entry["user"]["exec"], cluster, limit_s)
    except kubernetes_plugin.PluginError as error:
        raise _no_credentials(error.message, error.advice) from None


def _no_credentials(message: str, advice: str | None = None) -> KubernetesError:
    return KubernetesError(ATTEMPTED, Failure("no_credentials", one_line(message), advice=advice))
