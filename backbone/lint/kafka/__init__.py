"""What a project runs of Kafka: its clusters, their clients, images and properties."""
