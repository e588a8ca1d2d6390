# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: every request meets the fault that is in effect, and is logged without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.services.process import print_failure
from incident_runbooks.lab.services.request_log import LogRules, RequestLog
from incident_runbooks.lab.services.secret_files import read_json, write_json
from incident_runbooks.lab.services.server import ServiceServer
from incident_runbooks.lab.vault.api import Vault
from incident_runbooks.lab.vault.control import DOWN, TIMEOUT, Control
from incident_runbooks.lab.vault.keys import Keys

FORGET = "/lab/forget"  # what tests begin with: nothing was ever stored
STATE = "state.json"  # Vault's storage; only its owner can read it
REQUESTS = "requests.jsonl"

_PREFIX = "/v1/"


def _without_values(answer: Answer) -> Any:
    """The answer as it is logged: refusals as a whole, of anything else the names of its keys."""
    body = answer.body
    if not isinstance(body, dict) or "data" not in body:
        return body
    data = body["data"]
    return {"data": sorted(data) if isinstance(data, dict) else None, "warnings": body.get("warnings")}


_LOGGED = LogRules(hidden_headers=("x-vault-token",), bodies=False, shown=_without_values)


class Server(ServiceServer):
    """Vault of one lab.

    Args:
        directory: holds the tokens, and what is stored and logged.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        keys = Keys.read(directory)
        self._state = directory / STATE
        self._stored: dict[str, Any] = read_json(self._state, missing_ok=True) or {}
        self._control = Control(directory)
        self._vault = Vault(self._stored, keys, self._control)
        super().__init__(RequestLog(directory / REQUESTS, keys.secrets(), _LOGGED))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if (request.method, request.path) == ("POST", FORGET):
            self._stored.clear()
            write_json(self._state, self._stored)
            return web.Response(status=204)
        path = request.path.removeprefix(_PREFIX)
        query = tuple(request.query.items())
        call = Call("vault", request.method, path, query, request.headers, await request.read())
        kind = self._control.kind()
        if kind == TIMEOUT:
            return await self._hang(request, call, lambda: self._control.kind() == TIMEOUT)
        if not request.path.startswith(_PREFIX):
            answer = Answer(404, {"errors": []})
        elif kind == DOWN:  # the load balancer answers
            answer = Answer(502, "<html><body><h1>502 Bad Gateway</h1></body></html>\n")
        else:
            answer = self._handle(call)
        self._log.write(call, request.path, answer)
        body, headers = answer.encode()
        if isinstance(answer.body, dict):
            headers["Content-Type"] = "application/json"  # as it is: clients look for it without a character set
        return web.Response(status=answer.status, body=body, headers={**headers, "Cache-Control": "no-store"})

    def _handle(self, call: Call) -> Answer:
        try:
            answer = self._vault.handle(call)
            if call.method not in ("GET", "LIST"):
                write_json(self._state, self._stored)
        except Exception as error:  # noqa: BLE001 - the edge of a request: whatever it is, the next one is served
            print_failure(error)
            return Answer(500, {"errors": ["internal error"]})
        return answer
