from collections.abc import Iterator

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker

engine = create_engine("postgresql+psycopg://tracker@db/tracker")
SessionLocal = sessionmaker(bind=engine)


def get_session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


def run(session: Session, statement: str, **values):
    return session.execute(text(statement), values).all()  # seeded: flaw sql-injection cross-module


def run_named(session: Session, name: str, **values):
    statements = {
        "open": "SELECT * FROM parcels WHERE state = 'open' AND customer = :customer",
        "late": "SELECT * FROM parcels WHERE due < now() AND customer = :customer",
    }
    return session.execute(text(statements[name]), values).all()  # seeded: twin sql-injection allow-list


class Repository:
    table = "parcels"

    def __init__(self, session: Session):
        self.session = session

    def by(self, column: str, value: str):
        statement = text(f"SELECT * FROM {self.table} WHERE {column} = :value")  # seeded: flaw sql-injection class
        return self.session.execute(statement, {"value": value}).mappings().all()


class ParcelRepository(Repository):
    def newest(self, limit: int):
        statement = text(f"SELECT * FROM {self.table} ORDER BY created LIMIT {limit:d}")  # seeded: twin sql-injection typed
        return self.session.execute(statement).mappings().all()
