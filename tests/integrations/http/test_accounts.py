"""An endpoint has no account to ask for: its host, and who signs in there, stand for it."""

from integrations.http.client import receiver_of, user_of


def test_another_path_is_the_same_receiver_and_another_host_is_not():
    first = receiver_of({"url": "https://Hooks.example.com/a?b=1"})
    assert first == receiver_of({"url": "https://hooks.example.com/b"}) == "hooks.example.com"
    assert first != receiver_of({"url": "https://hooks.example.com:8443/a"})


def test_another_user_name_is_another_account():
    where = {"url": "https://hooks.example.com/a"}
    assert user_of({**where, "username": "ann"}) == "ann@hooks.example.com"
    assert user_of({**where, "username": "bob"}) != user_of({**where, "username": "ann"})
