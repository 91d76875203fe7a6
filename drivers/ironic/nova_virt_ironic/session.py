"""The HTTP session: how to log in, whom to trust, how long to wait. Counts requests, keeps bodies out of logs."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import requests
from keystoneauth1 import http_basic, noauth
from keystoneauth1.identity import v3
from keystoneauth1.session import Session as KeystoneSession, TCPKeepAliveAdapter

from nova_virt_api.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystoneauth1.plugin import BaseAuthPlugin

LOG: Final = logging.getLogger(__name__)

MOVED: Final = frozenset({301, 302, 303, 305, 307, 308})


class Session(KeystoneSession):
    """A keystoneauth session that follows no redirection, as that would hand the credentials to somebody else.

    keystoneauth's own log shows bodies, in which user data and passwords lie, so it is off; one line is logged instead.

    Args:
        auth: how to log in.
        verify: False, True, or a file of certificates.
        timeout: seconds until a connection must be there, and until an answer must.
        most: requests that are under way at the same time; others wait.
        heard: called with every answer.
    """

    def __init__(
        self,
        auth: BaseAuthPlugin,
        verify: bool | str,
        timeout: tuple[float, float],
        most: int,
        heard: Callable[[requests.Response], None],
    ) -> None:
        super().__init__(auth=auth, session=pooled(most), verify=verify, redirect=False, user_agent="nova-virt-ironic")
        self._timeouts = timeout
        self._heard = heard
        self._counting = threading.Lock()
        self.count = 0

    def request(self, url: str, method: str, **more: Any) -> requests.Response:  # type: ignore[override]
        """Send one request and wait for its answer."""
        with self._counting:
            self.count += 1
        began = time.monotonic()
        more.setdefault("timeout", self._timeouts)
        response = super().request(url, method, **(more | {"log": False}))
        LOG.debug("%s %s: %s in %.3f s", method, url.partition("?")[0], response.status_code, time.monotonic() - began)
        if response.status_code in MOVED:
            raise requests.TooManyRedirects("the endpoint sends elsewhere; give its final URL", response=response)
        self._heard(response)
        return response


def pooled(most: int) -> requests.Session:
    """A session with so many connections at most, whose credentials are ours alone: a ``.netrc`` would replace them."""
    session = requests.Session()
    session.auth = unchanged
    for scheme in ("http://", "https://"):
        session.mount(scheme, TCPKeepAliveAdapter(pool_connections=4, pool_maxsize=most, pool_block=True))
    return session


def unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request as it is."""
    return request


def open_session(options: Any, heard: Callable[[requests.Response], None]) -> Session:
    """A session as the driver's options say; asks nobody.

    Raises:
        ConfigError: an option that the way of logging in needs is missing.
    """
    if options.insecure:
        LOG.warning("the certificate of %s is not verified (insecure)", options.endpoint or options.auth_url)
    verify = False if options.insecure else (options.cafile or True)
    auth = LOGINS[options.auth_type](options)
    return Session(auth, verify, (options.connect_timeout, options.read_timeout), options.max_requests, heard)


def no_login(options: Any) -> BaseAuthPlugin:
    """For an endpoint that asks for nothing."""
    return noauth.NoAuth(endpoint=needed(options, "endpoint"))


def basic_login(options: Any) -> BaseAuthPlugin:
    """User name and password with every request."""
    return http_basic.HTTPBasicAuth(
        endpoint=needed(options, "endpoint"), username=needed(options, "username"), password=needed(options, "password")
    )


def keystone_login(options: Any) -> BaseAuthPlugin:
    """A token of Keystone's for a user."""
    return v3.Password(
        auth_url=needed(options, "auth_url"),
        username=needed(options, "username"),
        password=needed(options, "password"),
        user_domain_name=options.user_domain_name,
        project_name=options.project_name,
        project_domain_name=options.project_domain_name if options.project_name else None,
        system_scope=options.system_scope,
    )


def application_login(options: Any) -> BaseAuthPlugin:
    """A token of Keystone's for an application credential."""
    return v3.ApplicationCredential(
        auth_url=needed(options, "auth_url"),
        application_credential_id=needed(options, "application_credential_id"),
        application_credential_secret=needed(options, "application_credential_secret"),
    )


LOGINS: Final = {
    "none": no_login,
    "http_basic": basic_login,
    "password": keystone_login,
    "application_credential": application_login,
}


def needed(options: Any, name: str) -> str:
    """An option's value as text.

    Raises:
        ConfigError: it was not given.
    """
    value = getattr(options, name)
    if value is None or not value:
        raise ConfigError(
            name,
            f"auth_type {options.auth_type!r} needs it",
            hint=f"give {name}: in a profile, as a keyword, or by -o {name}=...",
        )
    return str(value.reveal()) if hasattr(value, "reveal") else str(value)
