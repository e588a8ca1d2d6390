# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the social APIs until told to stop: ``python -m incident_runbooks.lab.social --directory DIR``."""

from __future__ import annotations

import sys

from incident_runbooks.lab.services.process import run
from incident_runbooks.lab.social.app import Server

if __name__ == "__main__":
    sys.exit(run("incident_runbooks.lab.social", "the social APIs", Server))
