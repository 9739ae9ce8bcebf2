"""Real protocol speakers around the carrier's gateway: SMSC, SIP core, handset fleet, ESME and PBX."""
