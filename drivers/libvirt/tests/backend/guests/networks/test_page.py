"""The guide's programs about networks and consoles are run as they stand there, but for names."""

from typing import Any


def test_program_about_bridges(daemon: Any, native: Any, linux_bridge: str, ovs_bridge: str, run_program: Any) -> None:
    here = {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt"'}
    here |= {'"br0"': f'"{linux_bridge}"', '"br-int"': f'"{ovs_bridge}"'}
    assert run_program("bridges", here) == [f"{linux_bridge} None", "None 7"]


def test_program_about_consoles(daemon: Any, native: Any, run_program: Any) -> None:
    here = {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt"'}
    assert run_program("console", here) == ["127.0.0.1 *** 600.0", "PtyConsole"]


def test_program_about_ports_of_os_vif(
    daemon: Any, native: Any, inside: Any, ovs_bridge: str, ports: Any, run_program: Any
) -> None:
    before = ports()
    here = {
        'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt", ovsdb="unix:/run/openvswitch/db.sock"',
        '"br-int"': f'"{ovs_bridge}"',
        '"system"': '"netdev"',
    }
    told = run_program("os_vif", here, enter=(*inside.enter, "-p"))
    assert told == ["52:54:00:12:34:56"]
    assert ports() == before
