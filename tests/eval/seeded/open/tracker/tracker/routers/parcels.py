from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tracker import database
from tracker.database import ParcelRepository, Repository, get_session
from tracker.models import NewParcel, Search, State

router = APIRouter()
Db = Annotated[Session, Depends(get_session)]

SORT = {"code": "code", "weight": "weight DESC"}


@router.get("/")
def listing(session: Db, customer: str):
    return database.run(session, f"SELECT * FROM parcels WHERE customer = '{customer}'")


@router.get("/bound")
def listing_bound(session: Db, customer: str):
    return session.execute(  # seeded: twin sql-injection api
        text("SELECT * FROM parcels WHERE customer = :customer"), {"customer": customer}
    ).all()


@router.get("/state/{state}")
def by_state(session: Db, state: State, customer: str):
    return database.run_named(session, state.value, customer=customer)


@router.get("/id/{parcel_id}")
def by_id(session: Db, parcel_id: UUID):
    return session.execute(text(f"SELECT * FROM parcels WHERE id = '{parcel_id}'")).all()  # seeded: twin sql-injection typed


@router.post("/search")
def search(session: Db, wanted: Search):
    return Repository(session).by(wanted.column, wanted.value)


@router.get("/newest")
def newest(session: Db, limit: int = 10):
    return ParcelRepository(session).newest(limit)


@router.post("/")
def create(session: Db, parcel: NewParcel):
    statement = "INSERT INTO parcels (code, note) VALUES ('%s', '%s')"
    session.execute(text(statement % (parcel.code, parcel.note)))  # seeded: flaw sql-injection direct
    session.commit()
    return {"code": parcel.code}


@router.post("/weighed")
def create_weighed(session: Db, parcel: NewParcel):
    session.execute(text("INSERT INTO parcels (weight) VALUES (%f)" % parcel.weight))  # seeded: twin sql-injection typed
    session.commit()
    return {"weight": parcel.weight}


class Paging:
    def __init__(self, order: str = "code", size: int = 20):
        self.order = order
        self.size = size


@router.get("/page")
def page(session: Db, paging: Annotated[Paging, Depends()]):
    statement = "SELECT * FROM parcels ORDER BY " + paging.order
    return session.execute(text(statement)).all()  # seeded: flaw sql-injection class


@router.get("/page-known")
def page_known(session: Db, paging: Annotated[Paging, Depends()]):
    statement = f"SELECT * FROM parcels ORDER BY {SORT.get(paging.order, 'code')} LIMIT {int(paging.size)}"
    return session.execute(text(statement)).all()  # seeded: twin sql-injection allow-list


def tenant(request: Request) -> str:
    return request.headers.get("X-Tenant", "public")


@router.get("/tenant")
def of_tenant(session: Db, schema: Annotated[str, Depends(tenant)]):
    connection = session.connection()
    connection.exec_driver_sql(f"SET search_path TO {schema}")  # seeded: flaw sql-injection callback
    return connection.execute(text("SELECT * FROM parcels")).all()


@router.get("/tenant-known")
def of_tenant_known(session: Db, schema: Annotated[str, Depends(tenant)]):
    if schema not in ("public", "archive"):
        raise HTTPException(404)
    connection = session.connection()
    connection.exec_driver_sql(f"SET search_path TO {schema}")  # seeded: twin sql-injection allow-list
    return connection.execute(text("SELECT * FROM parcels")).all()


@router.get("/codes")
def codes(session: Db, code: Annotated[list[str], Query()]):
    marks = ", ".join(f":c{number}" for number in range(len(code)))
    values = {f"c{number}": each for number, each in enumerate(code)}
    return session.execute(text(f"SELECT * FROM parcels WHERE code IN ({marks})"), values).all()  # seeded: twin sql-injection constant
