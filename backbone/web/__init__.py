"""The pages of `./invoke console`: what a stack does now, and the few things to do about it."""
