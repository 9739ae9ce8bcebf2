"""What every platform stands on: store, configuration, logs, audit, certificates. No telecom in it."""
