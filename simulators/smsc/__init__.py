"""A simulated SMSC: ESMEs on one side, the handsets' radio side on the other, a durable store between."""
