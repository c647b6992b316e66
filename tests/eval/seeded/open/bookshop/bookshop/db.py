import sqlite3

from flask import current_app, g

SORTABLE = {"title", "author", "price"}


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def fetch_all(statement, parameters=()):
    return get_db().execute(statement, parameters).fetchall()


def books_by_author(author):
    statement = "SELECT * FROM books WHERE author = '%s'" % author
    cursor = get_db().cursor()
    cursor.execute(statement)  # seeded: flaw sql-injection cross-module
    return cursor.fetchall()


def books_by_title(title):
    cursor = get_db().cursor()
    cursor.execute("SELECT * FROM books WHERE title LIKE ?", (f"%{title}%",))  # seeded: twin sql-injection api
    return cursor.fetchall()


def books_sorted(column):
    if column not in SORTABLE:
        column = "title"
    return get_db().execute(f"SELECT * FROM books ORDER BY {column}").fetchall()  # seeded: twin sql-injection allow-list


class Query:
    """Puts a statement together piece by piece."""

    def __init__(self, table):
        self.table = table
        self.conditions = []
        self.values = []
        self.tail = ""

    def where(self, column, value):
        self.conditions.append(f"{column} = ?")
        self.values.append(value)
        return self

    def raw(self, condition):
        self.conditions.append(condition)
        return self

    def order(self, column):
        self.tail = " ORDER BY " + column
        return self

    def text(self):
        statement = f"SELECT * FROM {self.table}"
        if self.conditions:
            statement += " WHERE " + " AND ".join(self.conditions)
        return statement + self.tail

    def run(self):
        return get_db().execute(self.text(), self.values).fetchall()  # seeded: flaw sql-injection class


class StockCounter:
    def __init__(self, connection, warehouse):
        self.connection = connection
        self.warehouse = int(warehouse)

    def count(self):
        row = self.connection.execute(  # seeded: twin sql-injection typed
            f"SELECT count(*) FROM stock WHERE warehouse = {self.warehouse}"
        ).fetchone()
        return row[0]
