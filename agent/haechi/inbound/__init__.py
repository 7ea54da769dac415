"""What drives us: the data path, file events, the control socket."""
