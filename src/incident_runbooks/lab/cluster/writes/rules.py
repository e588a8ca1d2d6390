# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary of validation: causes as the API names them, and the checks that many types share.

Texts: k8s.io/apimachinery/pkg/util/validation and .../validation/field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]
Cause = tuple[str, str, str]  # reason, message, field

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_PATH_NAME = r"[^/%]+"
_DATA_KEY = "[-._a-zA-Z0-9]+"
_QUANTITY = "([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)"
_LABEL_LENGTH, _NAME_LENGTH = 63, 253


def required(path: str, detail: str = "") -> Cause:
    """A value must be there."""
    return "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""), path


def invalid(path: str, value: Any, detail: str) -> Cause:
    """A value makes no sense."""
    return "FieldValueInvalid", f"Invalid value: {go_value(value)}: {detail}", path


def forbidden(path: str, detail: str) -> Cause:
    """A value must not be set or changed."""
    return "FieldValueForbidden", f"Forbidden: {detail}", path


def duplicate(path: str, value: Any) -> Cause:
    """A value stands there twice."""
    return "FieldValueDuplicate", f"Duplicate value: {go_value(value)}", path


def not_found(path: str, value: Any) -> Cause:
    """A value names something that is not there."""
    return "FieldValueNotFound", f"Not found: {go_value(value)}", path


def unsupported(path: str, value: Any, supported: Sequence[str]) -> Cause:
    """A value is none of those that exist."""
    choices = ", ".join(f'"{each}"' for each in supported)
    return "FieldValueNotSupported", f"Unsupported value: {go_value(value)}: supported values: {choices}", path


def go_value(value: Any) -> str:
    """Return a value as error texts show it."""
    return json.dumps(value, separators=(",", ":"))


def go_map(value: Any) -> str:
    """Return a value as Go prints it: ``map[app:a]``."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{go_map(each)}" for name, each in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_map(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)


def subdomain(path: str, value: str) -> Iterable[Cause]:
    """Check the name of most objects: RFC 1123."""
    if len(value) > _NAME_LENGTH:
        yield invalid(path, value, f"must be no more than {_NAME_LENGTH} characters")
    if not re.fullmatch(_SUBDOMAIN, value):
        detail = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
            " start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
            f" '{_SUBDOMAIN}')"
        )
        yield invalid(path, value, detail)


def dns_label(path: str, value: str) -> Iterable[Cause]:
    """Check the name of a namespace, container or volume: RFC 1123."""
    if len(value) > _LABEL_LENGTH:
        yield invalid(path, value, f"must be no more than {_LABEL_LENGTH} characters")
    if not re.fullmatch(_DNS_LABEL, value):
        detail = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and"
            f" end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
            f" '{_DNS_LABEL}')"
        )
        yield invalid(path, value, detail)


def service_name(path: str, value: str) -> Iterable[Cause]:
    """Check the name of a Service: RFC 1035."""
    if len(value) > _LABEL_LENGTH:
        yield invalid(path, value, f"must be no more than {_LABEL_LENGTH} characters")
    if not re.fullmatch(_DNS_1035, value):
        detail = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
            " character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for"
            f" validation is '{_DNS_1035}')"
        )
        yield invalid(path, value, detail)


def path_name(path: str, value: str) -> Iterable[Cause]:
    """Check the name of a role or binding: whatever fits in a path."""
    if value in (".", "..") or not re.fullmatch(_PATH_NAME, value):
        yield invalid(path, value, "may not contain '/' or '%', and may not be '.' or '..'")


def labels(path: str, value: Json | None) -> Iterable[Cause]:
    """Check labels: qualified names and short values."""
    for key, text in (value or {}).items():
        yield from qualified(path, key)
        if len(text) > _LABEL_LENGTH:
            yield invalid(path, text, f"must be no more than {_LABEL_LENGTH} characters")
        if not re.fullmatch(_LABEL_VALUE, text):
            detail = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
                " start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used"
                f" for validation is '{_LABEL_VALUE}')"
            )
            yield invalid(path, text, detail)


def notes(path: str, value: Json | None) -> Iterable[Cause]:
    """Check annotations: qualified names, 256 KiB in all."""
    for key in value or {}:
        yield from qualified(path, key.lower())
    if sum(len(key) + len(text) for key, text in (value or {}).items()) > 256 * 1024:
        yield "FieldValueTooLong", "Too long: may not be more than 262144 bytes", path


def qualified(path: str, key: str) -> Iterable[Cause]:
    """Check a key such as ``app.kubernetes.io/name``."""
    prefix, slash, name = key.rpartition("/")
    if (slash and not re.fullmatch(_SUBDOMAIN, prefix)) or "/" in prefix:
        yield invalid(path, key, "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric"
                      " characters, '-' or '.', and must start and end with an alphanumeric character (e.g."
                      f" 'example.com', regex used for validation is '{_SUBDOMAIN}')")  # fmt: skip
    if not re.fullmatch(_QUALIFIED, name) or len(name) > _LABEL_LENGTH:
        yield invalid(path, key, "name part must consist of alphanumeric characters, '-', '_' or '.', and must start"
                      " and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used"
                      f" for validation is '{_QUALIFIED}')")  # fmt: skip


def data_keys(path: str, value: Json | None) -> Iterable[Cause]:
    """Check the keys of a Secret or ConfigMap."""
    for key in value or {}:
        if not re.fullmatch(_DATA_KEY, key):
            detail = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or"
                f" 'KEY_NAME',  or 'key-name', regex used for validation is '{_DATA_KEY}')"
            )
            yield invalid(f"{path}[{key}]", key, detail)


def quantity(path: str, value: str) -> Iterable[Cause]:
    """Check a quantity such as ``250m`` or ``64Mi``."""
    if not re.fullmatch(_QUANTITY, value):
        yield invalid(path, value, f"quantities must match the regular expression '^{_QUANTITY}$'")


def not_negative(path: str, value: int | None) -> Iterable[Cause]:
    """Check a number that counts."""
    if value is not None and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def port(path: str, value: Any) -> Iterable[Cause]:
    """Check the number of a port."""
    if isinstance(value, int) and not 0 < value < 65536:  # noqa: PLR2004 - TCP has no others
        yield invalid(path, value, "must be between 1 and 65535, inclusive")
