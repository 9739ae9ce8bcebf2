"""An enterprise's existing systems, simulated: SMPP client, SIP phone and consent backend."""
