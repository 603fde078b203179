"""Whole runs: screen every frame once, audit what was rejected, hand the hits on."""
