"""The carrier platform: SMPP and SIP addressed to AIDs, turned into numbers inside the carrier domain."""
