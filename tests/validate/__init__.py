"""What every file of the repository must be, read with the tools that read it in earnest."""
