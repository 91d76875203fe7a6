"""Looking whether a libvirt endpoint can be used, and how to mend what cannot. Connects for itself."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from nova_virt_api.driver.health_check import Check
from nova_virt_api.errors import VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.acceleration import why_no_kvm
from nova_virt_libvirt.host.emulator import emulator_of
from nova_virt_libvirt.host.unreachable import JOIN_GROUP, START_DAEMON, is_local
from nova_virt_libvirt.names import DOCTOR_PREFIX, is_opened_directory
from nova_virt_libvirt.places import Places

SOCKETS: Final = (Path("/run/libvirt/libvirt-sock"), Path("/run/libvirt/virtqemud-sock"))
KVM: Final = Path("/dev/kvm")
PKI: Final = Path("/etc/pki")
TLS_FILES: Final = {
    "authority": "CA/cacert.pem",
    "certificate": "libvirt/clientcert.pem",
    "key": "libvirt/private/clientkey.pem",
}
TLS_FILES_IN_ONE: Final = {"authority": "cacert.pem", "certificate": "clientcert.pem", "key": "clientkey.pem"}
"""Names below a directory that the URI gives as ``pkipath``."""


def checks(options: Any) -> list[Check]:
    """All checks that the endpoint's URI makes sensible, in the order in which to mend things."""
    found = list(before_connecting(options.uri))
    connection = Connection(options)
    try:
        connection.open()
        found.append(Check(name="daemon", ok=True, found=daemon_of(connection.native)))
        for name, look in AFTER_CONNECTING.items():
            found.append(guarded(name, lambda look=look: look(connection.native, options)))  # type: ignore[misc]
    except VirtError as error:
        found.append(Check(name="daemon", ok=False, found=error.message, fix=error.hint))
    finally:
        connection.close()
    return found


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """A check; what it raises is what it found."""
    try:
        with translated(name):
            return look()
    except VirtError as error:
        return Check(name=name, ok=False, found=error.message, fix=error.hint)


# --- without a connection ---------------------------------------------------------------------------------------------


def before_connecting(uri: str) -> Iterator[Check]:
    """What can be looked at on this machine."""
    scheme = urlsplit(uri).scheme
    if is_local(uri) and scheme.partition("+")[0] == "qemu":
        yield socket_check(uri)
    if scheme.endswith("+tls"):
        yield from tls_checks(uri)


def socket_check(uri: str) -> Check:
    """Whether libvirt's socket is there and this account may use it."""
    named = query(uri, "socket")
    if urlsplit(uri).path == "/session" and named is None:
        return Check(name="socket", ok=True, found="the daemon of this account is started when it is needed")
    candidates = (Path(named),) if named else SOCKETS
    there = next((path for path in candidates if path.exists()), None)
    if there is None:
        return Check(
            name="socket", ok=False, found=f"there is no {candidates[0]}: libvirtd does not run", fix=START_DAEMON
        )
    if not os.access(there, os.R_OK | os.W_OK):
        return Check(name="socket", ok=False, found=f"this account may not use {there}", fix=JOIN_GROUP)
    return Check(name="socket", ok=True, found=str(there))


def tls_checks(uri: str) -> Iterator[Check]:
    """Whether the files that TLS needs can be read; the certificate and its key only if the server asks for them."""
    own = query(uri, "pkipath")
    root, names = (Path(own), TLS_FILES_IN_ONE) if own else (PKI, TLS_FILES)
    for what, name in names.items():
        path = root / name
        readable = os.access(path, os.R_OK)
        fix = "" if readable else f"put the {what} there and make it readable for this account"
        found = str(path) if readable else f"{path} cannot be read"
        yield Check(name=f"TLS {what}", ok=readable or "no_verify=1" in uri, found=found, fix=fix)


def query(uri: str, name: str) -> str | None:
    """A parameter of the URI."""
    values = parse_qs(urlsplit(uri).query).get(name)
    return values[0] if values else None


# --- with a connection ------------------------------------------------------------------------------------------------


def daemon_of(native: Any) -> str:
    """Who answers."""
    with translated("look at the daemon"):
        version = native.getLibVersion()
        return f"libvirt {version // 1_000_000}.{version // 1000 % 1000}.{version % 1000} on {native.getHostname()}"


def kvm_check(native: Any, options: Any) -> Check:
    """Whether a guest really starts with KVM; without it guests are emulated, unless KVM is insisted on."""
    if options.virt_type == "qemu":
        return Check(name="KVM", ok=True, found="not asked for: the option virt_type is qemu")
    host = emulator_of(native)
    reason = why_no_kvm(native, native.getHostname(), host.virt_types)
    if reason is None:
        return Check(name="KVM", ok=True, found="a guest starts with it")
    fix = "switch virtualization on in the firmware setup, or nested virtualization if this host is a guest itself"
    if is_local(options.uri) and not KVM.exists():
        fix = "load the module: sudo modprobe kvm_intel (or kvm_amd); " + fix
    found = f"does not work, guests are emulated: {reason}"
    return Check(name="KVM", ok=options.virt_type != "kvm", found=found, fix=fix)


def firmware_check(native: Any, _options: Any) -> Check:
    """Whether UEFI guests are possible."""
    if "efi" in emulator_of(native).firmware:
        return Check(name="firmware", ok=True, found="BIOS and UEFI")
    fix = "for UEFI guests: sudo apt-get install ovmf"
    return Check(name="firmware", ok=True, found="BIOS only", fix=fix)


def network_check(native: Any, _options: Any) -> Check:
    """Whether there is a network to connect guests to."""
    active = sorted(native.listNetworks())
    if active:
        return Check(name="network", ok=True, found=f"active: {', '.join(active)}")
    inactive = sorted(native.listDefinedNetworks())
    if inactive:
        name = "default" if "default" in inactive else inactive[0]
        fix = f"virsh net-start {name} && virsh net-autostart {name}"
        return Check(name="network", ok=False, found=f"none is active; defined: {', '.join(inactive)}", fix=fix)
    fix = "virsh net-define /usr/share/libvirt/networks/default.xml && virsh net-start default"
    return Check(name="network", ok=False, found="there is none", fix=fix)


def pool_check(native: Any, options: Any) -> Check:
    """Whether the pool for records and disks is active and a volume can be made in it."""
    if all(map(is_opened_directory, [*native.listStoragePools(), *native.listDefinedStoragePools()])):
        path = "/var/lib/libvirt/images"
        fix = f"virsh pool-create-as default dir --target {path} (or pool-define-as, pool-start, pool-autostart)"
        return Check(name="storage pool", ok=False, found="there is none", fix=fix)
    pool = Places(native, options.pool).records_pool()
    name = f"{DOCTOR_PREFIX}{secrets.token_hex(4)}"
    pool.create(name, 512, ImageFormat.RAW).remove()
    free = pool.native.info()[3] // 1024**3
    return Check(name="storage pool", ok=True, found=f"{pool.name}: a volume can be made, {free} GiB are free")


AFTER_CONNECTING: Final[dict[str, Callable[[Any, Any], Check]]] = {
    "KVM": kvm_check,
    "firmware": firmware_check,
    "network": network_check,
    "storage pool": pool_check,
}
