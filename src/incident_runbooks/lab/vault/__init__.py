# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Vault: the key/value engines of versions 1 and 2, and what tells the state of the server."""
