"""What takes longer than a default run of CI may."""
