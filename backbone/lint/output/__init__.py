"""What a lint says, for people and for machines."""
