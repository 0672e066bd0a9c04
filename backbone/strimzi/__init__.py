"""The same backbone on Kubernetes: resources of the Strimzi operator written, judged, compared and read back."""
