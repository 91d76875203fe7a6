"""The tour: a real guest comes, is used and goes again, all by the public API. `make demo` prepares the machine for it.

Every step says what it does. The guest is removed whatever happens, and other guests are left alone.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import nova_virt_api as virt
from nova_virt_api import GiB, MiB, until

ROOT: Final = Path(__file__).resolve().parent.parent
NAME: Final = "nova-virt-demo"
OWNER: Final = "nova-virt-demo"
POOL: Final = "nova-virt"
MARK: Final = "nova-virt-guest:"
"""The guest image begins each line in which it tells something about itself with this."""

STEERING: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\x20-\x7e]")

USER_DATA: Final = """#!/bin/sh
echo "Hello from the guest: this line is a script that came with cloud-init data."
"""


def main() -> int:
    """Run the tour; 0 if all went well and nothing was left."""
    arguments = parse_arguments()
    began = time.monotonic()
    options = {"uri": arguments.uri, "pool": POOL, "owner": OWNER}
    try:
        with virt.connect("libvirt", **options) as compute:
            tour(compute, guest_image(), options)
    except virt.VirtError as error:
        print(f"\nnova-virt: {error.public_message}", file=sys.stderr)
        return 1
    print(f"\nThat took {time.monotonic() - began:.0f} s. What to try next:")
    print(f"  {command()} --driver libvirt -o pool={POOL} create web --image {guest_image()} --network default")
    print(f"  {command()} --driver libvirt -o pool={POOL} doctor")
    print("  README.md: the same in ten lines of Python")
    return 0


def tour(compute: virt.Compute, image: Path, options: dict[str, str]) -> None:
    """The steps, in order."""
    endpoint = compute.capabilities()
    step(f"Connected to {endpoint.backend} {endpoint.backend_version} with driver {endpoint.driver}")
    others = {guest.uuid: guest for guest in compute.instances() if guest.name != NAME}
    tell(f"{len(others)} other guests are here; they are left alone")
    spec = demo_spec(image)
    compute.destroy(spec.uuid)  # what an interrupted tour may have left
    try:
        use(compute, spec, options)
    finally:
        step("Delete the guest")
        compute.destroy(spec.uuid, on_progress=ProgressLine())
    prove_that_nothing_is_left(compute, spec.uuid, set(others))


def use(compute: virt.Compute, spec: virt.InstanceSpec, options: dict[str, str]) -> None:
    """What one does with a guest between creating and deleting it."""
    step(f"Spawn {NAME}: an overlay disk on the guest image, a cloud-init seed, one NIC")
    guest = compute.spawn(spec, timeout=120, on_progress=ProgressLine())

    step("Wait until the guest itself reports its address")
    waited = time.monotonic()
    said = wait_for_lines(compute, guest, "address", 1)[0]
    found = compute.wait_for(guest, until.address(family=4), timeout=60)
    tell(f"after {time.monotonic() - waited:.1f} s the guest says: {said}")
    addresses = ", ".join(str(address) for address in found.addresses or ())
    tell(f"and the API: {addresses}")
    if not any(f" {address}/" in said for address in found.addresses or ()):
        raise SystemExit("The guest and the API do not agree on the address.")

    step("Its serial console")
    wait_for_lines(compute, guest, "ready", 1)
    print(indented(console(compute, guest)))

    step(f"$ nova-virt --driver libvirt -o pool={POOL} list")
    listing = [command(), "--driver", "libvirt", "-o", f"uri={options['uri']}", "-o", f"pool={POOL}", "list"]
    print(indented(subprocess.run(listing, check=True, capture_output=True, text=True).stdout))

    step("Reboot it")
    compute.reboot(guest, timeout=120, on_progress=ProgressLine())
    wait_for_lines(compute, guest, "ready", 2)
    tell("the guest has booted a second time")

    step("Stop it gracefully")
    compute.power_off(guest, timeout=120, on_progress=ProgressLine())
    wait_for_lines(compute, guest, "poweroff", 2)
    tell(f"the guest said goodbye and is {compute.instance(guest, fresh=True).power_state.value}")


def prove_that_nothing_is_left(compute: virt.Compute, uuid: UUID, others: set[UUID]) -> None:
    """Look with libvirt's own eyes, not the driver's."""
    step("Look for anything left, with libvirt's own eyes")
    with compute.native() as connection:
        traces = list(traces_of(connection, uuid))
    traces += [str(leftover) for leftover in compute.leftovers() if leftover.uuid == uuid]
    if traces:
        raise SystemExit("This was left: " + ", ".join(traces))
    tell("no domain, no volume, no NVRAM, no lease, no file")
    still = others & {guest.uuid for guest in compute.instances(fresh=True)}
    tell(f"{len(still)} of the {len(others)} other guests are still here")
    tell(f"kept on purpose: the base image in pool {POOL}, which makes the next spawn quick")


def traces_of(connection: Any, uuid: UUID) -> Iterator[str]:
    """Everything that libvirt and this machine's file system still know of a guest."""
    for domain in connection.listAllDomains():
        if domain.UUIDString() == str(uuid) or domain.name() == NAME:
            yield f"domain {domain.name()}"
    for pool in connection.listAllStoragePools():
        if pool.isActive():
            pool.refresh()
            yield from (f"volume {volume.name()}" for volume in pool.listAllVolumes() if str(uuid) in volume.name())
    for network in connection.listAllNetworks():
        if network.isActive():
            yield from (f"lease {lease['ipaddr']}" for lease in network.DHCPLeases() if lease["hostname"] == NAME)
    for place in (Path("/var/lib/libvirt"), Path("/run/libvirt")):
        yield from (f"file {path}" for path in place.rglob("*") if str(uuid) in path.name or NAME in path.name)


def demo_spec(image: Path) -> virt.InstanceSpec:
    """What is asked for. The uuid is the same on every run, so a run finds what an earlier one left."""
    return virt.InstanceSpec(
        uuid=virt.stable_uuid(NAME),
        name=NAME,
        vcpus=1,
        memory_bytes=MiB(256),
        disks=[virt.Disk(source=virt.LocalFile(image), size_bytes=GiB(1))],
        nics=[virt.Nic(network="default")],
        cloud_init=virt.CloudInit(user_data=USER_DATA),
        labels={"purpose": "demo"},
    )


# --- the guest's console ----------------------------------------------------------------------------------------------


def console(compute: virt.Compute, guest: virt.Instance) -> str:
    """What the guest printed so far, without what would steer the terminal of whoever reads it."""
    return STEERING.sub("", compute.console_log(guest).decode(errors="replace"))


def wait_for_lines(compute: virt.Compute, guest: virt.Instance, key: str, count: int) -> list[str]:
    """Wait until the guest has told something about itself that many times."""
    deadline = time.monotonic() + 90
    while True:
        lines = [line for line in console(compute, guest).splitlines() if line.startswith(f"{MARK} {key}")]
        if len(lines) >= count:
            return lines
        if time.monotonic() > deadline:
            print(indented(console(compute, guest)))
            raise SystemExit(f"The guest did not say '{key}' {count} times within 90 s.")
        time.sleep(0.3)


# --- output -----------------------------------------------------------------------------------------------------------


class ProgressLine:
    """Shows an operation's progress: one line that changes on a terminal, one line per stage elsewhere."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, operation: virt.Operation[Any]) -> None:
        """Show how far it is."""
        if sys.stdout.isatty():
            bar = "#" * round(30 * operation.progress)
            end = "\n" if operation.progress == 1.0 else ""
            print(f"\r  [{bar:<30}] {operation.progress:4.0%} {operation.stage:<24}", end=end, flush=True)
        elif operation.stage != self._stage:
            tell(operation.stage)
        self._stage = operation.stage


def step(text: str) -> None:
    """Announce a step."""
    print(f"\n{'':->2} {text}", flush=True)


def tell(text: str) -> None:
    """Say something about the step."""
    print(f"  {text}", flush=True)


def indented(text: str) -> str:
    """The text, each line set in."""
    return "\n".join(f"  | {line}" for line in text.strip().splitlines())


# --- this machine -----------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", default="qemu:///system", help="the libvirt to use (default: %(default)s)")
    return parser.parse_args()


def guest_image() -> Path:
    """The small guest image; made once, then taken from its cache."""
    build = [sys.executable, "-m", "nova_virt_conformance.guest_image", "--print-path"]
    made = subprocess.run(build, cwd=ROOT / "conformance", check=True, capture_output=True, text=True)
    return Path(made.stdout.strip().splitlines()[-1])


def command() -> str:
    """The command that belongs to this Python."""
    return str(Path(sys.executable).with_name("nova-virt"))


if __name__ == "__main__":
    sys.exit(main())
