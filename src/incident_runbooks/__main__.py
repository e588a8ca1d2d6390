# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m incident_runbooks`` is the command ``runbook``."""

from __future__ import annotations

import sys

from incident_runbooks.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
