# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container a request means, and why it may have to be refused; worded as API server and kubelet word it."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError, bad_request
from incident_runbooks.lab.cluster.runtime.container import Container
from incident_runbooks.lab.cluster.runtime.log_files import LogFile

Json = dict[str, Any]

_IMAGE = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def container_name(pod: Json, wanted: str | None) -> str:
    """Return the container that is meant: the only one, unless it is named.

    Raises:
        ApiError: 400, there are several, or none with that name.
    """
    name = pod["metadata"]["name"]
    mains = [each["name"] for each in pod["spec"]["containers"]]
    inits = [each["name"] for each in pod["spec"].get("initContainers") or ()]
    if not wanted:
        if len(mains) == 1 and not inits:
            return str(mains[0])
        said = f"a container name must be specified for pod {name}, choose one of: [{' '.join(mains)}]"
        raise bad_request(said + (f" or one of the init containers: [{' '.join(inits)}]" if inits else ""))
    if wanted not in (*mains, *inits):
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def log_of(pod: Json, container: Container, *, previous: bool) -> LogFile:
    """Return the log that is meant.

    Raises:
        ApiError: 400, there is none yet, or no previous one.
    """
    about = f'container "{container.name}" in pod "{pod["metadata"]["name"]}"'
    waiting = container.state.get("waiting")
    if previous:
        # While it waits to be started again, the instance that has ended is the latest and the previous one
        found = container.log if waiting and container.last_state else container.previous_log
        if found is None or "terminated" not in container.last_state:
            raise bad_request(f"previous terminated {about} not found")
        return found
    if container.log is None:
        reason = (waiting or {}).get("reason", "ContainerCreating")
        raise bad_request(f"{about} is waiting to start: {_IMAGE.get(reason, reason)}")
    return container.log


def check_exec(pod: Json, container: Container | None, name: str) -> Container:
    """Return the container if a command can run in it.

    Raises:
        ApiError: it has ended, or does not run.
    """
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    if container is None or container.instance is None:
        raise ApiError(404, "NotFound", f'container not found ("{name}")')
    return container
