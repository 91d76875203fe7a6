"""What driver authors share."""
