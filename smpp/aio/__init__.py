"""Thin asyncio shells around `smpp.session`: connection, server, client, supervised link."""
