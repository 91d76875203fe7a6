"""From profiles, keywords or a program's own oslo.config to an endpoint that a driver is built with."""

from nova_virt_api.config.endpoint import read_endpoint
from nova_virt_api.config.profile import Profile, read_profile

__all__ = ["Profile", "read_endpoint", "read_profile"]
