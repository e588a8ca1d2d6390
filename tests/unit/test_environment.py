# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run may see of the operator's environment, and which inventory and ansible.cfg are in force."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from incident_runbooks import environment, inventory
from incident_runbooks.errors import UsageError

PASSED = (
    *("HOME", "PATH", "LANG", "LC_ALL", "TZ", "TERM", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    *("HTTPS_PROXY", "no_proxy", "XDG_STATE_HOME", "KUBECONFIG", "PGPASSWORD", "PGSSLROOTCERT", "VAULT_TOKEN"),
    *("STRIPE_API_KEY", "BRANDCONNECT_X", "RUNBOOK_OPERATOR", "ANSIBLE_VAULT_PASSWORD_FILE"),
)
HELD_BACK = (
    *("AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "PYTHONSTARTUP", "LD_PRELOAD", "PG_NOT_LIBPQ", "BASH_ENV"),
    *("ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_LOG_PATH", "GITHUB_TOKEN"),
)


@pytest.mark.parametrize("name", PASSED)
def test_what_a_run_needs_passes(name: str) -> None:
    assert environment.allowed({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", HELD_BACK)
def test_the_rest_does_not(name: str) -> None:
    assert environment.allowed({name: "x"}) == {}


def test_the_operator_may_let_more_pass_but_no_python() -> None:
    environ = {"RUNBOOK_PASS_ENV": "AWS_PROFILE, KRB5CCNAME PYTHONPATH", "AWS_PROFILE": "a", "KRB5CCNAME": "b"}
    assert environment.allowed({**environ, "PYTHONPATH": "/x", "OTHER": "y"}) == {"AWS_PROFILE": "a", "KRB5CCNAME": "b"}


def forced(callbacks: list[str]) -> dict[str, str]:
    return environment.forced(
        private=Path("/private"),
        short=Path("/short"),
        config=Path("/etc/ansible.cfg"),
        collections=["/a", "/b"],
        callbacks=callbacks,
        incident="i",
        run_id="r",
        home=Path("/home"),
    )


def test_the_journal_is_added_to_what_the_operator_enables() -> None:
    assert forced([])["ANSIBLE_CALLBACKS_ENABLED"] == "brandconnect.incidents.journal"
    assert forced(["timer", "brandconnect.incidents.journal"])["ANSIBLE_CALLBACKS_ENABLED"] == (
        "timer,brandconnect.incidents.journal"
    )


def test_everything_temporary_goes_into_the_private_directories() -> None:
    names = ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP", "ANSIBLE_ASYNC_DIR")
    assert {forced([])[name] for name in names} == {"/private/tmp"}
    assert forced([])["TMPDIR"] == "/short"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with an inventory, no ansible.cfg anywhere, and a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "hosts.ini").write_text("postgres\n")
    (tmp_path / "work").mkdir(mode=0o755)
    return tmp_path


def test_precedence_of_the_inventory(place: Path) -> None:
    hosts, work = str(place / "hosts.ini"), place / "work"
    (place / "ansible.cfg").write_text("[defaults]\ninventory = hosts.ini ; relative to this file\n")
    environ = {"RUNBOOK_INVENTORY": hosts, "ANSIBLE_INVENTORY": hosts, "ANSIBLE_CONFIG": str(place / "ansible.cfg")}
    assert inventory.resolve(["../hosts.ini"], environ, work) == inventory.Inventory((hosts,), "--inventory")
    assert inventory.resolve([], environ, work).origin == "RUNBOOK_INVENTORY"
    del environ["RUNBOOK_INVENTORY"]
    assert inventory.resolve([], environ, work).origin == "ANSIBLE_INVENTORY"
    del environ["ANSIBLE_INVENTORY"]
    assert inventory.resolve([], environ, work) == inventory.Inventory((hosts,), str(place / "ansible.cfg"))


def test_no_inventory_says_what_to_set(place: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inventory.resolve([], {}, place / "work")
    assert "--inventory" in str(caught.value.hint)
    assert "RUNBOOK_INVENTORY" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ([""], {}),
        ([" "], {}),
        (["hosts.ini", ""], {}),
        ([" , "], {}),
        ([], {"RUNBOOK_INVENTORY": ""}),
        ([], {"RUNBOOK_INVENTORY": " "}),
        ([], {"RUNBOOK_INVENTORY": ","}),
        ([], {"ANSIBLE_INVENTORY": " "}),
    ],
)
def test_an_empty_inventory_is_not_the_current_directory(
    place: Path, given: list[str], environ: dict[str, str]
) -> None:
    (place / "work" / "ansible.cfg").write_text("[defaults]\ninventory = ../hosts.ini\n")
    for work in (place, place / "work"):
        with pytest.raises(UsageError, match=f"{next(iter(environ), '--inventory')} is empty"):
            inventory.resolve(given, environ, work)


def test_an_empty_one_in_an_ansible_cfg_is_none(place: Path) -> None:
    (place / "ansible.cfg").write_text('[defaults]\ninventory = ""\n')
    with pytest.raises(UsageError, match="none is named"):
        inventory.resolve([], {"ANSIBLE_INVENTORY": ""}, place)


def test_a_missing_inventory_is_named(place: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inventory.resolve(["nowhere.yml"], {}, place)
    assert caught.value.message == (f"Reading the inventory {place}/nowhere.yml: No such file or directory")


def test_a_host_list_is_an_inventory(place: Path) -> None:
    assert inventory.resolve(["postgres,"], {}, place).sources == ("postgres,",)


def test_several_inventories(place: Path) -> None:
    (place / "more.ini").write_text("")
    environ = {"RUNBOOK_INVENTORY": "hosts.ini,more.ini"}
    assert inventory.resolve([], environ, place).sources == (str(place / "hosts.ini"), str(place / "more.ini"))


def test_an_ansible_cfg_in_a_world_writable_directory_is_not_in_force(place: Path) -> None:
    work = place / "work"
    (work / "ansible.cfg").write_text("[defaults]\ninventory = ../hosts.ini\n")
    assert inventory.resolve([], {}, work).origin == str(work / "ansible.cfg")
    work.chmod(0o777)
    with pytest.raises(UsageError):
        inventory.resolve([], {}, work)


@pytest.mark.parametrize("text", ["[defaults\n", "inventory = x\n", "[defaults]\n\xff\n"])
def test_a_broken_ansible_cfg_is_one_clear_error(place: Path, text: str) -> None:
    (place / "ansible.cfg").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=f"Reading the Ansible configuration {place}/ansible.cfg: "):
        inventory.resolve([], {}, place)


def test_this_reading_of_an_ansible_cfg_agrees_with_ansibles(place: Path) -> None:
    config = place / "work" / "ansible.cfg"
    config.write_text(
        "[defaults]\ninventory = ../hosts.ini, ~/more ; why\n"
        "collections_path = ./c:~/d\ncallbacks_enabled = timer, x.y.z\n"
    )
    ours = inventory.ansible_config({}, place / "work")
    dumped = subprocess.run(
        [Path(sys.executable).parent / "ansible-config", "dump", "--only-changed", "--format", "json"],
        cwd=place / "work",
        env={**{k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}, "HOME": str(place / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = {entry["name"]: entry["value"] for entry in json.loads(dumped.stdout) if "name" in entry}
    assert str(ours.path) == theirs["CONFIG_FILE"]
    assert list(ours.inventory) == theirs["DEFAULT_HOST_LIST"]
    assert list(ours.collections) == theirs["COLLECTIONS_PATHS"]
    assert list(ours.callbacks) == theirs["CALLBACKS_ENABLED"]
