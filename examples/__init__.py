"""Small programs to begin with; each is imported and run by the tests."""
