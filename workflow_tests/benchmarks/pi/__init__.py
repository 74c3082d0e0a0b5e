"""What a Raspberry Pi would need, estimated from what this machine needs."""
