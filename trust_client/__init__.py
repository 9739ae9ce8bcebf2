"""The caller's side of the trust party, for carriers, enterprises and the app on the phone."""
