"""What every room needs and the standard library lacks."""
