"""A simulated fleet of handsets: SMS, calls with audio, and the app that seals the phone's identifier."""
