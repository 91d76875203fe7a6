"""What to tell somebody whose endpoint cannot be opened: what is missing, and the command that helps."""

import errno
import re
from typing import Final
from urllib.parse import urlsplit

import libvirt

from nova_virt_api.errors import AuthenticationFailed, ConfigError, PermissionDenied, Unavailable, VirtError
from nova_virt_libvirt.errors import message_of

AUTHENTICATION: Final = frozenset(
    {libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE}
)
SOCKET: Final = re.compile(r"[Ff]ailed to connect socket to '(?P<path>[^']+)'")
TLS_FILE: Final = re.compile(r"[Cc]annot read .*'(?P<path>[^']+)'")
JOIN_GROUP: Final = "join the group 'libvirt' and log in again: sudo usermod --append --groups libvirt $USER"
TRUST: Final = (
    "the certificate there must be of the authority in cacert.pem and for the host's name in the URI; to see both: "
    "openssl s_client -connect HOST:16514"
)
START_DAEMON: Final = "start it: sudo systemctl start libvirtd (or virtqemud.socket where libvirt's daemons are split)"


def unreachable(uri: str, error: libvirt.libvirtError) -> VirtError:
    """Our error for a connection that could not be opened; raise it ``from`` libvirt's."""
    text, code, system = message_of(error), error.get_error_code(), error.get_int1()
    what = f"cannot connect to {without_password(uri)}"
    socket = SOCKET.search(text)
    tls = TLS_FILE.search(text)
    if code == libvirt.VIR_ERR_NO_CONNECT or "URI" in text:
        return ConfigError(
            "uri", f"{text}: {without_password(uri)}", hint="e.g. qemu:///system or qemu+ssh://root@host/system"
        )
    if code in AUTHENTICATION:
        return AuthenticationFailed(f"{what}: {text}", hint=what_to_show(uri, text))
    if socket and system in {errno.EACCES, errno.EPERM}:
        return PermissionDenied(f"{what}: this account may not use the socket {socket['path']}", hint=JOIN_GROUP)
    if socket and system == errno.ENOENT:
        return Unavailable(
            f"{what}: libvirt's daemon does not run, there is no socket {socket['path']}", hint=START_DAEMON
        )
    if socket and system == errno.ECONNREFUSED:
        return Unavailable(f"{what}: nobody listens on the socket {socket['path']}", hint=START_DAEMON)
    if tls:
        return Unavailable(f"{what}: {text}", hint=f"TLS needs this file; put it there, readable: {tls['path']}")
    if "ssh" in urlsplit(uri).scheme:
        host = urlsplit(uri).hostname
        return Unavailable(f"{what}: {text}", hint=f"this must work without a password or question: ssh {host} true")
    return Unavailable(f"{what}: {text}", hint="see that libvirtd runs there and can be reached from here")


def what_to_show(uri: str, text: str) -> str:
    """What an endpoint wants to see that does not let us in."""
    if "certificate" in text:
        return TRUST
    polkit = is_local(uri) and ("polkit" in text or "policy" in text)
    return JOIN_GROUP if polkit else "check the options username and password"


def is_local(uri: str) -> bool:
    """Whether a URI means this machine's daemon."""
    return not urlsplit(uri).hostname


def without_password(uri: str) -> str:
    """The URI as it may be shown; libvirt takes no password from a URI, but people write one."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}").geturl()
