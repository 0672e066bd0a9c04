"""The tasks as a user calls them, where no cluster runs."""
