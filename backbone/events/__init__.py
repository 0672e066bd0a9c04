"""Events: their contracts, records by contract, connectors, and the archive in PostgreSQL."""
