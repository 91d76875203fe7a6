"""The fake hypervisor's media with first-boot data, which say no more than for which data source they are."""

from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource


def seed_content(cloud_init: CloudInit) -> str:
    """What a medium with these data holds."""
    return f"cloud-init data: {(cloud_init.source or CloudInitSource.NOCLOUD).value}"


def source_of(content: str) -> CloudInitSource:
    """The data source that a medium is for."""
    return CloudInitSource(content.rpartition(" ")[2])
