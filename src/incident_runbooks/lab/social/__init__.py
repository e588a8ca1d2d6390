# SPDX-License-Identifier: GPL-3.0-or-later
"""Meta, TikTok and YouTube as one process of the lab, each with the answers of the real service.

What they are held to: the vendors' reference and what clients have reported of errors. Only what a probe asks for is
there: who am I. Every request is in a log.
"""
