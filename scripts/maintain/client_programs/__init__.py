"""The programs of `nox -s clients`: each sends records, reads them back in a group, commits, and says how many."""
