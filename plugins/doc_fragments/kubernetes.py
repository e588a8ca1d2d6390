# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every Kubernetes module. Keep ``module_utils/clients/kubernetes_options.py`` in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.kubernetes``."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Kubeconfig file.
      - Without it, and without O(host), the files of the environment variable E(KUBECONFIG) or C(~/.kube/config)
        count, and where there is none, the service account of the pod that the module runs in.
    type: path
  context:
    description: Context of the kubeconfig; its current one unless given.
    type: str
  host:
    description:
      - URL of the API server.
      - With it, no kubeconfig is read unless O(kubeconfig) or O(context) is given too, so that credentials never go
        to a server that they are not meant for.
    type: str
  api_key:
    description: Bearer token. It wins over the login in the kubeconfig.
    type: str
  ca_cert:
    description: File with the certificates of the authorities that may have signed the server's certificate.
    type: path
  validate_certs:
    description:
      - Whether the server's certificate must be valid. Switching it off lets anyone in between read the token.
      - C(insecure-skip-tls-verify) of the kubeconfig counts as well.
    type: bool
    default: true
  namespace:
    description: Namespace of the objects.
    type: str
    required: true
  request_timeout:
    description:
      - Seconds for one request, from resolving the name to the last byte of the answer.
      - For a stream, as a log is, up to the first byte, and then between two parts of it.
    type: int
    default: 5
  rbac_role:
    description:
      - Name of the file in C(deploy/rbac/), without its ending, whose Role grants what is needed here. A missing
        permission is then reported together with it.
    type: str
requirements:
  - kubernetes >= 37 (the official Python client) on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that names no cluster (none of O(kubeconfig), O(context), O(host), O(namespace)) takes the connection options
    that it does not give from the variables of the inventory host C(backend), such as C(kubernetes_kubeconfig) and
    C(kubernetes_namespace); where the inventory has no such host, from those of the task's own host.
  - Requests go through the proxy of E(HTTPS_PROXY), except to hosts in E(NO_PROXY), or of C(proxy-url) in the
    kubeconfig. Redirects are not followed.
  - Nothing that changes something is ever sent twice.
"""
