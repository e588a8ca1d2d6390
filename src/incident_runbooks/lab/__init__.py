# SPDX-License-Identifier: GPL-3.0-or-later
"""The rehearsal lab: real services on loopback, without root and without containers.

One lab is one directory. Nothing outside this package knows that the lab exists, except its two commands
and its inventory.
"""
