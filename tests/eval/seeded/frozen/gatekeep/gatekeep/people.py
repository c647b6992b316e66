"""People: look for them, change what is known of them."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gatekeep import audit, directory, policy, secretstuff
from gatekeep.directory import Machines, People

HOSTS = ["web-1.example", "web-2.example", "mail.example"]


async def find(request: Request) -> JSONResponse:
    """People by a part of their name."""
    return JSONResponse(People().search(request.query_params.get("q", "")))


async def machine(request: Request) -> JSONResponse:
    """A machine by its name."""
    return JSONResponse(Machines().one(request.path_params["name"]))


async def groups(request: Request) -> JSONResponse:
    """Somebody's groups, or the people of a group."""
    if group := request.query_params.get("group"):
        return JSONResponse(directory.members_of(group))
    return JSONResponse(directory.groups_of(request.query_params["of"]))


async def who(request: Request) -> JSONResponse:
    """Somebody's login by an attribute, or by a number."""
    scheme, value = request.path_params["scheme"], request.path_params["value"]
    if scheme in directory.SCHEMES and value.isdecimal():
        return JSONResponse(directory.by_scheme(scheme, int(value)))
    return JSONResponse(directory.by_attribute(scheme, value))


async def join(request: Request) -> JSONResponse:
    """Put somebody into one of the open groups."""
    form = await request.form()
    directory.join(form["admin"], form["password"], form["group"], form["member"])
    audit.event("group.join", form["member"], group=form["group"])
    return JSONResponse({"ok": True})


async def account(request: Request) -> JSONResponse:
    """Make, lock or take away an account."""
    body = await request.json()
    match body["do"]:
        case "make":
            policy.provision(body["login"], body.get("shell", "/bin/bash"))
        case "lock":
            policy.lock(body["login"])
        case "drop":
            policy.deprovision(body["login"])
        case _:
            raise HTTPException(400, "make, lock or drop")
    return JSONResponse({"password": secretstuff.ldap_digest(body.get("password", "")), "recovery": secretstuff.recovery_digest(body.get("code", ""))})


async def rules(request: Request) -> JSONResponse:
    """Keep a rule."""
    body = await request.json()
    if "expression" in body:
        policy.rule(body["name"], body["expression"])
    else:
        policy.simple_rule(body["name"], body["attribute"], body["comparison"], body["value"])
    return JSONResponse({"holds": policy.allowed(body["name"], request.session), "default": policy.default_rule(body["name"])})


async def hosts(request: Request) -> JSONResponse:
    """Hosts by a pattern or a domain."""
    query = request.query_params
    if "pattern" in query:
        return JSONResponse(policy.matching(query["pattern"], HOSTS))
    return JSONResponse({"hosts": policy.ending(query.get("domain", ""), policy.usual(HOSTS)), "room": policy.room_of(query.get("near", ""))})


routes = [
    Route("/find", find),
    Route("/machine/{name}", machine),
    Route("/groups", groups),
    Route("/who/{scheme}/{value}", who),
    Route("/join", join, methods=["POST"]),
    Route("/account", account, methods=["POST"]),
    Route("/rules", rules, methods=["POST"]),
    Route("/hosts", hosts),
]
