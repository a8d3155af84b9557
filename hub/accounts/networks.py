"""The networks that an API key is kept to, as people write them."""

import ipaddress

#: Networks of one key.
MOST = 100


def read_networks(text: str) -> list[str]:
    """Return the addresses and networks in ``text``, one a line or between commas, in CIDR notation.

    Raise ValueError with a sentence for what is none, and for too many.
    """
    lines = [part.strip() for part in text.replace(",", "\n").splitlines() if part.strip()]
    found = []
    for line in lines:
        try:
            found.append(str(ipaddress.ip_network(line, strict=False)))
        except ValueError:
            raise ValueError(
                f"“{line}” is no address or network. Write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32."
            ) from None
    if len(found) > MOST:
        raise ValueError(f"At most {MOST} networks; join neighbours to a larger one.")
    return found
