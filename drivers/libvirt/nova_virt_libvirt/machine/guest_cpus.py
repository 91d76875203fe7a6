"""The processors that guests can have: what libvirt says of them, and what of a spec it would refuse."""

from typing import Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cpu import Cpu, CpuMode
from nova_virt_libvirt.errors import message_of
from nova_virt_libvirt.host.emulator import ARCHITECTURE, MACHINE
from nova_virt_libvirt.machine.cpu import mode_of, model_elements

NO_ANSWER: Final = frozenset(
    {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_INVALID_ARG}
)


def flags_of(native: Any, virt_type: str) -> frozenset[str]:
    """The flags of the processor that guests of this type can have, as ``virConnectBaselineHypervisorCPU`` expands it.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    try:
        domain = choices(native, virt_type)
        mode = domain.find("cpu/mode[@name='host-model'][@supported='yes']")
        if mode is None:
            return frozenset()
        cpu = E.cpu(*mode)
        text = native.baselineHypervisorCPU(
            None,
            ARCHITECTURE,
            MACHINE,
            virt_type,
            [etree.tostring(cpu, encoding="unicode")],
            libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES,
        )
    except libvirt.libvirtError as error:
        if error.get_error_code() in NO_ANSWER:
            return frozenset()
        raise
    return frozenset(etree.fromstring(text).xpath("feature[not(@policy='disable')]/@name"))


def choices(native: Any, virt_type: str) -> etree._Element:
    """Libvirt's capabilities of domains of this type."""
    return etree.fromstring(native.getDomainCapabilities(None, ARCHITECTURE, MACHINE, virt_type, 0))


def refuse_cpu(native: Any, virt_type: str, cpu: Cpu) -> None:
    """Refuse a processor that guests of this type cannot have.

    Raises:
        InvalidSpec: names the field, and what guests can have.
        libvirt.libvirtError: the connection broke.
    """
    if cpu.mode is None and cpu.model is None and not cpu.with_flags and not cpu.without_flags:
        return
    found = choices(native, virt_type)
    if cpu.mode is not None:
        there = found.xpath("cpu/mode[@supported='yes']/@name")
        modes = [mode.value for mode in CpuMode if mode.value in there]
        if cpu.mode.value not in modes:
            raise InvalidSpec("cpu.mode", cpu.mode.value, f"one of: {', '.join(modes)}")
    if cpu.model is not None:
        models = sorted(str(name) for name in found.xpath("cpu/mode[@name='custom']/model[@usable='yes']/text()"))
        if cpu.model not in models:
            raise InvalidSpec("cpu.model", cpu.model, f"one that this host can give: {', '.join(models)}")
    refuse_flags(native, virt_type, cpu)


def refuse_flags(native: Any, virt_type: str, cpu: Cpu) -> None:
    """Refuse flags that are not known, or that this host cannot give: QEMU would quietly leave them out."""
    asked = E.cpu(*model_elements(cpu), mode=mode_of(cpu, virt_type))
    if asked.get("mode") == "custom":
        asked.set("match", "exact")
    try:
        native.compareHypervisorCPU(
            None,
            ARCHITECTURE,
            MACHINE,
            virt_type,
            etree.tostring(asked, encoding="unicode"),
            libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
        )
    except libvirt.libvirtError as error:
        text = message_of(error)
        if error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE or "Unknown CPU feature" in text:
            forbidden = [flag for flag in cpu.without_flags if flag in text or not cpu.with_flags]
            field, flags = ("without_flags", cpu.without_flags) if forbidden else ("with_flags", cpu.with_flags)
            raise InvalidSpec(f"cpu.{field}", flags, f"flags that this host can give; libvirt says: {text}") from error
        if error.get_error_code() not in NO_ANSWER:
            raise
