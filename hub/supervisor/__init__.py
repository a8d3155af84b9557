"""Runs the whole hub on one machine: prepares it, starts its processes and keeps them running.

The supervisor itself is small on purpose (standard library only, no Django), because it stays in
memory beside the processes it looks after. What needs Django is done by ``manage.py prepare``.
"""
