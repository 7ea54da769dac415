"""The machine: nftables, users, systemd, the system's trusted roots. Used by ``haechi install|uninstall`` alone."""
