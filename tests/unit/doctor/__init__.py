"""The doctor's checks and repairs."""
