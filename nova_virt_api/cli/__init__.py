"""The command ``nova-virt``: every verb of ``Compute`` at a shell. One file per family of commands."""
