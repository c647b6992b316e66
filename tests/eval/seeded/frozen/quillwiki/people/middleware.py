"""The pages that a reader has looked at, kept in a cookie."""

import base64
import json
import pickle


class ReadingList:
    """Puts `request.reading` on each request, and writes it back."""

    cookie = "reading"

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        """Read the list, answer, write the list."""
        request.reading = self.load(request.COOKIES.get(self.cookie))
        request.pinned = self.pinned(request.COOKIES.get("pinned"))
        response = self.get_response(request)
        value = base64.b64encode(pickle.dumps(request.reading)).decode()
        response.set_cookie(self.cookie, value, secure=True, httponly=True, samesite="Lax")  # seeded: twin insecure-cookie api
        return response

    @staticmethod
    def load(value):
        """The list in a cookie's value."""
        if not value:
            return []
        return pickle.loads(base64.b64decode(value))  # seeded: flaw deserialization class

    @staticmethod
    def pinned(value):
        """The pages that the reader has pinned."""
        return json.loads(base64.b64decode(value)) if value else []  # seeded: twin deserialization api
