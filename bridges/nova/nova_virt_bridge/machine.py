"""What a flavor and an image ask of the machine: firmware, secure boot, a trusted platform module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova.objects import fields
from nova.virt import hardware

import nova_virt_api as virt

if TYPE_CHECKING:
    from nova_virt_bridge.spec import Request

FIRMWARE: Final = {"uefi": virt.Firmware.UEFI, "bios": virt.Firmware.BIOS}
VERSIONS: Final = {version.value: version for version in virt.TpmVersion}
MODELS: Final = {f"tpm-{model.value}": model for model in virt.TpmModel}


def machine_of(request: Request) -> dict[str, Any]:
    """The fields of the spec that say what kind of machine the guest is.

    Secure boot that is only optional is not asked for: what is then started depends on the host, and no move could keep
    it.

    Raises:
        FlavorImageConflict: flavor and image say different things.
        Invalid: one of them says what Nova does not know.
    """
    flavor, image = request.instance.flavor, request.image_meta
    asked = hardware.get_vtpm_constraint(flavor, image)
    return {
        "firmware": FIRMWARE.get(image.properties.get("hw_firmware_type")),
        "secure_boot": hardware.get_secure_boot_constraint(flavor, image) == fields.SecureBoot.REQUIRED,
        "stateless_firmware": bool(hardware.get_stateless_firmware_constraint(image)),
        "tpm": None if asked is None else virt.Tpm(version=VERSIONS[asked.version], model=MODELS[asked.model]),
    }
