"""SIP: messages, SDP, digest, transactions, dialogs and calls as sans-I/O cores, with thin asyncio shells."""
