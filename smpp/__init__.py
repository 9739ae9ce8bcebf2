"""SMPP 3.4 and 5.0: PDU table, codec, text, segmentation, receipts, session state machine, asyncio shells."""
