"""The cache of definitions: fetched once, forgotten in time, never older than the last change that was heard of."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import libvirt
import pytest

from nova_virt_libvirt.definitions import Definitions


class FakeDomain:
    """A ``virDomain`` whose definition may change while it is read."""

    def __init__(self, name: str = "web") -> None:
        self.uuid = uuid4().bytes
        self.name = name
        self.read = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.error: libvirt.libvirtError | None = None

    def UUID(self) -> bytes:  # noqa: N802 - libvirt's name
        return self.uuid

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        self.read += 1
        if self.error is not None:
            raise self.error
        text = f"<domain><name>{self.name}</name><memory>1024</memory><vcpu>1</vcpu></domain>"
        self.meanwhile()
        return text


def native_error(code: int) -> Any:
    error = libvirt.libvirtError("failed")
    error.err = (code, libvirt.VIR_FROM_QEMU, "failed", 2, "failed", None, None, -1, -1)
    return error


def test_a_definition_is_read_once() -> None:
    definitions, domain = Definitions(nullcontext), FakeDomain()
    first = definitions.get(domain, off=True)
    assert definitions.get(domain, off=False) is first
    assert domain.read == 1


@pytest.mark.parametrize("how", ["forget", "clear"])
def test_a_forgotten_definition_is_read_again(how: str) -> None:
    definitions, domain = Definitions(nullcontext), FakeDomain()
    definitions.get(domain, off=True)
    domain.name = "other"
    definitions.forget(domain.uuid) if how == "forget" else definitions.clear()
    found = definitions.get(domain, off=True)
    assert found is not None
    assert found.name == "other"


@pytest.mark.parametrize("how", ["forget", "clear"])
def test_a_change_during_the_reading_is_not_lost(how: str) -> None:
    definitions, domain = Definitions(nullcontext), FakeDomain()
    domain.meanwhile = (lambda: definitions.forget(domain.uuid)) if how == "forget" else definitions.clear
    definitions.get(domain, off=True)
    domain.meanwhile = lambda: None
    domain.name = "after"
    found = definitions.get(domain, off=True)
    assert found is not None
    assert found.name == "after"


def test_what_is_gone_is_none_and_other_errors_pass() -> None:
    definitions, domain = Definitions(nullcontext), FakeDomain()
    domain.error = native_error(libvirt.VIR_ERR_NO_DOMAIN)
    assert definitions.get(domain, off=True) is None
    domain.error = native_error(libvirt.VIR_ERR_INTERNAL_ERROR)
    with pytest.raises(libvirt.libvirtError):
        definitions.get(domain, off=True)


def test_domains_that_are_no_more_are_forgotten() -> None:
    definitions, kept, gone = Definitions(nullcontext), FakeDomain(), FakeDomain()
    for domain in (kept, gone):
        definitions.get(domain, off=True)
    definitions.keep_only({kept.uuid})
    assert definitions.known.keys() == {kept.uuid}
