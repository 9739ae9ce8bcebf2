"""Front processes: enterprises' SMPP sessions outside the process that has the store, the numbers and the keys."""
