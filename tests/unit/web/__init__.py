"""The console: its guard, its pages, its picture."""
