# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the communications until told to stop: ``python -m incident_runbooks.lab.communications --directory DIR``."""

from __future__ import annotations

import sys

from incident_runbooks.lab.communications.app import Server
from incident_runbooks.lab.services.process import run

if __name__ == "__main__":
    sys.exit(run("incident_runbooks.lab.communications", "the communications", Server))
