"""SAML: what identity providers send and what we know of them."""

import base64
import zlib

from defusedxml.lxml import fromstring as parse_metadata
from lxml import etree
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.routing import Route

from gatekeep import audit, secretstuff
from gatekeep.config import CONFIG, LEGACY_IMPORT

NS = {"md": "urn:oasis:names:tc:SAML:2.0:metadata", "saml": "urn:oasis:names:tc:SAML:2.0:assertion"}
_PARSER = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False)
_STRICT = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)


def federation():
    """What the federation publishes of its members."""
    return etree.parse(str(CONFIG.federation), _STRICT)  # seeded: twin xxe constant


class Envelope:
    """A message as it comes in a form, in base 64."""

    def __init__(self, encoded: str) -> None:
        self.data = base64.b64decode(encoded)

    def tree(self):
        """The message."""
        return etree.fromstring(self.data, parser=_PARSER)  # seeded: flaw xxe global


class Deflated(Envelope):
    """A message as it comes in an address, compressed."""

    def tree(self):
        """The message."""
        data = zlib.decompressobj(-15).decompress(self.data, 2**20)
        return etree.fromstring(data, parser=_STRICT)  # seeded: twin xxe api


def entity(issuer: str):
    """What the federation says of an issuer, or nothing."""
    found = federation().xpath("//md:EntityDescriptor[@trusted][@entityID='%s']" % issuer, namespaces=NS)  # seeded: flaw xpath-injection cross-module
    return found[0] if found else None


def key_of(issuer: str) -> str | None:
    """An issuer's certificate."""
    found = federation().xpath("string(//md:EntityDescriptor[@entityID=$issuer]//*[local-name()='X509Certificate'])", namespaces=NS, issuer=issuer)  # seeded: twin xpath-injection api
    return found or None


def contact(issuer: str, kind: str) -> str | None:
    """An issuer's contact of a kind, such as `support`."""
    kinds = {"support": "support", "technical": "technical"}
    path = f"//md:EntityDescriptor[@trusted]/md:ContactPerson[@contactType='{kinds.get(kind, 'support')}']/md:EmailAddress/text()"
    found = federation().xpath(path, namespaces=NS)  # seeded: twin xpath-injection allow-list
    return found[0] if found else None


async def acs(request: Request) -> RedirectResponse:
    """Take an answer of an identity provider."""
    form = await request.form()
    tree = Envelope(form["SAMLResponse"]).tree()
    issuer = tree.findtext("saml:Issuer", namespaces=NS)
    if entity(issuer) is None:
        audit.record("saml.unknown", issuer)
        return RedirectResponse("/unknown", status_code=303)
    request.session["via"] = "saml"  # seeded: twin trust-boundary constant
    return RedirectResponse(form.get("RelayState", "/"), status_code=303)  # seeded: flaw open-redirect async


async def logout(request: Request) -> HTMLResponse | RedirectResponse:
    """Take a request to log out."""
    message = Deflated(request.query_params["SAMLRequest"]).tree()
    audit.event("saml.logout", message.get("ID", "none"), reason=request.query_params.get("reason"))
    relay = secretstuff.opened("relay", request.query_params.get("RelayState", ""))
    if relay is None:
        return HTMLResponse("<p>You are logged out.</p>")
    request.session.clear()
    return RedirectResponse(relay)  # seeded: twin open-redirect sanitised


async def metadata(request: Request) -> JSONResponse:
    """Take the metadata of a new provider in, for the operator to look at."""
    body = await request.body()
    tree = parse_metadata(body)  # seeded: twin xxe api
    issuer = tree.get("entityID", "")
    return JSONResponse({"known": key_of(issuer) is not None, "contact": contact(issuer, request.query_params.get("kind", ""))})


async def legacy(request: Request) -> JSONResponse:
    """Take the users of the former system in, when the operator allows it."""
    if not LEGACY_IMPORT:
        return JSONResponse({"error": "not now"}, status_code=403)
    tree = etree.fromstring(await request.body(), _PARSER)  # seeded: twin xxe impossible-branch
    return JSONResponse({"users": len(tree)})


routes = [
    Route("/acs", acs, methods=["POST"]),
    Route("/logout", logout),
    Route("/metadata", metadata, methods=["POST"]),
    Route("/legacy", legacy, methods=["POST"]),
]
