"""The driver's options, in the group that is named after the driver."""

from collections.abc import Sequence

from oslo_config import cfg

GROUP = "ironic"

ENDPOINT: Sequence[cfg.Opt] = (
    cfg.StrOpt(
        "endpoint",
        help="URL of the Bare Metal API, e.g. https://ironic.example.org:6385. With auth_type 'password' or"
        " 'application_credential' it may be left out: Keystone's catalog then names it.",
    ),
    cfg.StrOpt(
        "auth_type",
        default="none",
        choices=[
            ("none", "a standalone Ironic that asks for nothing"),
            ("http_basic", "a standalone Ironic that asks for user name and password"),
            ("password", "Keystone v3 with user name and password"),
            ("application_credential", "Keystone v3 with an application credential"),
        ],
        help="How to log in.",
    ),
    cfg.StrOpt("username", help="User name, for auth_type 'http_basic' and 'password'."),
    cfg.StrOpt("password", secret=True, help="Password, for auth_type 'http_basic' and 'password'."),
    cfg.StrOpt("auth_url", help="URL of Keystone, e.g. https://keystone.example.org/v3."),
    cfg.StrOpt("project_name", help="The Keystone project to work in; with neither a project nor system_scope: none."),
    cfg.StrOpt("user_domain_name", default="Default", help="The Keystone domain that the user is in."),
    cfg.StrOpt("project_domain_name", default="Default", help="The Keystone domain that the project is in."),
    cfg.StrOpt("system_scope", help="'all' for a token for the whole deployment instead of one for a project."),
    cfg.StrOpt("application_credential_id", help="Id of the application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Secret of the application credential."),
    cfg.StrOpt("region_name", help="Region whose endpoint is taken from the catalog."),
    cfg.StrOpt(
        "interface",
        default="public",
        choices=["public", "internal", "admin"],
        help="Which of the catalog's endpoints is taken.",
    ),
)
"""Where the endpoint is and how to log in."""

TRANSPORT: Sequence[cfg.Opt] = (
    cfg.StrOpt("cafile", help="File with the certificates of the authorities to trust. Unset: the system's."),
    cfg.BoolOpt("insecure", default=False, help="Do not verify the endpoint's certificate. For tests only."),
    cfg.FloatOpt("connect_timeout", default=10.0, min=0.1, help="Seconds until a connection must be there."),
    cfg.FloatOpt(
        "read_timeout",
        default=90.0,
        min=0.1,
        help="Seconds until a request must be answered. Ironic itself waits for a locked node, and for a node's"
        " management controller while it validates it.",
    ),
    cfg.IntOpt(
        "max_requests",
        default=16,
        min=1,
        help="Requests that are under way at the same time at most; others wait for their turn. An API process of"
        " Ironic's own serves ten at once and resets connections when some more wait.",
    ),
    cfg.FloatOpt(
        "outage_timeout",
        default=120.0,
        min=0.0,
        help="Seconds that a running verb goes on while the endpoint does not answer, e.g. is restarted.",
    ),
)
"""How requests are sent."""

SCOPE: Sequence[cfg.Opt] = (
    cfg.StrOpt("resource_class", help="Only nodes of this resource class are seen."),
    cfg.ListOpt("shards", default=[], help="Only nodes of these shards are seen."),
    cfg.StrOpt("conductor_group", help="Only nodes of this conductor group are seen."),
    cfg.StrOpt("node_owner", help="Only nodes of this owner (a field of Ironic's nodes) are seen."),
)
"""Which nodes are looked at, so that several connections can share a large endpoint."""

POLLING: Sequence[cfg.Opt] = (
    cfg.FloatOpt(
        "poll_interval", default=0.1, min=0.01, help="Seconds between listings right after something happened."
    ),
    cfg.FloatOpt(
        "busy_poll_interval", default=2.0, min=0.1, help="The most seconds between listings while verbs wait."
    ),
    cfg.FloatOpt(
        "idle_poll_interval",
        default=5.0,
        min=0.1,
        help="The most seconds between listings while nodes are only watched.",
    ),
    cfg.FloatOpt(
        "staleness",
        default=1.0,
        min=0.0,
        help="For how many seconds a list is shown again to who asks for no fresh one.",
    ),
)
"""How often nodes are listed: Ironic tells of no changes by itself."""

OPTIONS: Sequence[cfg.Opt] = (*ENDPOINT, *TRANSPORT, *SCOPE, *POLLING)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """What ``oslo.config.opts`` publishes."""
    return [(GROUP, OPTIONS)]
