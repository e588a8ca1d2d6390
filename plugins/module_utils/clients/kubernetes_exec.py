# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Run a command in a container over WebSocket, without terminal and without input.

The first byte of each message names its channel. How the command ended comes as a ``Status`` on the error
channel and from nowhere else; when it is missing, nobody knows, and that is no success.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_config
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
    Request,
    answer_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_transport import broken
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import (
    UNKNOWN,
    ExitStatus,
    read_exit_status,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask

if kubernetes_config.HAS_KUBERNETES:
    import websocket  # the package kubernetes requires it

PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
STDOUT, STDERR, ERROR = 1, 2, 3
LARGEST_STATUS = 64 * 2**10
DRAIN_S = 2.0  # after the exit status nothing of interest can come
_DENIED_VERB = re.compile(r"cannot (create|get) resource")


@dataclass
class Collected:
    """The beginning of what came on one channel."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, data: bytes) -> None:
        """Keep what the limit leaves room for."""
        self.total += len(data)
        self.data += data[: max(self.limit - len(self.data), 0)]

    @property
    def truncated(self) -> bool:
        """Whether something was not kept."""
        return self.total > len(self.data)


@dataclass(frozen=True)
class ExecResult:
    """What a command did.

    Attributes:
        exit: how it ended.
        stdout: the beginning of its output.
        stderr: the beginning of its error output.
        protocol: the protocol of the channels that was agreed on.
    """

    exit: ExitStatus
    stdout: Collected
    stderr: Collected
    protocol: str | None


def run_command(
    cluster: Cluster,
    pod: str,
    container: str,
    command: Sequence[str],
    timeout_s: float,
    stdout_limit: int = 2**20,
    stderr_limit: int = 64 * 2**10,
) -> ExecResult:
    """Run *command* (program and arguments, no shell) and wait for its end.

    Args:
        cluster: where.
        pod: in the namespace of *cluster*.
        container: in that pod.
        command: program and arguments.
        timeout_s: seconds to wait for the end. The connection is cut then; whether the command goes on is not known.
        stdout_limit: bytes to keep.
        stderr_limit: the same for the error output.

    Raises:
        KubernetesError: the command was not started, as far as the server says.
    """
    request = Request("get", "pods", "exec", "", cluster.namespace, pod)
    path = cluster.path("v1", "pods", pod, "exec")
    url = cluster.url(
        path, container=container, command=list(command), stdin=False, stdout=True, stderr=True, tty=False
    )
    socket = _connect(cluster, request, url)
    try:
        return _read(socket, timeout_s, Collected(stdout_limit), Collected(stderr_limit))
    finally:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            socket.shutdown()  # at once: a close that waits for the other side could take long


def _connect(cluster: Cluster, request: Request, url: str) -> Any:
    socket: Any = websocket.WebSocket(sslopt=_tls(cluster.configuration), skip_utf8_validation=True)
    try:
        socket.connect(
            "ws" + url.removeprefix("http"),
            header=[f"{name}: {value}" for name, value in cluster.headers().items()],
            subprotocols=PROTOCOLS,
            timeout=cluster.limit_s,
            redirect_limit=0,  # a redirect would take the token elsewhere
            suppress_origin=True,
            **_proxy(cluster.configuration),
        )
    except websocket.WebSocketBadStatusException as error:
        raise _failed(cluster, request, _refused(cluster, request, error)) from None
    except websocket.WebSocketTimeoutException:
        message = f"the API server did not answer within {cluster.limit_s:g} s"
        raise _failed(cluster, request, Failure("timeout", message)) from None
    except websocket.WebSocketProxyException:
        raise _failed(cluster, request, Failure("proxy", "the proxy does not connect")) from None
    except (websocket.WebSocketException, OSError) as error:
        if socket.handshake_response is not None:  # it is kept for redirects only when the connection failed
            raise _failed(cluster, request, Failure("redirect", "the server answers with a redirect")) from None
        raise _failed(cluster, request, _broken(error, cluster.limit_s)) from None
    return socket


def _failed(cluster: Cluster, request: Request, failure: Failure) -> KubernetesError:
    attempted = f"Running a command in the pod {request.name} in namespace {request.namespace}"
    return KubernetesError(f"{attempted} on {cluster.server}", replace(failure, message=mask(failure.message)))


def _broken(error: Exception, limit_s: float) -> Failure:
    if isinstance(error, ssl.SSLError):
        return Failure("tls", error.reason or "the TLS handshake failed")
    if isinstance(error, OSError):
        return broken(error, limit_s)
    if isinstance(error, websocket.WebSocketAddressException):
        return Failure("dns", "the host name cannot be resolved")
    return Failure("connection_lost", "the connection was closed before the command was started")


def _refused(cluster: Cluster, request: Request, error: websocket.WebSocketBadStatusException) -> Failure:
    """Read an answer that is no upgrade; newer servers check ``create``, older ones ``get``."""
    headers = {name.lower(): value for name, value in (error.resp_headers or {}).items()}
    body = error.resp_body or b""
    verb = _DENIED_VERB.search(body.decode("utf-8", "replace"))
    asked = Request(verb.group(1) if verb else "create", *_without_verb(request))
    return answer_failure(error.status_code, headers.get("content-type", ""), body, asked, cluster.rbac_role)


def _without_verb(request: Request) -> tuple[str, ...]:
    return request.resource, request.subresource, request.api_group, request.namespace, request.name


def _read(socket: Any, timeout_s: float, stdout: Collected, stderr: Collected) -> ExecResult:
    """Collect what comes until the other side closes, or the time is over."""
    channels = {STDOUT: stdout, STDERR: stderr, ERROR: Collected(LARGEST_STATUS)}
    deadline = time.monotonic() + timeout_s
    interruption = None
    while True:
        try:
            opcode, data = _next_message(socket, deadline)
        except websocket.WebSocketTimeoutException:
            interruption = f"it did not end within {timeout_s:g} s; the connection was cut, the command may go on"
            break
        except (websocket.WebSocketException, OSError):
            interruption = "the connection broke; the command may go on"
            break
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            break
        if opcode in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT) and data[:1]:
            if data[0] in channels:
                channels[data[0]].add(data[1:])
            if data[0] == ERROR:
                deadline = min(deadline, time.monotonic() + DRAIN_S)
    said = bytes(channels[ERROR].data)
    ended = ExitStatus(UNKNOWN, None, interruption) if interruption and not said else read_exit_status(said)
    return ExecResult(ended, stdout, stderr, socket.subprotocol)


def _next_message(socket: Any, deadline: float) -> tuple[int, bytes]:
    left = deadline - time.monotonic()
    if left <= 0:
        raise websocket.WebSocketTimeoutException
    socket.settimeout(left)
    opcode, frame = socket.recv_data_frame(control_frame=True)
    return opcode, bytes(frame.data) if frame else b""


def _tls(configuration: Any) -> dict[str, Any]:
    """The TLS settings of the official package's configuration, as its own WebSocket client takes them."""
    if not configuration.verify_ssl:
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    else:
        options = {"cert_reqs": ssl.CERT_REQUIRED}
        if configuration.ssl_ca_cert:
            options["ca_certs"] = configuration.ssl_ca_cert
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    names = (("certfile", "cert_file"), ("keyfile", "key_file"), ("server_hostname", "tls_server_name"))
    options.update({option: getattr(configuration, name) for option, name in names if getattr(configuration, name)})
    return options


def _proxy(configuration: Any) -> dict[str, Any]:
    """The proxy of the configuration; without one, websocket-client follows the environment as urllib3 does not."""
    if not configuration.proxy:
        return {"http_no_proxy": ["*"]}
    parts = urlsplit(configuration.proxy)
    options: dict[str, Any] = {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port, "proxy_type": "http"}
    if configuration.no_proxy:
        options["http_no_proxy"] = [part.strip() for part in configuration.no_proxy.split(",")]
    if parts.username:
        options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return options
