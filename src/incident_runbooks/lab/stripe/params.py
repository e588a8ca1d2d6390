# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters: which an operation takes, how they are encoded, what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from incident_runbooks.lab.services.call import FORM, Call
from incident_runbooks.lab.stripe.errors import SUPPORT, error

# Of Stripe's own parameters those that the lab's takes.
_ABOUT = ("description", "metadata", "receipt_email", "statement_descriptor_suffix")
_PAGE = ("limit", "starting_after", "ending_before", "expand")
ACCEPTED: dict[str, tuple[str, ...]] = {
    "payment_intents.create": (
        *("amount", "currency", "confirm", "payment_method", "capture_method", "confirmation_method", "return_url"),
        *("automatic_payment_methods", "error_on_requires_action", "off_session", "expand", *_ABOUT),
    ),
    "payment_intents.list": ("created", "customer", "customer_account", *_PAGE),
    "payment_intents.retrieve": ("client_secret", "expand"),
    "payment_intents.update": ("amount", "currency", "payment_method", "capture_method", "expand", *_ABOUT),
    "payment_intents.confirm": (
        *("payment_method", "return_url", "capture_method", "error_on_requires_action", "off_session"),
        *("receipt_email", "expand"),
    ),
    "events.list": ("created", "delivery_success", "type", "types", *_PAGE),
    "events.retrieve": ("expand",),
    "events.retry": ("webhook_endpoint", "for_stripecli", "account"),  # undocumented: what stripe-cli sends
    "webhook_endpoints.list": _PAGE,
    "webhook_endpoints.retrieve": ("expand",),
    "webhook_endpoints.update": ("description", "disabled", "enabled_events", "expand", "metadata", "url"),
}
# Stripe takes these too, some in older versions of its API only. The lab does not do what they ask for, and says so.
_OF_A_PAYMENT = (
    *("allowed_payment_method_types", "amount_details", "excluded_payment_method_types", "hooks", "payment_details"),
    *("payment_method_data", "payment_method_options", "payment_method_types", "setup_future_usage", "shipping"),
)
_OF_AN_ACCOUNT = (
    *("application_fee_amount", "customer", "customer_account", "payment_method_configuration"),
    *("statement_descriptor", "transfer_data", "transfer_group"),
)
_OF_CONFIRMING = ("confirmation_token", "mandate", "mandate_data", "radar_options", "use_stripe_sdk")
NOT_DONE: dict[str, tuple[str, ...]] = {
    "payment_intents.create": (*_OF_A_PAYMENT, *_OF_AN_ACCOUNT, *_OF_CONFIRMING, "on_behalf_of"),
    "payment_intents.update": (*_OF_A_PAYMENT, *_OF_AN_ACCOUNT),
    "payment_intents.confirm": (*_OF_A_PAYMENT, *_OF_CONFIRMING, "amount_to_confirm", "client_secret"),
}
BOUNDS = ("gt", "gte", "lt", "lte")

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_SUBKEY = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 5
_LARGEST = 99_999_999  # of an amount, in minor units
_MOST_METADATA, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500

Json = dict[str, Any]


def decode(call: Call) -> Json:
    """Return the parameters of a request: its query and its form, with brackets as nesting.

    Raises:
        RefusedError: the body is no form, or a name is malformed.
    """
    pairs = list(call.query)
    if call.body:
        if call.content_type not in (FORM, ""):
            text = f"Invalid request (check that your POST content type is {FORM}). If you have any questions, we can"
            raise error(400, f"{text} help at {SUPPORT}.")
        pairs += parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    found: Json = {}
    for name, value in pairs:
        matched = _KEY.match(name)
        path = [matched.group(1), *_SUBKEY.findall(matched.group(2))] if matched else []
        if not 0 < len(path) <= _DEEPEST:
            raise error(400, f"Invalid hash: {name[:100]}")
        _put(found, path, value, name)
    return {name: _lists(value) for name, value in found.items()}


def _put(found: Json, path: Sequence[str], value: str, name: str) -> None:
    at: Any = found
    for step in path[:-1]:
        at = at.setdefault(step, {})
        if not isinstance(at, dict):
            raise error(400, f"Invalid hash: {name[:100]}")
    last = path[-1] or str(len(at))  # a[]=x: the next one
    at[last] = value


def _lists(value: Any) -> Any:
    """Return a hash whose keys are 0, 1, 2 ... as the list that it stands for."""
    if not isinstance(value, dict):
        return value
    if value and set(value) == {str(number) for number in range(len(value))}:
        return [_lists(value[str(number)]) for number in range(len(value))]
    return {key: _lists(each) for key, each in value.items()}


class Params:
    """The parameters of a request for an operation.

    Args:
        operation: a key of :data:`ACCEPTED`.
        values: see :func:`decode`.

    Raises:
        RefusedError: the operation does not take one of them.
    """

    def __init__(self, operation: str, values: Json) -> None:
        self.values = values
        others = sorted(set(values) - set(ACCEPTED[operation]))
        not_done = NOT_DONE.get(operation, ())
        if unknown := [each for each in others if each not in not_done]:
            word = "parameter" if len(unknown) == 1 else "parameters"
            text = f"Received unknown {word}: {', '.join(unknown)}"
            raise error(400, text, code="parameter_unknown", param=unknown[0])
        if others:
            text = f"Stripe takes {', '.join(others)} here, and the Stripe of this lab does not do what that asks for."
            raise error(400, text, param=others[0])

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def require(self, *names: str) -> None:
        """Refuse a request that lacks one.

        Raises:
            RefusedError: it does.
        """
        for name in names:
            if name not in self.values:
                raise error(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
            self._not_empty(name)

    def text(self, name: str, *, longest: int = 5000) -> str | None:
        """Return a text; an empty one unsets."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            if value and len(value) > longest:
                said = f"Invalid string: {value[:20]}...; must be at most {longest} characters"
                raise error(400, said, code="parameter_invalid_string", param=name)
            return value or None
        raise error(400, f"Invalid string: {{{', '.join(map(str, value))}}}", param=name)

    def integer(self, name: str, *, least: int = 0, most: int = _LARGEST) -> int | None:
        """Return a whole number."""
        value = self.values.get(name)
        if value is None:
            return None
        return _integer(name, value, least, most)

    def flag(self, name: str, *, or_one_of: Sequence[str] = ()) -> bool | None:
        """Return true or false; true for a word that may stand there instead."""
        value = self.values.get(name)
        if value is None:
            return None
        if value in or_one_of:
            return True
        if value not in ("true", "false"):
            raise error(400, f"Invalid boolean: {value}", param=name)
        return bool(value == "true")

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return one of several words."""
        value = self.values.get(name)
        if value is not None and value not in allowed:
            said = f"{', '.join(allowed[:-1])} or {allowed[-1]}" if len(allowed) > 1 else allowed[0]
            raise error(400, f"Invalid {name}: must be one of {said}", param=name)
        return value

    def texts(self, name: str) -> list[str] | None:
        """Return a list of texts."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise error(400, "Invalid array", param=name)
        return value

    def metadata(self, before: Json) -> Json:
        """Return what metadata become: given keys are set, those with an empty value are unset, others stay."""
        value = self.values.get("metadata")
        if value is None:
            return before
        if value == "":
            return {}
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if pairs is None:
            raise error(400, "Invalid hash", param="metadata")
        given = {str(key): each for key, each in pairs}
        _check_metadata(given)
        merged = {**before, **given}
        return {key: each for key, each in merged.items() if each != ""}

    def created(self) -> Json:
        """Return bounds of a time in Unix seconds: ``gt``, ``gte``, ``lt``, ``lte``."""
        value = self.values.get("created")
        if value is None:
            return {}
        if isinstance(value, str):
            at = _integer("created", value, 0, 2**53)
            return {"gte": at, "lte": at}
        if not isinstance(value, dict):
            raise error(400, "Invalid hash", param="created")
        _check_names("created", value, BOUNDS)
        return {name: _integer(f"created[{name}]", each, 0, 2**53) for name, each in value.items()}

    def check_hash(self, name: str, known: Sequence[str]) -> None:
        """Refuse a hash with something unknown in it.

        Raises:
            RefusedError: there is, or it is no hash.
        """
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise error(400, "Invalid hash", param=name)
        _check_names(name, value, known)

    def expand(self, allowed: Iterable[str]) -> set[str]:
        """Return what is to be expanded.

        Raises:
            RefusedError: something else is asked for.
        """
        wanted = set(self.texts("expand") or ())
        if refused := sorted(wanted - set(allowed)):
            raise error(400, f"This property cannot be expanded ({refused[0][:100]}).", param="expand")
        return wanted

    def _not_empty(self, name: str) -> None:
        if self.values[name] == "":
            text = (
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter;"
                f" however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty"
                " value."
            )
            raise error(400, text, code="parameter_invalid_empty", param=name)


def _integer(name: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise error(400, f"Invalid integer: {str(value)[:100]}", code="parameter_invalid_integer", param=name)
    number = int(value)
    if number < least:
        text = f"This value must be greater than or equal to {least}."
        raise error(400, text, code="parameter_invalid_integer", param=name)
    if number > most:
        text = f"This value must be less than or equal to {most} (it currently is '{number}')."
        raise error(400, text, code="parameter_invalid_integer", param=name)
    return number


def _check_names(name: str, given: Json, known: Sequence[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        param = f"{name}[{unknown[0]}]"
        raise error(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def _check_metadata(given: Json) -> None:
    if len(given) > _MOST_METADATA:
        raise error(400, f"Metadata can have at most {_MOST_METADATA} keys", param="metadata")
    for key, value in given.items():
        if not isinstance(value, str):
            raise error(400, f"Metadata values must be strings: {key[:40]}", param=f"metadata[{key[:40]}]")
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            text = f"Metadata keys have up to {_LONGEST_KEY} characters and values up to {_LONGEST_VALUE}"
            raise error(400, text, param=f"metadata[{key[:40]}]")
