"""Between AID and number: who a sealed identifier is, and what of a message may cross the carrier's edge."""
