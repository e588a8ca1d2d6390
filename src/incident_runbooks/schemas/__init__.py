# SPDX-License-Identifier: GPL-3.0-or-later
"""The contracts of this project as JSON Schemas (2020-12).

``result`` (a run), ``incident`` (all runs of one), ``journal`` (a line), ``runbook`` (a header),
``approval`` (an approval file), ``alertmanager`` (a webhook payload that Alertmanager sends), ``doctor`` (what is
configured, reachable and permitted).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from incident_runbooks.errors import RunbookError

NAMES = ("result", "incident", "journal", "runbook", "approval", "alertmanager", "doctor")
_LONGEST_VALUE = 200


@cache
def load(name: str) -> dict[str, Any]:
    """Return a schema; do not change it.

    Args:
        name: one of :data:`NAMES`.

    Raises:
        RunbookError: there is none of that name, or it is not installed.
    """
    if name not in NAMES:
        raise RunbookError(f"Reading the schema {name!r}: there is none; known are {', '.join(NAMES)}")
    try:
        schema: dict[str, Any] = json.loads(files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunbookError(f"Reading the schema {name!r}: {error}", hint="install incident-runbooks again") from error
    return schema


def validate(name: str, document: Any) -> list[str]:
    """Return what is wrong with a document, one readable text a place; empty when it is valid.

    Args:
        name: the schema's name, see :func:`load`.
        document: plain JSON data.

    Raises:
        RunbookError: there is no such schema.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - costs a tenth of a second, and few commands need it

    errors = Draft202012Validator(load(name)).iter_errors(document)
    return [_readable(error) for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])]


def _readable(error: Any) -> str:
    place = "/".join(str(part) for part in error.absolute_path) or "the document"
    message = str(error.message)
    if len(message) > _LONGEST_VALUE:  # it quotes the value, which may be most of the document
        message = f"{message[: _LONGEST_VALUE // 2]} ... {message[-_LONGEST_VALUE // 2 :]}"
    return f"{place}: {message}"
