# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe as a process of the lab: one account in test mode, its API, its webhooks, and its status page.

What it is held to: docs.stripe.com's reference, the typed parameters and resources of the official ``stripe`` package
and Stripe's published OpenAPI description (the tests check it against both), and what clients have reported of errors.
It moves no money.
"""
