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
    cfg.ListOpt(
        "bridges",
        default=[],
        help="Linux bridges of the hypervisor's host, e.g. br0, that guests join by name as they join networks.",
    ),
    cfg.ListOpt(
        "ovs_bridges",
        default=[],
        help="Bridges of Open vSwitch on the hypervisor's host that guests join by name as they join networks.",
    ),
    cfg.StrOpt(
        "ovsdb",
        help="Where os-vif finds Open vSwitch's database, e.g. unix:/run/openvswitch/db.sock. Unset: where the option"
        " ovsdb_connection of its own says, in the group os_vif_ovs.",
    ),
    cfg.StrOpt(
        "os_brick_root_helper",
        help="Command by which os-brick becomes root, e.g. sudo. Unset: the driver runs as root, or the host connects"
        " no volumes.",
    ),
    cfg.BoolOpt(
        "os_brick_multipath",
        default=False,
        help="Let the host reach the volumes that it connects over all paths that there are; needs multipathd.",
    ),
    cfg.DictOpt(
        "peers",
        default={},
        help="Other hosts by name, each with libvirt's URI for it, e.g. host2:qemu+tls://host2/system. A guest that was"
        " prepared there is fetched from there. Hosts that are not named are reached by source_uri.",
    ),
    cfg.StrOpt(
        "source_uri",
        default="qemu+ssh://root@{host}/system",
        help="libvirt's URI for the host that a guest is fetched from; {host} stands for its name.",
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
        "cpu_dedicated_set",
        help="Processors of the host, e.g. 4-15,^8, that are given to one guest each if it asks for them."
        " Unset: no guest can ask.",
    ),
    cfg.StrOpt(
        "cpu_shared_set",
        help="Processors of the host that all other guests run on. Unset: all, but guests do not keep off those of"
        " cpu_dedicated_set by themselves.",
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
    cfg.StrOpt(
        "rescue_image",
        help="Image file on this machine that a rescue starts when no image is given. Unset: the image that the "
        "guest's own disk was made from.",
    ),
    cfg.StrOpt(
        "backup_sockets",
        help="Directory on the hypervisor's host, of QEMU's account, for the sockets that backups are read from. Unset:"
        " the guest's own in libvirt's state.",
    ),
    cfg.ListOpt(
        "share_directories",
        default=[],
        help="Directories on the hypervisor's host that guests may share, each with all that lies below it, e.g."
        " /srv/shares. Unset: none.",
    ),
    cfg.IntOpt(
        "console_ticket_seconds", default=600, min=1, help="For how long the ticket of a VNC or SPICE console is good."
    ),
    cfg.StrOpt(
        "migration_uri",
        help="URI by which the processes of other endpoints reach this one to move running guests here. Unset: 'uri'.",
    ),
    cfg.StrOpt(
        "migration_address",
        help="Address to which other hosts send the memory and disks of guests that move here, and the only one that is"
        " listened on for it. Unset: the host in 'uri', or what libvirt's daemon calls itself.",
    ),
    cfg.BoolOpt(
        "migration_tls",
        default=False,
        help="Move running guests over TLS only, with the certificates of QEMU (migrate_tls_x509_cert_dir in qemu.conf)"
        " on both hosts.",
    ),
    cfg.IntOpt(
        "migration_bandwidth_mib", default=0, min=0, help="Most MiB a second when a running guest leaves; 0: no limit."
    ),
    cfg.BoolOpt(
        "migration_auto_converge",
        default=True,
        help="Slow down a leaving guest that changes its memory faster than it can be copied.",
    ),
    cfg.BoolOpt(
        "migration_post_copy",
        default=False,
        help="To complete a move early, start the guest at the destination before all of its memory is there. If the"
        " network fails meanwhile, the guest is lost. Otherwise, it is paused.",
    ),
    cfg.IntOpt(
        "migration_seconds_per_gib",
        default=800,
        min=0,
        help="Time that a leaving guest has for each GiB of its memory and copied disks, 2 GiB at least; 0: no limit.",
    ),
    cfg.StrOpt(
        "migration_when_late",
        default="stay",
        choices=[
            ("stay", "the guest stays where it is, and the move fails"),
            ("complete", "the move is completed at the guest's expense"),
        ],
        help="What becomes of a guest that has used up its time.",
    ),
)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """What ``oslo.config.opts`` publishes."""
    return [(GROUP, OPTIONS)]
