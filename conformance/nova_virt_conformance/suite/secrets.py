"""Secrets are found in no log, error or text that people see."""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import Operation
from nova_virt_api.driver.console import Console
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import AuthenticationFailed, InstanceExists, Unavailable, VirtError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.console import ConsoleKind
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import Checksum, Url
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.image_server import serving
from nova_virt_conformance.lab import SMALL_DISK, Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.console import ticket_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_IMAGE: Final = Checksum(digest="0" * 64)


@covers(Promise.SECRETS, Driver.spawn)
@needs(Feature.CLOUD_INIT)
def test_user_data_is_not_shown(lab: Lab) -> None:
    """A password in cloud-init's data is in no log, no error, no stage, and no text of the guest or the operation."""
    password = planted(lab)
    shown: list[str] = []

    def note(operation: Operation[Any]) -> None:
        shown.extend((repr(operation), operation.stage))

    data = CloudInit(user_data=f"#cloud-config\npassword: {password}\n")
    spec = lab.spec(cloud_init=data)
    guest = lab.compute.spawn(spec, timeout=lab.patience, hooks={Stage.BEFORE_START: note}, on_progress=note)
    with pytest.raises(InstanceExists) as caught:
        lab.compute.spawn(lab.spec(uuid=spec.uuid, vcpus=2, cloud_init=data), timeout=lab.patience)
    shown += [repr(caught.value), caught.value.public_message, repr(caught.value.__dict__), repr(spec)]
    shown += [repr(guest), repr(lab.compute.instances(fresh=True)), repr(lab.compute.leftovers())]
    lab.compute.destroy(guest, timeout=lab.patience)
    look(lab, shown)


@covers(Promise.SECRETS, Driver.spawn)
@needs(Feature.CLIENT_IMAGES)
def test_token_in_an_images_address_is_not_shown(lab: Lab) -> None:
    """A token in the query of an image's URL is in no log and no error, also when the image cannot be fetched."""
    token = planted(lab)
    with serving(lab.directory) as address:
        source = Url(f"{address}/conformance-not-there?token={token}", checksum=NO_IMAGE)
        spec = lab.spec(disks=(Disk(source=source, size_bytes=SMALL_DISK),))
        with pytest.raises(VirtError) as caught:
            lab.compute.spawn(spec, timeout=lab.patience)
    look(lab, [*texts_of(caught.value), repr(spec)])


@covers(Feature.BACKEND_URL, Driver.spawn)
def test_token_in_an_address_for_the_backend_is_not_shown(lab: Lab) -> None:
    """A token in the query of a URL that the backend fetches is in no log, no error and no text of the guest."""
    token = planted(lab)
    image = lab.rig.backend_url()
    spec = lab.spec(disks=(Disk(source=replace(image, url=f"{image.url}?token={token}")),))
    shown = [repr(spec)]
    with recorded_logs() as logs:
        try:
            shown.append(repr(lab.compute.spawn(spec, timeout=lab.patience)))
        except VirtError as error:
            shown += texts_of(error)
        with pytest.raises(VirtError) as caught:
            lab.compute.spawn(replace(spec, vcpus=lab.target.quota.vcpus), timeout=lab.patience)
        shown += [*texts_of(caught.value), repr(lab.compute.instances(fresh=True)), repr(lab.compute.leftovers())]
    look(lab, [*shown, *logs])


def texts_of(error: VirtError) -> list[str]:
    """All that an error shows, with what caused it."""
    texts = [error.public_message, repr(error.__dict__)]
    cause: BaseException | None = error
    while cause is not None:
        texts += [repr(cause), str(cause)]
        cause = cause.__cause__
    return texts


@covers(Promise.SECRETS, Promise.CONNECTING)
def test_options_secrets_are_not_shown(lab: Lab) -> None:
    """Passwords in the options are in no text of the driver or its endpoint."""
    if not lab.rig.secrets():
        raise NotApplicable("there is no secret in the target's options")
    driver = lab.make_driver()
    look(lab, [repr(driver), repr(driver.endpoint), str(driver.endpoint.options), repr(vars(driver))])
    driver.close()


@covers(Promise.SECRETS, Promise.CONNECTING, Driver.open)
@pytest.mark.parametrize("kind", [Unavailable, AuthenticationFailed], ids=lambda kind: kind.__name__)
def test_failed_open_shows_no_secret(lab: Lab, kind: type[VirtError]) -> None:
    """An endpoint that cannot be opened does not give its password away."""
    if not lab.rig.secrets():
        raise NotApplicable("there is no secret in the target's options")
    with pytest.raises(kind) as caught:
        lab.connect(**lab.rig.broken_options(kind))
    look(lab, [repr(caught.value), repr(caught.value.__dict__), repr(caught.value.__cause__)])


@covers(Promise.SECRETS, Capability.CONSOLE, Console.console)
def test_console_ticket_is_not_shown(lab: Lab, running: Instance) -> None:
    """A console's ticket is in no log and no text."""
    tickets = 0
    for kind in ConsoleKind:
        with recorded_logs() as logs:
            try:
                address = lab.compute.console(running, kind)
            except VirtError:
                continue
        ticket = ticket_of(address)
        if ticket is not None:
            tickets += 1
            lab.secrets.add([ticket.reveal()])
            look(lab, [*logs, repr(address), f"{ticket}", repr(lab.compute.instances(fresh=True))])
    if not tickets:
        raise NotApplicable("no console of the guest needs a ticket")


def planted(lab: Lab) -> str:
    """A new secret that is watched from now on."""
    secret = f"canary{secrets.token_hex(12)}"
    lab.secrets.add([secret])
    return secret


def look(lab: Lab, texts: list[str]) -> None:
    """Look for secrets in what people see."""
    for text in texts:
        lab.secrets.look(text, f"a text that begins with {text[:30]!r}")


@contextmanager
def recorded_logs() -> Iterator[list[str]]:
    """All log lines while the block runs."""
    lines: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    recorder = Recorder(logging.DEBUG)
    logging.getLogger().addHandler(recorder)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(recorder)
