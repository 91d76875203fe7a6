"""A guest's trusted platform module."""

import enum
from dataclasses import dataclass

from nova_virt_api.model.check import check, check_type


class TpmVersion(enum.Enum):
    """Version of the specification that a trusted platform module follows."""

    V1_2 = "1.2"
    V2_0 = "2.0"


class TpmModel(enum.Enum):
    """The interface by which a guest reaches its trusted platform module."""

    TIS = "tis"
    CRB = "crb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpm:
    """A virtual trusted platform module. What it keeps belongs to the guest and is deleted with it.

    Args:
        version: of the specification that it follows.
        model: its interface; CRB has version 2.0 only. None takes what suits the version best.
    """

    version: TpmVersion = TpmVersion.V2_0
    model: TpmModel | None = None

    def __post_init__(self) -> None:
        check_type("version", self.version, TpmVersion, "a TpmVersion")
        if self.model is not None:
            check_type("model", self.model, TpmModel, "a TpmModel")
        fits = self.version is TpmVersion.V2_0 or self.model is not TpmModel.CRB
        check(fits, "model", self.model, "TIS for version 1.2")
