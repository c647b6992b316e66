"""The ASGI application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount, Route

from gatekeep import oauth, people, portal, saml
from gatekeep.config import CONFIG

app = Starlette(
    routes=[
        Mount("/saml", routes=saml.routes),
        Mount("/oauth", routes=oauth.routes),
        Mount("/people", routes=people.routes),
        *portal.routes,
        Route("/health", lambda _request: portal.PlainTextResponse("well")),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=CONFIG.secret, https_only=True, same_site="lax")],
)
