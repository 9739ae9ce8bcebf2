"""Asyncio shells around the sans-I/O cores."""
