# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, kubeconfigs and credential plugins: what is used, what is refused, and that no secret gets out."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_config import load_configuration
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    check_options,
    kubernetes_argument_spec,
    kubernetes_secrets,
    resource_path,
    workload_path,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

CANARY = "c4n4ry-t0ken"


def options(**given: Any) -> dict[str, Any]:
    spec = {name: option.get("default") for name, option in kubernetes_argument_spec().items()}
    return {**spec, "namespace": "shop", **given}


def kubeconfig(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "lost", "context": {"cluster": "c", "user": "nobody"}},
            {"name": "adrift", "context": {"cluster": "nowhere", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example.com:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": CANARY} if user is None else user}],
    }


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.mkdir(mode=0o700)
    return path


def written(tmp_path: Path, content: Any, name: str = "kubeconfig") -> str:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def token(configuration: Any) -> str:
    return str(configuration.get_api_key_with_prefix("BearerToken", alias="authorization"))


def test_paths_are_quoted() -> None:
    assert resource_path("v1", "pods", "shop", "p", "log") == "/api/v1/namespaces/shop/pods/p/log"
    assert resource_path("v1", "nodes", None) == "/api/v1/nodes"
    assert resource_path("v1", "pods", "shop", "../../x?y") == "/api/v1/namespaces/shop/pods/..%2F..%2Fx%3Fy"
    assert workload_path("Deployment", "shop", "a", "scale") == "/apis/apps/v1/namespaces/shop/deployments/a/scale"


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"request_timeout": 0}, "request_timeout"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "a/b"}, "namespace"),
        ({"namespace": "UPPER"}, "namespace"),
        ({"name": "../x"}, "name"),
        ({"rbac_role": "../x"}, "rbac_role"),
        ({"host": "k8s.example.com"}, "host"),
        ({"host": f"ftp://u:{CANARY}@x"}, "host"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, Any], option: str) -> None:
    with pytest.raises(IncidentsError, match=f"Reading the Kubernetes options: {option} ") as raised:
        check_options(options(**given))
    assert CANARY not in raised.value.message


def test_a_kubeconfig_is_read_and_its_certificates_stay_in_the_own_directory(tmp_path: Path, directory: Path) -> None:
    encoded = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "cert", "key")}
    config = kubeconfig(
        {"client-certificate-data": encoded["cert"], "client-key-data": encoded["key"]},
        {"certificate-authority-data": encoded["ca"]},
    )
    configuration = load_configuration(options(kubeconfig=written(tmp_path, config)), str(directory))
    assert configuration.host == "https://k8s.example.com:6443"
    files = [Path(getattr(configuration, name)) for name in ("ssl_ca_cert", "cert_file", "key_file")]
    assert [path.read_text(encoding="utf-8") for path in files] == ["ca", "cert", "key"]
    assert {path.parent for path in files} == {directory}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert configuration.verify_ssl is True


def test_the_environment_counts_when_it_is_read_not_when_it_was_imported(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(tmp_path, kubeconfig(), "first")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "absent"), first]))
    assert token(load_configuration(options(), str(directory))) == f"Bearer {CANARY}"
    home = tmp_path / ".kube"
    home.mkdir()
    written(home, kubeconfig({"token": "of-home"}), "config")
    monkeypatch.delenv("KUBECONFIG")
    assert token(load_configuration(options(), str(directory))) == "Bearer of-home"


def test_credentials_of_a_kubeconfig_never_go_to_another_host(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, kubeconfig())
    monkeypatch.setenv("KUBECONFIG", path)
    alone = load_configuration(options(host="https://other.example.com/"), str(directory))
    assert (alone.host, alone.api_key) == ("https://other.example.com", {})
    meant = load_configuration(options(host="https://other.example.com", kubeconfig=path), str(directory))
    assert token(meant) == f"Bearer {CANARY}"
    assert meant.host == "https://other.example.com"


def test_separate_options_win(tmp_path: Path, directory: Path) -> None:
    path = written(tmp_path, kubeconfig())
    ca_cert = written(tmp_path, "pem", "ca.pem")
    given = options(kubeconfig=path, api_key="own", ca_cert=ca_cert, validate_certs=False)
    configuration = load_configuration(given, str(directory))
    assert token(configuration) == "Bearer own"
    assert (configuration.ssl_ca_cert, configuration.verify_ssl) == (ca_cert, False)


def test_insecure_skip_tls_verify_of_the_kubeconfig_counts(tmp_path: Path, directory: Path) -> None:
    path = written(tmp_path, kubeconfig(cluster={"insecure-skip-tls-verify": True}))
    assert load_configuration(options(kubeconfig=path), str(directory)).verify_ssl is False


def test_the_proxy_of_the_environment_counts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example.com")
    configuration = load_configuration(options(host="https://k8s.example.com"), str(directory))
    assert (configuration.proxy, configuration.no_proxy) == ("http://proxy.example.com:3128", "internal.example.com")


def broken(what: str) -> Any:
    config = kubeconfig()
    if what == "no users":
        del config["users"]
    elif what == "users no list":
        config["users"] = {"u": CANARY}
    elif what == "nameless user":
        config["users"] = [{"user": {"token": CANARY}}]
    elif what == "user without user":
        config["users"] = [{"name": "u", "token": CANARY}]
    elif what == "no server":
        config["clusters"][0]["cluster"] = {}
    elif what == "bad base64":
        config["users"][0]["user"] = {"client-key-data": f"{CANARY}*", "client-certificate-data": "*"}
    elif what == "exec without command":
        config["users"][0]["user"] = {"exec": {"apiVersion": "v1", "env": [{"name": "TOKEN", "value": CANARY}]}}
    elif what == "token file missing":
        config["users"][0]["user"] = {"tokenFile": "/nonexistent/token"}
    elif what == "certificate missing":
        config["users"][0]["user"] = {"client-certificate": "/nonexistent/cert"}
    return config


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "malformed"),
        ("[1, 2]", "malformed"),
        (f"token: '{CANARY}", "no valid YAML, line"),
        (f"{CANARY}", "malformed"),
        ("users: \x00", "no valid YAML"),
        (broken("no users"), "has no user u"),
        (broken("users no list"), "malformed"),
        (broken("nameless user"), "malformed"),
        (broken("user without user"), ""),
        (broken("bad base64"), "malformed"),
        (broken("exec without command"), ""),
        (broken("token file missing"), "/nonexistent/token"),
        (broken("certificate missing"), "/nonexistent/cert"),
        (kubeconfig() | {"current-context": ""}, "no current context; give context, one of: adrift, lost, one"),
    ],
)
def test_a_broken_kubeconfig_is_told_without_quoting_it(
    tmp_path: Path, directory: Path, content: Any, says: str
) -> None:
    given = options(kubeconfig=written(tmp_path, content))
    with pytest.raises(KubernetesError) as raised:
        load_configuration(given, str(directory))
    assert raised.value.failure.cause == "no_credentials"
    assert says in raised.value.message
    assert CANARY not in raised.value.message
    assert raised.value.__cause__ is None
    list(kubernetes_secrets(given))


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ("nope", "no context nope; give context, one of: adrift, lost, one"),
        ("lost", "no user nobody, which context lost names"),
        ("adrift", "no cluster nowhere, which context adrift names"),
    ],
)
def test_a_context_that_is_not_whole(tmp_path: Path, directory: Path, context: str, says: str) -> None:
    with pytest.raises(KubernetesError, match=says):
        load_configuration(options(kubeconfig=written(tmp_path, kubeconfig()), context=context), str(directory))


def test_no_kubeconfig_at_all(tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubernetesError, match="this is no pod with a service account"):
        load_configuration(options(), str(directory))
    with pytest.raises(KubernetesError, match="there is no kubeconfig /nonexistent"):
        load_configuration(options(kubeconfig="/nonexistent"), str(directory))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "a"))
    with pytest.raises(KubernetesError, match="there is no kubeconfig"):
        load_configuration(options(), str(directory))
    with pytest.raises(KubernetesError, match="there is no file /nonexistent; check ca_cert"):
        load_configuration(options(host="https://x", ca_cert="/nonexistent"), str(directory))


def plugin(tmp_path: Path, script: str, **more: Any) -> str:
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    entry = {"command": str(path), "apiVersion": "client.authentication.k8s.io/v1", **more}
    return written(tmp_path, kubeconfig({"exec": entry}))


def as_json(**status_fields: Any) -> str:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status_fields}
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def test_a_credential_plugin_gives_the_token(tmp_path: Path, directory: Path) -> None:
    checks = '[ "$EXTRA" = yes ] || exit 9\n[ "$1" = get-token ] || exit 8\n'
    script = checks + f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n'
    path = plugin(
        tmp_path,
        script + as_json(token=CANARY, expirationTimestamp="2999-01-01T00:00:00Z"),
        args=["get-token"],
        env=[{"name": "EXTRA", "value": "yes"}],
        provideClusterInfo=True,
    )
    assert token(load_configuration(options(kubeconfig=path), str(directory))) == f"Bearer {CANARY}"
    info = yaml.safe_load((tmp_path / "info").read_text(encoding="utf-8"))
    assert info["spec"]["interactive"] is False
    assert info["spec"]["cluster"]["server"] == "https://k8s.example.com:6443"


def test_two_logins_at_once_do_not_share_files(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"ca").decode()
    path = written(tmp_path, kubeconfig(cluster={"certificate-authority-data": encoded}))
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first, second = (load_configuration(options(kubeconfig=path), str(folder)) for folder in folders)
    assert [Path(item.ssl_ca_cert).parent for item in (first, second)] == folders
    shutil.rmtree(folders[0])
    assert Path(second.ssl_ca_cert).read_text(encoding="utf-8") == "ca"
    assert token(second) == f"Bearer {CANARY}"  # renews the token, and keeps the file
    assert Path(second.ssl_ca_cert).parent == folders[1]


def test_a_credential_plugin_may_give_a_certificate(tmp_path: Path, directory: Path) -> None:
    path = plugin(tmp_path, as_json(clientCertificateData="cert", clientKeyData="key"))
    configuration = load_configuration(options(kubeconfig=path), str(directory))
    assert Path(configuration.cert_file).read_text(encoding="utf-8") == "cert"
    assert Path(configuration.key_file).parent == directory


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (f"echo 'password={CANARY} session expired' >&2; exit 3", "ended with status 3: password=[masked] session"),
        ("exit 1", "ended with status 1; log in again"),
        (f"echo {CANARY}", "did not answer with an ExecCredential"),
        ('echo \'{"kind": "x"}\'', "did not answer with an ExecCredential"),
        ('echo \'{"apiVersion": "other/v9", "status": {}}\'', "in another version"),
        (as_json(), "neither a token nor a certificate"),
        (as_json(clientCertificateData="x"), "neither a token nor a certificate"),
        (as_json(token=CANARY, expirationTimestamp="2001-01-01T00:00:00Z"), "have expired"),
    ],
)
def test_a_credential_plugin_that_fails(tmp_path: Path, directory: Path, script: str, says: str) -> None:
    path = plugin(tmp_path, script)
    with pytest.raises(KubernetesError) as raised:
        load_configuration(options(kubeconfig=path), str(directory))
    assert says in raised.value.message
    assert CANARY not in raised.value.message


def test_a_credential_plugin_that_is_not_installed(tmp_path: Path, directory: Path) -> None:
    entry = {"command": "no-such-plugin", "apiVersion": "v1", "installHint": "install it with brew"}
    path = written(tmp_path, kubeconfig({"exec": entry}))
    with pytest.raises(KubernetesError, match=r"no-such-plugin cannot be run: .*; install it with brew"):
        load_configuration(options(kubeconfig=path), str(directory))


def test_a_credential_plugin_that_waits_is_ended_with_its_children(tmp_path: Path, directory: Path) -> None:
    path = plugin(tmp_path, f"sleep 321 &\necho $! > {tmp_path}/child\nwait")
    started = time.monotonic()
    with pytest.raises(KubernetesError, match="did not end within 1 s"):
        load_configuration(options(kubeconfig=path, request_timeout=1), str(directory))
    assert time.monotonic() - started < 60  # a bound, not a measure
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10  # it has been killed; a busy machine takes a moment
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_secrets_are_found_wherever_a_kubeconfig_has_them(tmp_path: Path) -> None:
    config = kubeconfig({"token": "t0ken", "password": "passw0rd", "client-key-data": "a2V5", "username": "admin"})
    config["users"] += [
        {"name": "oidc", "user": {"auth-provider": {"config": {"id-token": "1dtoken", "client-id": "public"}}}},
        {"name": "plugin", "user": {"exec": {"env": [{"name": "AWS_SECRET_KEY", "value": "awskey"}]}}},
        {"name": "short", "user": {"token": "abc"}},
    ]
    config["clusters"][0]["cluster"]["proxy-url"] = "http://u:pr0xy%21@proxy"
    given = options(kubeconfig=written(tmp_path, config), host="https://u:h0st@k8s")
    assert set(kubernetes_secrets(given)) == {
        *("t0ken", "passw0rd", "a2V5", "1dtoken", "awskey", "pr0xy%21", "pr0xy!", "h0st")
    }
