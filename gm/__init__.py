"""National algorithms (GM/T): SM2, SM3, SM4-GCM, the key store and the self-test.

Every process that uses this package calls :func:`gm.selftest.run` before anything else.
"""
