"""Event contracts: Avro schemas in git, their registry, and the bytes that follow them."""
