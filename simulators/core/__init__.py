"""A simulated SIP core (IMS stand-in) between a gateway and the handset fleet."""
