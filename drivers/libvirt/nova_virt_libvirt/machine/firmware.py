"""Machine type and firmware of a new guest, by what they can do: libvirt finds the files that fit."""

import json
import shlex
from typing import Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_libvirt.host.emulator import ARCHITECTURE

CODE_NODE: Final = "libvirt-pflash0-storage"
"""Libvirt's name, in QEMU's arguments, for the file with the firmware's code."""


def os_element(spec: InstanceSpec, machine: str, stateless_code: str | None) -> etree._Element:
    """What starts the guest.

    Args:
        spec: what was asked for.
        machine: the machine type.
        stateless_code: path on the host of the firmware for a guest that keeps no variables.
    """
    element = E.os(E.type("hvm", arch=ARCHITECTURE, machine=machine))
    if stateless_code is not None:
        element.append(E.loader(stateless_code, type="pflash", readonly="yes", stateless="yes"))
    elif spec.uefi:
        element.set("firmware", "efi")
        element.append(feature_elements(secure=spec.secure_boot))
    return element


def feature_elements(*, secure: bool) -> etree._Element:
    """What the firmware must be able to do."""
    if secure:
        return E.firmware(E.feature(enabled="yes", name="enrolled-keys"), E.feature(enabled="yes", name="secure-boot"))
    return E.firmware(E.feature(enabled="no", name="secure-boot"))


def features_element(spec: InstanceSpec) -> etree._Element:
    """What the machine can do; secure boot needs a mode of the processor that the guest's system cannot get into."""
    element = E.features(E.acpi(), E.apic())
    if spec.secure_boot:
        element.append(E.smm(state="on"))
    return element


def stateless_code(native: Any, virt_type: str, machine: str) -> str:
    """The file that libvirt would choose for a guest with UEFI without secure boot.

    Libvirt 9.0 chooses no file for firmware that keeps no variables, but takes one by path. So it is asked for the
    arguments of a guest that is never made: ``virConnectDomainXMLToNative`` changes nothing.

    Raises:
        InvalidSpec: there is no such firmware for this machine type.
        libvirt.libvirtError: the connection broke.
    """
    asked = E.domain(
        E.name("nova-virt-firmware"),
        E.memory("64", unit="MiB"),
        E.vcpu("1"),
        E.os(E.type("hvm", arch=ARCHITECTURE, machine=machine), feature_elements(secure=False), firmware="efi"),
        E.features(E.acpi()),
        type=virt_type,
    )
    try:
        arguments = native.domainXMLToNative("qemu-argv", etree.tostring(asked, encoding="unicode"), 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in {libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_CONFIG_UNSUPPORTED}:
            raise
        arguments = ""
    for word in shlex.split(arguments):
        if CODE_NODE in word and word.startswith("{"):
            node = json.loads(word)
            if node.get("node-name") == CODE_NODE:
                return str(node["filename"])
    allowed = f"False: libvirt finds no UEFI firmware for the machine type {machine}"
    raise InvalidSpec("stateless_firmware", True, allowed)
