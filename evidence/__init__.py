"""The evidence log: an append-only SM3 Merkle tree, signed checkpoints, and proofs that anyone can check."""
