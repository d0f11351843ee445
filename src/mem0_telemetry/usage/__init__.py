"""Usage telemetry of this process: the switches, the recorder, and the dry run."""
