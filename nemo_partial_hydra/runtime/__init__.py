"""What this process knows: the session, signatures in use, and the joined conversions."""
