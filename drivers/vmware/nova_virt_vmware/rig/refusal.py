"""What vCenter answers when it refuses something; the relay says it in its stead, to see what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import Busy, ImageRejected, NetworkError, NoCapacity, StorageError, VirtError

if TYPE_CHECKING:
    from nova_virt_vmware.rig.relay import Request

FAULT: Final = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\
<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring>\
<detail><{name}Fault xmlns="urn:vim25" xsi:type="{name}">{fields}</{name}Fault></detail>\
</soapenv:Fault></soapenv:Body></soapenv:Envelope>"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in the endpoint's stead.

    Args:
        status: its HTTP status.
        body: the SOAP envelope.
    """

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A fault that certain requests are answered with.

    Args:
        methods: of the API, e.g. ``PowerOnVM_Task``.
        fault: the fault's name in vSphere's API reference.
        text: the server's own words.
        fields: of the fault, as XML.
    """

    methods: tuple[str, ...]
    fault: str
    text: str
    fields: str = ""

    def __call__(self, request: Request) -> Answer | None:
        """The answer to a request; None for one that is not meant."""
        if request.method not in self.methods:
            return None
        filled = FAULT.format(name=self.fault, text=escape(self.text), fields=self.fields)
        return Answer(500, filled.encode())


def at_work(*methods: str) -> Refusal:
    """Another task has the object (``TaskInProgress``)."""
    return Refusal(
        methods=methods,
        fault="TaskInProgress",
        text="The operation is not allowed: another task is already in progress.",
        fields='<task type="Task">task-8151</task>',
    )


def short_of_memory(*methods: str) -> Refusal:
    """The host has no room for the guest's memory (``InsufficientMemoryResourcesFault``)."""
    return Refusal(
        methods=methods,
        fault="InsufficientMemoryResourcesFault",
        text="The available Memory resources in the parent resource pool are insufficient for the operation.",
        fields="<unreserved>1</unreserved><requested>33554432</requested>",
    )


FULL: Final = Refusal(
    methods=("CloneVM_Task", "CreateVM_Task"),
    fault="NoDiskSpace",
    text="Insufficient disk space on datastore 'store1'.",
    fields="<file>[store1] guest/guest.vmdk</file><datastore>store1</datastore>",
)
UNREADABLE: Final = Refusal(
    methods=("CloneVM_Task", "CreateVM_Task"),
    fault="CannotAccessFile",
    text="Unable to access file [store1] template/template.vmdk",
    fields="<file>[store1] template/template.vmdk</file>",
)
UNDELETABLE: Final = Refusal(
    methods=("Destroy_Task",),
    fault="CannotDeleteFile",
    text="Cannot delete file [store1] guest/guest.vmdk",
    fields="<file>[store1] guest/guest.vmdk</file>",
)
NETWORK_GONE: Final = Refusal(
    methods=("CloneVM_Task", "CreateVM_Task", "ReconfigVM_Task"),
    fault="CannotAccessNetwork",
    text="Cannot connect to network 'VM Network'.",
    fields="<device>Network adapter 1</device><backing>VM Network</backing><connected>true</connected>",
)

REFUSALS: Final[Mapping[tuple[str, type[VirtError]], Refusal]] = {
    ("Adopt.adopt", Busy): at_work("ReconfigVM_Task"),
    ("Adopt.release", Busy): at_work("ReconfigVM_Task"),
    ("Driver.destroy", StorageError): UNDELETABLE,
    ("Driver.power_off", Busy): at_work("PowerOffVM_Task", "ShutdownGuest"),
    ("Driver.power_on", Busy): at_work("PowerOnVM_Task"),
    ("Driver.power_on", NoCapacity): short_of_memory("PowerOnVM_Task"),
    ("Driver.reboot", Busy): at_work("ResetVM_Task", "RebootGuest", "PowerOffVM_Task", "PowerOnVM_Task"),
    ("Driver.spawn", NetworkError): NETWORK_GONE,
    ("Driver.spawn", NoCapacity): FULL,
    ("Driver.spawn", StorageError): UNREADABLE,
    ("Driver.update", Busy): at_work("ReconfigVM_Task", "Rename_Task"),
    ("Suspend.resume", Busy): at_work("PowerOnVM_Task"),
    ("Suspend.resume", NoCapacity): short_of_memory("PowerOnVM_Task"),
    ("Suspend.suspend", Busy): at_work("SuspendVM_Task"),
    ("Suspend.suspend", StorageError): Refusal(
        methods=("SuspendVM_Task",),
        fault="NoDiskSpace",
        text="Insufficient disk space on datastore 'store1'.",
        fields="<file>[store1] guest/guest.vmss</file><datastore>store1</datastore>",
    ),
}
"""For each method and error of the contract a refusal that it has to come of."""

NEVER: Final[Mapping[tuple[str, type[VirtError]], str]] = {
    ("Driver.spawn", ImageRejected): "a template is a machine that vCenter has made: nothing of it could be refused",
    ("Adopt.check_adoptable", Busy): "it only looks, which vCenter always allows",
}
"""What cannot happen here, with the reason."""
