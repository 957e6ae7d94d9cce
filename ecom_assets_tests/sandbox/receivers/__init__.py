"""Tests of the stand-ins of the tools that records go to: each documented limit at its edge, each answer."""
