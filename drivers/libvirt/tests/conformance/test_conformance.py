"""The driver passes the conformance kit: real guests, on the tests' own libvirtd."""

import sys
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_conformance import Conformance, Evidence, Target
from nova_virt_conformance.guest_image.cache import ensure_image
from nova_virt_libvirt.rig import LibvirtRig


class TestLibvirt(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, daemon: Any, raw: Any) -> LibvirtRig:
        image = ensure_image(lambda progress: print(progress, file=sys.stderr))  # noqa: T201
        return LibvirtRig(
            Target(
                driver="libvirt",
                options={"uri": daemon.uri, "pool": "nova-virt", "password": f"password-{uuid4().hex}"},
                owner="conformance",
                pools=("nova-virt",),
                networks=("default",),
                image=LocalFile(path=image, format=ImageFormat.QCOW2),
                evidence=Evidence.REAL_BACKEND,
                note="libvirtd and QEMU in the test machine, without KVM; refusals are put on the wire to libvirtd",
                settings={"state_directory": str(daemon.directory / "lib" / "qemu")},
            )
        )
