"""A receiver that takes its time and notes how many are with it at once."""

import threading
import time


class AtOnce:
    """Answers ``answer`` after ``seconds``; ``most``: the most that were with it at once."""

    def __init__(self, seconds: float, answer: object):
        self.seconds, self.answer = seconds, answer
        self.now, self.most, self.count = 0, 0, 0
        self._lock = threading.Lock()

    def __call__(self, sent: object) -> object:
        with self._lock:
            self.now += 1
            self.count += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return self.answer
