"""What a client is told over the protocol."""
