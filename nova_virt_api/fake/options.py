"""The fake driver's options; their group is ``fake``."""

from oslo_config import cfg

OPTIONS = (
    cfg.StrOpt(
        "world",
        regex=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z",
        help="Name of the world that this connection opens. Connections of one process that name the same world see"
        " the same guests, also after the last of them was closed. Without a name each connection gets a new, empty"
        " world of its own.",
    ),
    cfg.BoolOpt(
        "persist",
        default=False,
        help="Keep the world in a file of the state directory, so that other processes and later ones find it. The"
        " world is called 'default' unless it is named.",
    ),
    cfg.ListOpt("nodes", default=["fake-host"], help="Names of the hosts that guests run on."),
    cfg.IntOpt("vcpus", default=64, min=1, help="Virtual CPUs that each host can run at the same time."),
    cfg.IntOpt("dedicated_cpus", default=4, min=0, help="Processors of each host that guests may have for themselves."),
    cfg.IntOpt("memory_gib", default=256, min=1, help="Memory of each host in GiB."),
    cfg.ListOpt("pools", default=["default"], help="Names of the storage pools."),
    cfg.IntOpt("pool_gib", default=4096, min=1, help="Size of each storage pool in GiB."),
    cfg.ListOpt("networks", default=["default"], help="Names of the networks."),
    cfg.ListOpt(
        "images",
        default=["cirros", "debian-13"],
        help="Images that the world has from the start, to be named by Native('debian-13'); each is a disk of 1 GiB.",
    ),
    cfg.FloatOpt(
        "boot_seconds",
        default=0.0,
        min=0.0,
        help="How long a guest boots, in seconds: so long it has no addresses and no login prompt.",
    ),
    cfg.BoolOpt(
        "whole_nodes",
        default=False,
        help="Let guests be whole hosts, as bare metal's are: a host has one guest at most, and a spec's CPUs and"
        " memory are the least that the host must have.",
    ),
    cfg.StrOpt(
        "password",
        secret=True,
        help="A secret, for tests of what a program does with one; every password is the right one.",
    ),
    cfg.StrOpt(
        "refuse",
        choices=["connection", "password"],
        help="Let connecting fail: nobody answers, or the password is not accepted.",
    ),
)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For oslo.config's generators: the options under their group."""
    return [("fake", list(OPTIONS))]
