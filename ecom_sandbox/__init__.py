"""A simulated shop and local stand-ins for the services that the platform talks to,
with faults on demand.
"""
