import pytest

from server.framing import may_frame, origin_of, parse_origins


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        (" \n\t ", ()),
        ("https://www.example.go.kr", ("https://www.example.go.kr",)),
        ("https://*.go.kr http://localhost:3000", ("https://*.go.kr", "http://localhost:3000")),
        ("HTTPS://WWW.Example.go.kr\nhttps://www.example.go.kr", ("https://www.example.go.kr",)),
        ("https://정부.한국", ("https://xn--or3bn7q.xn--3e0b707e",)),
        ("https://*.예시.kr:8443", ("https://*.xn--vv4b11d.kr:8443",)),
        ("http://192.0.2.7", ("http://192.0.2.7",)),
    ],
)
def test_origins_are_read_in_the_form_that_a_policy_takes(text, origins):
    assert parse_origins(text) == origins


@pytest.mark.parametrize(
    "wrong",
    [
        "www.example.go.kr", "https://", "https://www.example.go.kr/", "https://www.example.go.kr/chat", "*",
        "https://*", "https://*:*", "https://a.go.kr:*", "https://a.*.kr", "https://*a.go.kr", "https://*.*.kr",
        "https://*.kr", "ftp://a.go.kr", "data:", "'self'", "'none'", "https://a.go.kr;script-src", "https://a.go.kr,",
        "https://a.go.kr,https://b.go.kr", "https://a.go.kr:99999", "https://u:p@a.go.kr", "https://[::1]",
        "https://a..kr", "https://.kr", "https://a.go.kr\x00", "https://" + "a" * 300,
    ],
)  # fmt: skip
def test_what_is_no_origin_or_frames_too_widely_is_told(wrong):
    with pytest.raises(ValueError, match=r"is not an origin; write scheme|name at least two parts"):
        parse_origins(f"https://good.go.kr {wrong}")


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://www.example.go.kr", "https://www.example.go.kr"),
        ("www.example.go.kr", "https://www.example.go.kr"),
        (" HTTPS://WWW.example.go.kr:443/site/main.do?x=1#top ", "https://www.example.go.kr"),
        ("http://localhost:3000/a", "http://localhost:3000"),
        ("정부.한국/민원", "https://xn--or3bn7q.xn--3e0b707e"),
        ("https://*.go.kr", None),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("", None),
        ("a b", None),
        ("<script>", None),
    ],
)
def test_the_origin_of_what_a_person_types(address, origin):
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        ("https://www.a.go.kr", "https://www.a.go.kr", True),
        ("https://www.a.go.kr", "https://www.a.go.kr:443", True),
        ("https://www.a.go.kr", "https://*.go.kr", True),
        ("https://go.kr", "https://*.go.kr", False),
        ("https://evilgo.kr", "https://*.go.kr", False),
        ("https://a.go.kr.evil.com", "https://*.go.kr", False),
        ("http://www.a.go.kr", "https://www.a.go.kr", False),
        ("https://www.a.go.kr", "http://www.a.go.kr", True),
        ("https://www.a.go.kr:8443", "https://www.a.go.kr", False),
        ("http://localhost:3000", "http://localhost:3001", False),
        ("https://www.a.go.kr", "", False),
        ("null", "https://www.a.go.kr", False),
    ],
)
def test_an_origin_is_on_the_list_as_a_browser_sees_it(origin, allowed, expected):
    assert may_frame(origin, parse_origins(allowed)) is expected
