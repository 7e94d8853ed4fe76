"""Exercises of chapter 03: the identity transform."""
