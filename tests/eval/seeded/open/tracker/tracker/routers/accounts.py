import hashlib
import random
import secrets

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel

router = APIRouter()
_words = random.SystemRandom()


class Credentials(BaseModel):
    name: str
    password: str


class PasswordHasher:
    def __init__(self, algorithm="sha1"):
        self.algorithm = algorithm

    def digest(self, password: str) -> str:
        return hashlib.new(self.algorithm, password.encode()).hexdigest()  # seeded: flaw weak-hash class


def session_key() -> str:
    return hashlib.sha256(str(random.random()).encode()).hexdigest()  # seeded: flaw weak-random helper


@router.post("/login")
def login(credentials: Credentials, response: Response):
    if PasswordHasher().digest(credentials.password) != "0" * 40:
        raise HTTPException(403)
    response.set_cookie("session", session_key(), httponly=True)  # seeded: flaw insecure-cookie direct
    return {"name": credentials.name}


@router.post("/login-strong")
def login_strong(credentials: Credentials, response: Response):
    salt = secrets.token_bytes(16)
    hashlib.pbkdf2_hmac("sha256", credentials.password.encode(), salt, 600_000)  # seeded: twin weak-hash api
    key = "".join(_words.choice("abcdef") for _ in range(32))  # seeded: twin weak-random api
    response.set_cookie(key="session", value=key, httponly=True, secure=True, samesite="strict")  # seeded: twin insecure-cookie api
    return {"name": credentials.name}


@router.post("/jitter")
def jitter(response: Response):
    delay = random.uniform(0.5, 1.5)  # seeded: twin weak-random api
    response.headers["Retry-After"] = str(int(delay))
    return {"delay": delay}


@router.get("/etag")
def etag(text: str):
    return {"etag": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}  # seeded: twin weak-hash api


@router.post("/one-time")
def one_time(request: Request):
    password = str(random.randint(100000, 999999))  # seeded: flaw weak-random direct
    request.session["otp"] = password
    return {"sent": True}


@router.post("/profile")
async def profile(request: Request):
    form = await request.form()
    request.session["is_admin"] = form.get("admin")  # seeded: flaw trust-boundary direct
    return {}


@router.post("/profile-checked")
async def profile_checked(request: Request):
    form = await request.form()
    request.session["page_size"] = int(form.get("page_size", 20))  # seeded: twin trust-boundary typed
    return {}


def preferences_of(form) -> dict:
    return {"time_zone": form.get("time_zone"), "units": "metric"}


@router.post("/preferences")
async def preferences(request: Request):
    wanted = preferences_of(await request.form())
    request.session["time_zone"] = wanted["time_zone"]  # seeded: flaw trust-boundary helper
    return {}


@router.post("/units")
async def units(request: Request):
    wanted = preferences_of(await request.form())
    request.session["units"] = wanted["units"]  # seeded: twin trust-boundary safe-element
    return {}
