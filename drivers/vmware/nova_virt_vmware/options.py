"""The driver's options, in the group that is named after the driver."""

from collections.abc import Sequence

from oslo_config import cfg

GROUP = "vmware"

ENDPOINT: Sequence[cfg.Opt] = (
    cfg.HostAddressOpt("host", help="Name or address of the vCenter, or of an ESXi host."),
    cfg.PortOpt("port", default=443, help="Port of its web services."),
    cfg.StrOpt("path", default="/sdk", help="Path of its web services, for an endpoint behind a proxy of its own."),
    cfg.StrOpt("username", help="User name, for vCenter with its domain, e.g. me@vsphere.local."),
    cfg.StrOpt("password", secret=True, help="Password."),
)
"""Where the endpoint is and how to log in."""

TRUST: Sequence[cfg.Opt] = (
    cfg.StrOpt("cafile", help="File with the certificates of the authorities to trust. Unset: the system's."),
    cfg.StrOpt(
        "thumbprint",
        help="SHA-256 fingerprint of the endpoint's certificate, 64 hexadecimal digits, colons allowed. The certificate"
        " with this fingerprint is trusted and no other, whoever issued it.",
    ),
    cfg.BoolOpt("insecure", default=False, help="Do not verify the endpoint's certificate. For tests only."),
)
"""Whom to believe that it is the endpoint. There is no way to fall from one of these into another."""

TRANSPORT: Sequence[cfg.Opt] = (
    cfg.FloatOpt("connect_timeout", default=10.0, min=0.1, help="Seconds until a connection must be there."),
    cfg.FloatOpt(
        "read_timeout",
        default=60.0,
        min=0.1,
        help="Seconds that an answer may stand still. Long work of the endpoint is waited for otherwise.",
    ),
    cfg.IntOpt(
        "max_requests",
        default=16,
        min=1,
        help="Requests that are under way at the same time at most; others wait for their turn.",
    ),
    cfg.FloatOpt(
        "outage_timeout",
        default=120.0,
        min=0.0,
        help="Seconds that a running verb goes on while the endpoint does not answer, e.g. is restarted.",
    ),
    cfg.IntOpt("page_size", default=500, min=1, help="Objects that the endpoint tells of at a time."),
)
"""How requests are sent."""

OPTIONS: Sequence[cfg.Opt] = (*ENDPOINT, *TRUST, *TRANSPORT)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """What ``oslo.config.opts`` publishes."""
    return [(GROUP, OPTIONS)]
