"""``nova-virt complete``."""

from __future__ import annotations

import cliff.complete

from nova_virt_api.cli.command import Command


class Complete(cliff.complete.CompleteCommand, Command):
    """Print a script that completes the command's words in bash: source <(nova-virt complete)."""
