"""A trusted platform module in software (swtpm). Libvirt keeps its state by the guest's uuid."""

from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion

MODELS: Final = {TpmModel.TIS: "tpm-tis", TpmModel.CRB: "tpm-crb"}
USUAL: Final = {TpmVersion.V1_2: TpmModel.TIS, TpmVersion.V2_0: TpmModel.CRB}


def tpm_elements(tpm: Tpm | None) -> Iterator[etree._Element]:
    """The module; nothing for a guest without."""
    if tpm is not None:
        model = tpm.model or USUAL[tpm.version]
        yield E.tpm(E.backend(type="emulator", version=tpm.version.value), model=MODELS[model])
