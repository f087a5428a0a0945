"""Engines of translation behind one protocol; their libraries are imported only when one is opened."""
