# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Statuspage modules; keep module_utils/clients/statuspage.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.statuspage``."""

    DOCUMENTATION = r"""
options:
  api_key:
    description: API key of a user who may change the page.
    type: str
  api_url:
    description: Base address of the API.
    type: str
    default: https://api.statuspage.io/v1
  page_id:
    description: Identifier of the page.
    type: str
notes:
  - Statuspage takes one request a second of each key.
"""
