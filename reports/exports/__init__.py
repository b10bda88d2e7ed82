"""Flat files of usage and charges with a manifest that proves them."""
