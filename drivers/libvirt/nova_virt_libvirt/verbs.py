"""What the verbs of this driver stand on."""

from nova_virt_libvirt.domains import Domains


class OnDomains:
    """Base of the role's classes: gives them the guests."""

    domains: Domains
