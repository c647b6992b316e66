"""What is done for each request."""

import logging
import time

log = logging.getLogger("club.visits")


class Visits:
    """Writes a line for each visit."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        """Serve and write the line."""
        began = time.monotonic()
        response = self.get_response(request)
        took = time.monotonic() - began
        if response.status_code >= 500:
            log.error(f"failed for {request.GET.get('ref', '')}")  # seeded: flaw log-injection class
        self.count(request, response.status_code, took)
        return response

    def count(self, request, status: int, took: float) -> None:
        """Write down how long a visit took, and what was not there."""
        if status == 404:
            log.warning("missing after %.3f s: %s", took, ascii(request.GET.get("ref", "")))  # seeded: twin log-injection sanitised
        else:
            log.info("%d after %.3f s", status, took)
