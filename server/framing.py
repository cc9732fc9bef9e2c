"""Who may put the chat into a frame: a list of origins as CSP's `frame-ancestors` takes them."""

import re
from collections.abc import Sequence

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_SOURCE = re.compile(rf"(https?)://(\*\.)?({_LABEL}(?:\.{_LABEL})*)(?::([0-9]{{1,5}}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def parse_origins(text: str) -> tuple[str, ...]:
    """Return the origins in `text`, which spaces separate; hosts in lower case and ASCII, each once.

    Raises:
        ValueError: one is no origin, or has a wildcard that frames more than the subdomains of one name.
    """
    origins = dict.fromkeys(_parse_origin(written) for written in text.split())
    return tuple(origins)


def _parse_origin(written: str) -> str:
    found = _split(written)
    if found is None:
        raise ValueError(
            f"{written[:80]!r} is not an origin; write scheme and host alone, such as https://www.example.go.kr or "
            "https://*.example.go.kr, with spaces between them"
        )
    scheme, wildcard, host, port = found
    if wildcard and "." not in host:
        raise ValueError(f"{written!r} would let everyone under .{host} frame the chat; name at least two parts")
    return f"{scheme}://{wildcard}{host}{':' + port if port else ''}"


def origin_of(address: str) -> str | None:
    """Return the origin of an address as a person types it (scheme and path may be there or not), or None."""
    typed = address.strip()
    if "://" not in typed:
        typed = f"https://{typed}"
    scheme, _, rest = typed.partition("://")
    found = _split(f"{scheme}://{re.split(r'[/?#]', rest)[0]}")
    if found is None or found[1]:
        return None
    scheme, _, host, port = found
    return f"{scheme}://{host}{':' + port if port and port != _DEFAULT_PORTS[scheme] else ''}"


def may_frame(origin: str, allowed: Sequence[str]) -> bool:
    """Return whether a browser lets `origin` frame what only the sources `allowed` may frame (CSP 3, section 6.7.2)."""
    asking = _split(origin)
    return asking is not None and any(_matches(asking, _split(source)) for source in allowed)


def frame_ancestors(allowed: Sequence[str]) -> str:
    """Return the CSP directive that lets this server itself and `allowed` frame a page."""
    return " ".join(["frame-ancestors 'self'", *allowed])


_Parts = tuple[str, str, str, str]


def _split(origin: str) -> _Parts | None:
    """Return scheme, "*." or "", host and port or "", or None of what has another form."""
    try:
        scheme, separator, rest = origin.partition("://")
        # A name in Hangul goes into a header in its ASCII form.
        wildcard = "*." if rest.startswith("*.") else ""
        host, colon, port = rest.removeprefix(wildcard).partition(":")
        ascii_host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    found = _SOURCE.fullmatch(f"{scheme.lower()}{separator}{wildcard}{ascii_host}{colon}{port}")
    if found is None or int(found[4] or 0) > 65_535:
        return None
    return found[1], found[2] or "", found[3], found[4] or ""


def _matches(asking: _Parts, source: _Parts | None) -> bool:
    if source is None:
        return False
    (scheme, _, host, port), (its_scheme, wildcard, its_host, its_port) = asking, source
    ports = {port or _DEFAULT_PORTS[scheme], its_port or _DEFAULT_PORTS[its_scheme]}
    # A source with http also stands for the same host with https.
    upgraded = (its_scheme, scheme) == ("http", "https")
    same_scheme = scheme == its_scheme or upgraded
    same_port = len(ports) == 1 or (upgraded and ports == {"80", "443"})
    same_host = host.endswith(f".{its_host}") if wildcard else host == its_host
    return same_scheme and same_port and same_host
