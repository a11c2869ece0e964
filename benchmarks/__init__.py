"""What the README says was measured, measured again."""
