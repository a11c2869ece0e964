"""What a person may look at."""
