"""What can go wrong in :mod:`gm`. Messages never carry key material or plaintext."""


class GmError(Exception):
    """Base of every error of this package."""


class KeyFormatError(GmError):
    """Bytes offered as a key are not one: wrong length, off the curve, out of range, not the encoding."""


class DecryptError(GmError):
    """A ciphertext does not open. One error for all causes, so that nobody learns which it was."""

    def __init__(self) -> None:
        super().__init__("ciphertext does not open")


class SelfTestError(GmError):
    """A known answer was not reproduced: the process must not go on."""


class KeyStoreError(GmError):
    """The key store cannot be opened or written, or does not hold the key asked for."""
