"""From a driver's name and options to an open endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.guard import guarded
from nova_virt_api.config import read_endpoint, read_profile
from nova_virt_api.loading import load_driver

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.driver.endpoint import Manage


def connect(
    driver: str | None = None,
    *,
    profile: str | None = None,
    config: ConfigOpts | None = None,
    owner: str | None = None,
    manage: Manage | str | None = None,
    **options: Any,
) -> Compute:
    """Open an endpoint.

    Args:
        driver: name of an installed driver; None takes the profile's, or ``fake`` where there is none.
        profile: a profile's name; None takes ``NOVA_VIRT_PROFILE`` or the file's default, if any, unless a driver is
            named.
        config: the caller's own configuration, in which the driver's options are in the group named after it.
        owner: name that guests made here are marked with.
        manage: ``Manage.OWNED`` (default) or ``Manage.ALL``.
        options: the driver's options; they win over the profile's.

    Raises:
        DriverLoadError: no such driver, or it cannot be used; one of four subclasses says which.
        ConfigError: an option or a profile is wrong.
        Unavailable: the endpoint cannot be reached.
        AuthenticationFailed: it does not accept the credentials.
    """
    opened = make_driver(driver, profile=profile, config=config, owner=owner, manage=manage, **options)
    try:
        guarded("connect", None, opened.open)
    except BaseException:
        guarded("close", None, opened.close)
        raise
    return Compute(opened)


def make_driver(
    driver: str | None = None,
    *,
    profile: str | None = None,
    config: ConfigOpts | None = None,
    **options: Any,
) -> Driver:
    """A driver as :func:`connect` makes it, not yet opened."""
    chosen = None
    if driver is None or profile is not None:
        chosen = read_profile(profile)
        driver = chosen.driver if driver is None else driver
    loaded = load_driver(driver)
    given = {name: value for name, value in options.items() if value is not None}
    endpoint = read_endpoint(loaded, profile=chosen, config=config, values=given)
    return guarded("connect", None, lambda: loaded.driver_class(endpoint))
