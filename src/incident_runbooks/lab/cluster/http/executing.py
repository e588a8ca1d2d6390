# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in a container and speaks with the client over a WebSocket.

Every message begins with its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final ``Status``, 4 the terminal's size;
255 closes a channel (protocol v5 only).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from aiohttp import WSMsgType, web

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.cluster import ExecSession
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.responses import encode, success
from incident_runbooks.lab.cluster.resources import PODS

Json = dict[str, Any]

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _STATUS, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_SWITCHING = 101  # status of HTTP
_BINARY = (WSMsgType.BINARY, WSMsgType.TEXT)
_CLOSE_WAIT_S = 2.0  # for the client's half of the closing


async def run(call: Call) -> web.StreamResponse:
    """Run a command; the answer ends with it, and it ends with the client.

    Raises:
        ApiError: before the protocol is switched: no such pod or container, no WebSocket, nothing to run.
    """
    query = call.request.query
    pod = call.cluster.store.get(PODS, call.namespace, call.info.name)
    command = query.getall("command", [])
    _require_sense(call, command)
    container = query.get("container") or None
    call.cluster.kubelet.check_exec(pod, container)  # a client that falls back to SPDY shall learn the cause too
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0, timeout=_CLOSE_WAIT_S)
    if not socket.can_prepare(call.request).ok:
        raise errors.bad_request(_no_upgrade(call))
    offered = {each.strip() for each in call.request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not offered & set(PROTOCOLS):
        raise ApiError(403, "Forbidden", f"unable to negotiate protocol: client supports {sorted(offered)}, server"
                       f" supports {list(PROTOCOLS)}")  # fmt: skip
    flags = {name: call.info.flag(name) for name in ("stdin", "stdout", "stderr", "tty")}
    session = await call.cluster.kubelet.exec(pod, container, command, **flags)
    try:
        call.started(_SWITCHING)
        await socket.prepare(call.request)
        await _converse(socket, session, frozenset(_wanted(flags)))
    finally:
        await asyncio.shield(session.terminate())
    return socket


def _wanted(flags: Mapping[str, bool]) -> Iterator[int]:
    """Yield the channels of output that the client wants; a terminal has no stderr of its own."""
    if flags["stdout"]:
        yield _STDOUT
    if flags["stderr"] and not flags["tty"]:
        yield _STDERR


def _no_upgrade(call: Call) -> str:
    if call.request.headers.get("Upgrade", "").upper().startswith("SPDY"):
        return "unable to upgrade connection: this server speaks WebSocket and no SPDY; use kubectl 1.31 or newer"
    return "Upgrade request required"


def _require_sense(call: Call, command: list[str]) -> None:
    if not any(call.info.flag(name) for name in ("stdin", "stdout", "stderr")):
        raise errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if not command:
        cause = {"reason": "FieldValueRequired", "message": "Required value", "field": "command"}
        details = {"kind": "PodExecOptions", "causes": [cause]}
        raise ApiError(422, "Invalid", 'PodExecOptions "" is invalid: command: Required value', details)


async def _converse(socket: web.WebSocketResponse, session: ExecSession, wanted: AbstractSet[int]) -> None:
    """Carry bytes both ways until the command has ended or the client has gone."""
    incoming = asyncio.ensure_future(_receive(socket, session))
    outgoing = asyncio.ensure_future(_send(socket, session, wanted))
    try:
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        if outgoing.done():
            outgoing.result()
            await socket.close()
    except ConnectionResetError:
        pass  # the client has gone
    finally:
        for task in (incoming, outgoing):
            task.cancel()
        await asyncio.gather(incoming, outgoing, return_exceptions=True)


async def _send(socket: web.WebSocketResponse, session: ExecSession, wanted: AbstractSet[int]) -> None:
    while (read := await session.read()) is not None:
        channel, data = read
        if channel in wanted:
            await socket.send_bytes(bytes([channel]) + data)
    await socket.send_bytes(bytes([_STATUS]) + encode(outcome(session)))


async def _receive(socket: web.WebSocketResponse, session: ExecSession) -> None:
    async for message in socket:
        if message.type not in _BINARY:
            return
        data = message.data.encode() if isinstance(message.data, str) else message.data
        if not data:
            continue
        channel, rest = data[0], data[1:]
        if channel == _STDIN and rest:
            await session.write_stdin(rest)
        elif channel == _CLOSE and rest[:1] == bytes([_STDIN]):
            await session.close_stdin()
        elif channel == _RESIZE:
            await _resize(session, rest)


async def _resize(session: ExecSession, data: bytes) -> None:
    try:
        size = json.loads(data)
        await session.resize(int(size["Width"]), int(size["Height"]))
    except (ValueError, KeyError, TypeError):
        return  # a size that makes no sense changes nothing


def outcome(session: ExecSession) -> Json:
    """Return the ``Status`` of a command that has ended."""
    status: Json = {"metadata": {}, "status": "Failure"}
    if session.failure is not None:
        said = f"error executing command in container: {session.failure}"
        details = {"causes": [{"message": said}]}
        message = f"Internal error occurred: {said}"
        return status | {"message": message, "reason": "InternalError", "details": details, "code": 500}
    if session.exit_code == 0:
        return {"metadata": {}, "status": success()["status"]}
    code = session.exit_code
    causes = [{"reason": "ExitCode", "message": str(code)}]
    message = f"command terminated with non-zero exit code: exit status {code}"
    return status | {"message": message, "reason": "NonZeroExitCode", "details": {"causes": causes}}
