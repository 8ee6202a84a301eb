"""Runs the papers' tables and figures again, beside the published numbers."""
