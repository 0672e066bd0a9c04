"""The secure profile: certificates, users with passwords, and who may do what. It knows files and a Kafka client."""
