# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's API over HTTP: what a request means, and what is answered."""
