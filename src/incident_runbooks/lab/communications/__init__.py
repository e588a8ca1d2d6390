# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack, PagerDuty and Statuspage as one process of the lab, each with the answers of the real service.

What they are held to: the vendors' reference, their published API descriptions (the tests check requests and answers
against them), and what clients have reported of errors. They keep what was sent, and every request is in a log.
"""
