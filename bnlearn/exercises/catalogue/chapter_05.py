"""Exercises of chapter 05: inference statistics."""
