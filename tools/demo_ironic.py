"""The tour on bare metal: a machine is deployed over Redfish by a real Ironic, used, and given back.

`make demo-ironic` prepares the machine for it. Ironic, the machine (QEMU) and its management controller (sushy-tools)
are started for the tour and removed whatever happens; other guests are left alone.
"""

import argparse
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import libvirt

import nova_virt_api as virt
from nova_virt_api import MiB, PowerState
from nova_virt_conformance.guest_image.markers import MARK, STEERING, GuestReport, SeedSource
from nova_virt_ironic.extras import BootIso
from tools.demo import ProgressLine, command, indented, step, tell
from tools.ironic import NotInstalledError, StartError
from tools.ironic.machine import IMAGES, PREFIX
from tools.ironic.real_mode import URI, RealMode

NAME: Final = "nova-virt-demo"
USER_DATA: Final = """#!/bin/sh
echo "Hello from the machine: this line is a script that came on the config drive."
"""
BOOT_S: Final = 120.0


def main() -> int:
    """Run the tour; 0 if all went well and nothing was left."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is removed then, too
    began = time.monotonic()
    try:
        step("Start a machine that is off, its Redfish controller, and an Ironic; enroll the machine")
        with RealMode(uri=arguments.uri) as real:
            tell(f"after {time.monotonic() - began:.0f} s Ironic answers at {real.ironic.endpoint}")
            tell(f"and the controller of {real.machine.name} at {real.bmc.address}{real.bmc.system_id}")
            with virt.connect("ironic", endpoint=real.ironic.endpoint, owner=NAME) as compute:
                tour(compute, real)
    except virt.VirtError as error:
        print(f"\nnova-virt: {error.public_message}", file=sys.stderr)
        return 1
    except (NotInstalledError, StartError, TimeoutError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; what was started is removed.", file=sys.stderr)
        return 130
    prove_that_nothing_is_left(real)
    print(f"\nThat took {time.monotonic() - began:.0f} s.")
    return 0


def tour(compute: virt.Compute, real: RealMode) -> None:
    """The steps, in order."""
    endpoint = compute.capabilities()
    step(f"Connected to {endpoint.backend} {endpoint.backend_version} with driver {endpoint.driver}")
    for node in compute.nodes():
        has = (f"{found.resource_class} {found.total}" for found in compute.inventory(node.name).resources)
        tell(f"node {node.name}: {', '.join(has)}")
    spec = demo_spec(real.boot_iso_url)
    try:
        use(compute, spec, real)
    finally:
        step("Delete the guest: the machine goes off, its media are ejected, the node is free again")
        compute.destroy(spec.uuid, timeout=300, on_progress=ProgressLine())
    node = real.ironic.api.wait(real.node_path, lambda shown: shown["provision_state"] == "available", 120)
    if node["instance_uuid"] or node["instance_info"] or real.machine.inserted() or real.machine.is_on():
        raise SystemExit(f"The node was not given back: {node}")
    tell("Ironic says: available, no instance; libvirt says: off, no media")


def use(compute: virt.Compute, spec: virt.InstanceSpec, real: RealMode) -> None:
    """What one does with a guest between creating and deleting it."""
    step(f"Spawn {NAME}: claim a node, insert a boot CD and a config drive by Redfish, switch on")
    guest = compute.spawn(spec, timeout=300, on_progress=ProgressLine())
    tell(f"{guest.name} lives on {guest.node}")

    step("Wait until the machine itself says on its serial line what it found on the config drive")
    waited = time.monotonic()
    report = real.serial.wait(lambda report: report.ready, BOOT_S)
    tell(f"after {time.monotonic() - waited:.1f} s it is ready")
    print(indented("\n".join(told_lines(real))))
    check(report, spec)
    tell("uuid, host name and user data are those that were asked for")

    step(f"$ nova-virt --driver ironic -o endpoint={real.ironic.endpoint} list")
    listing = [command(), "--driver", "ironic", "-o", f"endpoint={real.ironic.endpoint}", "list"]
    print(indented(subprocess.run(listing, check=True, capture_output=True, text=True).stdout))

    step("Stop it gracefully, by its power button")
    compute.power_off(guest, timeout=120, on_progress=ProgressLine())
    goodbye = real.serial.wait(lambda report: report.stopping is not None, BOOT_S)
    assert goodbye.stopping is not None  # noqa: S101 - just waited for
    tell(f"it said {goodbye.stopping.value}, and is {compute.instance(guest, fresh=True).power_state.value}")

    step("Start it again")
    compute.power_on(guest, timeout=120, on_progress=ProgressLine())
    real.serial.wait(lambda report: report.boots > goodbye.boots and report.ready, BOOT_S)
    if compute.instance(guest, fresh=True).power_state is not PowerState.RUNNING:
        raise SystemExit("The machine runs, and the API does not know.")
    tell("it has booted a second time, from the same media")


def check(report: GuestReport, spec: virt.InstanceSpec) -> None:
    """The machine must have found what was asked for, no more and no less."""
    seed = report.seed
    wanted = (SeedSource.CONFIG_DRIVE, str(spec.uuid), NAME, hashlib.sha256(USER_DATA.encode()).hexdigest(), 0)
    if seed is None or wanted != (
        seed.source,
        seed.instance_id,
        seed.hostname,
        seed.user_data_sha256,
        report.user_data_exit,
    ):
        raise SystemExit(f"The machine found something else on its config drive: {seed}")


def told_lines(real: RealMode) -> list[str]:
    """What the guest image told, and what the user data printed, without what would steer the terminal."""
    lines = (STEERING.sub("", line) for line in real.serial.log().decode(errors="replace").splitlines())
    return [line for line in lines if line.startswith((MARK, "Hello"))]


def demo_spec(boot_iso_url: str) -> virt.InstanceSpec:
    """What is asked for."""
    return virt.InstanceSpec(
        uuid=virt.stable_uuid(NAME),
        name=NAME,
        memory_bytes=MiB(128),
        cloud_init=virt.CloudInit(user_data=USER_DATA),
        labels={"purpose": "demo"},
        extras=[BootIso(url=boot_iso_url)],
    )


def prove_that_nothing_is_left(real: RealMode) -> None:
    """Look with libvirt's own eyes and into the file system."""
    step("Look for anything left of the machine and of Ironic")
    connection = libvirt.open(real.machine.uri)
    things = (*connection.listAllDomains(), *connection.listAllStoragePools())
    traces = [thing.name() for thing in things if thing.name() == real.machine.name]
    connection.close()
    places = (IMAGES / real.machine.name, real.ironic.directory, Path("/var/lib/libvirt/qemu/nvram"))
    traces += [str(path) for path in places[:2] if path.exists()]
    traces += [str(path) for path in places[2].glob(f"{PREFIX}*") if real.machine.name in path.name]
    if traces:
        raise SystemExit("This was left: " + ", ".join(traces))
    tell("no domain, no pool, no medium, no NVRAM, no process's directory")


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", default=URI, help="the libvirt to use (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
