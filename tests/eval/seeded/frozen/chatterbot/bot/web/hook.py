"""Where the chat server posts what is said."""

import hmac

from tornado.options import define, options

from bot import registry
from bot.message import Message
from bot.web.base import Base

define("token", default="", type=str, help="what the chat server sends to be known")


class Hook(Base):
    """Takes messages, answers them."""

    def check_xsrf_cookie(self) -> None:
        """The chat server has no cookies."""

    async def post(self) -> None:
        """Answer a message."""
        if options.token and not hmac.compare_digest(self.get_argument("token", "").encode(), options.token.encode()):
            return self.send_error(403)
        try:
            message = Message.from_json(self.request.body)
        except (KeyError, ValueError):
            return self.refuse(f"no message: {self.get_argument('from', 'somebody')}")
        self.note(message.command, size=len(message.text))
        self.write({"text": await registry.answer(message)})
