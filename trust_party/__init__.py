"""The trust platform: keeps evidence of consent, issues AIDs, and answers who may contact whom.

It holds consents and sealed device identifiers, never a number, an identifier in clear or a message.
"""
