"""The guide's program about volumes that the host connects, run as it stands there, but for the protocol."""

from typing import Any


def test_volumes_that_the_host_connects(
    daemon: Any, raw: Any, fabric: Any, loops: Any, spawn: Any, run_program: Any
) -> None:
    raw()
    device = loops.losetup("--find", "--show", str(fabric.file(fabric.volume())))
    here = {
        'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt", owner="nova-virt-tests"',
        '"fibre_channel"': '"local"',
        '{"target_wwn": ["50014380186b3f65"], "target_lun": 1}': f'{{"device_path": "{device}"}}',
    }
    try:
        spawn(name="web")
        connector, attached = run_program("fabric", here)
    finally:
        loops.losetup("--detach", device)
    assert connector.split()[0] == raw().getHostname()
    assert attached == "data sda"
