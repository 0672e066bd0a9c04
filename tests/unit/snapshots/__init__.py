"""Snapshots, without a cluster."""
