# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of payment-failure ask of a run."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from support.runbook import Run


def recommended(run: Run) -> list[str]:
    return [entry["id"] for entry in run.result["plan"]["remediations"] if entry["status"] == "recommended"]


def assert_holds_no_secret(run: Run, secrets: list[str]) -> None:
    """Neither plain nor as a request, a URL or a Secret has it."""
    written = run.output + "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in run.directory.rglob("*") if path.is_file()
    )
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
        forms |= {base64.b64encode(f"{secret}:".encode()).decode(), json.dumps(secret)[1:-1]}
        assert [form for form in forms if form in written] == [], f"{secret[:8]}... is in the record"
