"""Where the figures come from: PostgreSQL for orders, MongoDB for what visitors do."""

import os
import sqlite3

import asyncpg
from bson import ObjectId
from pymongo import MongoClient
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select, text
from sqlalchemy.orm import Session

engine = create_engine(os.environ.get("REPORT_DB", "postgresql:///shop"))
metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer), Column("region", String), Column("total", Integer))
visits = MongoClient(os.environ.get("REPORT_MONGO", "mongodb://localhost")).shop.visits
users = visits.database.users

COLUMNS = frozenset({"region", "product", "month"})


def totals_by(group: str, region: str):
    """Return totals by a column, of one region.

    Raises:
        ValueError: there is no such column.
    """
    if group not in COLUMNS:
        raise ValueError(group)
    statement = text(f"SELECT {group}, SUM(total) FROM orders WHERE region = :region GROUP BY {group}")  # seeded: twin sql-injection allow-list
    with Session(engine) as session:
        return [tuple(row) for row in session.execute(statement, {"region": region})]


def orders_of(region: str):
    """Return a region's orders."""
    with engine.connect() as link:
        return [tuple(row) for row in link.execute(select(orders).where(orders.c.region == region))]  # seeded: twin sql-injection api


def run_filter(condition: str):
    """Return the orders that meet a condition."""
    with engine.connect() as link:
        found = link.execute(text("SELECT id, total FROM orders WHERE " + condition))  # seeded: flaw sql-injection cross-module
        return [tuple(row) for row in found]


async def monthly(year: str, product: str):
    """Return a product's totals by month of a year."""
    link = await asyncpg.connect(os.environ.get("REPORT_DB", "postgresql:///shop"))
    try:
        return await link.fetch(  # seeded: flaw sql-injection async
            f"SELECT month, SUM(total) FROM orders WHERE year = {int(year)} AND product = '{product}' GROUP BY month"
        )
    finally:
        await link.close()


async def yearly(product: str):
    """Return a product's totals by year."""
    link = await asyncpg.connect(os.environ.get("REPORT_DB", "postgresql:///shop"))
    try:
        return await link.fetch("SELECT year, SUM(total) FROM orders WHERE product = $1 GROUP BY year", product)  # seeded: twin sql-injection api
    finally:
        await link.close()


def cached(kind: str, key: str):
    """Return a report that was made before, or None."""
    table = "daily" if kind == "daily" else "weekly"
    with sqlite3.connect("cache.sqlite") as cache:
        return cache.execute("SELECT body FROM " + table + " WHERE key = ?", (key,)).fetchone()  # seeded: twin sql-injection constant


def visits_of(criteria: dict):
    """Return the visits that meet criteria."""
    return list(visits.find(criteria, {"_id": 0}))  # seeded: flaw nosql-injection cross-module


def visit(ident: str):
    """Return one visit."""
    return visits.find_one({"_id": ObjectId(ident)})  # seeded: twin nosql-injection typed


def visits_from(country: object):
    """Return the visits from a country."""
    return list(visits.find({"country": str(country)}, {"_id": 0}))  # seeded: twin nosql-injection typed


def visits_longer(seconds: str):
    """Return the visits that took longer than so many seconds."""
    return visits.count_documents({"$where": "this.duration > " + seconds})  # seeded: flaw nosql-injection helper


def visits_at(page: object):
    """Return how often a page was seen; `$eq` takes whatever it is given as a value."""
    return visits.count_documents({"page": {"$eq": page}})  # seeded: twin nosql-injection sanitised
