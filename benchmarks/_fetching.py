"""Our server for the benchmark of fetching, in one process: 127.0.0.1 stands for the internet.

No setting of the server opens loopback to `web_fetch`; this stand-in is the benchmark's own.
"""

from __future__ import annotations

import sys

from astro_mcp.__main__ import main
from astro_mcp.net import client
from astro_mcp.net.addresses import Address, Public


class Loopback(Public):
    """The open internet, and 127.0.0.1 on any port."""

    def address(self, address: Address) -> str:
        return "" if str(address) == "127.0.0.1" else super().address(address)

    def port(self, port: int) -> str:
        return ""


if __name__ == "__main__":
    vars(client)["Public"] = Loopback  # the default policy, in this process alone
    sys.exit(main(sys.argv[1:]))
