"""Media of a call: RTP and RTCP, telephone events, and the relay that anchors both legs."""
