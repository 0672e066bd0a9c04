"""Upgrades, without a cluster."""
