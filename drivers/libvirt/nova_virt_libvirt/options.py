"""The driver's options, in the group that is named after the driver."""

from collections.abc import Sequence

from oslo_config import cfg

GROUP = "libvirt"

OPTIONS: Sequence[cfg.Opt] = (
    cfg.StrOpt(
        "uri",
        default="qemu:///system",
        help="libvirt's connection URI, e.g. qemu:///system, qemu+ssh://root@host/system, qemu+tls://host/system.",
    ),
    cfg.StrOpt("username", help="User name for an endpoint that asks for one (SASL)."),
    cfg.StrOpt("password", secret=True, help="Password for an endpoint that asks for one (SASL)."),
    cfg.StrOpt(
        "pool",
        help="Storage pool for disks whose spec names none. Unset: the only one, or the one named 'default'.",
    ),
    cfg.StrOpt(
        "virt_type",
        default="auto",
        choices=[
            ("auto", "kvm where a guest really starts with it, else qemu"),
            ("kvm", "the processor's own virtualization"),
            ("qemu", "emulation: works everywhere, slowly"),
        ],
        help="What runs new guests.",
    ),
    cfg.StrOpt(
        "event_loop",
        default="own",
        choices=[
            ("own", "run libvirt's event loop on a thread, unless the application has registered one"),
            ("host", "use the one that the application has registered and runs; refuse to go on without"),
        ],
        help="Who runs libvirt's event loop, of which a process has one.",
    ),
    cfg.FloatOpt(
        "connect_timeout", default=30.0, min=0.1, help="Seconds until an endpoint that does not answer is unavailable."
    ),
    cfg.IntOpt(
        "keepalive_interval",
        default=5,
        min=0,
        max=3600,
        help="Seconds of silence before a remote libvirtd is asked for a sign.",
    ),
    cfg.IntOpt(
        "keepalive_count", default=5, min=1, max=100, help="Signs that may fail to come before the connection is lost."
    ),
    cfg.IntOpt(
        "console_ticket_seconds", default=600, min=1, help="For how long the ticket of a VNC or SPICE console is good."
    ),
)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """What ``oslo.config.opts`` publishes."""
    return [(GROUP, OPTIONS)]
