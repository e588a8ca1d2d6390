# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: every request finds its service by the path, meets the fault that is in effect, and is logged."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from incident_runbooks.lab.communications import control
from incident_runbooks.lab.communications.control import ANSWER_LOST, TIMEOUT, Control
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.pagerduty import PagerDuty
from incident_runbooks.lab.communications.pagerduty_events import Events
from incident_runbooks.lab.communications.slack import Slack
from incident_runbooks.lab.communications.slack_webhook import Webhooks
from incident_runbooks.lab.communications.statuspage import Statuspage
from incident_runbooks.lab.communications.world import WorldFile
from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.services.process import print_failure
from incident_runbooks.lab.services.request_log import LogRules, RequestLog
from incident_runbooks.lab.services.server import ServiceServer

FORGET = "/lab/forget"  # what tests begin with: nothing was ever sent
STATE = "state.json"
REQUESTS = "requests.jsonl"

_LARGEST_BODY = 8 * 1024 * 1024  # bytes; each service has its own limit below
_PREFIXES = {
    "/slack": "slack",
    "/pagerduty/events": "pagerduty_events",
    "/pagerduty/api": "pagerduty",
    "/statuspage/v1": "statuspage",
}
_LOGGED = LogRules(
    hidden=("token", "routing_key", "api_key"),
    secret_path=re.compile(r"^(/slack/services/[^/]+/[^/]+/)(.+)$"),
)


class Server(ServiceServer):
    """The services of one lab.

    Args:
        directory: holds the keys, and what is kept and logged.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        keys = Keys.read(directory)
        self._control = Control(directory)
        self._file = WorldFile(directory / STATE)
        super().__init__(RequestLog(directory / REQUESTS, keys.secrets(), _LOGGED), _LARGEST_BODY)
        self._world = self._file.load()
        self._keys = keys
        self._make_services()

    def _make_services(self) -> None:
        self._slack = Slack(self._world, self._keys)
        self._webhooks = Webhooks(self._slack, self._keys)
        self._events = Events(self._world, self._keys)
        self._pagerduty = PagerDuty(self._world, self._keys)
        self._statuspage = Statuspage(self._world, self._keys)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if (request.method, request.path) == ("POST", FORGET):
            return self._forget()
        call = await _call(request)
        if call is None:
            return web.Response(status=404, text="no service of the lab has this address")
        kind = self._control.kind(call.service)
        if kind == TIMEOUT:
            return await self._hang(request, call, lambda: self._hangs(call.service))
        answer = control.answer(kind, call) if kind else None
        if answer is None:
            answer = self._handle(call)
            self._file.save(self._world)
        if kind == ANSWER_LOST:
            return await self._hang(request, call, lambda: self._hangs(call.service))
        self._log.write(call, request.path, answer)
        body, headers = answer.encode()
        return web.Response(status=answer.status, body=body, headers=headers)

    def _handle(self, call: Call) -> Answer:
        try:
            return self._service(call)
        except Exception as error:  # noqa: BLE001 - the edge of a request: whatever it is, the next one is served
            print_failure(error)
            return Answer(500, "Internal Server Error")

    def _service(self, call: Call) -> Answer:
        if call.service == "slack":
            service = self._webhooks.handle if call.path.startswith("/services/") else self._slack.handle
            return service(call)
        if call.service == "pagerduty_events":
            return self._events.handle(call)
        return self._pagerduty.handle(call) if call.service == "pagerduty" else self._statuspage.handle(call)

    def _hangs(self, service: str) -> bool:
        return self._control.kind(service) in (TIMEOUT, ANSWER_LOST)

    def _forget(self) -> web.Response:
        self._world.clear()
        self._make_services()
        self._file.save(self._world)
        return web.Response(status=204)


async def _call(request: web.Request) -> Call | None:
    """Return the request as its service sees it; ``None`` where no service is."""
    for prefix, service in _PREFIXES.items():
        if request.path.startswith(f"{prefix}/"):
            path = request.path.removeprefix(prefix)
            query = tuple(request.query.items())
            return Call(service, request.method, path, query, request.headers, await request.read())
    return None
