"""What a target accepts."""
