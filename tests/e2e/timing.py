"""What the tests' own core has its gateway wait for."""

T1_MS = 75
SILENCE_S = 7
GIVEN_UP_S = 64 * T1_MS / 1000
"""Until an answer without its ACK, or a request without its answer, is given up."""
