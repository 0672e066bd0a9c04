"""The way to Kubernetes and back."""
