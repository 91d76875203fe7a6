"""From the arguments of ``create`` to the document that a spec file would hold; options win over the file."""

from __future__ import annotations

import copy
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cpu import CpuMode
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.specfile import Document, read_document
from nova_virt_api.specfile.document import read_text
from nova_virt_api.specfile.said import Said

if TYPE_CHECKING:
    import argparse

DEFAULT_MEMORY: Final = "1G"
LARGEST_KEY_FILE: Final = 65536
PUBLIC_KEY: Final = re.compile(r"(^|\s)(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ +[A-Za-z0-9+/=]{32,}(\s|$)")
IMAGE_KINDS: Final = {
    "native:": "native",
    "template:": "template",
    "backend:": "backend_url",
    "https://": "url",
    "http://": "url",
}
KEEPS_PREFIX: Final = ("url",)


def requested(arguments: argparse.Namespace) -> Document:
    """What is asked for.

    Raises:
        InvalidSpec: the spec file or an option's value is wrong.
    """
    document = read_document(arguments.spec) if arguments.spec else Document(data={})
    request = Request(document)
    for field, value in (("name", arguments.name), ("firmware", arguments.firmware), ("vcpus", arguments.vcpus)):
        request.set(field, value, option_of(field))
    request.set("memory_bytes", arguments.memory or default(document, "memory_bytes", DEFAULT_MEMORY), "--memory")
    request.set("max_vcpus", arguments.max_vcpus, "--max-vcpus")
    request.set("max_memory_bytes", arguments.max_memory, "--max-memory")
    request.set("power_on", arguments.power_on, "--no-start")
    request.machine(arguments)
    request.boot_disk(arguments)
    request.networks(arguments.network, arguments.vif, fall_back=not arguments.spec)
    request.cloud_init(arguments)
    for field in ("pool", "node"):
        request.set_inside("placement", field, getattr(arguments, field), f"--{field}")
    for label in arguments.label:
        key, equals, value = label.partition("=")
        if not equals:
            raise InvalidSpec("--label", label, "KEY=VALUE")
        request.set_inside("labels", key, value, "--label")
    request.identify(arguments)
    return document.changed(request.data, request.origins)


class Request:
    """A document that is being changed.

    Args:
        document: what the spec file holds; stays as it is.
    """

    def __init__(self, document: Document) -> None:
        self.data: dict[str, Any] = copy.deepcopy(dict(document.data))
        self.origins: dict[str, str] = {}
        self._document = document

    def set(self, field: str, value: object, option: str) -> None:
        """Set a field; None leaves it as it is."""
        if value is not None:
            self.data[field] = value
            self.origins[field] = option

    def set_inside(self, field: str, key: str, value: object, option: str) -> None:
        """Set a field inside a mapping; None leaves it as it is."""
        if value is not None:
            self.part(field, dict)[key] = value
            self.origins[f"{field}.{key}"] = option

    def part(self, field: str, kind: type[Any]) -> Any:
        """A list or mapping of the document, made if it is not there.

        Raises:
            InvalidSpec: the spec file holds something else there.
        """
        if self.data.get(field) is None:
            self.data[field] = kind()
        if not isinstance(self.data[field], kind):
            allowed = "a list" if kind is list else "a mapping"
            raise self._document.placed(InvalidSpec(field, self.data[field], allowed))
        return self.data[field]

    def machine(self, arguments: argparse.Namespace) -> None:
        """What the guest's machine has beside CPUs and memory."""
        self.set("secure_boot", arguments.secure_boot, "--secure-boot")
        self.set_inside("tpm", "version", arguments.tpm, "--tpm")
        if arguments.cpu_model is not None:
            modes = {mode.value for mode in CpuMode}
            wanted, other = ("mode", "model") if arguments.cpu_model in modes else ("model", "mode")
            self.part("cpu", dict).pop(other, None)
            self.set_inside("cpu", wanted, arguments.cpu_model, "--cpu-model")
        self.set_inside("cpu", "dedicated", arguments.dedicated_cpus, "--dedicated-cpus")

    def boot_disk(self, arguments: argparse.Namespace) -> None:
        """The first disk's image and size."""
        if arguments.image is None:
            for option in ("image_format", "image_checksum"):
                if getattr(arguments, option) is not None:
                    raise InvalidSpec(f"--{option.replace('_', '-')}", Said("no --image"), "this option beside --image")
        if arguments.image is None and arguments.disk_size is None:
            return
        disks = self.part("disks", list)
        if not disks:
            disks.append({"source": {"blank": True}})
        if not isinstance(disks[0], dict):
            raise self._document.placed(InvalidSpec("disks[0]", disks[0], "a mapping"))
        if arguments.image is not None:
            disks[0]["source"] = image_source(arguments)
            self.origins["disks[0].source"] = "--image"
            self.origins["disks[0].source.format"] = "--image-format"
            self.origins["disks[0].source.checksum"] = "--image-checksum"
        if arguments.disk_size is not None:
            disks[0]["size_bytes"] = arguments.disk_size
            self.origins["disks[0].size_bytes"] = "--disk-size"

    def networks(self, names: list[str] | None, vifs: list[str], *, fall_back: bool) -> None:
        """One interface per name and VIF; without either and spec file one on the endpoint's only network."""
        if names is not None or vifs:
            names = names or []
            self.data["nics"] = [*({"network": name} for name in names), *({"vif_id": vif} for vif in vifs)]
            self.origins.update({f"nics[{index}]": "--network" for index in range(len(names))})
            self.origins.update({f"nics[{len(names) + index}]": "--vif" for index in range(len(vifs))})
        elif fall_back:
            self.data["nics"] = [{}]
            self.origins["nics[0]"] = "--network"

    def cloud_init(self, arguments: argparse.Namespace) -> None:
        """First-boot data and keys."""
        if arguments.cloud_init is not None:
            self.part("cloud_init", dict).pop("user_data", None)
            self.set_inside("cloud_init", "user_data_file", str(Path(arguments.cloud_init).absolute()), "--cloud-init")
        if arguments.ssh_key:
            keys = [key for path in arguments.ssh_key for key in public_keys(path)]
            self.set_inside("cloud_init", "ssh_authorized_keys", keys, "--ssh-key")
        self.set_inside("cloud_init", "source", arguments.cloud_init_source, "--cloud-init-source")

    def identify(self, arguments: argparse.Namespace) -> None:
        """The uuid: as given; else the file's, or one made from the name; else a new one each time."""
        self.set("uuid", arguments.uuid, "--uuid")
        if self.data.get("uuid") is None:
            stable = arguments.repeatable or arguments.spec
            self.data["uuid"] = str(stable_uuid(str(self.data.get("name"))) if stable else uuid.uuid4())


def default(document: Document, field: str, value: str) -> str | None:
    """A value for a field that nobody gave."""
    return value if document.data.get(field) is None else None


def option_of(field: str) -> str:
    """What the command line calls a field."""
    return "NAME" if field == "name" else f"--{field}"


def image_source(arguments: argparse.Namespace) -> dict[str, Any]:
    """The source that ``--image`` names: a URL, ``backend:URL``, ``native:REF``, ``template:REF``, or else a file."""
    image: str = arguments.image
    more = {"format": arguments.image_format, "checksum": arguments.image_checksum}
    given = {key: value for key, value in more.items() if value is not None}
    for prefix, kind in IMAGE_KINDS.items():
        if image.startswith(prefix):
            return {kind: image if kind in KEEPS_PREFIX else image.removeprefix(prefix), **given}
    return {"local_file": str(Path(image).absolute()), **given}


def public_keys(path: str) -> list[str]:
    """The keys in a file, one per line."""
    text = read_text("--ssh-key", Path(path), LARGEST_KEY_FILE)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines or not all(PUBLIC_KEY.search(line) for line in lines):
        raise InvalidSpec("--ssh-key", path, "a file of public keys, one per line, such as ~/.ssh/id_ed25519.pub")
    return lines
