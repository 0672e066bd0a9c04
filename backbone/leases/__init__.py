"""Leases: names of one's own on a running stack, for a test, for a while."""

from backbone.leases.book import Book, Entry
from backbone.leases.lease import Lease, Leases

__all__ = ["Book", "Entry", "Lease", "Leases"]
