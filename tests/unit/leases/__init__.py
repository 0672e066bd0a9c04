"""Leases, without a cluster."""
