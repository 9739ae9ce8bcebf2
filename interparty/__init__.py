"""The wire between the parties: AID and EDI formats, signed statements, messages, signed HTTP.

Knows nothing of how any party works inside. The bytes are described in docs/formats.md.
"""
