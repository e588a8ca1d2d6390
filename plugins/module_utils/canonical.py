# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The one way to write plain data as JSON, and the hash that chains one record to the one before.

The digest of a plan, the lines of a journal and those of a custody log rest on it: who compares them has to write
them alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GENESIS = "0" * 64  # what stands for the hash before the first record's


def canonical(value: Any) -> str:
    """Return the one JSON text of plain data: sorted keys, no spaces, ASCII.

    Raises:
        ValueError: the data holds NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def record_digest(record: Mapping[str, Any]) -> str:
    """Return the hash that belongs to a record, whatever hash it carries: SHA-256, in hexadecimal digits."""
    body = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(canonical(body).encode("ascii")).hexdigest()
