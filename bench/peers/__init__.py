"""What others would build for the same work, tuned as well as we know how."""
