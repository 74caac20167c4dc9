"""logs, run and exec."""
