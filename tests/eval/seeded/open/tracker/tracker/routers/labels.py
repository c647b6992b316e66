import json
import os
import pickle
from pathlib import Path
from xml.sax import make_parser
from xml.sax.handler import ContentHandler, feature_external_ges

import defusedxml.ElementTree
import yaml
from fastapi import APIRouter, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from jinja2 import Environment, Template, select_autoescape

from tracker.services import printing

router = APIRouter()
store = printing.Store()
pages = Environment(autoescape=select_autoescape(default=True))


@router.post("/print")
async def print_label(printer: str = Form(), path: str = Form()):
    return {"status": await printing.print_label(printer, path)}


@router.post("/print-exec")
async def print_label_exec(printer: str = Form(), path: str = Form()):
    return {"status": await printing.print_label_exec(printer, path)}


@router.post("/print-quoted")
async def print_quoted(printer: str = Form(), path: str = Form()):
    return {"status": await printing.print_quoted(printer, path)}


@router.post("/cancel/{job}")
def cancel(job: str):
    return {"status": printing.cancel(job)}


@router.get("/raw/{name:path}")
def raw(name: str):
    return PlainTextResponse(store.read(name))


@router.get("/inside/{name:path}")
def inside(name: str):
    return PlainTextResponse(store.read_inside(name))


@router.get("/file")
def file(name: str):
    return FileResponse(os.path.join("/var/lib/tracker/files", name))  # seeded: flaw path-traversal direct


@router.get("/file-of/{year}")
def file_of(year: int):
    return FileResponse(os.path.join("/var/lib/tracker/files", f"{year}.zip"))  # seeded: twin path-traversal typed


@router.post("/upload")
async def upload(data: UploadFile = File()):
    with Path("/var/lib/tracker/uploads", data.filename).open("wb") as target:  # seeded: flaw path-traversal direct
        target.write(await data.read())
    return {"name": data.filename}


@router.post("/upload-named")
async def upload_named(data: UploadFile = File()):
    return {"name": store.write(data.filename, await data.read()).name}


@router.get("/page", response_class=HTMLResponse)
def page(code: str):
    return HTMLResponse(f"<h1>Parcel {code}</h1>")  # seeded: flaw xss direct


@router.get("/page-escaped", response_class=HTMLResponse)
def page_escaped(code: str):
    template = pages.from_string("<h1>Parcel {{ code }}</h1>")  # seeded: twin template-injection constant
    return HTMLResponse(template.render(code=code))  # seeded: twin xss api


@router.get("/page-number")
def page_number(number: int):
    return HTMLResponse("<h1>Parcel " + str(number) + "</h1>")  # seeded: twin xss typed


def heading(text: str, level: int = 1) -> str:
    return f"<h{level}>{text}</h{level}>"


@router.get("/heading")
def show_heading(text: str):
    lines = []
    lines.append("<html>")
    lines.append(heading(text, 2))
    return HTMLResponse("\n".join(lines))  # seeded: flaw xss container


@router.get("/heading-fixed")
def show_heading_fixed(text: str):
    lines = [text]
    lines.append(heading("Parcels", 2))
    lines.pop(0)
    return HTMLResponse("\n".join(lines))  # seeded: twin xss safe-element


@router.post("/letter")
async def letter(request: Request):
    form = await request.form()
    return {"letter": Template(form["text"]).render(code="A1")}  # seeded: flaw template-injection direct


@router.post("/state")
async def state(request: Request):
    raw_state = await request.body()
    return {"keys": list(pickle.loads(raw_state))}  # seeded: flaw deserialization direct


@router.post("/state-json")
async def state_json(request: Request):
    raw_state = await request.body()
    return {"keys": list(json.loads(raw_state))}  # seeded: twin deserialization api


def parse(text, loader):
    return yaml.load(text, Loader=loader)  # seeded: flaw deserialization helper


def parse_safely(text):
    return yaml.safe_load(text)  # seeded: twin deserialization api


@router.post("/rules")
async def rules(request: Request, strict: bool = True):
    text = (await request.body()).decode()
    return parse_safely(text) if strict else parse(text, yaml.Loader)


class Codes(ContentHandler):
    def __init__(self):
        super().__init__()
        self.codes = []

    def startElement(self, name, attrs):
        self.codes.append(attrs.get("code"))


@router.post("/manifest")
async def manifest(data: UploadFile):
    handler = Codes()
    parser = make_parser()
    parser.setFeature(feature_external_ges, True)
    parser.setContentHandler(handler)
    parser.parse(data.file)  # seeded: flaw xxe direct
    return handler.codes


@router.post("/manifest-strict")
async def manifest_strict(data: UploadFile):
    handler = Codes()
    parser = make_parser()
    parser.setFeature(feature_external_ges, False)
    parser.setContentHandler(handler)
    parser.parse(data.file)  # seeded: twin xxe api
    return handler.codes


@router.post("/manifest-defused")
async def manifest_defused(request: Request):
    root = defusedxml.ElementTree.fromstring(await request.body())  # seeded: twin xxe api
    if root.tag != "manifest":
        raise HTTPException(400)
    return [each.get("code") for each in root]
