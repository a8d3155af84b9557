"""A request as a command."""

import shlex

from hub.lib.curl import curl


def test_a_request_is_told_as_a_command_that_a_shell_reads_back() -> None:
    exchange = {
        "method": "POST",
        "url": "https://api.example.com/v1?a=1&b=$(rm)",
        "request_headers": {"Authorization": "Bearer •••", "Content-Length": "9", "X-Name": "O'Neil"},
        "request_body": '{"a": "it\'s"}',
    }
    first, *rest = curl(exchange).splitlines()
    assert first == "# ••• stands for a secret: put yours in its place"
    words = shlex.split(" ".join(line.rstrip("\\") for line in rest))
    assert words[:4] == ["curl", "--request", "POST", "https://api.example.com/v1?a=1&b=$(rm)"]
    assert words[4:8] == ["--header", "Authorization: Bearer •••", "--header", "X-Name: O'Neil"]
    assert words[8:] == ["--data-raw", '{"a": "it\'s"}']


def test_without_a_secret_there_is_no_remark() -> None:
    assert curl({"method": "GET", "url": "https://x.example"}) == "curl --request GET https://x.example"
