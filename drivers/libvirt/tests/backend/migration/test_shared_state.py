"""Running guests move between hosts that keep the state of firmware in one directory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_libvirt.kept_files import TPM, VARIABLES
from nova_virt_libvirt.remains import remove_domain

NVRAM = "/var/lib/libvirt/qemu/nvram"
"""Where a host's libvirt keeps the variables of UEFI firmware."""


@pytest.fixture
def one_directory(hosts: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory in which both hosts' libvirt keeps the variables of UEFI firmware, as if it were on NFS."""
    shared = tmp_path_factory.mktemp("nvram")
    with ExitStack() as stack:
        for host in hosts:
            own = host.daemon.directory / "lib/qemu/nvram"
            own.mkdir(parents=True, exist_ok=True)
            now = own.stat()
            os.chown(shared, now.st_uid, now.st_gid)
            shared.chmod(now.st_mode)
            inside = ("nsenter", "-t", str(host.daemon.inside), "-m")
            subprocess.run([*inside, "mount", "--bind", str(shared), NVRAM], check=True)
            stack.callback(subprocess.run, [*inside, "umount", NVRAM], check=True)
        yield shared


def test_variables_that_both_hosts_see_go_with_the_guest(
    source: virt.Compute, destination: virt.Compute, spawn: Any, one_directory: Path
) -> None:
    guest = spawn(firmware=virt.Firmware.UEFI)
    (variables,) = one_directory.iterdir()
    for leaving, entering in ((source, destination), (destination, source)):
        leaving.live_migrate(guest, to=entering, timeout=100)
        assert list(one_directory.iterdir()) == [variables]
        entering.power_off(guest, mode=virt.PowerOff.HARD, timeout=60)
        written = os.urandom(64)
        with variables.open("r+b") as file:
            file.seek(-len(written), os.SEEK_END)
            file.write(written)
        entering.power_on(guest, timeout=60)
        assert variables.read_bytes().endswith(written)
    assert source.destroy(guest, timeout=60)
    assert list(one_directory.iterdir()) == []


@pytest.mark.parametrize("spare", [(), (VARIABLES,), (TPM,), (VARIABLES, TPM)], ids=["nothing", "UEFI", "TPM", "both"])
def test_what_is_spared_stays(hosts: Any, spawn: Any, spare: tuple[str, ...]) -> None:
    guest = spawn(firmware=virt.Firmware.UEFI, tpm=virt.Tpm())
    own = hosts[0].daemon.directory / "lib"
    kept = {VARIABLES: own / "qemu/nvram" / f"{guest.name}_VARS.fd", TPM: own / "swtpm" / str(guest.uuid)}
    remove_domain(hosts[0].raw().lookupByUUID(guest.uuid.bytes), spare=spare)
    assert [what for what, path in kept.items() if path.exists()] == list(spare)
    kept[VARIABLES].unlink(missing_ok=True)
    shutil.rmtree(kept[TPM], ignore_errors=True)
