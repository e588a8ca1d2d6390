# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Read an approval file: somebody else wrote it, so nothing in it is believed before it is checked."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import instant
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

LARGEST = 64 * 1024
_SCHEMA = Path(__file__).resolve().parents[2] / "src" / "incident_runbooks" / "schemas" / "approval.schema.json"
_LONGEST_CAUSE = 200


class ApprovalError(IncidentsError):
    """An approval cannot be used.

    Attributes:
        code: ``usage`` where it makes no sense, ``refused`` where it is understood and not good.
        hint: what to do.
    """

    def __init__(self, message: str, *, code: str = "usage", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.code = code
        self.hint = hint


def read_approval_file(path: Path) -> Json:
    """Return the content of an approval file, valid by its schema, with instants that can be read.

    Raises:
        ApprovalError: ``usage`` where it cannot be read or is malformed; ``refused`` where it is no regular file, too
            large, or others may write it.
    """
    document = _parsed(path, _content(path))
    _validate(path, document)
    for key in ("decided_at", "expires_at"):
        if instant(document[key]) is None:
            _malformed(path, f"{key}: {document[key]!r} is no RFC 3339 time with a time zone")
    return document


def _content(path: Path) -> bytes:
    try:
        # a FIFO or a device must not make the run wait
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ApprovalError(f"Accepting the approval file {path}: it is no regular file", code="refused")
            if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ApprovalError(
                    f"Accepting the approval file {path}: its group or others may write it",
                    code="refused",
                    hint=f"have it sent again, or check it and: chmod go-w {path}",
                )
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ApprovalError(f"Reading the approval file {path}: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ApprovalError(
            f"Accepting the approval file {path}: it is larger than {LARGEST // 1024} KiB", code="refused"
        )
    return content


def _parsed(path: Path, content: bytes) -> Json:
    try:
        document = json.loads(content, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _malformed(path, f"it is no JSON: {error}")
    if not isinstance(document, dict):
        _malformed(path, "it is no JSON object")
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    """Two values of one key: a person and a program may not read the same."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key[:80]!r} is there more than once")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _validate(path: Path, document: Json) -> None:
    try:
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - costs a tenth of a second; few runs have a file
    except ImportError as error:
        raise ApprovalError(
            f"Reading the approval file {path}: the Python library jsonschema, which checks it, is not installed",
            hint="pip install jsonschema",
        ) from error
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda error: list(error.absolute_path))
    if errors:
        place = "/".join(map(str, errors[0].absolute_path)) or "the document"
        _malformed(path, f"{place}: {errors[0].message}")


def _malformed(path: Path, cause: str) -> NoReturn:
    text = cause if len(cause) <= _LONGEST_CAUSE else f"{cause[:_LONGEST_CAUSE]}..."
    raise ApprovalError(f"Reading the approval file {path}: {text}", hint="runbook approve writes one that is right")
