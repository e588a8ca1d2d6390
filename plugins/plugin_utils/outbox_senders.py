# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Send a message of the outbox with the modules of this collection and the settings of the host ``communications``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, censor
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain
from ansible_collections.brandconnect.incidents.plugins.modules.pagerduty_event import SPEC as PAGERDUTY_EVENT
from ansible_collections.brandconnect.incidents.plugins.modules.pagerduty_incident import SPEC as PAGERDUTY_INCIDENT
from ansible_collections.brandconnect.incidents.plugins.modules.slack_message import SPEC as SLACK_MESSAGE
from ansible_collections.brandconnect.incidents.plugins.modules.statuspage_incident import SPEC as STATUSPAGE_INCIDENT

Json = dict[str, Any]

HOST = "communications"
TIMEOUT_S = 3
_PLACES = {
    "slack": ("slack_token", "slack_channel", "slack_channels", "slack_webhook_url", "slack_api_url"),
    "pagerduty": (
        *("pagerduty_routing_key", "pagerduty_routing_keys", "pagerduty_events_url", "pagerduty_api_key"),
        *("pagerduty_api_url", "pagerduty_from", "pagerduty_service_id", "pagerduty_service_ids"),
    ),
    "phone": ("on_call_phone", "on_call_phones"),  # what a person calls where no page gets through
    "statuspage": ("statuspage_api_key", "statuspage_api_url", "statuspage_page_id", "statuspage_components"),
}
_SECRETS = ("slack_token", "slack_webhook_url", "pagerduty_routing_key", "pagerduty_api_key", "statuspage_api_key")


class Senders:
    """Sends messages; all settings are read at once, because Ansible's variables are for one thread.

    Args:
        task_vars: the variables of the task, with ``hostvars``.
    """

    def __init__(self, task_vars: Mapping[str, Any]) -> None:
        hosts = task_vars.get("hostvars") or {}
        source = hosts[HOST] if HOST in hosts else {}  # noqa: SIM401 - get() of hostvars gives an undefined value
        self._broken: dict[str, dict[str, str]] = {}  # by channel and name
        self._settings: Json = {}
        for channel, names in _PLACES.items():
            for name in names:
                self._read(source, channel, name)

    def phones(self) -> dict[str | None, str]:
        """Return whom to call where a page does not get through, by whom it is for; ``None`` is everybody else."""
        named = self._settings.get("on_call_phones")
        by_team = named if isinstance(named, dict) else {}
        found = {None: self._settings.get("on_call_phone"), **by_team}
        return {to: str(phone) for to, phone in found.items() if phone}

    def __call__(self, message: Json, thread: Json) -> Json:
        """Send one message.

        Args:
            thread: the Slack message it belongs to: ``ts`` and ``channel``, ``None`` where there is none.

        Returns:
            ``target``, ``ids`` and perhaps a ``message`` of what was left out.

        Raises:
            IncidentsError: it could not be sent; ``cause``, ``retryable`` and the like are in its details.
        """
        channel = message["channel"]
        if channel in self._broken and channel != "pagerduty":
            raise _not_configured(next(iter(self._broken[channel].values())))
        send: Callable[[Json, Json], Json] = {
            "slack": self._slack,
            "pagerduty": self._pagerduty,
            "statuspage": self._statuspage,
        }[channel]
        try:
            said = send(message, thread)
        except IncidentsError as error:
            raise IncidentsError(censor({"m": error.message}, self.secrets())["m"], **error.details) from error
        return censor(to_plain(said), self.secrets())

    def secrets(self) -> set[str]:
        """Return the secret values among the settings."""
        named = {str(self._settings[name]) for name in _SECRETS if self._settings.get(name)}
        return named | {str(key) for key in (self._settings.get("pagerduty_routing_keys") or {}).values()}

    def _read(self, source: Mapping[str, Any], channel: str, name: str) -> None:
        try:
            value = to_plain(source.get(name))
        except AnsibleError as error:  # a look-up that failed, or undef() with a hint
            first = str(error).splitlines()[0][:200]
            said = f"Reading {name} of the inventory host {HOST}: {first}"
            self._broken.setdefault(channel, {})[name] = said
            return
        if value not in (None, "", {}):
            self._settings[name] = value

    def _slack(self, message: Json, thread: Json) -> Json:
        params = {**message["payload"], "incident": message["incident"], **self._slack_place(message)}
        if message["stage"] == "closed":
            if not thread["ts"] or "webhook_url" in params:
                return {
                    "pointless": True,
                    "message": "The first post cannot be changed: its ts is not known",
                }
            params["ts"] = thread["ts"]
        elif message["stage"] != "opened" and thread["ts"] and "token" in params:
            params["thread_ts"] = thread["ts"]
        if thread["channel"] and "token" in params and (params.get("ts") or params.get("thread_ts")):
            params["channel"] = thread["channel"]  # the id that Slack gave; chat.update takes no name
        said = _run(SLACK_MESSAGE, params)
        ids = {name: said[name] for name in ("ts", "channel") if said.get(name)}
        return {"target": self._slack_target(message), "ids": ids}

    def _slack_target(self, message: Json) -> str:
        if message["to"]:
            return str(self._settings["slack_channels"][message["to"]])
        return str(self._settings.get("slack_channel") or "webhook")

    def _slack_place(self, message: Json) -> Json:
        """How Slack is reached: a token and a channel, or the webhook, which has a channel of its own."""
        api = _given(api_url=self._settings.get("slack_api_url"))
        channels = self._settings.get("slack_channels") or {}
        channel = channels.get(message["to"]) if message["to"] else self._settings.get("slack_channel")
        if message["private"] and channel and channel == self._settings.get("slack_channel") and message["to"]:
            raise _not_configured(
                f"Posting about a private incident to {channel}: that is the channel for everybody; "
                f"set slack_channels.{message['to']} of the inventory host {HOST} to a closed one"
            )
        if "slack_token" in self._settings and channel:
            return {**api, "token": self._settings["slack_token"], "channel": channel}
        if "slack_webhook_url" in self._settings and not message["to"]:
            return {"webhook_url": self._settings["slack_webhook_url"]}
        missing = f"slack_channels.{message['to']}" if message["to"] else "slack_channel"
        raise _not_configured(
            f"Posting to Slack: set slack_token and {missing} on the inventory host {HOST}"
            + ("" if message["to"] else ", or slack_webhook_url")
        )

    def _pagerduty(self, message: Json, thread: Json) -> Json:  # noqa: ARG002 - one signature for all channels
        to, broken = message["to"], self._broken.get("pagerduty", {})
        routing_key = self._named("pagerduty_routing_key", to)
        service = self._named("pagerduty_service_id", to)
        complete = service and "pagerduty_api_key" in self._settings and "pagerduty_from" in self._settings
        if message["via"] == "incidents" and complete and "pagerduty_api_url" not in broken:
            return self._pagerduty_incident(message, str(service))
        state = message["payload"].get("state")
        # without its address an event may go to a region that pages nobody; what REST opened is not closed by an event
        if broken and (not routing_key or "pagerduty_events_url" in broken or state in ("as_it_is", "resolved")):
            raise _unreadable(next(iter(broken.values())))
        if state == "as_it_is":
            return {"pointless": True, "message": "A note needs PagerDuty's REST API, which is not set up"}
        if not routing_key:
            suffix = f"s.{to}" if to else ""
            raise _not_configured(f"Paging: set pagerduty_routing_key{suffix} on the inventory host {HOST}")
        params = {
            **_as_event(message["payload"]),
            "routing_key": routing_key,
            **_given(api_url=self._settings.get("pagerduty_events_url")),
        }
        said = _run(PAGERDUTY_EVENT, params)
        return {
            "target": to or "on-call",
            "ids": {"dedup_key": said.get("dedup_key")},
            **_given(message="; ".join(broken.values())),
        }

    def _pagerduty_incident(self, message: Json, service: str) -> Json:
        params = {
            **message["payload"],
            "api_key": self._settings["pagerduty_api_key"],
            "from_email": self._settings["pagerduty_from"],
            "service_id": service,
            **_given(api_url=self._settings.get("pagerduty_api_url")),
        }
        said = _run(PAGERDUTY_INCIDENT, params)
        incident = said.get("incident") or {}
        return {
            "target": message["to"] or "on-call",
            "ids": {"incident_id": incident.get("id"), "url": incident.get("url")},
        }

    def _statuspage(self, message: Json, thread: Json) -> Json:  # noqa: ARG002 - one signature for all channels
        payload = dict(message["payload"])
        missing = [name for name in ("statuspage_api_key", "statuspage_page_id") if name not in self._settings]
        if missing:
            raise _not_configured(f"Updating the status page: set {missing[0]} on the inventory host {HOST}")
        component, status = payload.pop("component", None), payload.pop("component_status", None)
        known = self._settings.get("statuspage_components") or {}
        note = None
        if component and component not in known:
            note = f"The status of {component} was not set: statuspage_components of the host {HOST} does not name it"
        params = {
            **payload,
            "incident": message["incident"],
            "api_key": self._settings["statuspage_api_key"],
            "page_id": self._settings["statuspage_page_id"],
            **_given(api_url=self._settings.get("statuspage_api_url")),
            **({"components": {str(known[component]): status}} if component in known else {}),
        }
        incident = _run(STATUSPAGE_INCIDENT, params).get("incident") or {}
        ids = {"incident_id": incident.get("id"), "url": incident.get("url")}
        return {"target": f"status page {self._settings['statuspage_page_id']}", "ids": ids, "message": note}

    def _named(self, variable: str, to: str | None) -> Any:
        return (self._settings.get(f"{variable}s") or {}).get(to) if to else self._settings.get(variable)


def _run(spec: ModuleSpec, params: Json) -> Json:
    """Run a module's work with its defaults; the same as a task would."""
    result = ArgumentSpecValidator(spec.argument_spec, **spec.constraints).validate({**params, "timeout": TIMEOUT_S})
    if result.errors.errors:
        raise IncidentsError(f"Sending: {result.errors.msg}", cause="invalid", retryable=False)
    return spec.run(result.validated_parameters, False)  # noqa: FBT003 - the signature of every module


def _as_event(payload: Json) -> Json:
    """An alert that was meant for the REST API, as an event: better paged by another way than not at all."""
    if "event" in payload:
        return payload
    event = {"event": "resolve" if payload["state"] == "resolved" else "trigger", "dedup_key": payload["incident_key"]}
    return {
        **event,
        "summary": payload["title"],
        "source": "incident-runbooks",
        "severity": "critical" if payload["urgency"] == "high" else "warning",
        "custom_details": {"details": payload["details"]},
    }


def _given(**options: Any) -> Json:
    return {name: value for name, value in options.items() if value}


def _unreadable(message: str) -> IncidentsError:
    """A pager that broke is not one that nobody wanted; other channels that cannot be read count as not set up."""
    return IncidentsError(message, cause="settings_unreadable", retryable=False)


def _not_configured(message: str) -> IncidentsError:
    return IncidentsError(message, cause="not_configured", retryable=False)
