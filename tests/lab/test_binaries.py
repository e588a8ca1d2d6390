# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains by which the lab finds PostgreSQL and its other programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import binaries
from incident_runbooks.lab.binaries import debian, postgresql, programs


def fake_installation(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n", encoding="utf-8")
        program.chmod(0o755)
    return folder


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose PATH has no PostgreSQL and whose distribution keeps two majors below tmp_path/usr."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(postgresql, "_DISTRIBUTIONS", {"debian": (str(tmp_path / "usr/*/bin"),)})
    monkeypatch.setattr(postgresql, "_WHEEL", "there_is_no_such_wheel")
    fake_installation(tmp_path / "usr/9/bin", "9.6.24")
    fake_installation(tmp_path / "usr/15/bin", "15.18 (Debian 15.18-0+deb12u1)")
    fake_installation(tmp_path / "usr/17/bin", "17beta2")
    return tmp_path


def test_newest_of_the_first_link_is_used(chain: Path) -> None:
    found = binaries.find()
    assert (found.major, found.version, found.source) == (17, "17beta2", "debian")
    assert found.folder == chain / "usr/17/bin"


def test_path_comes_before_the_distribution(chain: Path) -> None:
    real = fake_installation(chain / "elsewhere/bin", "16.2")
    (chain / "bin").mkdir()
    (chain / "bin/postgres").symlink_to(real / "postgres")
    found = binaries.available()
    assert [(each.major, each.source) for each in found] == [(16, "path"), (17, "debian"), (15, "debian")]
    assert found[0].folder == real, "the link must be followed: initdb is beside the real program"


def test_a_major_can_be_chosen(chain: Path) -> None:
    assert binaries.find("15").folder == chain / "usr/15/bin"


def test_a_path_can_be_chosen(chain: Path) -> None:
    folder = fake_installation(chain / "mine", "16.2")
    assert binaries.find(str(folder)) == binaries.find(str(folder / "postgres"))
    assert binaries.find(str(folder)).source == "given"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("12", "PostgreSQL 12: this machine has 17 (debian), 15 (debian)"),
        ("/nowhere", "in /nowhere: no working initdb"),
    ],
)
def test_what_is_not_there_is_said(chain: Path, wanted: str, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        binaries.find(wanted)
    assert expected in error.value.message


def test_versions_that_are_too_old_are_no_choice(chain: Path) -> None:
    with pytest.raises(UsageError, match="14 or newer"):
        binaries.find(str(chain / "usr/9/bin"))


def test_nothing_found_names_what_to_install(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_DISTRIBUTIONS", {})
    with pytest.raises(RunbookError) as error:
        binaries.find()
    assert "incident-runbooks[lab]" in (error.value.hint or "")
    assert "Debian package postgresql" in (error.value.hint or "")


LOOK = """
import sys
from incident_runbooks.lab import binaries
from incident_runbooks.lab.binaries import debian, postgresql, programs
print([each.source for each in binaries.available()])
print([name for name in sys.modules if name.startswith("pixeltable")])
"""


def test_the_wheel_is_looked_into_but_never_imported() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[1] == "[]"


# Other programs: PATH, the distribution's folders, then a Debian package in the cache

MIRROR = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $1" in
"apt-cache show")
    for name; do :; done
    test -e "$LISTS" || exit 100
    echo "Package: $name"; echo "Version: 1:2.0-3"
    test "$name" = pgbouncer && echo "Depends: lsb-base, libneeded1 (>= 1) | libother1, libthere1:any, libjs-web, perl"
    exit 0 ;;
"apt-get update") touch "$LISTS" ;;
"apt-get download") shift 2; for each; do touch "${each%%=*}.deb"; done ;;
"dpkg-query -W") case "$*" in *libthere1) printf installed ;; *) exit 1 ;; esac ;;
"dpkg-deb -x")
    mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu"
    case "$2" in
    */pgbouncer.deb)
        printf '#!/bin/sh\\necho "PgBouncer 2.0.0"\\n' > "$3/usr/sbin/pgbouncer"
        chmod 755 "$3/usr/sbin/pgbouncer" ;;
    *) touch "$3/usr/lib/x86_64-linux-gnu/$(basename "$2" .deb).so.1" ;;
    esac ;;
esac
"""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Debian whose package tools are fakes that note their calls in tmp_path/calls."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg-deb", "dpkg-query"):
        (tools / name).write_text(MIRROR, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("LISTS", str(tmp_path / "lists"))
    monkeypatch.setattr(debian, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(programs, "_FOLDERS", ())
    (tmp_path / "lists").touch()
    return tmp_path


def calls_of(mirror: Path, tool: str) -> list[str]:
    return [line for line in (mirror / "calls").read_text(encoding="utf-8").splitlines() if line.startswith(tool)]


def test_a_package_is_unpacked_with_the_libraries_that_are_missing(mirror: Path) -> None:
    assert binaries.locate("pgbouncer") is None, "looking fetches nothing"
    assert not (mirror / "calls").exists()
    found = binaries.find_program("pgbouncer")
    folder = mirror / "cache/pgbouncer_1%3a2.0-3"
    assert (found.path, found.version, found.source) == (folder / "usr/sbin/pgbouncer", "2.0.0", "package")
    assert found.environ == {"LD_LIBRARY_PATH": str(folder / "usr/lib/x86_64-linux-gnu")}
    assert calls_of(mirror, "apt-get") == ["apt-get download -q pgbouncer=1:2.0-3 libneeded1=1:2.0-3"]
    assert [path.name for path in (mirror / "cache").iterdir()] == [folder.name], "nothing half-done is left"
    assert binaries.find_program("pgbouncer") == binaries.locate("pgbouncer") == found
    assert len(calls_of(mirror, "apt-get")) == 1, "the second time it is there"


def test_what_another_command_unpacked_meanwhile_is_used(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = debian._publish

    def race(built: Path, folder: Path) -> None:
        fake = folder / "usr/sbin/pgbouncer"
        fake.parent.mkdir(parents=True)
        fake.write_text("#!/bin/sh\necho 'PgBouncer 2.0.1'\n", encoding="utf-8")
        fake.chmod(0o755)
        publish(built, folder)

    monkeypatch.setattr(debian, "_publish", race)
    assert binaries.find_program("pgbouncer").version == "2.0.1"
    assert [path.name for path in (mirror / "cache").iterdir()] == ["pgbouncer_1%3a2.0-3"]


def test_path_comes_before_the_package_unless_the_package_is_wanted(mirror: Path) -> None:
    own = mirror / "tools/pgbouncer"
    own.write_text("#!/bin/sh\necho 'PgBouncer 1.24.1'\n", encoding="utf-8")
    own.chmod(0o755)
    found = binaries.find_program("pgbouncer")
    assert (found.path, found.version, found.source, dict(found.environ)) == (own, "1.24.1", "path", {})
    assert binaries.find_program("pgbouncer", source="package").version == "2.0.0"
    own.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert binaries.find_program("pgbouncer").source == "package", "a program that does not run is none"


def test_missing_package_lists_are_fetched_by_root_and_named_otherwise(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror / "lists").unlink()
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    with pytest.raises(RunbookError) as error:
        binaries.find_program("pgbouncer")
    assert "the package lists of this machine do not have it" in error.value.message
    assert error.value.hint == "as root: apt-get update; or install pgbouncer yourself"
    assert calls_of(mirror, "apt-get update") == []
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    assert binaries.find_program("pgbouncer").source == "package"
    assert len(calls_of(mirror, "apt-get update")) == 1


def test_a_machine_without_debians_tools_is_told_what_to_install(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(mirror / "nothing"))
    with pytest.raises(RunbookError, match=r"Looking for kubectl for the lab: .*no apt-get") as error:
        binaries.find_program("kubectl")
    assert error.value.hint == "install kubectl (Debian package kubernetes-client)"
    absent = {each["name"]: each for each in binaries.describe()}["redis-server"]
    assert absent == {
        "name": "redis-server",
        "source": "absent",
        "version": None,
        "path": None,
        "package": "redis-server",
    }


@pytest.mark.parametrize(
    ("name", "said", "version"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d81b8ff", "7.0.15"),
        ("redis-server", "Valkey server v=8.0.1 sha=00000000:0", "8.0.1"),
        ("redis-cli", "redis-cli 7.0.15", "7.0.15"),
        ("pgbouncer", "PgBouncer 1.18.0\nlibevent 2.1.12-stable", "1.18.0"),
        ("kubectl", "Client Version: v1.32.4\nKustomize Version: v5.5.0", "1.32.4"),
        ("prometheus", "prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)", "2.42.0+ds"),
        (
            "promtool",
            "promtool, version 3.5.0 (branch: HEAD, revision: 8be3a9560fbdd18a94dedec4b)",
            "3.5.0",
        ),
        (
            "kubectl",
            'Client Version: version.Info{Major:"1", Minor:"20", GitVersion:"v1.20.2", GitCommit:"f"}',
            "1.20.2",
        ),
    ],
)
def test_versions_are_read_as_the_programs_write_them(mirror: Path, name: str, said: str, version: str) -> None:
    executable = programs.PROGRAMS[name].names[0]
    (mirror / "tools" / executable).write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n", encoding="utf-8")
    (mirror / "tools" / executable).chmod(0o755)
    found = binaries.locate(name)
    assert found is not None
    assert found.version == version
