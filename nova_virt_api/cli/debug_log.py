"""What ``--debug`` shows: the log of everything, by oslo.log, on standard error."""

from oslo_config import cfg
from oslo_log import log


def log_everything() -> None:
    """Send every log record of this process to standard error."""
    config = cfg.ConfigOpts()
    log.register_options(config)
    config([], project="nova-virt", default_config_files=[], default_config_dirs=[])
    config.set_override("debug", True)
    config.set_override("use_stderr", True)
    log.setup(config, "nova-virt")
