"""Keeps the search for garbage away from what never becomes any."""

import gc


def keep_loaded() -> None:
    """Never again look for garbage among what the process has loaded by now; call it before its work begins.

    Python looks through all that lives each time so much was made. Of modules, models and pages alone that is
    200,000 objects, and up to 100 ms in which no other thread goes on.
    """
    gc.collect()
    gc.freeze()
