"""The intake as one would write it with Django REST framework: what the hub's own is compared to."""
