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
    def rig(cls, daemon: Any, raw: Any, second_daemon: Any, second_raw: Any, ovs_bridge: str) -> LibvirtRig:
        second_raw()
        sockets = daemon.directory / "sockets"  # the daemon's own directories have other names in here
        sockets.mkdir(exist_ok=True)
        shares = daemon.directory / "shares"
        shares.mkdir(exist_ok=True)
        image = ensure_image(lambda progress: print(progress, file=sys.stderr))  # noqa: T201
        return LibvirtRig(
            Target(
                driver="libvirt",
                options={
                    "uri": daemon.uri,
                    "pool": "nova-virt",
                    "password": f"password-{uuid4().hex}",
                    "backup_sockets": str(sockets),
                    "share_directories": [str(shares)],
                    "migration_address": daemon.address,
                    "cpu_dedicated_set": "1",  # CI's machines have two
                },
                owner="conformance",
                pools=("nova-virt",),
                networks=("default",),
                nodes=(raw().getHostname(),),
                image=LocalFile(path=image, format=ImageFormat.QCOW2),
                evidence=Evidence.REAL_BACKEND,
                note="libvirtd and QEMU in the test machine, without KVM; refusals are put on the wire to libvirtd",
                settings={
                    "ovs_bridge": ovs_bridge,
                    "state_directory": str(daemon.directory / "lib" / "qemu"),
                    "elsewhere": {
                        "uri": second_daemon.uri,
                        "migration_address": second_daemon.address,
                        "peers": {raw().getHostname(): daemon.uri},
                    },
                },
            )
        )
