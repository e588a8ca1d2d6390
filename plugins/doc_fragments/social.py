# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules of social platforms; keep module_utils/clients/social_options.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.social``."""

    DOCUMENTATION = r"""
options:
  social_accounts:
    description: The accounts of the platforms, each with a token of its own.
    type: list
    elements: dict
    default: []
    suboptions:
      platform:
        description: Whose account it is.
        type: str
        choices: [meta, tiktok, youtube]
        required: true
      account:
        description:
          - Its id at the platform, of an Instagram account, of an advertiser of TikTok, of a channel of YouTube.
          - TikTok is asked for just this advertiser. The others say whose token it is.
        type: str
        required: true
      name:
        description: What people call it.
        type: str
      token:
        description: Access token. Take it from the environment or a file by a lookup, never from an extra variable.
        type: str
      login:
        description: Of Meta, whether the token is of the Instagram or of the Facebook login.
        type: str
        choices: [instagram, facebook]
        default: instagram
  social_urls:
    description:
      - Base address of a platform that is to be asked elsewhere than at its own, by V(meta), V(tiktok) or V(youtube).
      - They begin with C(https://); plain C(http://) is refused except to loopback hosts.
    type: dict
    default: {}
  social_request_timeout:
    description: Seconds for one platform with all of its accounts.
    type: int
    default: 10
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that gives neither O(social_accounts) nor O(social_urls) takes the options that it does not give from the
    variables of the inventory host C(social), which have the same names; where the inventory has no such host, from
    those of the task's own host.
  - Tokens travel in headers only. Nothing is sent again, and no redirect is followed.
"""
