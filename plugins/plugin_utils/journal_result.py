# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Check a result against the schema that is shipped with the collection."""

from __future__ import annotations

import importlib.util
import json
from itertools import islice
from pathlib import Path
from typing import Any

_SCHEMA = Path("src", "incident_runbooks", "schemas", "result.schema.json")
_SHOWN = 3


def cannot_validate(root: Path) -> str | None:
    """Return why results cannot be checked on this controller; ``None`` where they can.

    Args:
        root: the collection's directory.
    """
    if importlib.util.find_spec("jsonschema") is None:
        return "the Python library jsonschema is not installed"
    if not (root / _SCHEMA).is_file():
        return f"{root / _SCHEMA} is missing"
    return None


def validate_result(root: Path, result: dict[str, Any]) -> list[str]:
    """Return what is wrong with a result, the first few places; empty when it is valid.

    Args:
        root: the collection's directory.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - costs a tenth of a second, and only at the end

    schema = json.loads((root / _SCHEMA).read_text(encoding="utf-8"))
    errors = islice(Draft202012Validator(schema).iter_errors(result), _SHOWN)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]
