"""Snapshots: all data of a stack at one moment, kept aside, taken elsewhere, and put back."""
