import re

import ldap3
from fastapi import APIRouter, HTTPException, Request
from ldap3.utils.conv import escape_filter_chars
from pymongo import MongoClient
from simpleeval import simple_eval

router = APIRouter()
people = MongoClient("mongodb://db")["tracker"]["people"]
directory = ldap3.Connection(ldap3.Server("ldap://directory"), auto_bind=ldap3.AUTO_BIND_NONE)


@router.post("/find")
async def find(request: Request):
    body = await request.json()
    return people.find_one({"name": body["name"]})  # seeded: flaw nosql-injection direct


@router.post("/find-text")
async def find_text(request: Request):
    body = await request.json()
    return people.find_one({"name": str(body["name"])})  # seeded: twin nosql-injection sanitised


def by_script(condition: str):
    return list(people.find({"$where": "this.age > " + condition}))  # seeded: flaw nosql-injection helper


@router.get("/older")
def older(than: str):
    return by_script(than)


def by_age(age: int):
    return list(people.find({"$where": f"this.age > {age}"}))  # seeded: twin nosql-injection typed


@router.get("/older-than/{age}")
def older_than(age: int):
    return by_age(age)


@router.post("/remove")
async def remove(request: Request):
    people.delete_many(await request.json())  # seeded: flaw nosql-injection direct
    return {}


@router.post("/remove-one")
async def remove_one(request: Request):
    body = await request.json()
    wanted = body.get("id")
    if not isinstance(wanted, int):
        raise HTTPException(422)
    people.delete_many({"id": wanted})  # seeded: twin nosql-injection sanitised
    return {}


@router.get("/uid/{uid}")
def by_uid(uid: str):
    directory.search("dc=tracker", f"(&(objectClass=person)(uid={uid}))")  # seeded: flaw ldap-injection direct
    return [str(entry) for entry in directory.entries]


@router.get("/uid-escaped/{uid}")
def by_uid_escaped(uid: str):
    directory.search("dc=tracker", f"(&(objectClass=person)(uid={escape_filter_chars(uid)}))")  # seeded: twin ldap-injection sanitised
    return [str(entry) for entry in directory.entries]


class Filter:
    def __init__(self):
        self.parts = ["(objectClass=person)"]

    def add(self, attribute, value):
        self.parts.append(f"({attribute}={value})")

    def __str__(self):
        return "(&" + "".join(self.parts) + ")"


@router.get("/search")
def search(mail: str):
    wanted = Filter()
    wanted.add("mail", mail)
    directory.search(search_base="dc=tracker", search_filter=str(wanted))  # seeded: flaw ldap-injection class
    return [str(entry) for entry in directory.entries]


@router.get("/search-known")
def search_known(kind: str):
    wanted = Filter()
    wanted.add("employeeType", "driver" if kind == "driver" else "clerk")
    directory.search(search_base="dc=tracker", search_filter=str(wanted))  # seeded: twin ldap-injection constant
    return [str(entry) for entry in directory.entries]


@router.get("/names")
def names(pattern: str, names: list[str]):
    return [name for name in names if re.search(pattern, name)]  # seeded: flaw regex-injection direct


@router.get("/names-starting")
def names_starting(prefix: str):
    known = ["Ada", "Ben", "Cleo"]
    return [name for name in known if re.match("^" + re.escape(prefix), name)]  # seeded: twin regex-injection sanitised


@router.get("/bonus")
def bonus(formula: str):
    steps = {"double": "2 * x", "half": "x / 2"}
    return {"bonus": eval(steps.get(formula, "x"), {"x": 100})}  # seeded: twin code-injection allow-list


@router.get("/bonus-free")
def bonus_free(formula: str):
    code = compile(formula, "<bonus>", "eval")  # seeded: flaw code-injection direct
    return {"bonus": eval(code, {"x": 100})}


@router.get("/bonus-simple")
def bonus_simple(formula: str):
    return {"bonus": simple_eval(formula, names={"x": 100})}  # seeded: twin code-injection api
