# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves until it is told to stop: ``python -m incident_runbooks.lab.ingress --directory DIR --port PORT``."""

from __future__ import annotations

import sys

from incident_runbooks.lab.ingress.app import Server
from incident_runbooks.lab.services.process import run

if __name__ == "__main__":
    sys.exit(run("incident_runbooks.lab.ingress", "ingress", Server))
